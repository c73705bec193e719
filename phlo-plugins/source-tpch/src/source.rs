//! The source: the generator's rows in streams, once.

use futures::stream;
use phlo_plugin::prelude::*;
use serde_json::{Value, json};
use tpchgen::text::TextPool;

use crate::config::TpchConfig;

/// The source `tpch`.
pub struct TpchSource;

impl Plugin for TpchSource {
    type Settings = NoSettings;

    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

#[async_trait]
impl Source for TpchSource {
    type Config = TpchConfig;

    fn validate(&self, config: &TpchConfig) -> Result<()> {
        config.check()
    }

    async fn schema(&self, config: &TpchConfig, _: &SourceContext) -> Result<Option<SchemaRef>> {
        Ok(Some(config.table.schema()))
    }

    async fn test_connection(&self, _: &TpchConfig, _: &SourceContext) -> Result<()> {
        Ok(())
    }

    async fn read(&self, config: &TpchConfig, context: &SourceContext, request: ReadRequest) -> Result<Reading> {
        let (table, scale) = (config.table, config.scale);
        let cursor = json!({ "table": table, "scale": scale });
        let is_there = request.cursor.as_ref().map(|before| same(before, &cursor)).transpose()?.is_some();
        let parts = if is_there {
            0
        } else {
            // The pool of texts that comments are cut from takes a second or two to make, once in a process.
            tokio::task::spawn_blocking(TextPool::get_or_init_default)
                .await
                .map_err(|err| Error::internal("the pool of texts could not be made").because(err))?;
            i32::try_from(table.divisible(scale).min(request.parallelism as i64)).unwrap_or(1).max(1)
        };
        let batch_rows = request.batch_rows.max(1);
        let stream = |part| -> BatchStream {
            let cancel = context.cancel.clone();
            Box::pin(stream::try_unfold(table.batches(scale, part, parts, batch_rows), move |mut batches| {
                // Nothing here ever waits, so nobody but this looks.
                let is_over = cancel.is_cancelled();
                async move {
                    if is_over {
                        return Err(Error::new(Code::Interrupted, "interrupted"));
                    }
                    Ok(batches.next().transpose()?.map(|batch| (batch, batches)))
                }
            }))
        };
        let mut streams: Vec<BatchStream> = (1..=parts).map(stream).collect();
        if streams.is_empty() {
            streams.push(Box::pin(stream::empty()));
        }
        let checkpoint = Checkpoint::default();
        checkpoint.set(cursor);
        let origins = vec![format!("tpch:{}?scale={scale}", table.as_str())];
        Ok(Reading { schema: table.schema(), streams, checkpoint, origins, bytes: None })
    }
}

/// Refuses to add the rows of one table or scale to those of another.
fn same(before: &Value, now: &Value) -> Result<()> {
    // As numbers: whoever stores a cursor may write 1.0 as 1.
    if before["table"] == now["table"] && before["scale"].as_f64() == now["scale"].as_f64() {
        return Ok(());
    }
    let told = |cursor: &Value| {
        let table = cursor["table"].as_str().unwrap_or("another table").to_owned();
        cursor["scale"].as_f64().map_or(table.clone(), |scale| format!("{table} at scale {scale}"))
    };
    Err(Error::new(Code::InvalidValue, format!("the table holds {}, and the config says {}", told(before), told(now)))
        .hint("run once with `--full-refresh` to replace it, or give the other data an asset of its own"))
}
