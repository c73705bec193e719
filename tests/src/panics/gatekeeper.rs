//! A hook that stands between a run's audit and its commit: there it lets somebody else in, or ends the process.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// What it does at the first result of a check.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Ends the process, as a failure of the machine would.
    aborts: bool,
    /// Makes the file `paused` in this folder and waits until there is a file `go`.
    pauses_in: Option<PathBuf>,
}

#[expect(clippy::disallowed_methods, reason = "no exit code may reach `main`: it stands for a failure of the machine")]
fn abort() -> ! {
    std::process::abort()
}

#[derive(Debug)]
struct Gatekeeper(Settings);

impl Plugin for Gatekeeper {
    type Settings = Settings;

    fn create(settings: Settings, _: &InitContext) -> Result<Self> {
        Ok(Self(settings))
    }
}

impl Hook for Gatekeeper {
    fn hooks(&self) -> Result<Vec<HookRegistration>> {
        let (settings, first) = (self.0.clone(), Arc::new(AtomicBool::new(true)));
        let handler = move |_: &Event| {
            if !first.swap(false, Ordering::SeqCst) {
                return Ok(());
            }
            if settings.aborts {
                abort();
            }
            let Some(folder) = &settings.pauses_in else { return Ok(()) };
            let failed = |err| Error::internal("the gatekeeper's folder").because(err);
            std::fs::write(folder.join("paused"), "").map_err(failed)?;
            let until = Instant::now() + Duration::from_mins(1);
            while !folder.join("go").exists() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(())
        };
        Ok(vec![HookRegistration::new("gate", HookFilter::events([EventKind::QualityResult]), handler)])
    }
}

phlo_plugin::register!(Hook, Gatekeeper, name = "gatekeeper", summary = "Stands between the audit and the commit");
