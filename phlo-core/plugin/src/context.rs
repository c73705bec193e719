//! What a plugin is given when it is made, and the trait that every plugin has.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use phlo_spec::{Redactor, Secret};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::emit::Emitter;
use crate::error::Result;

/// What every plugin is, whatever its kind: made from typed settings, tested, cleaned up.
pub trait Plugin: Send + Sync + Sized + 'static {
    /// Settings from `plugins.settings.<kind>.<name>` of `phlo.yaml`. [`NoSettings`] if there are none.
    type Settings: DeserializeOwned + JsonSchema;

    /// Makes the plugin. Called once, when it is first used; no IO beyond what cannot wait.
    ///
    /// # Errors
    /// What is wrong with the settings or the surroundings. Only this plugin is then disabled.
    fn create(settings: Self::Settings, context: &InitContext) -> Result<Self>;

    /// A quick test of itself, for `phlo plugin check`.
    ///
    /// # Errors
    /// What is not healthy.
    fn self_test(&self) -> Result<()> {
        Ok(())
    }

    /// Called when phlo is done with the plugin.
    ///
    /// # Errors
    /// What could not be cleaned up; it is told and does not fail the run.
    fn cleanup(&self) -> Result<()> {
        Ok(())
    }
}

/// For plugins without settings: any key is refused.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// Where tables lie.
#[derive(Debug, Clone)]
pub struct Storage {
    /// The root, e.g. `file:///home/me/lake/` or `s3://bucket/prefix/`; ends with a slash.
    pub root: url::Url,
    /// Options of the object store.
    pub options: BTreeMap<String, Secret>,
}

/// The variables that the project's files may name, for a plugin whose task they are, such as a secret store. Each value is a
/// secret; `Debug` tells none.
#[derive(Clone)]
pub struct Variables(Arc<dyn Fn(&str) -> Option<Secret> + Send + Sync>);

impl Variables {
    /// Variables that this function answers.
    pub fn of(lookup: impl Fn(&str) -> Option<Secret> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    /// The value of a variable that is set.
    pub fn get(&self, name: &str) -> Option<Secret> {
        (self.0)(name)
    }
}

impl Default for Variables {
    /// None at all.
    fn default() -> Self {
        Self::of(|_| None)
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Variables")
    }
}

/// The surroundings of a plugin.
#[derive(Debug, Clone)]
pub struct InitContext {
    /// The project's name.
    pub project: String,
    /// The project's folder; relative paths in configs are relative to it.
    pub root: PathBuf,
    /// `.phlo/`: state of this machine.
    pub state_dir: PathBuf,
    /// Where tables lie.
    pub storage: Storage,
    /// Memory for queries, in bytes.
    pub memory_bytes: u64,
    /// Threads that work at once.
    pub parallelism: usize,
    /// Sends events.
    pub emitter: Emitter,
    /// Cleans text that may hold secrets. A plugin that makes a secret of its own (a session token) adds it here.
    pub redactor: Redactor,
    /// The variables of the environment and of `.env`.
    pub variables: Variables,
}

impl InitContext {
    /// A context for tests and for commands outside a project: everything below `root`.
    ///
    /// # Panics
    /// If `root` is not absolute.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let lake = url::Url::from_directory_path(root.join("lake")).expect("the root is absolute");
        Self {
            project: "test".to_owned(),
            state_dir: root.join(".phlo"),
            storage: Storage { root: lake, options: BTreeMap::new() },
            root,
            memory_bytes: 256 << 20,
            parallelism: 2,
            emitter: Emitter::silent(),
            redactor: Redactor::default(),
            variables: Variables::default(),
        }
    }
}

/// What every active plugin offers besides its kind, object-safe: [`Plugin`] without its types.
pub trait AnyPlugin: Send + Sync {
    /// See [`Plugin::self_test`].
    ///
    /// # Errors
    /// What is not healthy.
    fn test_itself(&self) -> Result<()>;
    /// See [`Plugin::cleanup`].
    ///
    /// # Errors
    /// What could not be cleaned up.
    fn clean_up(&self) -> Result<()>;
}

impl<T: Plugin> AnyPlugin for T {
    fn test_itself(&self) -> Result<()> {
        self.self_test()
    }
    fn clean_up(&self) -> Result<()> {
        self.cleanup()
    }
}
