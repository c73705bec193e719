#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod compact;
mod pool;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use phlo_engine_api::QueryEngine;
use phlo_plugin::prelude::*;
use phlo_spec::CapabilityType;
use schemars::JsonSchema;
use serde::Deserialize;

/// Settings under `plugins.settings.resource.datafusion`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Memory for all queries together, in MiB; beyond it they spill to disk. `run.memory_mib` unless set.
    pub memory_mib: Option<u64>,
    /// Threads that one query uses; the number of processors unless set.
    pub threads: Option<usize>,
    /// Where queries spill to, relative to the project; `.phlo/tmp` unless set.
    pub spill_dir: Option<PathBuf>,
}

/// DataFusion's own rows per batch.
const DEFAULT_BATCH: usize = 8192;
/// Of a thread's part of the memory, what one row of a batch stands for: some ten batches of wide rows fit.
const ROW_SHARE: usize = 16 << 10;

/// The plugin: one runtime, shared by all sessions.
#[derive(Debug)]
pub struct DataFusion(Arc<Engine>);

#[derive(Debug)]
struct Engine {
    memory: usize,
    threads: usize,
    spill_dir: PathBuf,
    runtime: OnceLock<Arc<RuntimeEnv>>,
}

impl Plugin for DataFusion {
    type Settings = Settings;

    fn create(settings: Settings, context: &InitContext) -> Result<Self> {
        let memory = settings.memory_mib.map_or(context.memory_bytes, |mib| mib << 20);
        if memory < 16 << 20 || settings.threads == Some(0) {
            return Err(Error::new(Code::InvalidValue, "the query engine needs 16 MiB and one thread at the least"));
        }
        Ok(Self(Arc::new(Engine {
            memory: usize::try_from(memory).unwrap_or(usize::MAX),
            threads: settings.threads.unwrap_or(context.parallelism).max(1),
            spill_dir: context.root.join(settings.spill_dir.unwrap_or_else(|| context.state_dir.join("tmp"))),
            runtime: OnceLock::new(),
        })))
    }

    fn cleanup(&self) -> Result<()> {
        // Spill files go with their queries; the empty folder goes here, if nobody else uses it.
        let _ = std::fs::remove_dir(&self.0.spill_dir);
        Ok(())
    }
}

impl Resource for DataFusion {
    fn providers(&self) -> Result<Vec<Provider>> {
        Ok(vec![Provider::new::<dyn QueryEngine>(CapabilityType::QueryEngine, "datafusion", self.0.clone())])
    }
}

impl Engine {
    /// What each sort sets aside for the merge of what it spilled. Small, because every sort of every asset does.
    fn merge_reservation(&self) -> usize {
        (self.memory / 64 / self.threads).clamp(512 << 10, 10 << 20)
    }

    fn runtime(&self) -> Result<Arc<RuntimeEnv>> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime.clone());
        }
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![self.spill_dir.clone()]));
        let failed = |err: datafusion::error::DataFusionError| {
            Error::new(Code::EngineFailed, "the query engine cannot be set up")
                .with("spill_dir", self.spill_dir.display())
                .because(err)
        };
        std::fs::create_dir_all(&self.spill_dir).map_err(|err| {
            Error::new(Code::StorageFailed, "the folder for spilled data cannot be made")
                .with("folder", self.spill_dir.display())
                .because(err)
        })?;
        let built = RuntimeEnvBuilder::new()
            .with_memory_pool(pool::pool(self.memory, self.merge_reservation()))
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(failed)?;
        Ok(self.runtime.get_or_init(|| built).clone())
    }
}

impl QueryEngine for Engine {
    fn session(&self) -> Result<SessionContext> {
        // Bare names are phlo's own, e.g. `this`: no asset can be of that group.
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema("datafusion", "_phlo")
            .with_target_partitions(self.threads)
            .with_information_schema(false)
            // Each thread's operators hold some batches, whatever the pool: a small one takes smaller batches.
            .with_batch_size((self.memory / self.threads / ROW_SHARE).clamp(256, DEFAULT_BATCH));
        let options = config.options_mut();
        // Problems in SQL are told with line and column.
        options.sql_parser.collect_spans = true;
        options.execution.parquet.pushdown_filters = true;
        // A sort that spills merges with this much in hand; the default is larger than a small pool.
        options.execution.sort_spill_reservation_bytes = self.merge_reservation();
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(self.runtime()?)
            .with_default_features()
            .with_physical_optimizer_rule(Arc::new(compact::CompactSortedRuns))
            .build();
        Ok(SessionContext::new_with_state(state))
    }
}

phlo_plugin::package!();
phlo_plugin::register!(
    Resource,
    DataFusion,
    name = "datafusion",
    summary = "DataFusion in process: SQL, checks and transforms",
    provides = ["query_engine:datafusion"]
);
