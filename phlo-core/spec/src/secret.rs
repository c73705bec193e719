//! Values that no output, log, event or file may show.

use std::fmt;
use std::sync::{Arc, RwLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// What is shown in place of a secret.
pub const MASK: &str = "***";

/// A secret text. It prints, debugs and serializes as `***`; only [`Secret::expose`] tells it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

/// Replaces known secret values in text before it leaves the process: the net under [`Secret`], for values that come back
/// inside a library's error or a server's answer. Cheap to clone; clones share what they know.
#[derive(Clone, Default)]
pub struct Redactor {
    // Longest first, so that a secret that contains another is replaced whole.
    values: Arc<RwLock<Vec<String>>>,
}

impl Redactor {
    /// Values shorter than this are not searched for in text: replacing every `a` would destroy the message.
    pub const MIN_LEN: usize = 4;

    /// Adds a value to be replaced from now on, and its percent-encoded form. Values under [`Self::MIN_LEN`] bytes are not added.
    pub fn add(&self, value: &str) {
        if value.len() < Self::MIN_LEN {
            return;
        }
        let mut values = self.values.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let encoded: String = value
            .bytes()
            .map(|b| match b {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
                _ => format!("%{b:02X}"),
            })
            .collect();
        for form in [value.to_owned(), encoded] {
            if !values.contains(&form) {
                values.push(form);
            }
        }
        values.sort_by_key(|v| std::cmp::Reverse(v.len()));
    }

    /// The text with every known value replaced by `***`.
    pub fn clean(&self, text: &str) -> String {
        let values = self.values.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        values
            .iter()
            .fold(text.to_owned(), |text, value| if text.contains(value) { text.replace(value, MASK) } else { text })
    }

    /// Cleans every string inside a JSON value, keys included.
    pub fn clean_json(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => *text = self.clean(text),
            serde_json::Value::Array(items) => items.iter_mut().for_each(|v| self.clean_json(v)),
            serde_json::Value::Object(map) => {
                let entries = std::mem::take(map);
                for (key, mut value) in entries {
                    self.clean_json(&mut value);
                    map.insert(self.clean(&key), value);
                }
            }
            _ => {}
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::new("hunter22");
        assert_eq!(format!("{secret} {secret:?} {}", serde_json::to_string(&secret).unwrap()), "*** *** \"***\"");
    }

    #[test]
    fn the_redactor_replaces_plain_and_encoded_forms_longest_first() {
        let redactor = Redactor::default();
        redactor.add("pass");
        redactor.add("pass word/1");
        assert_eq!(redactor.clean("a pass word/1 b pass%20word%2F1 c pass"), "a *** b *** c ***");
        let mut json = serde_json::json!({"pass word/1": ["x pass"]});
        redactor.clean_json(&mut json);
        assert_eq!(json, serde_json::json!({"***": ["x ***"]}));
    }
}
