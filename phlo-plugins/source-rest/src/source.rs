//! The source: pages in, record batches out.

use std::collections::VecDeque;
use std::iter::Enumerate;
use std::sync::Arc;
use std::vec;

use futures::stream;
use phlo_plugin::prelude::*;
use serde_json::Value;

use crate::client::{Client, cut};
use crate::columns::{Columns, Misfit, Sample};
use crate::config::{ExtraFields, RestConfig};
use crate::incremental::Progress;
use crate::pages::{Ahead, Page, Pages, reading};

/// A batch ends early when its texts take this much.
const BATCH_BYTES: usize = 16 << 20;

/// So many records tell the columns that are not declared.
const SAMPLE: usize = 1000;

/// The source `rest_api`.
pub struct RestSource;

impl Plugin for RestSource {
    type Settings = NoSettings;

    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

#[async_trait]
impl Source for RestSource {
    type Config = RestConfig;

    fn validate(&self, config: &RestConfig) -> Result<()> {
        config.check()
    }

    async fn schema(&self, config: &RestConfig, context: &SourceContext) -> Result<Option<SchemaRef>> {
        let sample = match config.extra_fields {
            ExtraFields::Infer if context.offline => return Ok(None),
            ExtraFields::Infer => {
                first_pages(config, &mut pages(config, Client::new(config, context)?, None)?).await?.1
            }
            ExtraFields::Refuse | ExtraFields::Ignore => Sample::default(),
        };
        let columns = Columns::new(config, &context.columns, &[], &sample)?;
        Ok((!columns.types().is_empty()).then(|| columns.schema().clone()))
    }

    async fn test_connection(&self, config: &RestConfig, context: &SourceContext) -> Result<()> {
        pages(config, Client::new(config, context)?.without_retries(), None)?.next().await.map(|_| ())
    }

    async fn read(&self, config: &RestConfig, context: &SourceContext, request: ReadRequest) -> Result<Reading> {
        let progress = match &config.incremental {
            Some(incremental) => Some(Progress::new(incremental, request.cursor.as_ref())?),
            None => None,
        };
        let mut pages = pages(config, Client::new(config, context)?, progress.as_ref())?.telling();
        let (first, sample) = match config.extra_fields {
            ExtraFields::Infer => first_pages(config, &mut pages).await?,
            ExtraFields::Refuse | ExtraFields::Ignore => (VecDeque::new(), Sample::default()),
        };
        let known = progress.as_ref().map_or(&[][..], Progress::known);
        let columns = Columns::new(config, &context.columns, known, &sample)?;
        let (schema, checkpoint, origin) = (columns.schema().clone(), Checkpoint::default(), pages.origin());
        let rows = Rows {
            client: pages.client().clone(),
            origin: origin.clone(),
            first,
            pages: Ahead::of(pages),
            page: (0, Vec::new().into_iter().enumerate()),
            cut: false,
            columns,
            progress,
            checkpoint: checkpoint.clone(),
            batch_size: request.batch_rows.max(1),
        };
        let stream =
            stream::try_unfold(rows, |mut rows| async move { Ok(rows.next_batch().await?.map(|batch| (batch, rows))) });
        Ok(Reading { schema, streams: vec![Box::pin(stream)], checkpoint, origins: vec![origin], bytes: None })
    }
}

/// The pages to be read: those beyond the cursor, if there is one.
fn pages(config: &RestConfig, client: Client, progress: Option<&Progress>) -> Result<Pages> {
    let incremental = config.incremental.as_ref();
    let param = incremental.and_then(|it| it.param.as_deref());
    let value = progress.and_then(Progress::since).or_else(|| incremental?.initial.as_ref().map(ToString::to_string));
    Ok(Pages::new(client, config.plan()?, param.zip(value.as_deref())))
}

/// As many pages as make a sample, and the sample.
async fn first_pages(config: &RestConfig, pages: &mut Pages) -> Result<(VecDeque<Page>, Sample)> {
    let (mut first, mut sample) = (VecDeque::new(), Sample::default());
    while sample.records < SAMPLE {
        let Some(page) = pages.next().await? else { break };
        for record in page.records.iter().take(SAMPLE - sample.records) {
            sample.add(record, &config.null_values);
        }
        first.push_back(page);
    }
    Ok((first, sample))
}

/// Records on their way into batches: those of one page, and the page ahead of it.
struct Rows {
    client: Arc<Client>,
    origin: String,
    /// Pages that the sample was taken from.
    first: VecDeque<Page>,
    pages: Ahead,
    /// The page at hand: its number, and what is left of it.
    page: (u64, Enumerate<vec::IntoIter<Value>>),
    /// Whether `max_pages` left pages unread behind it.
    cut: bool,
    columns: Columns,
    progress: Option<Progress>,
    checkpoint: Checkpoint,
    batch_size: usize,
}

impl Rows {
    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            while !self.is_full()
                && let Some((index, record)) = self.page.1.next()
            {
                self.take(&record).map_err(|misfit| self.refusal(misfit, index + 1))?;
            }
            if self.is_full() {
                return self.columns.finish().map(Some);
            }
            let page = match self.first.pop_front() {
                Some(page) => page,
                None => match self.pages.next().await? {
                    Some(page) => page,
                    None => break,
                },
            };
            self.cut = page.cut;
            self.page = (page.number, page.records.into_iter().enumerate());
        }
        if self.columns.rows() > 0 {
            return self.columns.finish().map(Some);
        }
        if self.cut
            && let Some(progress) = &self.progress
        {
            progress.may_end_early().map_err(|err| err.during(reading(self.page.0, &self.origin)))?;
        }
        if let Some(cursor) = self.progress.as_ref().and_then(|progress| progress.cursor(self.columns.inferred())) {
            self.checkpoint.set(cursor);
        }
        Ok(None)
    }

    fn is_full(&self) -> bool {
        self.columns.rows() >= self.batch_size || self.columns.bytes() >= BATCH_BYTES
    }

    fn take(&mut self, record: &Value) -> Result<(), Misfit> {
        let new = match &mut self.progress {
            Some(progress) if record.is_object() => progress.admits(record).map_err(|message| Misfit {
                message,
                value: None,
                hint: Some("follow a column that every record has".to_owned()),
            })?,
            _ => true,
        };
        if new { self.columns.append(record) } else { Ok(()) }
    }

    fn refusal(&self, misfit: Misfit, record: usize) -> Error {
        let mut error = Error::new(Code::MalformedData, self.client.clean(&misfit.message))
            .during(reading(self.page.0, &self.origin))
            .with("record", record);
        if let Some(value) = misfit.value {
            error = error.with("value", cut(&self.client.clean(&value), 60));
        }
        match misfit.hint {
            Some(hint) => error.hint(self.client.clean(&hint)),
            None => error,
        }
    }
}
