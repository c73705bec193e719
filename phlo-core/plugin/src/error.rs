//! The one error of the boundary between platform and plugins.

use std::borrow::Cow;
use std::fmt;

use phlo_spec::run::ErrorRecord;
use phlo_spec::{Code, Diagnostic, Place, nearest};

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;
type SharedCause = std::sync::Arc<dyn std::error::Error + Send + Sync + 'static>;

/// What failed, where, why, and what to do next.
///
/// `Display` is the message alone: causes are walked by whoever renders the chain, never printed twice.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    message: String,
    operation: Option<Cow<'static, str>>,
    context: Vec<(&'static str, String)>,
    hints: Vec<String>,
    place: Option<Place>,
    retry: bool,
    retry_after: Option<std::time::Duration>,
    source: Option<SharedCause>,
}

impl Error {
    /// An error with this code and message: a lower-case fragment without final period.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            operation: None,
            context: Vec::new(),
            hints: Vec::new(),
            place: None,
            retry: false,
            retry_after: None,
            source: None,
        }))
    }

    /// Something that phlo's authors thought impossible.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// Names what was being done, e.g. `reading the table's log`.
    #[must_use]
    pub fn during(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.0.operation.get_or_insert(operation.into());
        self
    }

    /// Adds a fact, e.g. `("file", path)`.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Adds a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Adds the candidate that a misspelt name is near to as the next step, or what to do `otherwise`.
    #[must_use]
    pub fn suggest<'a>(
        self,
        given: &str,
        candidates: impl IntoIterator<Item = &'a str>,
        otherwise: impl Into<String>,
    ) -> Self {
        match nearest(given, candidates) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self.hint(otherwise),
        }
    }

    /// Says where in a file of the project the mistake is. What is said first stays.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Self {
        if self.0.place.is_none() {
            self.0.place = place;
        }
        self
    }

    /// Says in which line of a file that was read the fault is, from 1; 0 for the file as a whole.
    #[must_use]
    pub fn in_file(self, file: &str, line: u64) -> Self {
        self.at(Some(Place::line(file, line)))
    }

    /// Says that trying again can help.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.0.retry = true;
        self
    }

    /// Says that trying again can help, but not before this long.
    #[must_use]
    pub fn retry_after(mut self, wait: std::time::Duration) -> Self {
        self.0.retry = true;
        self.0.retry_after = Some(wait);
        self
    }

    /// Says that trying again was tried: nobody else need do it.
    #[must_use]
    pub fn given_up(mut self) -> Self {
        self.0.retry = false;
        self.0.retry_after = None;
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Cause>) -> Self {
        self.0.source = Some(cause.into().into());
        self
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The message alone.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The facts.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// The next steps.
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// Where: in a file of the project, or in what was read.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// Whether trying again can help.
    pub fn is_retryable(&self) -> bool {
        self.0.retry
    }

    /// How long to wait before trying again, if the other side said so.
    pub fn wait(&self) -> Option<std::time::Duration> {
        self.0.retry_after
    }

    /// The message, facts included, and each cause's, outermost first, without repetition.
    pub fn chain(&self) -> Vec<String> {
        let mut first = self.0.message.clone();
        if let Some(operation) = &self.0.operation {
            first = format!("{operation}: {first}");
        }
        // A fact that the message names is not told again.
        let facts = self.0.context.iter().filter(|(_, v)| !self.0.message.contains(&format!("`{v}`")));
        let facts: Vec<_> = facts.map(|(k, v)| format!("{k}: {v}")).collect();
        if !facts.is_empty() {
            first = format!("{first} ({})", facts.join(", "));
        }
        let mut lines = vec![first];
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            let text = match cause.downcast_ref::<Error>() {
                Some(ours) => ours.chain().swap_remove(0),
                None => cause.to_string(),
            };
            if lines.last().is_none_or(|last| !last.contains(&text)) {
                lines.push(text);
            }
            next = cause.source();
        }
        lines
    }

    /// The error as it is remembered and sent.
    pub fn record(&self) -> ErrorRecord {
        ErrorRecord {
            code: self.0.code,
            messages: self.chain(),
            hints: self.0.hints.clone(),
            place: self.0.place.clone(),
        }
    }

    /// The error as a diagnostic.
    pub fn into_diagnostic(self) -> Diagnostic {
        let message = self.chain().join(": ");
        let mut diagnostic = Diagnostic::error(self.0.code, message);
        diagnostic.hints = self.0.hints;
        diagnostic.place = self.0.place;
        diagnostic
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.chain().join(": "))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|cause| cause as _)
    }
}

impl From<Box<Diagnostic>> for Error {
    fn from(diagnostic: Box<Diagnostic>) -> Self {
        Self::from(*diagnostic)
    }
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        let mut error = Self::new(diagnostic.code, diagnostic.message);
        error.0.hints = diagnostic.hints;
        error.0.place = diagnostic.place;
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_tells_every_cause_once() {
        let inner = Error::new(Code::StorageFailed, "disk full").with("path", "/x");
        let outer =
            Error::new(Code::StorageFailed, "the commit failed").during("writing bronze.flights").because(inner);
        assert_eq!(outer.to_string(), "the commit failed");
        assert_eq!(outer.chain(), ["writing bronze.flights: the commit failed", "disk full (path: /x)"]);
        let doubled = Error::new(Code::Internal, "outer: boom").because(std::io::Error::other("boom"));
        assert_eq!(doubled.chain(), ["outer: boom"]);
    }

    #[test]
    fn an_error_tells_code_facts_cause_next_step_and_whether_to_try_again() {
        let read = |host: &str, err: std::io::Error| -> Result<()> {
            // begin: error
            // A stable code, and a lower-case fragment without period.
            Err(Error::new(Code::ConnectionFailed, "the API did not answer")
                // Facts; never a secret.
                .with("host", host)
                // The cause, printed once.
                .because(err)
                // The next step.
                .hint("check `base_url` and that the server runs")
                // Only if trying again can help.
                .retryable())
            // end
        };
        let told = read("example.com", std::io::Error::other("refused")).unwrap_err();
        assert_eq!(told.chain(), ["the API did not answer (host: example.com)", "refused"]);
        assert_eq!((told.code(), told.hints().len(), told.is_retryable()), (Code::ConnectionFailed, 1, true));
    }
}
