//! The pages of a reading, one after the other, until one of the ends.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use phlo_plugin::prelude::*;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use url::Url;

use crate::client::{Client, cut, shown};
use crate::config::{Paging, Plan};

/// So many pages without a record, each promising another, are an API that never ends.
const MAX_EMPTY_PAGES: u32 = 100;
/// So many pages in a row that hold the same records are an API that never ends, whatever leads from one to the next.
const MAX_SAME_PAGES: u32 = 3;

/// A page.
pub(crate) struct Page {
    /// Counted from 1, whatever the API calls it.
    pub(crate) number: u64,
    pub(crate) records: Vec<Value>,
    /// Whether there is another, which `max_pages` leaves unread.
    pub(crate) cut: bool,
}

/// Asks for one page after the other.
pub(crate) struct Pages {
    client: Arc<Client>,
    plan: Plan,
    /// The URL without what paging adds.
    base: Url,
    next: Option<Url>,
    read: u64,
    records: u64,
    empty: u32,
    /// What the last page held, and how many held the same.
    same: (u64, u32),
    circle: Circle,
    /// Whether it was ever there: what leads to the next page, and what says that there is one.
    pointed: bool,
    said_more: bool,
    tells: bool,
}

impl Pages {
    /// `since` is the incremental parameter and its value.
    pub(crate) fn new(client: Client, plan: Plan, since: Option<(&str, &str)>) -> Self {
        let mut base = plan.url.clone();
        if let Some((param, value)) = since {
            base.query_pairs_mut().append_pair(param, value);
        }
        if let Some((param, size)) = &plan.size {
            base.query_pairs_mut().append_pair(param, &size.to_string());
        }
        let first = match &plan.paging {
            Paging::Page { param, start } => with(&base, param, start),
            Paging::Offset { param } => with(&base, param, 0),
            Paging::Cursor { .. } | Paging::LinkHeader | Paging::NextUrl { .. } | Paging::None => base.clone(),
        };
        Self {
            client: Arc::new(client),
            plan,
            base,
            next: Some(first),
            read: 0,
            records: 0,
            empty: 0,
            same: (0, 0),
            circle: Circle::default(),
            pointed: false,
            said_more: false,
            tells: false,
        }
    }

    /// The same, telling in the log what deserves a look: for a reading that counts.
    pub(crate) fn telling(mut self) -> Self {
        self.tells = true;
        self
    }

    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Where the pages come from, as it may be shown.
    pub(crate) fn origin(&self) -> String {
        self.client.clean(&shown(&self.plan.url))
    }

    /// The next page; it may be empty. Nothing when there is no more.
    pub(crate) async fn next(&mut self) -> Result<Option<Page>> {
        let Some(url) = self.next.take() else { return Ok(None) };
        self.read += 1;
        let number = self.read;
        let (records, cut) = self.turn(&url).await.map_err(|err| err.during(reading(number, &self.origin())))?;
        Ok(Some(Page { number, records, cut }))
    }

    /// A page's records, and whether `max_pages` ends the reading there.
    async fn turn(&mut self, url: &Url) -> Result<(Vec<Value>, bool)> {
        let mut answer = self.client.fetch(url).await.map_err(|err| {
            let counted = matches!(self.plan.paging, Paging::Page { .. } | Paging::Offset { .. });
            if err.code() == Code::SourceNotFound && counted && self.read > 1 {
                return err.hint(
                    "if this is how the API ends, tell it by `pagination.has_next_key`, or use the kind `next_url`",
                );
            }
            err
        })?;
        let more = self.plan.has_next.as_ref().and_then(|path| path.find(&answer.json)).map(is_true);
        self.said_more |= more.is_some();
        let (pointer, place) = match &self.plan.paging {
            Paging::Cursor { path, .. } | Paging::NextUrl { path } => {
                let found = path.find(&answer.json);
                self.pointed |= found.is_some();
                (pointer(found), path.to_string())
            }
            Paging::LinkHeader => (Ok(answer.next_link.take()), "the `Link` header".to_owned()),
            Paging::Page { .. } | Paging::Offset { .. } | Paging::None => (Ok(None), String::new()),
        };
        let pointer = pointer.map_err(|found| {
            let found = cut(&self.client.clean(&found), 60);
            Error::new(Code::MalformedData, format!("`{place}` holds no pointer to the next page: {found}"))
                .hint("check `pagination`: a cursor is a text or a number, a next page a URL, and null or an empty text ends the reading")
        })?;
        let keys = self.keys(&answer.json);
        let records = self.take_records(&mut answer.json)?;
        self.records += records.len() as u64;
        self.next = match &self.plan.paging {
            Paging::None => None,
            // A short page is no end: servers cap the page size.
            Paging::Page { .. } | Paging::Offset { .. } if records.is_empty() || more == Some(false) => None,
            Paging::Page { param, start } => Some(with(&self.base, param, start.saturating_add(self.read))),
            Paging::Offset { param } => Some(with(&self.base, param, self.records)),
            Paging::Cursor { .. } if more == Some(false) => None,
            Paging::Cursor { .. } if pointer.is_none() && more == Some(true) => {
                return Err(Error::new(
                    Code::MalformedData,
                    format!("the answer promises another page, but there is no cursor at `{place}`"),
                )
                .hint("check `pagination.cursor_path`"));
            }
            Paging::Cursor { param, .. } => pointer.as_deref().map(|cursor| with(&self.base, param, cursor)),
            Paging::LinkHeader | Paging::NextUrl { .. } => match pointer.as_deref() {
                Some(target) => Some(resolve(&answer.url, target, &place)?),
                None => None,
            },
        };
        if self.next.is_none() {
            self.look_back(records.len(), more, &keys)?;
        } else if self.plan.max_pages > 0 && self.read >= self.plan.max_pages {
            self.next = None;
            if self.tells && !records.is_empty() {
                let (read, origin) = (self.read, self.origin());
                self.client.warn(&format!(
                    "{origin}: `pagination.max_pages` ended the reading after {read} pages; what comes behind them is not read"
                ));
            }
            return Ok((records, true));
        }
        if let Some(next) = &self.next {
            let held = hash(&records);
            self.same = if self.same.0 == held { (held, self.same.1 + 1) } else { (held, 1) };
            // A page number always changes, so what comes is compared; a pointer that leads back would lead there again.
            let mark = match &self.plan.paging {
                Paging::Page { .. } | Paging::Offset { .. } => held,
                _ => hash(next),
            };
            self.empty = if records.is_empty() { self.empty + 1 } else { 0 };
            let circle = self.circle.closes(mark);
            let same = self.same.1 >= MAX_SAME_PAGES && !records.is_empty();
            if circle || same || self.empty >= MAX_EMPTY_PAGES {
                return Err(self.endless(circle));
            }
        }
        Ok((records, false))
    }

    /// At the end: whether it is one, or only a misspelt place where nothing was ever found.
    fn look_back(&self, last: usize, more: Option<bool>, keys: &str) -> Result<()> {
        if self.records == 0 {
            return Ok(());
        }
        let (option, path, ends) = match &self.plan.paging {
            Paging::Cursor { path, .. } if !self.pointed && more != Some(false) => ("cursor_path", path, true),
            Paging::NextUrl { path } if !self.pointed => ("next_url_path", path, true),
            _ => match &self.plan.has_next {
                Some(path) if self.plan.has_next_is_set && !self.said_more => ("has_next_key", path, false),
                _ => return Ok(()),
            },
        };
        let message = format!("`{path}`, which `pagination.{option}` names, is in no answer");
        if ends && self.plan.size.as_ref().is_some_and(|(_, size)| last as u64 >= *size) {
            return Err(Error::new(Code::MalformedData, format!("{message}, and the page is full"))
                .with("keys", keys)
                .hint(format!("check `pagination.{option}`; a last page has null there, or is not full")));
        }
        if self.tells {
            let keys = if keys.is_empty() { String::new() } else { format!(" (keys: {keys})") };
            self.client.warn(&format!("{}: {message}{keys}; check that the reading is whole", self.origin()));
        }
        Ok(())
    }

    /// The answer's keys, for a message.
    fn keys(&self, json: &Value) -> String {
        let keys: Vec<_> = json.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).take(20).collect();
        cut(&self.client.clean(&keys.join(", ")), 200)
    }

    fn take_records(&self, json: &mut Value) -> Result<Vec<Value>> {
        let path = &self.plan.results;
        let keys = self.keys(json);
        if json.is_array() {
            return Ok(into_list(json.take()));
        }
        if json.is_null() {
            return Ok(Vec::new());
        }
        match path.take(json) {
            Some(Value::Null) => Ok(Vec::new()),
            Some(list @ Value::Array(_)) => Ok(into_list(list)),
            Some(record @ Value::Object(_)) if path.to_string().is_empty() => Ok(vec![record]),
            Some(other) => Err(Error::new(
                Code::MalformedData,
                format!("`{path}` in the answer is no list: it is {}", what(&other)),
            )
            .hint("say where the records are with `pagination.results_key`")),
            None => {
                let error = Error::new(Code::MalformedData, format!("the answer holds no `{path}`"));
                let error = match json {
                    Value::Object(_) => error.with("keys", keys),
                    _ => error.with("answer", what(json)),
                };
                Err(error.hint("say where the records are with `pagination.results_key`"))
            }
        }
    }

    fn endless(&self, circle: bool) -> Error {
        let (message, hint) = match &self.plan.paging {
            Paging::Page { param, .. } | Paging::Offset { param } => (
                "the same page came again, so the reading would never end".to_owned(),
                format!(
                    "the API does not seem to heed `{param}`: set the right parameter, or `pagination: {{kind: none}}` if it does not page"
                ),
            ),
            _ if self.empty >= MAX_EMPTY_PAGES => (
                format!("{MAX_EMPTY_PAGES} pages in a row held no record and led to another"),
                "check what the API sends on its last page".to_owned(),
            ),
            _ if !circle => (
                format!("{MAX_SAME_PAGES} pages in a row held the same records, so the reading would never end"),
                "the API does not seem to heed what leads to the next page: check the options of `pagination`"
                    .to_owned(),
            ),
            _ => (
                "the pages lead in a circle, so the reading would never end".to_owned(),
                "check the options of `pagination`".to_owned(),
            ),
        };
        Error::new(Code::MalformedData, message).hint(hint)
    }
}

/// What is being done, for the errors of a page.
pub(crate) fn reading(page: u64, origin: &str) -> String {
    format!("reading page {page} of {origin}")
}

/// The URL with one more parameter.
fn with(url: &Url, param: &str, value: impl ToString) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut().append_pair(param, &value.to_string());
    url
}

fn resolve(from: &Url, target: &str, place: &str) -> Result<Url> {
    let url = from.join(target).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| {
        Error::new(Code::MalformedData, format!("{place} leads to no URL"))
            .hint("where it stands should be an http or https URL, whole or relative: check `pagination`")
    })
}

/// A cursor or URL, if there is one; the value that can be neither otherwise.
fn pointer(value: Option<&Value>) -> Result<Option<String>, String> {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => Ok(None),
        Some(Value::String(text)) => Ok((!text.is_empty()).then(|| text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(other.to_string()),
    }
}

/// Whether a value says yes: what a flag, a count or a link to the next page says.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(it) => *it,
        Value::Number(it) => it.as_f64() != Some(0.0),
        Value::String(it) => !it.is_empty() && !it.eq_ignore_ascii_case("false"),
        Value::Array(it) => !it.is_empty(),
        Value::Object(it) => !it.is_empty(),
    }
}

fn into_list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

/// A value's kind, in words.
pub(crate) fn what(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Notices that a sequence repeats, whatever the length of the circle, remembering one mark (Brent's algorithm).
#[derive(Default)]
struct Circle {
    kept: Option<u64>,
    steps: u64,
    limit: u64,
}

impl Circle {
    /// Takes the next mark; true if the sequence has come back to an earlier one.
    fn closes(&mut self, mark: u64) -> bool {
        if self.kept == Some(mark) {
            return true;
        }
        if self.steps >= self.limit {
            *self = Self { kept: Some(mark), steps: 0, limit: (self.limit * 2).max(1) };
        }
        self.steps += 1;
        false
    }
}

/// Fetches one page ahead of the reader, in a task that ends with it.
pub(crate) struct Ahead {
    pages: mpsc::Receiver<Page>,
    task: JoinSet<Result<()>>,
}

impl Ahead {
    pub(crate) fn of(mut pages: Pages) -> Self {
        let (send, receive) = mpsc::channel(1);
        let mut task = JoinSet::new();
        task.spawn(async move {
            // Room first: no page is fetched that nobody is ready to hold.
            while let Ok(room) = send.reserve().await {
                match pages.next().await? {
                    Some(page) => room.send(page),
                    None => break,
                }
            }
            Ok(())
        });
        Self { pages: receive, task }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Page>> {
        if let Some(page) = self.pages.recv().await {
            return Ok(Some(page));
        }
        match self.task.join_next().await {
            None => Ok(None),
            Some(Ok(ended)) => ended.map(|()| None),
            Some(Err(failed)) => {
                Err(Error::internal("the task that fetches pages did not end by itself").because(failed))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_of_any_length_is_noticed_and_a_straight_line_is_not() {
        for length in 1..40_u64 {
            for tail in 0..40_u64 {
                let mut circle = Circle::default();
                let marks = (0..tail).map(|mark| mark + 1000).chain((0..length).cycle());
                let steps = marks.take(1000).position(|mark| circle.closes(mark));
                assert!(steps.is_some_and(|at| at as u64 <= 4 * (tail + length)), "{tail} and {length}: {steps:?}");
            }
        }
        let mut circle = Circle::default();
        assert!(!(0..10_000).any(|mark| circle.closes(mark)));
    }
}
