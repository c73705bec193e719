//! What is new since the last commit: from which value on, and which rows at and below the highest value were read before.
//!
//! The server compares values, by its own order of each type; here only texts of values are kept and given back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use phlo_plugin::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio_postgres::types::Type;

use crate::config::{Incremental, Lag, invalid};
use crate::plan::{literal, quote};

/// So many rows are remembered in a cursor, which is committed with every run.
pub(crate) const MOST_REMEMBERED: usize = 5000;

/// What is committed with the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    /// The column that is followed.
    column: String,
    /// Its highest value so far, as PostgreSQL writes it.
    high: String,
    /// The value that the next reading begins at; above `high` alone if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// The rows from there on that were read: hashes of their values, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seen: Vec<String>,
}

impl Cursor {
    pub(crate) fn parse(config: &Incremental, cursor: serde_json::Value) -> Result<Self> {
        let mend = "rebuild the table with `--full-refresh`";
        let cursor: Self = serde_json::from_value(cursor).map_err(|err| {
            invalid("the cursor of the last reading is not one of this source").hint(mend).because(err)
        })?;
        if cursor.column != config.column {
            let message = format!(
                "the last reading followed `{}`, and `incremental.column` is now `{}`",
                cursor.column, config.column
            );
            return Err(invalid(message).hint(mend));
        }
        Ok(cursor)
    }
}

/// The SQL of one reading.
pub(crate) struct Follow<'a> {
    config: &'a Incremental,
    cursor: Option<Cursor>,
    /// The column's type, by PostgreSQL's name.
    pg: &'a Type,
}

impl<'a> Follow<'a> {
    pub(crate) fn new(config: &'a Incremental, cursor: Option<Cursor>, pg: &'a Type) -> Result<Self> {
        let fits = match config.lag()? {
            None | Some(Lag::Zero) => true,
            Some(Lag::Number(_)) => {
                matches!(*pg, Type::INT2 | Type::INT4 | Type::INT8 | Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC)
            }
            Some(Lag::Time(_)) => matches!(*pg, Type::DATE | Type::TIMESTAMP | Type::TIMESTAMPTZ),
        };
        if !fits {
            let message =
                format!("`incremental.lag` does not go with the column `{}` of type `{}`", config.column, pg.name());
            return Err(invalid(message).hint("a time goes with a date or time, a number with a number"));
        }
        Ok(Self { config, cursor, pg })
    }

    fn column(&self) -> String {
        quote(&self.config.column)
    }

    /// The condition of the rows that are read; none if all are.
    pub(crate) fn condition(&self) -> Option<String> {
        let column = self.column();
        let beyond = match (&self.cursor, &self.config.start) {
            (Some(Cursor { from: Some(from), .. }), _) => format!("{column} >= {}", literal(from)),
            (Some(Cursor { high, .. }), _) => format!("{column} > {}", literal(high)),
            (None, Some(start)) => format!("{column} >= {}", literal(&start.to_string())),
            (None, None) => return None,
        };
        // A row without a value would never be read: it is to be found, not left out.
        Some(format!("({beyond} OR {column} IS NULL)"))
    }

    /// The query that answers one row: the highest value, the value that the next reading begins at, and how many rows there are
    /// from there on, counted no further than needed.
    pub(crate) fn ahead(&self, relation: &str) -> Result<String> {
        let column = self.column();
        let condition = self.condition().map(|it| format!(" AND {it}")).unwrap_or_default();
        let lowered = match self.config.lag()? {
            None | Some(Lag::Zero) => "high".to_owned(),
            Some(Lag::Number(number)) => format!("(high - {number})::pg_catalog.{}", quote(self.pg.name())),
            Some(Lag::Time(time)) => format!(
                "(high - interval '{} seconds {} microseconds')::pg_catalog.{}",
                time.as_secs(),
                time.subsec_micros(),
                quote(self.pg.name())
            ),
        };
        // A cursor never goes back, even if the rows that it came from are gone.
        let at_least = |value: String, least: Option<&str>| match least {
            Some(least) => format!("greatest({value}, {})", literal(least)),
            None => value,
        };
        let cursor = self.cursor.as_ref();
        let begin = match (cursor, &self.config.start) {
            (Some(cursor), _) => Some(cursor.from.clone().unwrap_or_else(|| cursor.high.clone())),
            (None, start) => start.as_ref().map(ToString::to_string),
        };
        let high = at_least("high".to_owned(), cursor.map(|it| it.high.as_str()));
        // Below its beginning a reading sees no row that it could remember. Where there is no row, there is no value either.
        let floor = format!("CASE WHEN {high} IS NOT NULL THEN {} END", at_least(lowered, begin.as_deref()));
        Ok(format!(
            "WITH top AS (SELECT (SELECT {column} FROM {relation} WHERE {column} IS NOT NULL{condition} \
             ORDER BY {column} DESC LIMIT 1) AS high), bounds AS (SELECT {high} AS high, {floor} AS floor FROM top) \
             SELECT high::text, floor::text, (SELECT count(*) FROM (SELECT FROM {relation} WHERE {column} >= floor \
             LIMIT {}) AS recent) FROM bounds",
            MOST_REMEMBERED + 1
        ))
    }

    /// The two columns that a row is watched by: whether it is to be remembered, which is null if the row has no value; and whether
    /// it may have been read before.
    pub(crate) fn flags(&self, ahead: &Ahead) -> String {
        let column = self.column();
        let remembered = match &ahead.remembered_from {
            Some(from) => format!("{column} >= {}", literal(from)),
            None => format!("nullif({column} IS NULL, true)"),
        };
        let seen = match &self.cursor {
            Some(cursor) if !cursor.seen.is_empty() => format!("{column} <= {}", literal(&cursor.high)),
            _ => "false".to_owned(),
        };
        format!("{remembered}, {seen}")
    }

    /// What the answer to [`Self::ahead`] means.
    pub(crate) fn understand(&self, high: Option<&str>, floor: Option<&str>, recent: usize) -> Result<Ahead> {
        let lags = self.config.lag()?.is_some();
        let (Some(high), Some(floor)) = (high, floor) else { return Ok(Ahead::default()) };
        // A reading that began above the last highest value does not see the rows at it.
        let blind = self.cursor.as_ref().is_some_and(|it| it.from.is_none() && floor == it.high);
        if blind && !lags {
            return Ok(Ahead { cursor: self.cursor.clone(), ..Ahead::default() });
        }
        let few = recent <= MOST_REMEMBERED && !blind;
        let cursor = Cursor {
            column: self.config.column.clone(),
            high: high.to_owned(),
            from: (few || lags).then(|| floor.to_owned()),
            seen: Vec::new(),
        };
        let warning = (!few).then(|| {
            let (column, more) = (&self.config.column, format!("more than {MOST_REMEMBERED} rows"));
            if lags {
                format!(
                    "{more} of `{column}` are at or above {floor}: the next reading takes them again, and `write: \
                     {{strategy: merge}}` keeps each once"
                )
            } else {
                format!(
                    "{more} of `{column}` are at its highest value {high}: the next reading begins above it, and one that is \
                     added with this same value is not read; `incremental: {{lag: 0}}` with `write: {{strategy: merge}}` \
                     reads them all again"
                )
            }
        });
        Ok(Ahead { remembered_from: few.then(|| floor.to_owned()), cursor: Some(cursor), warning })
    }

    /// The rows that were read before, with how often.
    fn seen(&self) -> HashMap<String, usize> {
        let mut seen = HashMap::new();
        for hash in self.cursor.iter().flat_map(|cursor| &cursor.seen) {
            *seen.entry(hash.clone()).or_insert(0) += 1;
        }
        seen
    }
}

/// What a reading will come to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ahead {
    /// Rows with at least this value are remembered; none if no row is.
    pub(crate) remembered_from: Option<String>,
    /// The cursor behind the reading, without the rows to remember.
    pub(crate) cursor: Option<Cursor>,
    /// What somebody should know.
    pub(crate) warning: Option<String>,
}

/// What all streams of a reading add to.
pub(crate) struct Progress {
    cursor: Option<Cursor>,
    remembered: Mutex<Vec<String>>,
    streams: AtomicUsize,
    checkpoint: Checkpoint,
}

impl Progress {
    pub(crate) fn new(cursor: Option<Cursor>, streams: usize, checkpoint: Checkpoint) -> Arc<Self> {
        Arc::new(Self { cursor, remembered: Mutex::default(), streams: AtomicUsize::new(streams), checkpoint })
    }
}

/// Watches the rows of one stream.
pub(crate) struct Follower {
    column: String,
    seen: HashMap<String, usize>,
    remembered: Vec<String>,
    progress: Arc<Progress>,
}

impl Follower {
    pub(crate) fn new(follow: &Follow<'_>, progress: Arc<Progress>) -> Self {
        Self { column: follow.config.column.clone(), seen: follow.seen(), remembered: Vec::new(), progress }
    }

    /// Whether a row is new. `row` is the whole row as it came, of which the first `columns` values are its own.
    #[inline]
    pub(crate) fn admits(
        &mut self,
        remember: Option<bool>,
        maybe_seen: Option<bool>,
        row: &[u8],
        columns: usize,
    ) -> Result<bool> {
        match (remember, maybe_seen) {
            (Some(false), Some(false)) => Ok(true),
            (Some(remember), maybe_seen) => Ok(self.look(remember, maybe_seen == Some(true), row, columns)),
            (None, _) => {
                let message = format!("`{}`, which `incremental` follows, is null in a row", self.column);
                Err(Error::new(Code::MalformedData, message).hint(
                    "follow a column that every row has, or a `query` that makes one, e.g. `coalesce(updated_at, \
                     created_at) AS changed_at`",
                ))
            }
        }
    }

    #[cold]
    fn look(&mut self, remember: bool, maybe_seen: bool, row: &[u8], columns: usize) -> bool {
        let hash = hash(row, columns);
        let known = maybe_seen
            && self.seen.get_mut(&hash).is_some_and(|left| {
                let some = *left > 0;
                *left -= usize::from(some);
                some
            });
        if remember {
            self.remembered.push(hash);
        }
        !known
    }

    /// Says that the stream has ended well. The last one notes the cursor.
    pub(crate) fn end(self) -> Result<()> {
        let progress = &self.progress;
        let mut remembered = progress.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.extend(self.remembered);
        if progress.streams.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(mut cursor) = progress.cursor.clone()
        {
            if !remembered.is_empty() {
                remembered.sort_unstable();
                cursor.seen = std::mem::take(&mut remembered);
            }
            let cursor =
                serde_json::to_value(cursor).map_err(|err| Error::internal("a cursor is JSON").because(err))?;
            progress.checkpoint.set(cursor);
        }
        Ok(())
    }
}

/// The first values of a row as they came, lengths included, as 64 bits that stay the same between versions.
fn hash(row: &[u8], columns: usize) -> String {
    let (mut at, mut hasher) = (2, Sha256::new());
    for _ in 0..columns {
        let Some(len) = row.get(at..at + 4) else { break };
        let len = usize::try_from(i32::from_be_bytes([len[0], len[1], len[2], len[3]])).unwrap_or(0);
        let end = (at + 4 + len).min(row.len());
        hasher.update(&row[at..end]);
        at = end;
    }
    hasher.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
