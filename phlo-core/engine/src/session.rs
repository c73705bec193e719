//! Tables in a session, by the keys that SQL names them with.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use datafusion::catalog::{MemoryCatalogProvider, MemorySchemaProvider, TableProvider};
use datafusion::common::TableReference;
use datafusion::datasource::ViewTable;
use datafusion::datasource::empty::EmptyTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use phlo_plugin::{Error, Result};
use phlo_spec::{AssetKey, Code};

use crate::error::map_error;

/// Registers a table under its key, in place of one that is there. Keys of two or three parts can be named in SQL.
///
/// # Errors
/// A key of more parts.
pub fn register(session: &SessionContext, key: &AssetKey, table: Arc<dyn TableProvider>) -> Result<()> {
    let parts: Vec<&str> = key.parts().collect();
    // Not `state()`, which copies every function table.
    let default = session.state_ref().read().config_options().catalog.default_catalog.clone();
    let (catalog, schema, name) = match parts[..] {
        [schema, name] => (default.as_str(), schema, name),
        [catalog, schema, name] => (catalog, schema, name),
        _ => {
            return Err(Error::new(
                Code::InvalidKeyName,
                format!("`{key}` has more than three parts, which SQL cannot name"),
            )
            .hint("move the file up until its key has two or three parts"));
        }
    };
    if session.catalog(catalog).is_none() {
        session.register_catalog(catalog, Arc::new(MemoryCatalogProvider::new()));
    }
    let catalog_provider =
        session.catalog(catalog).ok_or_else(|| Error::internal("a catalog that was just registered is gone"))?;
    if catalog_provider.schema(schema).is_none() {
        catalog_provider.register_schema(schema, Arc::new(MemorySchemaProvider::new())).map_err(map_error)?;
    }
    let reference = TableReference::full(catalog, schema, name);
    if session.table_exist(reference.clone()).map_err(map_error)? {
        session.deregister_table(reference.clone()).map_err(map_error)?;
    }
    session.register_table(reference, table).map_err(map_error)?;
    Ok(())
}

/// A table with this schema and no rows, for planning.
pub fn empty(schema: SchemaRef) -> Arc<dyn TableProvider> {
    Arc::new(EmptyTable::new(schema))
}

/// A plan as a table: whoever reads it runs the plan.
pub fn view(plan: LogicalPlan) -> Arc<dyn TableProvider> {
    Arc::new(ViewTable::new(plan, None))
}

/// Registers a table under a bare name.
///
/// # Errors
/// If the name is taken by something that cannot be replaced.
pub fn register_bare(session: &SessionContext, name: &str, table: Arc<dyn TableProvider>) -> Result<()> {
    let reference = TableReference::bare(name);
    if session.table_exist(reference.clone()).map_err(map_error)? {
        session.deregister_table(reference.clone()).map_err(map_error)?;
    }
    session.register_table(reference, table).map_err(map_error)?;
    Ok(())
}
