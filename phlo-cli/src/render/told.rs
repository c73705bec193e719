//! Errors and warnings as people read them: what, where, why, what next; and as JSON.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use phlo_plugin::Error;
use phlo_spec::run::ErrorRecord;
use phlo_spec::{Code, Diagnostic, Place, Severity};
use serde_json::{Value, json};

use crate::render::Tone;

/// One thing that went wrong.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// How bad it is.
    pub(crate) severity: Severity,
    /// Its code.
    pub(crate) code: Code,
    /// The message and its causes, outermost first.
    pub(crate) messages: Vec<String>,
    /// Where.
    pub(crate) place: Option<Place>,
    /// What stands beside the marked text.
    pub(crate) label: Option<String>,
    /// What to do next.
    pub(crate) hints: Vec<String>,
}

impl From<Diagnostic> for Told {
    fn from(d: Diagnostic) -> Self {
        Self {
            severity: d.severity,
            code: d.code,
            messages: vec![d.message],
            place: d.place,
            label: d.label,
            hints: d.hints,
        }
        .complete()
    }
}

impl From<&Error> for Told {
    fn from(err: &Error) -> Self {
        Self::from(&err.record())
    }
}

impl From<&ErrorRecord> for Told {
    fn from(record: &ErrorRecord) -> Self {
        let (messages, hints, place) = (record.messages.clone(), record.hints.clone(), record.place.clone());
        Self { severity: Severity::Error, code: record.code, messages, place, label: None, hints }.complete()
    }
}

impl Told {
    // A fault of phlo asks for a report, whoever found it.
    fn complete(mut self) -> Self {
        if self.code == Code::Internal && !self.hints.iter().any(|h| h.contains("report")) {
            self.hints.push(REPORT.to_owned());
        }
        self
    }

    /// As a warning.
    pub(crate) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Says what it is about, in front of the message.
    pub(crate) fn about(mut self, what: &str) -> Self {
        if let Some(first) = self.messages.first_mut()
            && !first.contains(what)
        {
            *first = format!("{what}: {first}");
        }
        self
    }

    /// For `--json`; every field is always there.
    pub(crate) fn json(&self) -> Value {
        json!({
            "severity": self.severity, "code": self.code, "messages": self.messages,
            "place": self.place, "label": self.label, "hints": self.hints,
        })
    }

    /// For people. `line` is the line that the place is on, if it may be shown; `clean` takes secrets out.
    pub(crate) fn text(&self, line: Option<&str>, clean: &dyn Fn(&str) -> String) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let renderer = Renderer::styled();
        let messages: Vec<_> = self.messages.iter().map(|m| clean(m)).collect();
        let hints = self.hints.iter().map(|h| clean(h));
        let title = level.primary_title(messages.first().cloned().unwrap_or_default()).id(self.code.as_str());
        let marked = self.place.as_ref().and_then(|place| Some((place, mark(line?, place, clean)?)));
        if let Some((place, (shown, span))) = marked {
            let annotation = AnnotationKind::Primary.span(span).label(self.label.as_ref().map(|l| clean(l)));
            let snippet =
                Snippet::source(shown).line_start(place.span.line.max(1) as usize).path(place.file.to_string());
            let causes = messages.into_iter().skip(1).map(|m| Level::NOTE.with_name("cause").message(m));
            let notes = causes.chain(hints.map(|h| Level::HELP.message(h)));
            return format!(
                "{}\n",
                renderer.render(&[Group::with_title(title).element(snippet.annotation(annotation)).elements(notes)])
            );
        }
        // Without a line there is no gutter that the rest could hang on.
        let mut text = format!("{}\n", renderer.render(&[Group::with_title(title)]));
        if let Some(place) = &self.place {
            let _ = writeln!(text, "  --> {place}");
        }
        let causes = messages.into_iter().skip(1).map(|m| ("cause", m));
        for (name, note) in causes.chain(hints.map(|h| ("help", h))) {
            let _ = writeln!(text, "  = {}: {}", Tone::Strong.paint(name), note.replace('\n', "\n    "));
        }
        text
    }
}

/// Where a fault of phlo is told.
pub(crate) const REPORT: &str =
    concat!("please report it, with what you did, at ", env!("CARGO_PKG_REPOSITORY"), "/issues");

// The line and the marked bytes of it; nothing if the place is not on the line, or a secret is.
fn mark(line: &str, place: &Place, clean: &dyn Fn(&str) -> String) -> Option<(String, std::ops::Range<usize>)> {
    let line = line.trim_end();
    if line.is_empty() {
        return None;
    }
    let byte = |column: usize| line.char_indices().map(|(at, _)| at).chain([line.len()]).nth(column);
    let first = place.span.column.max(1) as usize - 1;
    let start = byte(first)?;
    let end = match place.span.len {
        // To the end of the word.
        0 => {
            let rest = &line[start..];
            start
                + rest
                    .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .filter(|n| *n > 0)
                    .unwrap_or_else(|| rest.chars().next().map_or(0, char::len_utf8))
        }
        len => byte(first + len as usize).unwrap_or(line.len()),
    };
    // A mask has another length than what it hides: a marker below it would point at something else.
    (clean(line) == line).then(|| (line.to_owned(), start..end))
}

/// Whether a line may hold a secret that nobody learned: one that is a word, or stands where the project could not be read. A
/// variable's name is none.
pub(crate) fn may_hold_secret(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let secret = |(at, _): (usize, &str)| {
        let key = lower[..at].trim_end_matches(['"', '\'', ' ']);
        let value = lower[at + 1..].trim_start_matches(['"', '\'', ' ']);
        let variable = value.strip_prefix("${").and_then(|v| v.split_once('}')).is_some_and(|(name, rest)| {
            name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && (rest.is_empty() || rest.starts_with(['"', '\'', ',', ' ', '}']))
        });
        !variable && phlo_project::is_secret_key(key)
    };
    lower.match_indices(':').any(secret) || (lower.contains("://") && lower.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstream::adapter::strip_str;
    use phlo_spec::{Redactor, Span};

    fn place(file: &str, line: u32, column: u32, len: u32) -> Place {
        Place { file: file.into(), span: Span { line, column, len } }
    }

    fn shown(told: &Told, line: Option<&str>) -> String {
        strip_str(&told.text(line, &str::to_owned)).to_string()
    }

    #[test]
    fn a_diagnostic_shows_its_line_and_what_to_do() {
        let line = "write: { strategy: merge, unqiue_key: [id] }";
        let told = Told::from(
            Diagnostic::error(Code::UnknownKey, "unknown key `unqiue_key` in `write`")
                .at(place("assets/bronze/flights.yaml", 4, 27, 10))
                .label("not known here")
                .hint("did you mean `unique_key`?"),
        );
        insta::assert_snapshot!(shown(&told, Some(line)), @"
        error[P1002]: unknown key `unqiue_key` in `write`
         --> assets/bronze/flights.yaml:4:27
          |
        4 | write: { strategy: merge, unqiue_key: [id] }
          |                           ^^^^^^^^^^ not known here
          |
          = help: did you mean `unique_key`?
        ");
    }

    #[test]
    fn a_place_whose_line_is_not_known_is_told_alone() {
        let told = Told::from(
            Diagnostic::warning(Code::InertConfig, "nothing reads it").at(place(".env", 3, 1, 0)).hint("remove it"),
        );
        insta::assert_snapshot!(shown(&told, None), @"
        warning[P1015]: nothing reads it
          --> .env:3:1
          = help: remove it
        ");
    }

    #[test]
    fn causes_are_walked_once_and_nothing_is_doubled() {
        let disk = Error::new(Code::StorageFailed, "disk full")
            .with("path", "/lake")
            .because(std::io::Error::other("disk full"));
        let error = Error::new(Code::StorageFailed, "the commit failed")
            .during("writing bronze.flights")
            .because(disk)
            .hint("free some space");
        insta::assert_snapshot!(shown(&Told::from(&error).about("bronze.flights"), None), @"
        error[P4003]: writing bronze.flights: the commit failed
          = cause: disk full (path: /lake)
          = help: free some space
        ");
    }

    #[test]
    fn a_fault_of_phlo_asks_for_a_report() {
        insta::assert_snapshot!(shown(&Told::from(&Error::internal("an edge without a node")), None), @"
        error[P9001]: an edge without a node
          = help: please report it, with what you did, at https://github.com/phlo-rs/phlo/issues
        ");
    }

    #[test]
    fn the_marked_text_is_found_by_characters_and_a_line_with_a_secret_is_not_shown() {
        let told = Told::from(Diagnostic::error(Code::InvalidValue, "no").at(place("phlo.yaml", 2, 14, 0)));
        insta::assert_snapshot!(shown(&told, Some("grüße: { ä: wrong_one }")), @"
        error[P1004]: no
         --> phlo.yaml:2:14
          |
        2 | grüße: { ä: wrong_one }
          |              ^^^^^^^^
        ");
        let redactor = Redactor::default();
        redactor.add("hunter22");
        let clean = |text: &str| redactor.clean(text);
        let told = Told::from(Diagnostic::error(Code::UnknownKey, "unknown key `x`").at(place("phlo.yaml", 2, 23, 1)));
        insta::assert_snapshot!(strip_str(&told.text(Some("a: { token: hunter22, x: 1 }"), &clean)).to_string(), @"
        error[P1002]: unknown key `x`
          --> phlo.yaml:2:23
        ");
    }

    #[test]
    fn lines_that_may_hold_secrets_are_known() {
        for (line, secret) in [
            ("  auth_token: abc", true),
            ("x: { \"API-KEY\" : abc }", true),
            ("root: s3://me:pw@host", true),
            ("write: { unique_key: [id] }", false),
            ("a: { token: \"${A_TOKEN}\", x: 1 }", false),
            ("token: ${A_TOKEN}", false),
            ("token: ${A_TOKEN:-abc}", true),
            ("token: ${A_TOKEN}abc", true),
            ("a: { token: ${A}, password: abc }", true),
            ("name: x", false),
        ] {
            assert_eq!(may_hold_secret(line), secret, "{line}");
        }
    }

    #[test]
    fn a_place_beyond_the_line_does_no_harm() {
        for (column, len) in [(1, 0), (1, 500), (5, 3), (99, 1), (0, 0)] {
            for line in ["", " ", "abc", "äöü ", "\ttab"] {
                let told = Told::from(Diagnostic::error(Code::InvalidValue, "no").at(place("f", 1, column, len)));
                assert!(shown(&told, Some(line)).contains("f:1"), "{column} {len} {line:?}");
            }
        }
    }
}
