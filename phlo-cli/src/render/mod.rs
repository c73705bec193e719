//! Words, colours and shapes. Everything here answers text with colours in it; the printer takes them out where they do not belong.

pub(crate) mod junit;
pub(crate) mod lineage;
pub(crate) mod number;
pub(crate) mod page;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod rows;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod table;
pub(crate) mod told;

use clap::builder::styling::{AnsiColor, Effects, Style, Styles};
use phlo_spec::{AssetStatus, CheckOutcome, CheckResult, CheckSeverity, RunStatus};

/// The fixed meanings of colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing in particular.
    #[default]
    Plain,
    /// It went well.
    Good,
    /// It deserves a look.
    Warn,
    /// It failed.
    Bad,
    /// It matters less.
    Dim,
    /// It names something.
    Strong,
    /// Something that can be typed.
    Literal,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warn => AnsiColor::Yellow.on_default().effects(Effects::BOLD),
            Self::Bad => AnsiColor::Red.on_default().effects(Effects::BOLD),
            Self::Dim => Style::new().effects(Effects::DIMMED),
            Self::Strong => Style::new().effects(Effects::BOLD),
            Self::Literal => AnsiColor::Cyan.on_default(),
        }
    }

    /// The text in this tone.
    pub(crate) fn paint(self, text: impl std::fmt::Display) -> String {
        let style = self.style();
        format!("{style}{text}{style:#}")
    }
}

/// The tones of the command line's own help and errors.
pub(crate) fn help_styles() -> Styles {
    Styles::styled()
        .header(Tone::Strong.style())
        .usage(Tone::Strong.style())
        .literal(Tone::Literal.style())
        .placeholder(Style::new())
        .error(Tone::Bad.style())
        .valid(Tone::Literal.style())
        .invalid(Tone::Warn.style())
}

/// An asset's result as a word, and its tone.
pub(crate) const fn asset_status(status: AssetStatus) -> (&'static str, Tone) {
    match status {
        AssetStatus::Success => ("ok", Tone::Good),
        AssetStatus::Unchanged => ("unchanged", Tone::Good),
        AssetStatus::Blocked => ("blocked", Tone::Bad),
        AssetStatus::Failed => ("failed", Tone::Bad),
        AssetStatus::Skipped => ("skipped", Tone::Warn),
        AssetStatus::Interrupted => ("interrupted", Tone::Warn),
    }
}

/// A run's result as a word, and its tone.
pub(crate) const fn run_status(status: RunStatus) -> (&'static str, Tone) {
    match status {
        RunStatus::Running => ("running", Tone::Plain),
        RunStatus::Success => ("ok", Tone::Good),
        RunStatus::Failed => ("failed", Tone::Bad),
        RunStatus::Blocked => ("blocked", Tone::Bad),
        RunStatus::Interrupted => ("interrupted", Tone::Warn),
    }
}

/// A check's result as a word, and its tone.
pub(crate) const fn check_outcome(result: &CheckResult) -> (&'static str, Tone) {
    match (result.outcome, result.severity) {
        (CheckOutcome::Passed, _) => ("passed", Tone::Good),
        (CheckOutcome::Failed, CheckSeverity::Warn) => ("warned", Tone::Warn),
        (CheckOutcome::Failed, CheckSeverity::Error) => ("failed", Tone::Bad),
        (CheckOutcome::Errored, _) => ("could not run", Tone::Bad),
    }
}

/// `1 asset`, `2 assets`.
pub(crate) fn plural(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", number::count(n as u64), if n == 1 { "" } else { "s" })
}

/// A text for a shell, in quotes.
pub(crate) fn quoted(text: &str) -> String {
    // Within double quotes a shell still reads these, and some read `!` whatever stands before it.
    if text.contains('!') {
        return format!("'{}'", text.replace('\'', "'\\''"));
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '$' | '`' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "\""
}

/// A word for a shell, in quotes if it needs them.
pub(crate) fn word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '@' | '+' | '=' | ',');
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { quoted(text) }
}

/// The text with each line moved to the right.
pub(crate) fn indent(text: &str, by: usize) -> String {
    let margin = " ".repeat(by);
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{margin}{line}\n") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_for_a_shell_where_it_must_be() {
        for (text, want) in [
            ("./my-lake", "./my-lake"),
            ("my lake", "\"my lake\""),
            ("a$b`c\"", "\"a\\$b\\`c\\\"\""),
            ("it's!", "'it'\\''s!'"),
            ("", "\"\""),
        ] {
            assert_eq!(word(text), want);
        }
    }
}
