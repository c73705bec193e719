//! What a suite found broken.

use std::fmt;

/// Broken promises, collected, so that one run of a suite tells them all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    subject: String,
    // Said before each finding, e.g. `source files: `.
    about: String,
    broken: Vec<String>,
}

impl Findings {
    /// Nothing yet, of a package or plugin.
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), about: String::new(), broken: Vec::new() }
    }

    /// Adds a finding unless what was promised holds.
    pub fn hold(&mut self, holds: bool, otherwise: impl fmt::Display) {
        if !holds {
            self.add(otherwise);
        }
    }

    /// Adds a finding.
    pub fn add(&mut self, finding: impl fmt::Display) {
        self.broken.push(format!("{}{finding}", self.about));
    }

    /// The value, or a finding with the error.
    pub fn expect<T, E: fmt::Debug>(&mut self, result: Result<T, E>, what: impl fmt::Display) -> Option<T> {
        result.map_err(|err| self.add(format_args!("{what}: {err:?}"))).ok()
    }

    /// Collects findings about a part.
    pub fn within<T>(&mut self, about: impl fmt::Display, look: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.about.len();
        self.about.push_str(&format!("{about}: "));
        let found = look(self);
        self.about.truncate(before);
        found
    }

    /// Each broken promise.
    pub fn broken(&self) -> &[String] {
        &self.broken
    }

    /// Fails a test if anything is broken.
    ///
    /// # Panics
    /// If anything is.
    #[track_caller]
    pub fn assert_none(&self) {
        assert!(self.broken.is_empty(), "{self}");
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.broken.len() {
            0 => write!(f, "{} keeps every promise", self.subject),
            count => {
                writeln!(f, "{} breaks {count} promise{}:", self.subject, if count == 1 { "" } else { "s" })?;
                self.broken.iter().try_for_each(|finding| writeln!(f, "  - {finding}"))
            }
        }
    }
}
