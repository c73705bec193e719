//! Settings of the plugin: `plugins.settings.resource.delta` of `phlo.yaml`.

use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use schemars::JsonSchema;
use serde::Deserialize;

/// How tables are written. What is set here holds for files written from now on; nothing is rewritten.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Bytes after which a data file is finished and the next one begun.
    pub target_file_bytes: u64,
    /// Rows of a row group, the unit that readers skip and share among threads. Rows of a group are held in memory, encoded.
    pub row_group_rows: usize,
    /// Encoded bytes of a row group, if that comes before `row_group_rows`.
    pub row_group_bytes: usize,
    /// The zstd level, 1 (fast) to 22 (small).
    pub compression_level: i32,
    /// Hours for which the staged files of a failed audit stay for inspection.
    pub keep_failed_hours: u64,
    /// Commits between checkpoints of a table's log, unless the table itself says otherwise (`delta.checkpointInterval`).
    pub checkpoint_interval: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            target_file_bytes: 256 << 20,
            row_group_rows: 1 << 20,
            row_group_bytes: 128 << 20,
            compression_level: 1,
            keep_failed_hours: 7 * 24,
            checkpoint_interval: 10,
        }
    }
}

impl Settings {
    /// Refuses values that make no files.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = [
            (self.target_file_bytes < 1 << 20, "`target_file_bytes` is 1048576 (1 MiB) or more"),
            (self.row_group_rows == 0, "`row_group_rows` is 1 or more"),
            (self.row_group_bytes < 1 << 20, "`row_group_bytes` is 1048576 (1 MiB) or more"),
            (!(1..=22).contains(&self.compression_level), "`compression_level` is between 1 and 22"),
            (self.checkpoint_interval == 0, "`checkpoint_interval` is 1 or more"),
        ];
        match wrong.iter().find(|(is, _)| *is) {
            Some((_, rule)) => Err(Error::new(Code::InvalidValue, *rule)),
            None => Ok(()),
        }
    }
}
