//! `secret_env`: variables of the environment and of `.env`.

use std::sync::Arc;

use phlo_plugin::Variables;
use phlo_plugin::prelude::*;
use phlo_plugin::resource::SecretStore;
use phlo_spec::CapabilityType;
use schemars::JsonSchema;
use serde::Deserialize;

phlo_plugin::register!(
    Resource,
    EnvSecrets,
    name = "secret_env",
    summary = "Secrets from variables of the environment and of .env",
    provides = ["secret_store:env"]
);

/// `plugins.settings.resource.secret_env` of `phlo.yaml`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnvSettings {
    /// What the variable of a secret begins with: with `APP_`, `${secret:TOKEN}` is the variable `APP_TOKEN`.
    pub prefix: String,
}

/// The resource.
#[derive(Debug, Clone)]
pub struct EnvSecrets {
    prefix: String,
    variables: Variables,
}

impl Plugin for EnvSecrets {
    type Settings = EnvSettings;

    fn create(settings: EnvSettings, context: &InitContext) -> Result<Self> {
        Ok(Self { prefix: settings.prefix, variables: context.variables.clone() })
    }
}

impl SecretStore for EnvSecrets {
    fn secret(&self, name: &str) -> Result<Option<Secret>> {
        crate::check_name(name)?;
        Ok(self.variables.get(&format!("{}{name}", self.prefix)))
    }

    fn looks_in(&self, name: &str) -> Option<String> {
        Some(format!("the variable {}{name}", self.prefix))
    }
}

impl Resource for EnvSecrets {
    fn providers(&self) -> Result<Vec<Provider>> {
        Ok(vec![Provider::new::<dyn SecretStore>(CapabilityType::SecretStore, "env", Arc::new(self.clone()))])
    }
}
