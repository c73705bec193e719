//! Values that no output, log, event or file may show.

use std::fmt;
use std::sync::{Arc, RwLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// What is shown in place of a secret.
pub const MASK: &str = "***";

/// A secret text. It prints, debugs and serializes as `***`; only [`Secret::expose`] tells it. Its schema is `writeOnly`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, description = "A secret: never shown, logged or stored.", extend("writeOnly" = true))]
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

    /// Adds a value to be replaced from now on, in every form in which libraries write it: as it is, inside JSON and in a URL.
    /// Values under [`Self::MIN_LEN`] bytes are not added.
    pub fn add(&self, value: &str) {
        if value.len() < Self::MIN_LEN {
            return;
        }
        let mut values = self.values.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        for form in forms(value) {
            if !values.contains(&form) {
                values.push(form);
            }
        }
        values.sort_by_key(|v| std::cmp::Reverse(v.len()));
    }

    /// Whether a known value is in the text, in any form.
    pub fn finds(&self, text: &str) -> bool {
        self.values.read().unwrap_or_else(std::sync::PoisonError::into_inner).iter().any(|value| text.contains(value))
    }

    /// The text with every known value replaced by `***`.
    pub fn clean(&self, text: &str) -> String {
        let values = self.values.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        values
            .iter()
            .fold(text.to_owned(), |text, value| if text.contains(value) { text.replace(value, MASK) } else { text })
    }

    /// Cleans every text inside a JSON value. Keys are the document's shape and stay, and so do numbers.
    pub fn clean_json(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => *text = self.clean(text),
            serde_json::Value::Array(items) => items.iter_mut().for_each(|v| self.clean_json(v)),
            serde_json::Value::Object(map) => map.values_mut().for_each(|v| self.clean_json(v)),
            _ => {}
        }
    }
}

/// The forms of a value: plain, as a JSON string, percent-encoded in a URL's path and query (in either case of the digits) and in a
/// form.
fn forms(value: &str) -> Vec<String> {
    let encoded = |stays: &dyn Fn(u8) -> bool, upper: bool| -> String {
        let encode = |b: u8| match b {
            _ if b.is_ascii_alphanumeric() || stays(b) => char::from(b).to_string(),
            _ if upper => format!("%{b:02X}"),
            _ => format!("%{b:02x}"),
        };
        value.bytes().map(encode).collect()
    };
    let quoted = serde_json::to_string(value).unwrap_or_default();
    let inside = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or(value);
    let mut forms = vec![value.to_owned(), inside.to_owned()];
    for upper in [true, false] {
        forms.push(encoded(&|b| b"-_.~".contains(&b), upper));
        forms.push(encoded(&|b| b"*-._ ".contains(&b), upper).replace(' ', "+"));
        // What a URL parser leaves in a query, with and without the single quote.
        forms.push(encoded(&|b| b.is_ascii_graphic() && !b"\"#<>".contains(&b), upper));
        forms.push(encoded(&|b| b.is_ascii_graphic() && !b"\"#<>'".contains(&b), upper));
    }
    forms
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
        assert_eq!(
            redactor.clean("a pass word/1 b pass%20word%2F1 c pass+word%2f1 d pass%20word/1 e pass"),
            "a *** b *** c *** d *** e ***"
        );
        let mut json = serde_json::json!({"pass": ["x pass", 1]});
        redactor.clean_json(&mut json);
        assert_eq!(json, serde_json::json!({"pass": ["x ***", 1]}));
    }

    #[test]
    fn a_secret_with_signs_is_found_in_json_and_in_urls() {
        let redactor = Redactor::default();
        let secret = "a\"b\\c+d e'f";
        redactor.add(secret);
        for text in [
            secret.to_owned(),
            serde_json::to_string(secret).unwrap(),
            format!("{secret:?}"),
            "t=a%22b%5Cc%2Bd+e%27f".to_owned(),
            "t=a%22b\\c+d%20e%27f".to_owned(),
            "t=a%22b\\c+d%20e'f".to_owned(),
        ] {
            let clean = redactor.clean(&text);
            assert!(clean.contains(MASK) && redactor.finds(&text) && !clean.contains("c+d"), "{text} -> {clean}");
        }
    }
}
