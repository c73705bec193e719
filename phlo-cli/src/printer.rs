//! The one place that prints. Standard output is data, standard error is talk; nothing leaves without being cleaned of secrets,
//! and colours only reach a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::{PoisonError, RwLock};

use anstream::adapter::strip_str;
use indicatif::MultiProgress;
use phlo_spec::Redactor;
use serde_json::Value;

/// What the user wants to see.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wishes {
    /// One JSON document on standard output.
    pub(crate) json: bool,
    /// Errors only on standard error.
    pub(crate) quiet: bool,
    /// How much more talk.
    pub(crate) verbose: u8,
    /// Colour, if it was decided either way.
    pub(crate) color: Option<bool>,
}

/// Decides what goes where.
pub(crate) struct Printer {
    wishes: RwLock<Wishes>,
    redactor: RwLock<Redactor>,
    bars: RwLock<Option<MultiProgress>>,
}

impl Printer {
    /// A printer to the process's streams.
    pub(crate) fn new(wishes: Wishes) -> Self {
        Self { wishes: RwLock::new(wishes), redactor: RwLock::default(), bars: RwLock::default() }
    }

    /// What the user wants to see, now that the command line has been read.
    pub(crate) fn settle(&self, wishes: Wishes) {
        *self.wishes.write().unwrap_or_else(PoisonError::into_inner) = wishes;
    }

    fn wishes(&self) -> Wishes {
        *self.wishes.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, the secrets that this one knows are masked.
    pub(crate) fn redact_with(&self, redactor: Redactor) {
        *self.redactor.write().unwrap_or_else(PoisonError::into_inner) = redactor;
    }

    /// Whether a JSON document is wanted.
    pub(crate) fn json(&self) -> bool {
        self.wishes().json
    }

    /// Whether more talk is wanted.
    pub(crate) fn verbose(&self) -> u8 {
        self.wishes().verbose
    }

    /// Whether bars can move on standard error.
    pub(crate) fn animates(&self) -> bool {
        !self.wishes().quiet && io::stderr().is_terminal()
    }

    /// The text without secrets. What is laid out in columns is cleaned before: a secret that is broken over lines is not found.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.redactor.read().unwrap_or_else(PoisonError::into_inner).clean(text)
    }

    /// Whether there is a secret in the text.
    pub(crate) fn finds(&self, text: &str) -> bool {
        self.redactor.read().unwrap_or_else(PoisonError::into_inner).finds(text)
    }

    /// JSON without secrets inside its texts. Keys and numbers stay, so that it stays JSON.
    pub(crate) fn clean_json(&self, json: &str) -> String {
        let redactor = self.redactor.read().unwrap_or_else(PoisonError::into_inner);
        if redactor.finds(json) { clean_texts(json, &redactor) } else { json.to_owned() }
    }

    /// Writes to standard output.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn out(&self, text: &str) -> io::Result<()> {
        let text = self.clean(text);
        let mut out = io::stdout().lock();
        let color = self.wishes().color.unwrap_or_else(|| out.is_terminal());
        let text = if color { text } else { strip_str(&text).to_string() };
        out.write_all(text.as_bytes())
    }

    /// Writes data to standard output: as [`Printer::out`], but nothing that looks like colour is taken out of it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn data(&self, text: &str) -> io::Result<()> {
        io::stdout().lock().write_all(self.clean(text).as_bytes())
    }

    /// Writes a part of a JSON document to standard output, as [`Printer::clean_json`] leaves it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn json_part(&self, json: &str) -> io::Result<()> {
        io::stdout().lock().write_all(self.clean_json(json).as_bytes())
    }

    /// Writes to standard output what was cleaned before.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn clean_data(&self, text: &str) -> io::Result<()> {
        io::stdout().lock().write_all(text.as_bytes())
    }

    /// Writes a JSON document to standard output.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn document(&self, document: Value) -> io::Result<()> {
        self.clean_data(&self.document_text(document))
    }

    /// A JSON document as text, without secrets.
    pub(crate) fn document_text(&self, mut document: Value) -> String {
        self.redactor.read().unwrap_or_else(PoisonError::into_inner).clean_json(&mut document);
        format!("{document:#}\n")
    }

    /// The text without secrets and colours, for a file.
    pub(crate) fn plain(&self, text: &str) -> String {
        strip_str(&self.clean(text)).to_string()
    }

    /// Writes the JSON document or the text for people, whichever is wanted.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub(crate) fn answer(&self, document: impl FnOnce() -> Value, text: impl FnOnce() -> String) -> io::Result<()> {
        if self.wishes().json { self.document(document()) } else { self.out(&text()) }
    }

    /// Tells an error, whatever the user wants: a line or more on standard error.
    pub(crate) fn error(&self, text: &str) {
        let text = self.clean(text);
        let color = self.wishes().color.unwrap_or_else(|| io::stderr().is_terminal());
        let text = if color { text } else { strip_str(&text).to_string() };
        // Whoever closed standard error does not want to know.
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let write = || drop(io::stderr().lock().write_all(format!("{text}{end}").as_bytes()));
        match &*self.bars.read().unwrap_or_else(PoisonError::into_inner) {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// Says a line on standard error, unless the user wants quiet.
    pub(crate) fn talk(&self, text: &str) {
        if !self.wishes().quiet {
            self.error(text);
        }
    }

    /// Says a line on standard error, if the user wants more talk.
    pub(crate) fn detail(&self, text: &str) {
        if self.wishes().verbose > 0 {
            self.talk(text);
        }
    }

    /// Makes lines on standard error stay above these bars; `None` when they are gone.
    pub(crate) fn above(&self, bars: Option<MultiProgress>) {
        *self.bars.write().unwrap_or_else(PoisonError::into_inner) = bars;
    }
}

// Value by value, not as one text: a secret may look like a number, and its mask is none.
fn clean_texts(json: &str, redactor: &Redactor) -> String {
    let mut clean = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find('"') {
        clean.push_str(&rest[..start]);
        let mut escaped = false;
        let end = rest[start + 1..].find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some(end) = end.map(|end| start + end + 2) else { break };
        let (text, after) = (&rest[start..end], &rest[end..]);
        match serde_json::from_str::<String>(text) {
            Ok(value) if !after.trim_start().starts_with(':') && redactor.finds(&value) => {
                clean.push_str(&Value::from(redactor.clean(&value)).to_string());
            }
            _ => clean.push_str(text),
        }
        rest = after;
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_without_its_secrets_is_json_still() {
        let redactor = Redactor::default();
        redactor.add("1234");
        redactor.add("a\"b\\");
        let rows =
            serde_json::json!([{ "1234": 1234, "x": "is 1234, a\"b\\ too", "y": [{ "z": "a\"b\\" }, "free\\"] }]);
        let clean: Value = serde_json::from_str(&clean_texts(&format!("{rows:#}"), &redactor)).unwrap();
        assert_eq!(
            clean,
            serde_json::json!([{ "1234": 1234, "x": "is ***, *** too", "y": [{ "z": "***" }, "free\\"] }])
        );
    }
}
