//! The target: rows into a file beside the published one, which it then replaces.

use std::fs::{self, File};
use std::path::Path;
use std::time::UNIX_EPOCH;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use futures::StreamExt;
use phlo_plugin::prelude::*;
use serde_json::{Value, json};

use crate::beside::{Beside, folder_of};
use crate::config::FilesConfig;
use crate::write::{Writer, io_failed};

/// The resource that provides the target.
#[derive(Debug)]
pub struct Files;

impl Plugin for Files {
    type Settings = NoSettings;

    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

impl Resource for Files {
    fn providers(&self) -> Result<Vec<Provider>> {
        Ok(vec![Provider::publish_target("files", FilesTarget)])
    }
}

/// Publishes tables as files.
#[derive(Debug)]
pub struct FilesTarget;

#[async_trait]
impl PublishTarget for FilesTarget {
    type Config = FilesConfig;

    fn validate(&self, config: &FilesConfig) -> Result<()> {
        config.layout().map(drop)
    }

    fn location(&self, config: &FilesConfig) -> String {
        config.path.clone()
    }

    fn accepts(&self, config: &FilesConfig, schema: &SchemaRef) -> Result<()> {
        config.layout()?.accepts(schema)
    }

    async fn test_connection(&self, config: &FilesConfig, context: &PublishContext) -> Result<()> {
        // The nearest folder that is there is where others would be made.
        let path = context.root.join(&config.path);
        let folder = path.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(&context.root);
        let told = |err: std::io::Error| io_failed(err).with("path", &config.path);
        if !folder.is_dir() {
            return Err(told(std::io::ErrorKind::NotADirectory.into()));
        }
        Beside::of(&folder.join(path.file_name().unwrap_or_default())).map(drop).map_err(told)
    }

    async fn is_current(&self, config: &FilesConfig, context: &PublishContext, receipt: &Value) -> Result<bool> {
        Ok(self::receipt(&context.root.join(&config.path)).is_ok_and(|now| now == *receipt))
    }

    async fn publish(
        &self,
        config: &FilesConfig,
        context: &PublishContext,
        schema: SchemaRef,
        mut rows: BatchStream,
    ) -> Result<Published> {
        let told = |err: Error| err.with("path", &config.path);
        let beside = Beside::of(&context.root.join(&config.path)).map_err(io_failed).map_err(told)?;
        let file = beside.file().map_err(io_failed).map_err(told)?;
        let mut writer = Writer::begin(file, config.layout()?, &schema).map_err(told)?;
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            writer.write(&batch).map_err(told)?;
            count += batch.num_rows() as u64;
        }
        let file = writer.finish().map_err(told)?;
        on_disk(file).await.map_err(told)?;
        let path = beside.replace().map_err(io_failed).map_err(told)?;
        // From here on it is published; a crash of the machine may still bring the old one back until this is done.
        #[cfg(unix)]
        on_disk(File::open(folder_of(&path)).map_err(io_failed).map_err(told)?).await.map_err(told)?;
        let receipt = receipt(&path).map_err(io_failed).map_err(told)?;
        Ok(Published {
            rows: count,
            bytes: receipt["bytes"].as_u64().unwrap_or_default(),
            location: config.path.clone(),
            receipt: Some(receipt),
        })
    }
}

/// What the file is known by.
fn receipt(path: &Path) -> std::io::Result<Value> {
    let metadata = fs::metadata(path)?;
    let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(json!({ "bytes": metadata.len(), "changed_ns": changed.as_nanos().to_string() }))
}

async fn on_disk(file: File) -> Result<()> {
    let synced = tokio::task::spawn_blocking(move || file.sync_all()).await;
    synced.map_err(|err| Error::internal("bringing a file to the disk was stopped").because(err))?.map_err(io_failed)
}
