//! What publish targets promise, tried on a target that the test brings.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use arrow_array::RecordBatch;
use futures::StreamExt;
use futures::future::BoxFuture;
use phlo_plugin::publish::{AnyPublishTarget, PublishContext, Published, TargetConfig};
use phlo_plugin::source::BatchStream;
use phlo_plugin::{Error, InitContext, Policy, Registry, Result};
use phlo_spec::{Code, Node};

use crate::findings::Findings;
use crate::fixture::{batch, rows};
use crate::source::refused;

/// The columns of the rows that are published.
pub const COLUMNS: &str = "id:int64 name:string price:decimal(9,2) day:date at:timestamp seen:timestamptz ok:boolean ratio:float64 small:int32";
/// Rows of the first publication, as [`crate::fixture::batch`] takes them.
pub const FIRST: [&str; 3] = [
    "1|one|1.50|2024-01-31|2024-01-31T06:30:00|2024-01-31T06:30:00Z|true|0.1|1",
    "2|a \"b\", c|-2.25|1999-12-31|1999-12-31T23:59:59.250|1999-12-31T23:59:59.250Z|false|-1.5|-2",
    "3|-|-|-|-|-|-|-|-",
];
/// Rows of the second.
const SECOND: [&str; 1] = ["9|nine|9.00|2024-02-29|2024-02-29T00:00:00|2024-02-29T00:00:00Z|true|9.5|9"];

type Read<'a> = Box<dyn Fn() -> BoxFuture<'a, Option<Vec<String>>> + Send + Sync + 'a>;
type Left<'a> = Box<dyn Fn() -> BoxFuture<'a, Vec<String>> + Send + Sync + 'a>;

/// A target with a config to which nothing was published yet.
pub struct Case<'a> {
    name: String,
    target: Arc<dyn AnyPublishTarget>,
    config: String,
    root: PathBuf,
    read: Read<'a>,
    left: Left<'a>,
    refused: Vec<(String, String)>,
}

impl<'a> Case<'a> {
    /// A linked target by its name, with its config as YAML. `read` answers the rows that a reader finds, of [`COLUMNS`] and as
    /// [`crate::fixture::rows`] gives them, or nothing if nothing is there; `left` names all that lies at the target, so that what a
    /// failed publication leaves behind is seen.
    ///
    /// # Panics
    /// If there is no such target.
    pub fn new(
        name: &str,
        config: &str,
        read: impl Fn() -> BoxFuture<'a, Option<Vec<String>>> + Send + Sync + 'a,
        left: impl Fn() -> BoxFuture<'a, Vec<String>> + Send + Sync + 'a,
    ) -> Self {
        let registry =
            Registry::linked(&[]).and_then(|linked| linked.activate(Policy::default(), InitContext::at("/nowhere")));
        let target =
            registry.and_then(|registry| registry.publish_target(name)).unwrap_or_else(|err| panic!("{err:?}"));
        Self::of(name, target, config, read, left)
    }

    /// As [`Case::new`], of a target.
    pub fn of(
        name: &str,
        target: Arc<dyn AnyPublishTarget>,
        config: &str,
        read: impl Fn() -> BoxFuture<'a, Option<Vec<String>>> + Send + Sync + 'a,
        left: impl Fn() -> BoxFuture<'a, Vec<String>> + Send + Sync + 'a,
    ) -> Self {
        Self {
            name: name.to_owned(),
            target,
            config: config.to_owned(),
            root: PathBuf::from("/nowhere"),
            read: Box::new(read),
            left: Box::new(left),
            refused: Vec::new(),
        }
    }

    /// The project's folder.
    #[must_use]
    pub fn root(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = root.into();
        self
    }

    /// A config, as YAML, that is refused because of this field: the error names it or is placed at it.
    #[must_use]
    pub fn refuses(mut self, config: &str, field: &str) -> Self {
        self.refused.push((config.to_owned(), field.to_owned()));
        self
    }

    /// Tries everything; tells what is broken.
    pub async fn check(self) -> Findings {
        let mut findings = Findings::new(format!("the publish target `{}`", self.name));
        self.try_all(&mut findings).await;
        findings
    }

    async fn try_all(self, findings: &mut Findings) {
        for (config, field) in &self.refused {
            refused(|node| self.target.parse(node).map(drop), config, field, findings);
        }
        let parsed = Node::parse(&self.config, "conformance.yaml", 1).map_err(Error::from);
        let Some(config) = findings.expect(parsed.and_then(|node| self.target.parse(&node)), "its config") else {
            return;
        };
        let publisher = Publisher { case: &self, config: &config, context: PublishContext::at(&self.root) };
        let location = findings.expect(self.target.location(&config), "telling its location");
        findings.hold(location.is_some_and(|text| !text.trim().is_empty()), "its location is empty");
        findings.expect(self.target.test_connection(&config, &publisher.context).await, "testing its connection");
        let schema = batch(COLUMNS, &[]).schema();
        findings.expect(self.target.accepts(&config, &schema), "taking columns of plain types");

        publisher.holds(None, "before the first publication", findings).await;
        publisher.fails(None, findings).await;
        publisher.is_dropped(None, findings).await;
        let before = (self.left)().await;

        let Some(first) = publisher.publishes(vec![batch(COLUMNS, &FIRST)], findings).await else { return };
        let left = (self.left)().await;
        let first_rows = rows([&batch(COLUMNS, &FIRST)]);
        publisher.holds(Some(&first_rows), "after the first publication", findings).await;
        publisher.knows(&first, true, "right after it", findings).await;
        publisher.fails(Some(&first_rows), findings).await;
        publisher.is_dropped(Some(&first_rows), findings).await;
        publisher.knows(&first, true, "after publications that failed", findings).await;

        publisher.publishes(vec![batch(COLUMNS, &FIRST)], findings).await;
        publisher.holds(Some(&first_rows), "published once more", findings).await;
        let again = (self.left)().await;
        findings.hold(again == left, format_args!("published once more it leaves {again:?} in place of {left:?}"));

        publisher.publishes(vec![batch(COLUMNS, &SECOND)], findings).await;
        publisher.holds(Some(&rows([&batch(COLUMNS, &SECOND)])), "after another publication", findings).await;
        publisher.knows(&first, false, "after another one", findings).await;

        let many: Vec<_> = (0..50).map(numbered).collect();
        let all = rows(&many);
        publisher.publishes(many, findings).await;
        publisher.holds(Some(&all), "after many batches", findings).await;

        publisher.publishes(Vec::new(), findings).await;
        publisher.holds(Some(&[]), "after a table without rows", findings).await;
        let end = (self.left)().await;
        findings
            .hold(end == left, format_args!("it leaves {end:?} behind where there was {before:?} and then {left:?}"));
    }
}

/// Fails a test unless the target keeps its promises:
///
/// - what it takes is checked: a wrong config is refused at its place;
/// - rows arrive whole, with their values and in their order, also none and many;
/// - what was published before stays, whole, when the rows fail or the work is dropped, and nothing is left behind;
/// - the same again gives the same, and other rows take the place of the first;
/// - a receipt is known as long as it is true, and no longer.
///
/// # Panics
/// If it does not.
pub async fn suite(case: Case<'_>) {
    case.check().await.assert_none();
}

fn numbered(at: usize) -> RecordBatch {
    let texts: Vec<_> = (0..20).map(|row| format!("{}|row|-|-|-|-|-|-|-", at * 20 + row)).collect();
    batch(COLUMNS, &texts.iter().map(String::as_str).collect::<Vec<_>>())
}

struct Publisher<'a, 'b> {
    case: &'a Case<'b>,
    config: &'a TargetConfig,
    context: PublishContext,
}

impl Publisher<'_, '_> {
    async fn publish(&self, rows: BatchStream) -> Result<Published> {
        self.case.target.publish(self.config, &self.context, batch(COLUMNS, &[]).schema(), rows).await
    }

    async fn publishes(&self, batches: Vec<RecordBatch>, findings: &mut Findings) -> Option<Published> {
        let count = batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
        let published = self.publish(futures::stream::iter(batches.into_iter().map(Ok)).boxed()).await;
        let published = findings.expect(published, format_args!("publishing {count} rows"))?;
        findings.hold(published.rows == count, format_args!("of {count} rows it says that it sent {}", published.rows));
        findings.hold(!published.location.trim().is_empty(), "what it published has no location");
        Some(published)
    }

    async fn holds(&self, want: Option<&[String]>, when: &str, findings: &mut Findings) {
        let have = (self.case.read)().await;
        findings.hold(have.as_deref() == want, format_args!("{when} readers find {have:?} in place of {want:?}"));
    }

    async fn knows(&self, published: &Published, want: bool, when: &str, findings: &mut Findings) {
        let Some(receipt) = &published.receipt else { return };
        let known = self.case.target.is_current(self.config, &self.context, receipt).await;
        let known = findings.expect(known, "looking for what it published");
        findings.hold(known == Some(want), format_args!("{when}, whether it is current is answered with {known:?}"));
    }

    /// Rows that fail: the error comes back, and readers find what they found.
    async fn fails(&self, want: Option<&[String]>, findings: &mut Findings) {
        let left = (self.case.left)().await;
        for good in [0, 1, 30] {
            let failure = Error::new(Code::EngineFailed, "conformance: the rows failed");
            let rows = (0..good).map(|at| Ok(numbered(at))).chain([Err(failure)]);
            match self.publish(futures::stream::iter(rows.collect::<Vec<_>>()).boxed()).await {
                Ok(_) => findings.add(format_args!("it publishes {good} batches though the next one failed")),
                Err(err) => findings.hold(
                    err.code() == Code::EngineFailed,
                    format_args!("the error of the rows does not come back: {err:?}"),
                ),
            }
            self.holds(want, &format!("after rows that failed behind {good} batches"), findings).await;
        }
        self.leaves(&left, "after rows that failed", findings).await;
    }

    /// A publication that is dropped in the middle.
    async fn is_dropped(&self, want: Option<&[String]>, findings: &mut Findings) {
        let left = (self.case.left)().await;
        for good in [0, 30] {
            // A stream that says when it was asked for more than there is.
            let (asked, when_asked) = futures::channel::oneshot::channel::<()>();
            let mut asked = Some(asked);
            let mut batches = (0..good).map(numbered).collect::<Vec<_>>().into_iter();
            let rows = futures::stream::poll_fn(move |_| match batches.next() {
                Some(batch) => Poll::Ready(Some(Ok(batch))),
                None => {
                    asked.take().map(|asked| asked.send(()));
                    Poll::Pending
                }
            });
            let mut work: Pin<Box<dyn Future<Output = Result<Published>> + Send + '_>> =
                Box::pin(self.publish(rows.boxed()));
            tokio::select! {
                ended = &mut work => findings.add(format_args!("it ends before the rows do: {ended:?}")),
                _ = when_asked => {}
            }
            drop(work);
            self.holds(want, &format!("after it was dropped behind {good} batches"), findings).await;
        }
        self.leaves(&left, "after it was dropped", findings).await;
    }

    async fn leaves(&self, want: &[String], when: &str, findings: &mut Findings) {
        let have = (self.case.left)().await;
        findings.hold(have == want, format_args!("{when} it leaves {have:?} in place of {want:?}"));
    }
}
