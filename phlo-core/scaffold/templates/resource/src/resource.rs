//! The resource: what it provides, under the name that its registration states.

use std::path::PathBuf;
use std::sync::Arc;

use phlo_plugin::prelude::*;
use phlo_plugin::resource::SecretStore;
use phlo_spec::CapabilityType;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::store::Files;

/// `plugins.settings.resource.{{plugin}}` of `phlo.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The folder with a file for each secret, relative to the project if it is not absolute.
    pub folder: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self { folder: PathBuf::from("secrets") }
    }
}

/// The provider's name, as the registration states it.
const NAME: &str = "{{plugin}}";

/// The resource.
#[derive(Debug)]
pub struct {{Type}}Resource {
    store: Arc<Files>,
}

impl Plugin for {{Type}}Resource {
    type Settings = Settings;

    // Nothing is read yet: a folder that is not there holds no secret, and is no reason not to start.
    fn create(settings: Settings, context: &InitContext) -> Result<Self> {
        let folder = context.root.join(settings.folder);
        Ok(Self { store: Arc::new(Files { folder, redactor: context.redactor.clone() }) })
    }
}

impl Resource for {{Type}}Resource {
    fn providers(&self) -> Result<Vec<Provider>> {
        let store: Arc<dyn SecretStore> = self.store.clone();
        Ok(vec![Provider::new::<dyn SecretStore>(CapabilityType::SecretStore, NAME, store)])
    }
}
