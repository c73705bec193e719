//! The source: one state of the database, streamed by `COPY` on one or several connections.

use std::pin::Pin;
use std::sync::Arc;

use futures::{StreamExt, future, stream};
use phlo_plugin::prelude::*;
use phlo_spec::event::LogLevel;
use tokio_postgres::CopyOutStream;

use crate::config::PostgresConfig;
use crate::connect::{Connector, Session, interrupted};
use crate::copy::Decoder;
use crate::incremental::{Ahead, Cursor, Follow, Follower, Progress};
use crate::plan::Plan;

/// A connection of its own is worth it for so many pages, 8 MB.
const PAGES: usize = 1024;
/// Connections of one reading, unless set.
const MAX_CONNECTIONS: usize = 4;
/// The first version that finds the rows of a range of pages without reading the others.
const TID_RANGES: u32 = 14;

/// The source `postgres`.
pub struct PostgresSource;

impl Plugin for PostgresSource {
    type Settings = NoSettings;

    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

#[async_trait]
impl Source for PostgresSource {
    type Config = PostgresConfig;

    fn validate(&self, config: &PostgresConfig) -> Result<()> {
        config.check()
    }

    async fn schema(&self, config: &PostgresConfig, context: &SourceContext) -> Result<Option<SchemaRef>> {
        if context.offline {
            return Ok(None);
        }
        let connector = Connector::new(config, context)?;
        let described = async {
            let session = connector.connect(None).await?;
            Ok(Some(Plan::new(&session, config, &context.columns).await?.schema))
        };
        connector.unless_cancelled(described).await
    }

    async fn test_connection(&self, config: &PostgresConfig, context: &SourceContext) -> Result<()> {
        let connector = Connector::new(config, context)?;
        let tested = async {
            let session = connector.connect(None).await?;
            let plan = Plan::new(&session, config, &context.columns).await?;
            session.texts(&plan.probe()).await.map(drop)
        };
        connector.unless_cancelled(tested).await
    }

    async fn read(&self, config: &PostgresConfig, context: &SourceContext, request: ReadRequest) -> Result<Reading> {
        let cursor = match (&config.incremental, request.cursor.clone()) {
            (Some(incremental), Some(cursor)) => Some(Cursor::parse(incremental, cursor)?),
            _ => None,
        };
        let connector = Arc::new(Connector::new(config, context)?);
        let opened = open(config, context, &request, cursor, connector.clone());
        connector.unless_cancelled(opened).await
    }
}

async fn open(
    config: &PostgresConfig,
    context: &SourceContext,
    request: &ReadRequest,
    cursor: Option<Cursor>,
    connector: Arc<Connector>,
) -> Result<Reading> {
    let session = connector.connect(None).await?;
    let plan = Arc::new(Plan::new(&session, config, &context.columns).await?);
    let follow = match &config.incremental {
        Some(incremental) => {
            let column = plan.columns.iter().find(|it| it.name == incremental.column);
            let column = column.ok_or_else(|| Error::internal("a column that was there is gone"))?;
            Some(Follow::new(incremental, cursor, &column.pg)?)
        }
        None => None,
    };
    let ahead = match &follow {
        Some(follow) => look_ahead(&session, &plan, follow, config).await?,
        None => Ahead::default(),
    };
    if let Some(warning) = &ahead.warning {
        context.emitter.log(LogLevel::Warn, warning.clone());
    }
    let condition = follow.as_ref().and_then(Follow::condition);

    // With a condition an index may find the rows, which parts of the table would not.
    let (sessions, ranges) = match (&plan.pages_of, &condition) {
        (Some(table), None) if session.version >= TID_RANGES => {
            divide(config, request, &connector, session, table).await?
        }
        _ => (vec![session], vec![None]),
    };

    let checkpoint = Checkpoint::default();
    let progress = follow.as_ref().map(|_| Progress::new(ahead.cursor.clone(), sessions.len(), checkpoint.clone()));
    let flags = follow.as_ref().map(|follow| follow.flags(&ahead));
    let streams = sessions.into_iter().zip(ranges).map(|(session, range)| -> BatchStream {
        let conditions: Vec<String> = condition.iter().cloned().chain(range).collect();
        let follower = follow.as_ref().zip(progress.clone()).map(|(follow, progress)| Follower::new(follow, progress));
        let (subject, columns, schema) = (plan.subject.clone(), plan.columns.clone(), plan.schema.clone());
        let rows = Rows {
            connector: connector.clone(),
            session: Some(session),
            sql: plan.copy(&conditions, flags.as_deref()),
            plan: plan.clone(),
            copy: None,
            decoder: Decoder::new(subject, columns, schema, follower, request.batch_rows),
        };
        Box::pin(stream::try_unfold(
            rows,
            |mut rows| async move { Ok(rows.next_batch().await?.map(|batch| (batch, rows))) },
        ))
    });
    let streams = streams.collect();
    let origin = match plan.subject.kind {
        "table" => format!("{}/{}", connector.shown(), plan.subject.name),
        _ => connector.shown().to_owned(),
    };
    Ok(Reading { schema: plan.schema.clone(), streams, checkpoint, origins: vec![origin], bytes: None })
}

/// How far the reading will come.
async fn look_ahead(session: &Session, plan: &Plan, follow: &Follow<'_>, config: &PostgresConfig) -> Result<Ahead> {
    let rows = session.texts(&follow.ahead(&plan.relation)?).await.map_err(|err| {
        let start = config.incremental.as_ref().and_then(|it| it.start.as_ref());
        match (err.code(), start) {
            (Code::MalformedData, Some(start)) => Error::new(
                Code::InvalidValue,
                format!("`incremental.start` is `{start}`, which the type of its column does not know"),
            )
            .because(err),
            _ => err,
        }
    })?;
    let Some([high, floor, recent]) = rows.first().map(Vec::as_slice) else {
        return Err(Error::internal("the highest value is no row"));
    };
    let recent = recent.as_ref().and_then(|it| it.parse().ok()).unwrap_or(usize::MAX);
    follow.understand(high.as_deref(), floor.as_deref(), recent)
}

/// Divides a table by its pages among connections that see the same state of the database.
async fn divide(
    config: &PostgresConfig,
    request: &ReadRequest,
    connector: &Connector,
    session: Session,
    table: &str,
) -> Result<(Vec<Session>, Vec<Option<String>>)> {
    let most = request.parallelism.min(config.max_connections.unwrap_or(MAX_CONNECTIONS));
    if most < 2 {
        return Ok((vec![session], vec![None]));
    }
    let size = format!("SELECT pg_relation_size({table}) / current_setting('block_size')::bigint");
    let pages = single(&session, &size).await?.parse().unwrap_or(0_usize);
    let parts = most.min(pages / PAGES);
    if parts < 2 {
        return Ok((vec![session], vec![None]));
    }
    let snapshot = single(&session, "SELECT pg_export_snapshot()").await?;
    let others = future::try_join_all((1..parts).map(|_| connector.connect(Some(&snapshot)))).await?;
    let ranges = (0..parts).map(|part| {
        let from = pages * part / parts;
        // The last part has no end: the table may have grown since it was measured.
        let to = (part + 1 < parts).then(|| format!(" AND ctid < '({},0)'::tid", pages * (part + 1) / parts));
        Some(format!("ctid >= '({from},0)'::tid{}", to.unwrap_or_default()))
    });
    Ok((std::iter::once(session).chain(others).collect(), ranges.collect()))
}

/// The one value of the one row that a statement answers.
async fn single(session: &Session, sql: &str) -> Result<String> {
    let value = session.texts(sql).await?.into_iter().flatten().flatten().next();
    value.ok_or_else(|| Error::internal("the server answered no value"))
}

/// One stream.
struct Rows {
    connector: Arc<Connector>,
    /// None when all rows have come.
    session: Option<Session>,
    sql: String,
    plan: Arc<Plan>,
    copy: Option<Pin<Box<CopyOutStream>>>,
    decoder: Decoder,
}

impl Rows {
    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if self.session.is_none() {
            return Ok(None);
        }
        let connector = self.connector.clone();
        let filled = tokio::select! {
            biased;
            () = connector.cancel.cancelled() => None,
            filled = self.fill() => Some(filled),
        };
        if let Some(filled) = filled {
            filled?;
        } else {
            if let Some(session) = self.session.take() {
                connector.stop(session).await;
            }
            return Err(interrupted());
        }
        if self.decoder.rows() == 0 { Ok(None) } else { self.decoder.finish().map(Some) }
    }

    /// Takes rows until a batch is full or all have come.
    async fn fill(&mut self) -> Result<()> {
        let Some(session) = &self.session else { return Ok(()) };
        let within = self.plan.within(&self.sql);
        let copy = match &mut self.copy {
            Some(copy) => copy,
            none => {
                session.set_busy(true);
                let copy = session.told_within(session.client.copy_out(&self.sql).await, within)?;
                none.insert(Box::pin(copy))
            }
        };
        self.decoder.resume()?;
        while !self.decoder.is_full() {
            if let Some(chunk) = copy.next().await {
                self.decoder.push(&session.told_within(chunk, within)?)?;
                continue;
            }
            let follower = self.decoder.end()?;
            // Only now the server has said that nothing went wrong.
            session.told(session.client.batch_execute("COMMIT").await)?;
            session.set_busy(false);
            if let Some(follower) = follower {
                follower.end()?;
            }
            self.session = None;
            break;
        }
        Ok(())
    }
}
