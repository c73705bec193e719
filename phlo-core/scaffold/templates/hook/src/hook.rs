//! The hook: which events it wants, and the file that it appends to.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::line;

/// `plugins.settings.hook.{{plugin}}` of `phlo.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The file's name, in `.phlo/`.
    pub file: String,
    /// Whether checks of severity `warn` are told too.
    pub warnings: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { file: "failures.ndjson".to_owned(), warnings: true }
    }
}

/// The hook. Cheap to clone: its handler owns a copy.
#[derive(Debug, Clone)]
pub struct {{Type}}Hook {
    path: PathBuf,
    warnings: bool,
}

impl Plugin for {{Type}}Hook {
    type Settings = Settings;

    fn create(settings: Settings, context: &InitContext) -> Result<Self> {
        let Settings { file, warnings } = settings;
        // A name alone: with `..` or `/` in it, it would lead out of the folder.
        if Path::new(&file).file_name().is_none_or(|name| name != file.as_str()) {
            return Err(Error::new(Code::InvalidValue, format!("`file` is `{file}`, which is no file's name"))
                .hint("write a name without folders, e.g. `failures.ndjson`"));
        }
        Ok(Self { path: context.state_dir.join(file), warnings })
    }
}

impl Hook for {{Type}}Hook {
    fn hooks(&self) -> Result<Vec<HookRegistration>> {
        let filter = HookFilter::events([
            EventKind::QualityResult,
            EventKind::IngestionEnd,
            EventKind::TransformEnd,
            EventKind::PublishEnd,
        ]);
        let hook = self.clone();
        // A file that cannot be written is told and fails no run; `FailurePolicy::Raise` would.
        Ok(vec![HookRegistration::new("failures", filter, move |event| hook.handle(event)).policy(FailurePolicy::Log)])
    }
}

impl {{Type}}Hook {
    // Handlers run while the run waits: this is one small write, and anything slower belongs to a thread of its own.
    fn handle(&self, event: &Event) -> Result<()> {
        let Some(line) = line::of(event, self.warnings) else { return Ok(()) };
        self.append(&format!("{line}\n")).map_err(|err| {
            Error::new(Code::HookFailed, "the line could not be appended")
                .with("file", self.path.display())
                .because(err)
                .hint("check the folder's permissions and the disk")
        })
    }

    fn append(&self, line: &str) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        // One write in append mode: lines of several processes do not mix.
        OpenOptions::new().create(true).append(true).open(&self.path)?.write_all(line.as_bytes())
    }
}
