//! Settings of the plugin: `plugins.settings.resource.delta` of `phlo.yaml`.

use std::ops::RangeInclusive;

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
    /// Encoded bytes of a row group, if that comes before `row_group_rows`. Each thread that writes holds one: unless set, they
    /// share what `run.memory_mib` says, and none is larger than 128 MiB.
    pub row_group_bytes: Option<usize>,
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
            row_group_bytes: None,
            compression_level: 1,
            keep_failed_hours: 7 * 24,
            checkpoint_interval: 10,
        }
    }
}

/// The most and the least that a row group has, encoded, unless the settings say otherwise.
const ROW_GROUP: RangeInclusive<u64> = (8 << 20)..=(128 << 20);

impl Settings {
    /// The same, with a size of row groups for so many threads that write at once.
    pub(crate) fn sharing(self, memory_bytes: u64, threads: usize) -> Self {
        let share = (memory_bytes / threads.max(1) as u64).clamp(*ROW_GROUP.start(), *ROW_GROUP.end()) as usize;
        Self { row_group_bytes: Some(self.row_group_bytes.unwrap_or(share)), ..self }
    }

    /// Refuses values that make no files.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = [
            (self.target_file_bytes < 1 << 20, "`target_file_bytes` is 1048576 (1 MiB) or more"),
            (self.row_group_rows == 0, "`row_group_rows` is 1 or more"),
            (self.row_group_bytes.is_some_and(|bytes| bytes < 1 << 20), "`row_group_bytes` is 1048576 (1 MiB) or more"),
            (!(1..=22).contains(&self.compression_level), "`compression_level` is between 1 and 22"),
            (self.checkpoint_interval == 0, "`checkpoint_interval` is 1 or more"),
        ];
        match wrong.iter().find(|(is, _)| *is) {
            Some((_, rule)) => Err(Error::new(Code::InvalidValue, *rule)),
            None => Ok(()),
        }
    }
}
