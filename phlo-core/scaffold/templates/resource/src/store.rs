//! The store: a secret is a file.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use phlo_plugin::prelude::*;
use phlo_plugin::resource::SecretStore;
use phlo_spec::Redactor;

/// More than any key or certificate has.
const MAX_BYTES: u64 = 64 << 10;

/// Reads the files of a folder.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) folder: PathBuf,
    pub(crate) redactor: Redactor,
}

impl SecretStore for Files {
    fn secret(&self, name: &str) -> Result<Option<Secret>> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(fits) {
            return Err(Error::new(Code::InvalidValue, format!("`{name}` is no secret's name"))
                .hint("use letters, digits, `_`, `-` and `.`, not beginning with `.`"));
        }
        let mut bytes = Vec::new();
        // One byte more than is allowed tells that there are too many.
        let read = File::open(self.folder.join(name)).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) => {}
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(self.failed(name, "cannot be read").because(err)),
        }
        if bytes.len() as u64 > MAX_BYTES {
            return Err(self.failed(name, "is larger than 64 KiB"));
        }
        // The error of a conversion would hold the bytes, and so does not become the cause.
        let text = String::from_utf8(bytes).map_err(|_| self.failed(name, "is not UTF-8"))?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let value = line.strip_suffix('\r').unwrap_or(line);
        // From now on nothing that phlo prints or remembers shows it.
        self.redactor.add(value);
        Ok(Some(Secret::new(value)))
    }
}

impl Files {
    fn failed(&self, name: &str, what: &str) -> Error {
        Error::new(Code::UnreadableFile, format!("the file of the secret `{name}` {what}"))
            .with("folder", self.folder.display())
            .hint("check the file and its permissions")
    }
}
