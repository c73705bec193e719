//! The source: where it reads on, the stream of its rows, and how far it came.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringArray};
use arrow_schema::{DataType, Field};
use futures::stream;
use phlo_plugin::prelude::*;
use tokio::task::spawn_blocking;

use crate::config::Config;
use crate::lines::{Cursor, Lines};

/// Follows a text file.
#[derive(Debug)]
pub struct {{Type}}Source;

impl Plugin for {{Type}}Source {
    type Settings = NoSettings;

    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

#[async_trait]
impl Source for {{Type}}Source {
    type Config = Config;

    fn validate(&self, config: &Config) -> Result<()> {
        config.check()
    }

    // Always the same, so that `phlo check` knows the columns without a look at the file.
    async fn schema(&self, _: &Config, _: &SourceContext) -> Result<Option<SchemaRef>> {
        Ok(Some(schema()))
    }

    async fn test_connection(&self, config: &Config, context: &SourceContext) -> Result<()> {
        open(config, context, Cursor::default()).await.map(drop)
    }

    async fn read(&self, config: &Config, context: &SourceContext, request: ReadRequest) -> Result<Reading> {
        let from = request.cursor.map(parse).transpose()?.unwrap_or_default();
        let lines = open(config, context, from).await?;
        let bytes = Some(lines.remaining());
        let checkpoint = Checkpoint::default();
        let (noted, cancel) = (checkpoint.clone(), context.cancel.clone());
        // A file is read in order: one stream, however many are asked for. It holds one batch at a time.
        let rows = stream::try_unfold(lines, move |mut lines| {
            let (noted, cancel) = (noted.clone(), cancel.clone());
            async move {
                if cancel.is_cancelled() {
                    return Err(Error::new(Code::Interrupted, "reading was interrupted"));
                }
                let (lines, found) = blocking(move || {
                    let found = lines.batch(request.batch_rows)?;
                    Ok((lines, found))
                })
                .await?;
                if found.is_empty() {
                    // Only now: a cursor counts when every row before it was delivered.
                    noted.set(to_json(lines.cursor())?);
                    return Ok(None);
                }
                Ok(Some((batch(found)?, lines)))
            }
        });
        let origins = vec![config.path.clone()];
        Ok(Reading { schema: schema(), streams: vec![Box::pin(rows)], checkpoint, origins, bytes })
    }
}

async fn open(config: &Config, context: &SourceContext, from: Cursor) -> Result<Lines> {
    let (path, name, most) = (context.root.join(&config.path), config.path.clone(), config.max_line_bytes);
    blocking(move || Lines::open(&path, &name, most, from)).await
}

/// Does what waits for a disk where it keeps no other stream waiting.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.map_err(|err| Error::internal("reading ended early").because(err))?
}

fn schema() -> SchemaRef {
    let line = Field::new("line", DataType::Int64, false);
    Arc::new(Schema::new(vec![line, Field::new("text", DataType::Utf8, false)]))
}

fn batch(lines: Vec<(i64, String)>) -> Result<RecordBatch> {
    let (numbers, texts): (Vec<i64>, Vec<String>) = lines.into_iter().unzip();
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(numbers)), Arc::new(StringArray::from(texts))];
    RecordBatch::try_new(schema(), columns).map_err(|err| Error::internal("rows do not fit the schema").because(err))
}

fn parse(cursor: serde_json::Value) -> Result<Cursor> {
    serde_json::from_value(cursor).map_err(|err| {
        Error::new(Code::InvalidValue, "the asset's cursor is not one of this source")
            .hint("read everything again with `--full-refresh`")
            .because(err)
    })
}

fn to_json(cursor: Cursor) -> Result<serde_json::Value> {
    serde_json::to_value(cursor).map_err(|err| Error::internal("the cursor is not JSON").because(err))
}
