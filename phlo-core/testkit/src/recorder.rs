//! A listener on the bus that keeps what it hears.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use phlo_plugin::Emitter;
use phlo_plugin::hook::{HookFilter, HookRegistration};
use phlo_spec::{Event, EventKind};

/// Keeps events in memory. Cheap to clone; clones are one recorder.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Event>>>);

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An emitter whose events come here.
    pub fn emitter(&self) -> Emitter {
        let recorder = self.clone();
        Emitter::new(move |event| {
            recorder.lock().push(event);
            Ok(())
        })
    }

    /// A handler that keeps the events that it sees.
    pub fn hook(&self, name: &str, filter: HookFilter) -> HookRegistration {
        let recorder = self.clone();
        HookRegistration::new(name, filter, move |event| {
            recorder.lock().push(event.clone());
            Ok(())
        })
    }

    /// The events so far, in order.
    pub fn events(&self) -> Vec<Event> {
        self.lock().clone()
    }

    /// Their types.
    pub fn kinds(&self) -> Vec<EventKind> {
        self.lock().iter().map(Event::kind).collect()
    }

    /// The events so far, which are then forgotten.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.lock())
    }
}
