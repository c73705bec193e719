//! The hook: listens to runs, and sends a message when one ends that has something to tell.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use phlo_delivery::{Endpoint, Limits, Message, Outbox};
use phlo_plugin::prelude::*;
use phlo_spec::Payload;
use phlo_spec::event::RunEnd;

use crate::memory::{Memory, Recovered};
use crate::message::{Run, message};
use crate::settings::{Occasion, Settings};
use crate::story::Story;

/// The plugin, and its folder.
const NAME: &str = "slack";
/// The only endpoint, and the file of what waits for it.
const ENDPOINT: &str = "alerts";
/// So many runs are listened to at once; one more, and the oldest, which never ended, is forgotten.
const MAX_RUNS: usize = 64;

/// The hook `slack`.
pub struct SlackHook(Option<Arc<Alerts>>);

struct Alerts {
    settings: Settings,
    project: String,
    outbox: Outbox,
    memory: Memory,
    /// By run id, which grows with time.
    stories: Mutex<BTreeMap<String, Story>>,
}

impl Plugin for SlackHook {
    type Settings = Settings;

    fn create(settings: Settings, context: &InitContext) -> Result<Self> {
        settings.check()?;
        let Some(url) = settings.webhook_url.as_ref().filter(|url| !url.expose().is_empty()) else {
            return Ok(Self(None));
        };
        let endpoint =
            Endpoint::new(ENDPOINT, url, &context.redactor).map_err(|err| err.during("reading `webhook_url`"))?;
        let endpoint = endpoint.tries(settings.timeout.0, settings.retry);
        let limits = Limits { drain: settings.drain.0, ..Limits::default() };
        Ok(Self(Some(Arc::new(Alerts {
            project: settings.project.clone().unwrap_or_else(|| context.project.clone()),
            outbox: Outbox::new(NAME, vec![endpoint], limits, context),
            memory: Memory::new(&context.state_dir.join(NAME)),
            stories: Mutex::default(),
            settings,
        }))))
    }

    fn cleanup(&self) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |alerts| alerts.outbox.close())
    }
}

impl Hook for SlackHook {
    fn hooks(&self) -> Result<Vec<HookRegistration>> {
        let Some(alerts) = self.0.clone() else { return Ok(Vec::new()) };
        let kinds = [EventKind::RunStart, EventKind::RunEnd].into_iter().chain(Story::EVENTS);
        Ok(vec![HookRegistration::new(NAME, HookFilter::events(kinds), move |event| alerts.handle(event))])
    }
}

impl Alerts {
    fn handle(&self, event: &Event) -> Result<()> {
        // What belongs to no run has no end at which it could be told.
        let Some(run_id) = event.correlation.run_id.as_deref() else { return Ok(()) };
        match &event.payload {
            Payload::RunStart(_) => self.outbox.begin(Some(run_id)),
            Payload::RunEnd(end) => self.ended(run_id, end, event),
            _ => {
                let asset = event.correlation.asset.as_ref();
                let wanted = |asset| self.settings.assets.is_empty() || self.settings.assets.contains(asset);
                if asset.is_some_and(wanted) {
                    let mut stories = self.stories();
                    stories.entry(run_id.to_owned()).or_default().add(event);
                    if stories.len() > MAX_RUNS {
                        stories.pop_first();
                    }
                }
                Ok(())
            }
        }
    }

    fn ended(&self, run_id: &str, end: &RunEnd, event: &Event) -> Result<()> {
        let story = self.stories().remove(run_id).unwrap_or_default();
        let tells = |occasion| self.settings.on.contains(&occasion);
        let (recovered, remembered) = if tells(Occasion::Recovered) {
            self.memory.compare(&story, tells(Occasion::CheckWarned))
        } else {
            (Recovered::default(), Ok(()))
        };
        let run = Run { project: &self.project, id: run_id, end, at: event.at };
        if let Some(text) = message(&run, &story, &recovered, &self.settings) {
            let body = serde_json::json!({ "text": text }).to_string();
            self.outbox.push(0, Message::new(&event.id, body), Some(run_id))?;
        }
        remembered
    }

    fn stories(&self) -> MutexGuard<'_, BTreeMap<String, Story>> {
        self.stories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
