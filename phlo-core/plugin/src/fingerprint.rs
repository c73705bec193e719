//! What identifies the plugins of a binary: hashes of their schemas, and one over all of them.

use std::fmt;

use schemars::Schema;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The SHA-256 of some bytes, as 64 hex digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of a schema's canonical JSON, as 64 hex digits. Doc comments are part of a schema, the order of its keys is not.
pub fn schema_hash(schema: &Schema) -> String {
    let mut text = String::new();
    canonical(schema.as_value(), &mut text);
    sha256(text.as_bytes())
}

// No spaces, keys sorted: what RFC 8785 says, but for numbers, which are as serde_json writes them.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            let mut before = '{';
            for (key, value) in entries {
                text.push(before);
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                canonical(value, text);
                before = ',';
            }
            text.push_str(if before == '{' { "{}" } else { "}" });
        }
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                canonical(item, text);
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}

/// One hash over the plugins of a binary; see [`crate::Registry::fingerprint`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of phlo's version and these plugins' facts, in this order.
    pub(crate) fn of<'a>(version: &str, plugins: impl IntoIterator<Item = [&'a str; 6]>) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(format!("phlo {version}\n"));
        for facts in plugins {
            // No fact holds a control character: two lists that differ give two texts that do.
            hasher.update(facts.join("\t"));
            hasher.update("\n");
        }
        Self(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// All 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12: what runs remember and people compare.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_is_hashed_by_what_it_says_and_not_by_the_order_in_which_it_says_it() {
        let hash = |value: Value| schema_hash(&value.try_into().unwrap());
        let one =
            hash(json!({ "type": "object", "properties": { "b": { "default": 1.5 }, "a": { "enum": ["x", "\n"] } } }));
        let other =
            hash(json!({ "properties": { "a": { "enum": ["x", "\n"] }, "b": { "default": 1.5 } }, "type": "object" }));
        assert_eq!(one, other);
        assert_ne!(
            one,
            hash(json!({ "properties": { "a": { "enum": ["\n", "x"] }, "b": { "default": 1.5 } }, "type": "object" }))
        );
        let mut text = String::new();
        canonical(&json!({ "b": [], "a": { "c": {}, "\"": null } }), &mut text);
        assert_eq!(text, r#"{"a":{"\"":null,"c":{}},"b":[]}"#);
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
