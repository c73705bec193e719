//! The project as commands of plugins see it.

use std::sync::Arc;

use futures::StreamExt;
use phlo_plugin::cli::{NamedTable, ProjectAccess, Rows};
use phlo_plugin::{Error, Result};
use phlo_runtime::Platform;
use phlo_spec::{AssetKey, AssetSpec};
use tokio::runtime::Runtime;

struct Access {
    platform: Platform,
    runtime: Arc<Runtime>,
}

/// Opens a project to commands of plugins.
///
/// # Errors
/// If the system gives no threads.
pub(crate) fn open(platform: Platform) -> Result<Arc<dyn ProjectAccess>> {
    let runtime = crate::app::threads().map_err(|err| Error::internal("the system gives no threads").because(err))?;
    Ok(Arc::new(Access { platform, runtime: Arc::new(runtime) }))
}

impl ProjectAccess for Access {
    fn assets(&self) -> Vec<AssetSpec> {
        self.platform.assets().cloned().collect()
    }

    fn tables(&self) -> Result<Vec<AssetKey>> {
        let tables = self.runtime.block_on(self.platform.tables())?;
        Ok(tables.into_iter().map(|row| row.table).collect())
    }

    fn version(&self, table: &AssetKey) -> Result<u64> {
        Ok(self.runtime.block_on(self.platform.table(table, None))?.version)
    }

    fn query(&self, sql: &str, tables: &[NamedTable]) -> Result<Rows> {
        let tables: Vec<_> = tables.iter().map(|t| (t.name.as_str(), &t.table, t.version)).collect();
        let mut answer = self.runtime.block_on(self.platform.sql_over(sql, &tables))?;
        let runtime = self.runtime.clone();
        let batches = std::iter::from_fn(move || runtime.block_on(answer.stream.next()));
        Ok(Rows { schema: answer.schema, batches: Box::new(batches) })
    }
}
