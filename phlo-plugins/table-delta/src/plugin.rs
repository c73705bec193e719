//! The registration: resource `delta`, provider of `table_store:delta`.

use std::sync::Arc;

use phlo_engine_api::TableStore;
use phlo_plugin::prelude::*;
use phlo_spec::CapabilityType;
use phlo_storage::refuse_unread;

use crate::config::Settings;
use crate::store::DeltaStore;

/// The plugin.
#[derive(Debug)]
pub struct Delta(DeltaStore);

impl Plugin for Delta {
    type Settings = Settings;

    fn create(settings: Settings, context: &InitContext) -> Result<Self> {
        settings.check()?;
        let Storage { root, options } = &context.storage;
        refuse_unread([root.as_str()], options.keys().map(String::as_str))?;
        let settings = settings.sharing(context.memory_bytes, context.parallelism);
        DeltaStore::new(&context.storage, settings).map(Self)
    }
}

impl Resource for Delta {
    fn providers(&self) -> Result<Vec<Provider>> {
        let store: Arc<dyn TableStore> = Arc::new(self.0.clone());
        Ok(vec![Provider::new::<dyn TableStore>(CapabilityType::TableStore, "delta", store)])
    }
}

phlo_plugin::package!();
phlo_plugin::register!(
    Resource,
    Delta,
    name = "delta",
    summary = "Tables in Delta Lake's format, on a disk or an object store",
    provides = ["table_store:delta"]
);
