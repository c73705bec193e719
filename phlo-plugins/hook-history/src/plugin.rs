//! The two registrations: the hook that writes and the resource that reads.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use phlo_plugin::prelude::*;
use phlo_plugin::resource::RunHistory;
use phlo_spec::CapabilityType;
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::file;
use crate::read::History;
use crate::write::write;

phlo_plugin::package!();
phlo_plugin::register!(
    Hook,
    HistoryHook,
    name = "history",
    summary = "Writes runs, results and events into .phlo/history.db"
);
phlo_plugin::register!(
    Resource,
    HistoryResource,
    name = "history",
    summary = "Answers what ran and how it ended, from .phlo/history.db",
    provides = ["run_history:history"]
);

/// Before every hook that does not ask for still less: a run that another hook stops is in the history.
const PRIORITY: i32 = -1000;

/// `plugins.settings.hook.history` of `phlo.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Runs to keep; older ones are removed when a run ends.
    pub keep_runs: NonZeroU32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { keep_runs: NonZeroU32::new(1000).expect("1000 is not zero") }
    }
}

/// The hook.
#[derive(Debug, Clone)]
pub struct HistoryHook {
    path: PathBuf,
    keep_runs: u32,
    // Opened by the first event, closed by the clean-up and by any failure, so that the next event tries anew.
    open: Arc<Mutex<Option<Connection>>>,
}

impl HistoryHook {
    fn handle(&self, event: &Event) -> Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut db = match open.take() {
            Some(db) => db,
            None => file::create(&self.path)?,
        };
        write(&mut db, event, self.keep_runs).map_err(|cause| file::failed(&self.path, "written", cause))?;
        *open = Some(db);
        Ok(())
    }
}

impl Plugin for HistoryHook {
    type Settings = Settings;

    fn create(settings: Settings, context: &InitContext) -> Result<Self> {
        let path = context.state_dir.join(file::NAME);
        Ok(Self { path, keep_runs: settings.keep_runs.get(), open: Arc::default() })
    }

    fn self_test(&self) -> Result<()> {
        file::open(&self.path).map(drop)
    }

    fn cleanup(&self) -> Result<()> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        open.map_or(Ok(()), |db| db.close().map_err(|(_, cause)| file::failed(&self.path, "closed", cause)))
    }
}

impl Hook for HistoryHook {
    fn hooks(&self) -> Result<Vec<HookRegistration>> {
        let hook = self.clone();
        let registration = HookRegistration::new("history", HookFilter::all(), move |event| hook.handle(event));
        Ok(vec![registration.priority(PRIORITY).policy(FailurePolicy::Log)])
    }
}

/// The resource.
#[derive(Debug, Clone)]
pub struct HistoryResource(History);

impl Plugin for HistoryResource {
    type Settings = NoSettings;

    fn create(_: NoSettings, context: &InitContext) -> Result<Self> {
        Ok(Self(History::new(context.state_dir.join(file::NAME))))
    }

    fn self_test(&self) -> Result<()> {
        self.0.runs(1).map(drop)
    }
}

impl Resource for HistoryResource {
    fn providers(&self) -> Result<Vec<Provider>> {
        let history: Arc<dyn RunHistory> = Arc::new(self.0.clone());
        Ok(vec![Provider::new::<dyn RunHistory>(CapabilityType::RunHistory, "history", history)])
    }
}
