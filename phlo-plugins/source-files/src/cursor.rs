//! Which files were read: the cursor of this source.

use std::collections::BTreeMap;

use arrow_schema::{Schema, SchemaRef};
use glob::Pattern;
use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use serde::{Deserialize, Serialize};

use crate::input::{Input, MATCHING};

/// The files that were read, by name, and their columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    files: BTreeMap<String, Seen>,
    /// What the columns are when no file is left to tell.
    schema: Option<Schema>,
}

/// A file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    size: u64,
    version: String,
}

impl Cursor {
    /// Reads a cursor as it was committed.
    pub(crate) fn parse(value: serde_json::Value) -> Result<Self> {
        serde_json::from_value(value).map_err(|err| {
            Error::new(Code::InvalidValue, "the asset's cursor is not one of the source `files`")
                .hint("read everything again with `--full-refresh`")
                .because(err)
        })
    }

    /// Whether the file is new or has changed.
    pub(crate) fn is_news(&self, input: &Input) -> bool {
        self.files.get(&input.name).is_none_or(|seen| seen.size != input.size || seen.version != input.version)
    }

    /// Whether the file was read and has changed since.
    pub(crate) fn has_changed(&self, input: &Input) -> bool {
        self.files.contains_key(&input.name) && self.is_news(input)
    }

    /// How many files of this pattern were read.
    pub(crate) fn count(&self, pattern: &Pattern) -> usize {
        self.files.keys().filter(|name| pattern.matches_with(name, MATCHING)).count()
    }

    /// The columns that were last read.
    pub(crate) fn schema(&self) -> Option<SchemaRef> {
        self.schema.clone().map(SchemaRef::new)
    }

    /// The cursor after these files. Files that are no longer there stay in it: should they come back, they are not news.
    pub(crate) fn after<'a>(
        mut self,
        inputs: impl Iterator<Item = &'a Input>,
        schema: &Schema,
    ) -> Result<serde_json::Value> {
        for input in inputs {
            self.files.insert(input.name.clone(), Seen { size: input.size, version: input.version.clone() });
        }
        self.schema = Some(schema.clone());
        serde_json::to_value(self).map_err(|err| Error::internal("the cursor is not JSON").because(err))
    }
}
