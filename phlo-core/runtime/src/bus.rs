//! The hook bus: delivers events to handlers, synchronously, in order, each failure held by its policy.

use std::sync::{Arc, RwLock};

use phlo_plugin::hook::{FailurePolicy, HookRegistration};
use phlo_plugin::registry::guard;
use phlo_plugin::{Emitter, Error, Result};
use phlo_spec::{Code, Event, Redactor};

use crate::run::Observer;

/// The bus. Cheap to clone; clones are one bus.
#[derive(Clone, Default)]
pub struct Bus {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    hooks: RwLock<Vec<(String, HookRegistration)>>,
    observer: RwLock<Option<Arc<dyn Observer>>>,
    redactor: Redactor,
}

impl Bus {
    /// A bus that cleans events with this redactor before anyone sees them.
    pub fn new(redactor: Redactor) -> Self {
        Self { inner: Arc::new(Inner { redactor, ..Inner::default() }) }
    }

    /// An emitter into this bus.
    pub fn emitter(&self) -> Emitter {
        let bus = self.clone();
        Emitter::new(move |event| bus.deliver(event))
    }

    /// Sets the handlers, in the order in which they run.
    pub fn install(&self, hooks: Vec<(String, HookRegistration)>) {
        *self.inner.hooks.write().unwrap_or_else(std::sync::PoisonError::into_inner) = hooks;
    }

    /// Sets who watches beside the hooks.
    pub fn observe(&self, observer: Option<Arc<dyn Observer>>) {
        *self.inner.observer.write().unwrap_or_else(std::sync::PoisonError::into_inner) = observer;
    }

    /// Delivers one event: handlers whose filter matches, by priority.
    ///
    /// # Errors
    /// The first failure of a handler whose policy is `raise`; handlers behind it do not run.
    pub fn deliver(&self, mut event: Event) -> Result<()> {
        // Whatever a library or server put into a message, no hook sees a secret.
        event.clean(&self.inner.redactor);
        let observer = self.inner.observer.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if let Some(observer) = &observer {
            observer.event(&event);
        }
        let hooks = self.inner.hooks.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (plugin, hook) in hooks.iter().filter(|(_, hook)| hook.filter.matches(&event)) {
            if let Err(err) = guard(plugin, "handling an event", || (hook.handler)(&event)) {
                match hook.policy {
                    FailurePolicy::Ignore => {}
                    FailurePolicy::Log => {
                        tracing::warn!(plugin, hook = hook.name, event = event.kind().as_str(), error = %err.chain().join(": "), "a hook failed");
                        if let Some(observer) = &observer {
                            observer.hook_failed(plugin, &hook.name, &err);
                        }
                    }
                    FailurePolicy::Raise => {
                        return Err(Error::new(
                            Code::HookFailed,
                            format!("the hook `{}` of `{plugin}` failed on {}", hook.name, event.kind()),
                        )
                        .because(err));
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phlo_plugin::hook::HookFilter;
    use phlo_spec::event::{EventKind, LogLevel, LogLine};
    use phlo_spec::{Payload, Redactor};
    use std::sync::Mutex;

    fn log(bus: &Bus, text: &str) -> Result<()> {
        bus.emitter().emit(Payload::TelemetryLog(LogLine { level: LogLevel::Info, message: text.to_owned() }))
    }

    #[test]
    fn policies_hold_for_errors_and_panics_alike() {
        for panics in [false, true] {
            for (policy, fails, rest_runs) in [
                (FailurePolicy::Ignore, false, true),
                (FailurePolicy::Log, false, true),
                (FailurePolicy::Raise, true, false),
            ] {
                let seen = Arc::new(Mutex::new(0));
                let bus = Bus::default();
                let count = seen.clone();
                let failing = HookRegistration::new("fails", HookFilter::all(), move |_| {
                    assert!(!panics, "boom");
                    Err(Error::internal("no"))
                });
                let counting =
                    HookRegistration::new("counts", HookFilter::events([EventKind::TelemetryLog]), move |_| {
                        *count.lock().unwrap() += 1;
                        Ok(())
                    });
                bus.install(vec![("p".to_owned(), failing.policy(policy)), ("p".to_owned(), counting)]);
                assert_eq!(log(&bus, "x").is_err(), fails, "{policy:?}");
                assert_eq!(*seen.lock().unwrap(), i32::from(rest_runs), "{policy:?}");
            }
        }
    }

    #[test]
    fn hooks_filter_by_the_tags_of_runs_and_of_assets() {
        let bus = Bus::default();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = seen.clone();
        let mut filter = HookFilter::all();
        filter.tags = [("nightly".to_owned(), String::new()), ("team".to_owned(), "core".to_owned())].into();
        let hook = HookRegistration::new("keeps", filter, move |event| {
            keep.lock().unwrap().push(event.tags.clone());
            Ok(())
        });
        bus.install(vec![("p".to_owned(), hook)]);
        let emitter = bus.emitter().tagged([("team".to_owned(), "core".to_owned())].into());
        emitter.log(LogLevel::Info, "of the run");
        let tags = ["nightly", "team"].map(str::to_owned);
        emitter.with_asset_tags(&tags).log(LogLevel::Info, "of the asset");
        assert_eq!(seen.lock().unwrap().len(), 1, "the run's value of a tag stays");
    }

    #[test]
    fn no_hook_sees_a_secret() {
        let redactor = Redactor::default();
        redactor.add("hunter22");
        // An innocent value that is also in the event's own words must not keep the secret in.
        redactor.add("telemetry");
        let bus = Bus::new(redactor);
        let seen = Arc::new(Mutex::new(String::new()));
        let keep = seen.clone();
        bus.install(vec![(
            "p".to_owned(),
            HookRegistration::new("keeps", HookFilter::all(), move |event| {
                *keep.lock().unwrap() = format!("{event:?}");
                Ok(())
            }),
        )]);
        log(&bus, "GET /x?token=hunter22").unwrap();
        let seen = seen.lock().unwrap();
        assert!(seen.contains("token=***") && !seen.contains("hunter22"), "{seen}");
    }
}
