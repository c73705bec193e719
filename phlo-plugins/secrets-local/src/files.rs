//! `secret_files`: a folder with one file per secret.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use phlo_plugin::prelude::*;
use phlo_plugin::resource::SecretStore;
use phlo_spec::CapabilityType;
use schemars::JsonSchema;
use serde::Deserialize;

phlo_plugin::register!(
    Resource,
    FileSecrets,
    name = "secret_files",
    summary = "Secrets from a folder with one file per secret",
    provides = ["secret_store:files"]
);

/// Where Docker and Podman mount secrets.
const MOUNTED: &str = "/run/secrets";
/// Where systemd says that a service's credentials lie.
const SYSTEMD: &str = "CREDENTIALS_DIRECTORY";
/// No secret is longer: a key file has some kilobytes.
const MAX_BYTES: u64 = 1 << 20;

/// `plugins.settings.resource.secret_files` of `phlo.yaml`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FileSettings {
    /// The folder, relative to the project; unless set, `$CREDENTIALS_DIRECTORY` of systemd, or `/run/secrets` where that is not
    /// set.
    pub folder: Option<PathBuf>,
    /// Whether files may be readable by the group and others, as those that Docker mounts are.
    pub shared: bool,
}

/// The resource.
#[derive(Debug, Clone)]
pub struct FileSecrets {
    folder: PathBuf,
    shared: bool,
}

impl Plugin for FileSecrets {
    type Settings = FileSettings;

    fn create(settings: FileSettings, context: &InitContext) -> Result<Self> {
        let folder = settings.folder.unwrap_or_else(|| {
            context.variables.get(SYSTEMD).map_or_else(|| MOUNTED.into(), |folder| folder.expose().into())
        });
        Ok(Self { folder: context.root.join(folder), shared: settings.shared })
    }
}

impl SecretStore for FileSecrets {
    fn secret(&self, name: &str) -> Result<Option<Secret>> {
        crate::check_name(name)?;
        let path = self.folder.join(name);
        let failed = |err: std::io::Error| {
            Error::new(Code::UnreadableFile, format!("the secret `{name}` cannot be read: {}", err.kind()))
                .with("file", path.display())
                .hint("check that it is a file, and its permissions")
        };
        // What it leads to counts: Kubernetes makes each file a link.
        let facts = match fs::metadata(&path) {
            Ok(facts) => facts,
            Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(failed(err)),
        };
        if !facts.is_file() || facts.len() > MAX_BYTES {
            return Err(Error::new(Code::UnreadableFile, format!("the secret `{name}` is not a file of up to 1 MiB"))
                .with("file", path.display())
                .hint("a secret is a small file of its own"));
        }
        if !self.shared {
            private(&path, &facts)?;
        }
        let bytes = fs::read(&path).map_err(failed)?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Error::new(Code::UnreadableFile, format!("the secret `{name}` is not UTF-8"))
                .with("file", path.display())
                .hint("save it as text; encode binary keys, e.g. as base64")
        })?;
        let line = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        Ok(Some(Secret::new(line.unwrap_or(&text))))
    }

    fn looks_in(&self, name: &str) -> Option<String> {
        Some(format!("the file {}", self.folder.join(name).display()))
    }
}

impl Resource for FileSecrets {
    fn providers(&self) -> Result<Vec<Provider>> {
        Ok(vec![Provider::new::<dyn SecretStore>(CapabilityType::SecretStore, "files", Arc::new(self.clone()))])
    }
}

/// Refuses a file that others than its owner may read.
#[cfg(unix)]
fn private(path: &Path, facts: &fs::Metadata) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = facts.permissions().mode() & 0o7777;
    let open = mode & 0o077;
    if open == 0 {
        return Ok(());
    }
    Err(Error::new(Code::InvalidValue, "the file of a secret is open to others than its owner")
        .with("file", path.display())
        .with("mode", format!("{mode:04o}"))
        .hint(format!("run `chmod 600 {}`", path.display()))
        .hint("or, where a container mounts it so, set `shared: true` for the resource `secret_files`"))
}

#[cfg(not(unix))]
fn private(_: &Path, _: &fs::Metadata) -> Result<()> {
    Ok(())
}
