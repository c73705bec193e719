//! What sources promise, tried on data that the test brings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::StreamExt;
use phlo_plugin::source::{AnySource, ReadRequest, SourceConfig, SourceContext};
use phlo_plugin::{Error, InitContext, Policy, Registry, Result};
use phlo_spec::{Code, Node, Span};
use serde_json::Value;

use crate::findings::Findings;
use crate::fixture::rows;

/// An interrupted read ends within this, whatever it waits for.
const PROMPTLY: Duration = Duration::from_secs(30);

type Grow<'a> = Box<dyn FnOnce() + Send + 'a>;

/// A source with a config that reads at least two rows.
pub struct Case<'a> {
    name: String,
    source: Arc<dyn AnySource>,
    config: String,
    root: PathBuf,
    grow: Option<Grow<'a>>,
    refused: Vec<(String, String)>,
}

impl<'a> Case<'a> {
    /// A linked source by its name, with its config as YAML.
    ///
    /// # Panics
    /// If there is no such source.
    pub fn new(name: &str, config: &str) -> Self {
        let registry =
            Registry::linked(&[]).and_then(|linked| linked.activate(Policy::default(), InitContext::at("/nowhere")));
        let source = registry.and_then(|registry| registry.source(name)).unwrap_or_else(|err| panic!("{err:?}"));
        Self::of(name, source, config)
    }

    /// A source, with its config as YAML.
    pub fn of(name: &str, source: Arc<dyn AnySource>, config: &str) -> Self {
        let (name, config) = (name.to_owned(), config.to_owned());
        Self { name, source, config, root: PathBuf::from("/nowhere"), grow: None, refused: Vec::new() }
    }

    /// The project's folder.
    #[must_use]
    pub fn root(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = root.into();
        self
    }

    /// Adds rows, at least one, to what is read: for sources that read only what is new.
    #[must_use]
    pub fn grows(mut self, grow: impl FnOnce() + Send + 'a) -> Self {
        self.grow = Some(Box::new(grow));
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
        let mut findings = Findings::new(format!("the source `{}`", self.name));
        self.try_all(&mut findings).await;
        findings
    }

    async fn try_all(self, findings: &mut Findings) {
        for (config, field) in &self.refused {
            refused(|node| self.source.parse(node).map(drop), config, field, findings);
        }
        let parsed = Node::parse(&self.config, "conformance.yaml", 1).map_err(Error::from);
        let Some(config) = findings.expect(parsed.and_then(|node| self.source.parse(&node)), "its config") else {
            return;
        };
        let reader = Reader { source: self.source.as_ref(), config: &config, context: SourceContext::at(&self.root) };

        findings.expect(reader.source.test_connection(&config, &reader.context).await, "testing its connection");
        let Some(told) = reader.told(findings).await else { return };
        let Some(first) = reader.read(None, 1, 8192, findings).await else { return };
        if let Some(told) = &told {
            findings.hold(*told == first.schema, format_args!("it tells {told:?} and delivers {:?}", first.schema));
        }
        findings.hold(first.rows.len() >= 2, "the case must read at least two rows");
        for (parallelism, batch_rows) in [(4, 1), (2, 3)] {
            let Some(divided) = reader.read(None, parallelism, batch_rows, findings).await else { return };
            let same = divided.sorted() == first.sorted() && divided.schema == first.schema;
            findings.hold(
                same,
                format_args!("with {parallelism} streams of {batch_rows} rows a batch it reads other rows"),
            );
        }
        reader.dropped(findings).await;
        reader.interrupted(&first, findings).await;
        if let Some(again) = reader.read(None, 1, 8192, findings).await {
            findings.hold(
                again.sorted() == first.sorted(),
                "after a dropped stream and an interruption it reads other rows",
            );
        }
        let Some(cursor) = first.cursor.clone() else {
            findings.hold(self.grow.is_none(), "it notes no cursor, so that new rows cannot be told from old ones");
            return;
        };
        if let Some(resumed) = reader.read(Some(cursor.clone()), 1, 8192, findings).await {
            findings.hold(resumed.rows.is_empty(), format_args!("resumed at its cursor it repeats {:?}", resumed.rows));
            findings.hold(resumed.schema == first.schema, "resumed at its cursor it has another schema");
        }
        let Some(grow) = self.grow else { return };
        grow();
        let Some(whole) = reader.read(None, 1, 8192, findings).await else { return };
        let Some(resumed) = reader.read(Some(cursor), 2, 8192, findings).await else { return };
        findings.hold(whole.rows.len() > first.rows.len(), "the case must add at least one row");
        let mut both = first.rows.clone();
        both.extend(resumed.rows.iter().cloned());
        both.sort();
        findings.hold(
            both == whole.sorted(),
            format_args!(
                "rows read before and after the cursor are not the rows that there are: {:?} after it",
                resumed.rows
            ),
        );
        findings.hold(resumed.cursor == whole.cursor, "resuming ends at another cursor than reading everything");
    }
}

/// Fails a test unless the source keeps its promises:
///
/// the schema stays the same, offline too, and is that of every batch; the rows stay the same, however they are divided and after a
/// stream was dropped or the run interrupted; reading on from the cursor neither loses nor repeats a row; a config that is wrong is
/// refused by its field, in words that are a message's: not a sentence, with a hint what would be right.
///
/// # Panics
/// If it does not.
pub async fn suite(case: Case<'_>) {
    case.check().await.assert_none();
}

/// A config is refused because of this field.
pub(crate) fn refused(parse: impl Fn(&Node) -> Result<()>, config: &str, field: &str, findings: &mut Findings) {
    let parsed = Node::parse(config, "conformance.yaml", 1).map_err(Error::from);
    let Some(node) = findings.expect(parsed, format_args!("the config `{config}`")) else { return };
    let Err(err) = parse(&node) else { return findings.add(format_args!("it accepts the config `{config}`")) };
    let text = err.chain().join(": ");
    let mut hold = |holds: bool, what: &str| {
        findings.hold(holds, format_args!("what it says of the config `{config}` {what}: {text}"));
    };
    hold(err.code() != Code::PluginPanicked, "is a panic");
    well_formed(&err, &mut hold);
    match err.place() {
        Some(place) => {
            hold(text.contains(field) || is_at(&node, field, place.span), &format!("is not about `{field}`"));
        }
        None => hold(false, "has no place"),
    }
}

/// It is told after `error[P2001]: ` and before a place, and says what would be right.
pub(crate) fn well_formed(err: &Error, hold: &mut dyn FnMut(bool, &str)) {
    let message = err.message();
    hold(!message.trim().is_empty(), "is empty");
    hold(!message.trim_end().ends_with('.'), "ends with a period");
    let word: String = message.chars().take_while(|c| c.is_alphanumeric()).collect();
    // `CSV`, `PostgreSQL` are names, which keep their letters.
    let is_name = word.chars().skip(1).any(char::is_uppercase);
    let begins = message.starts_with(|c: char| c.is_lowercase() || c.is_numeric() || "`'\"".contains(c));
    hold(message.trim().is_empty() || begins || is_name, "begins with a capital");
    // A missing key, and a value of another type than is expected, say so themselves.
    let says = err.code() == Code::MissingKey || message.starts_with("expected ");
    hold(says || err.hints().iter().any(|hint| !hint.trim().is_empty()), "has no hint what would be right");
}

/// Whether the place is that of a field, or within its value.
fn is_at(node: &Node, field: &str, span: Span) -> bool {
    fn holds(node: &Node, span: Span) -> bool {
        node.span == span
            || node.items().unwrap_or_default().iter().any(|item| holds(item, span))
            || node.entries().unwrap_or_default().iter().any(|(key, value)| key.span == span || holds(value, span))
    }
    node.items().unwrap_or_default().iter().any(|item| is_at(item, field, span))
        || node.entries().unwrap_or_default().iter().any(|(key, value)| {
            key.as_str() == Some(field) && (key.span == span || holds(value, span)) || is_at(value, field, span)
        })
}

struct Reader<'a> {
    source: &'a dyn AnySource,
    config: &'a SourceConfig,
    context: SourceContext,
}

struct Read {
    schema: SchemaRef,
    rows: Vec<String>,
    cursor: Option<Value>,
}

impl Read {
    fn sorted(&self) -> Vec<String> {
        let mut sorted = self.rows.clone();
        sorted.sort();
        sorted
    }
}

impl Reader<'_> {
    /// The schema that it tells, twice; and offline, where it may not know it.
    async fn told(&self, findings: &mut Findings) -> Option<Option<SchemaRef>> {
        let told = findings.expect(self.source.schema(self.config, &self.context).await, "telling its schema")?;
        let again =
            findings.expect(self.source.schema(self.config, &self.context).await, "telling its schema again")?;
        findings.hold(told == again, format_args!("it tells {told:?}, then {again:?}"));
        let offline = SourceContext { offline: true, ..self.context.clone() };
        let offline = findings.expect(self.source.schema(self.config, &offline).await, "telling its schema offline")?;
        findings
            .hold(offline.is_none() || offline == told, format_args!("offline it tells {offline:?}, else {told:?}"));
        Some(told)
    }

    async fn read(
        &self,
        cursor: Option<Value>,
        parallelism: usize,
        batch_rows: usize,
        findings: &mut Findings,
    ) -> Option<Read> {
        let read = self.try_read(cursor, parallelism, batch_rows, findings).await;
        findings.expect(read, "reading")
    }

    async fn try_read(
        &self,
        cursor: Option<Value>,
        parallelism: usize,
        batch_rows: usize,
        findings: &mut Findings,
    ) -> Result<Read> {
        let reading =
            self.source.read(self.config, &self.context, ReadRequest { cursor, parallelism, batch_rows }).await?;
        findings.hold(!reading.streams.is_empty(), "it reads without a stream");
        findings.hold(reading.streams.len() <= parallelism.max(1), "it makes more streams than were asked for");
        let mut batches: Vec<RecordBatch> = Vec::new();
        for mut stream in reading.streams {
            while let Some(batch) = stream.next().await {
                batches.push(batch?);
            }
        }
        let strays = batches.iter().filter(|batch| batch.schema() != reading.schema).count();
        findings.hold(strays == 0, format_args!("{strays} batches have another schema than the reading"));
        Ok(Read { schema: reading.schema, rows: rows(&batches), cursor: reading.checkpoint.get() })
    }

    /// Leaves in the middle.
    async fn dropped(&self, findings: &mut Findings) {
        let request = ReadRequest { cursor: None, parallelism: 1, batch_rows: 1 };
        if let Some(mut reading) =
            findings.expect(self.source.read(self.config, &self.context, request).await, "reading")
            && let Some(stream) = reading.streams.first_mut()
        {
            findings.hold(matches!(stream.next().await, Some(Ok(_))), "the first batch cannot be read");
        }
        // Before the first row is there, too: a future that is never awaited to its end.
        let request = ReadRequest { cursor: None, parallelism: 1, batch_rows: 1 };
        let mut reading = std::pin::pin!(self.source.read(self.config, &self.context, request));
        let _ = futures::poll!(&mut reading);
    }

    /// Goes on after the run was interrupted: each stream ends soon, by an error or the rows that are left, and no cursor is noted that
    /// rows are missing before.
    async fn interrupted(&self, whole: &Read, findings: &mut Findings) {
        let context = SourceContext { cancel: self.context.cancel.child_token(), ..self.context.clone() };
        let request = ReadRequest { cursor: None, parallelism: 1, batch_rows: 1 };
        let reading = self.source.read(self.config, &context, request).await;
        let Some(reading) = findings.expect(reading, "reading") else { return };
        let (mut batches, mut failed) = (Vec::new(), false);
        let ended = tokio::time::timeout(PROMPTLY, async {
            for mut stream in reading.streams {
                while let Some(batch) = stream.next().await {
                    context.cancel.cancel();
                    match batch {
                        Ok(batch) => batches.push(batch),
                        Err(_) => {
                            failed = true;
                            break;
                        }
                    }
                }
            }
        });
        findings.hold(ended.await.is_ok(), format_args!("interrupted, it does not end within {PROMPTLY:?}"));
        let all = rows(&batches).len() == whole.rows.len();
        findings.hold(
            all || failed || reading.checkpoint.get().is_none_or(|noted| Some(noted) != whole.cursor),
            "interrupted, it ends as if all rows had been read and notes the cursor behind them",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_message_and_says_what_would_be_right() {
        let found = |err: Error| {
            let mut found = Vec::new();
            well_formed(&err, &mut |holds, what| found.extend((!holds).then(|| what.to_owned())));
            found
        };
        let refused = |message: &str| Error::new(Code::InvalidValue, message);
        for message in
            ["a day has 24 hours", "`host` is empty", "'a' is no day", "2 keys", "CSV has one", "PostgreSQL 9"]
        {
            assert_eq!(found(refused(message).hint("mend it")), Vec::<String>::new(), "{message}");
        }
        assert_eq!(found(refused("Invalid day.").hint("mend it")), ["ends with a period", "begins with a capital"]);
        assert_eq!(found(refused(" ").hint("mend it")), ["is empty"]);
        assert_eq!(found(refused("no such day")), ["has no hint what would be right"]);
        assert_eq!(found(refused("expected a number, found a text")), Vec::<String>::new());
        assert_eq!(found(Error::new(Code::MissingKey, "missing key `day`")), Vec::<String>::new());
    }
}
