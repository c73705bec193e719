//! Kind `resource`: capability providers, and the traits of the capabilities that need no engine. Table stores and query
//! engines, which speak DataFusion, have theirs in `phlo-engine-api`.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use phlo_spec::{AssetKey, AssetRun, CapabilityType, CheckResult, Code, Event, RunRecord, Secret};

use crate::context::{AnyPlugin, Plugin};
use crate::error::{Error, Result};
use crate::publish::{AnyPublishTarget, PublishTarget};

/// A resource plugin.
pub trait Resource: Plugin {
    /// What it provides. Exactly what its registration states.
    ///
    /// # Errors
    /// What keeps it from working; only this plugin is then disabled.
    fn providers(&self) -> Result<Vec<Provider>>;
}

/// [`Resource`], object-safe.
pub trait AnyResource: AnyPlugin {
    /// See [`Resource::providers`].
    ///
    /// # Errors
    /// See there.
    fn providers(&self) -> Result<Vec<Provider>>;
}

impl<T: Resource> AnyResource for T {
    fn providers(&self) -> Result<Vec<Provider>> {
        Resource::providers(self)
    }
}

/// A provider of one capability: a name and a handle, `Arc<dyn Trait>` of the capability's trait.
#[derive(Clone)]
pub struct Provider {
    /// What it provides.
    pub capability: CapabilityType,
    /// Its name, e.g. `delta`.
    pub name: String,
    handle: Arc<dyn Any + Send + Sync>,
}

impl Provider {
    /// A provider whose handle is an `Arc<dyn Trait>`.
    pub fn new<T: ?Sized + Send + Sync + 'static>(
        capability: CapabilityType,
        name: impl Into<String>,
        handle: Arc<T>,
    ) -> Self {
        Self { capability, name: name.into(), handle: Arc::new(handle) }
    }

    /// A provider of the capability `publish_target`.
    pub fn publish_target(name: impl Into<String>, target: impl PublishTarget) -> Self {
        let handle: Arc<dyn AnyPublishTarget> = Arc::new(target);
        Self::new(CapabilityType::PublishTarget, name, handle)
    }

    /// The handle, if it is of this trait.
    pub fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.handle.downcast_ref::<Arc<T>>().cloned()
    }

    /// The handle.
    ///
    /// # Errors
    /// [`Code::InvalidRegistration`] if it is of another trait.
    pub fn of_trait<T: ?Sized + Send + Sync + 'static>(&self) -> Result<Arc<T>> {
        self.get().ok_or_else(|| {
            Error::new(
                Code::InvalidRegistration,
                format!("the {} `{}` does not implement its capability's trait", self.capability, self.name),
            )
        })
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.capability, self.name)
    }
}

/// Capability `secret_store`.
pub trait SecretStore: Send + Sync {
    /// A secret by its name; `None` if there is none.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn secret(&self, name: &str) -> Result<Option<Secret>>;

    /// Where it looks for a secret of this name, to tell people who miss it, e.g. `the file /run/secrets/db`.
    fn looks_in(&self, name: &str) -> Option<String> {
        let _ = name;
        None
    }
}

/// Capability `alert_sink`. Every sink that is linked is told; its failure is a warning of the run.
pub trait AlertSink: Send + Sync {
    /// Tells people of a check that failed or could not run; one that only warns, too. Called while the run goes on: it must not wait.
    ///
    /// # Errors
    /// If the alert could not be handed over.
    fn alert(&self, asset: &AssetKey, check: &CheckResult) -> Result<()>;
}

/// Capability `run_history`: what ran and how it ended.
pub trait RunHistory: Send + Sync {
    /// The latest runs, newest first, without their assets' check results.
    ///
    /// # Errors
    /// If the history cannot be read.
    fn runs(&self, limit: usize) -> Result<Vec<RunRecord>>;

    /// One run, whole; by its id or a unique beginning of it.
    ///
    /// # Errors
    /// If the history cannot be read.
    fn run(&self, id: &str) -> Result<Option<RunRecord>>;

    /// A run's events, in order.
    ///
    /// # Errors
    /// If the history cannot be read.
    fn events(&self, run_id: &str) -> Result<Vec<Event>>;

    /// The latest part of a run for each asset that ever ran: run id, when it ended, how.
    ///
    /// # Errors
    /// If the history cannot be read.
    fn latest(&self) -> Result<Vec<(String, DateTime<Utc>, AssetRun)>>;

    /// The results of an asset's checks, newest run first: run id, when, result.
    ///
    /// # Errors
    /// If the history cannot be read.
    fn checks(&self, asset: &AssetKey, limit: usize) -> Result<Vec<(String, DateTime<Utc>, CheckResult)>>;

    /// Marks runs whose process is gone as interrupted; answers their ids.
    ///
    /// # Errors
    /// If the history cannot be written.
    fn close_dead(&self, is_alive: &dyn Fn(u32) -> bool) -> Result<Vec<String>>;
}
