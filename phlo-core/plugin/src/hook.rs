//! Kind `hook`: handlers of events on the hook bus.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use phlo_spec::{AssetKey, Event, EventKind};

use crate::context::{AnyPlugin, Plugin};
use crate::error::Result;

/// A hook plugin.
pub trait Hook: Plugin {
    /// Its handlers. Called once.
    ///
    /// # Errors
    /// What keeps it from working; only this plugin is then disabled.
    fn hooks(&self) -> Result<Vec<HookRegistration>>;
}

/// [`Hook`], object-safe.
pub trait AnyHook: AnyPlugin {
    /// See [`Hook::hooks`].
    ///
    /// # Errors
    /// See there.
    fn hooks(&self) -> Result<Vec<HookRegistration>>;
}

impl<T: Hook> AnyHook for T {
    fn hooks(&self) -> Result<Vec<HookRegistration>> {
        Hook::hooks(self)
    }
}

/// What a handler's failure does, an error or a panic alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// Nothing.
    Ignore,
    /// It is told; the run goes on.
    #[default]
    Log,
    /// It fails what emitted the event; handlers after this one do not run.
    Raise,
}

/// Which events a handler sees: those that match every part.
#[derive(Debug, Clone, Default)]
pub struct HookFilter {
    /// Event types; an empty list matches nothing and is refused at registration. [`HookFilter::all`] lists every type.
    pub events: Vec<EventKind>,
    /// Asset keys; empty means any event, also one without an asset.
    pub assets: Vec<AssetKey>,
    /// Tags that the event must have, with these values. An asset's tags have an empty one.
    pub tags: BTreeMap<String, String>,
}

impl HookFilter {
    /// Events of these types.
    pub fn events(events: impl IntoIterator<Item = EventKind>) -> Self {
        Self { events: events.into_iter().collect(), ..Self::default() }
    }

    /// Every event.
    pub fn all() -> Self {
        Self::events(EventKind::ALL.iter().copied())
    }

    /// Whether a handler with this filter sees an event.
    pub fn matches(&self, event: &Event) -> bool {
        self.events.contains(&event.kind())
            && (self.assets.is_empty()
                || event.correlation.asset.as_ref().is_some_and(|asset| self.assets.contains(asset)))
            && self.tags.iter().all(|(key, value)| event.tags.get(key) == Some(value))
    }
}

/// Handles one event, synchronously: quickly, or by handing it to a worker of its own.
pub type HandlerFn = Arc<dyn Fn(&Event) -> Result<()> + Send + Sync>;

/// A handler and when it runs.
#[derive(Clone)]
pub struct HookRegistration {
    /// Its name, unique within the plugin.
    pub name: String,
    /// Lower runs earlier; ties are ordered by plugin, then by name.
    pub priority: i32,
    /// Which events it sees.
    pub filter: HookFilter,
    /// What its failure does.
    pub policy: FailurePolicy,
    /// The handler.
    pub handler: HandlerFn,
}

impl HookRegistration {
    /// The priority unless another is chosen.
    pub const DEFAULT_PRIORITY: i32 = 100;

    /// A handler with the default priority and policy.
    pub fn new(
        name: impl Into<String>,
        filter: HookFilter,
        handler: impl Fn(&Event) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            priority: Self::DEFAULT_PRIORITY,
            filter,
            policy: FailurePolicy::default(),
            handler: Arc::new(handler),
        }
    }

    /// Sets the priority.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Sets the failure policy.
    #[must_use]
    pub fn policy(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }
}

impl fmt::Debug for HookRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookRegistration")
            .field("name", &self.name)
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}
