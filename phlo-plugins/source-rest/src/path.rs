//! Places within a JSON value, as users write them.

use std::fmt;

use serde_json::Value;

/// Keys joined by dots, items of a list by their number from 0 (`data.items`, `pages.0.rows`); a JSON pointer (`/a.b/c`) where a
/// key holds a dot; empty for the value itself.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    written: String,
    pointer: String,
}

impl Path {
    pub(crate) fn new(written: &str) -> Self {
        let pointer = match written {
            "" => String::new(),
            _ if written.starts_with('/') => written.to_owned(),
            _ => format!("/{}", written.replace('~', "~0").replace('/', "~1").replace('.', "/")),
        };
        Self { written: written.to_owned(), pointer }
    }

    pub(crate) fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        value.pointer(&self.pointer)
    }

    /// Takes the value out, leaving null.
    pub(crate) fn take(&self, value: &mut Value) -> Option<Value> {
        value.pointer_mut(&self.pointer).map(Value::take)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_through_maps_and_lists() {
        let value = serde_json::json!({"data": {"items": [{"id": 7}]}, "a.b": {"c/d": 1}, "e/f": 2});
        for (path, want) in [
            ("data.items.0.id", Some("7")),
            ("data.items.1.id", None),
            ("data.nothing", None),
            ("/a.b/c~1d", Some("1")),
            ("e/f", Some("2")),
        ] {
            assert_eq!(Path::new(path).find(&value).map(ToString::to_string).as_deref(), want, "{path}");
        }
        assert_eq!(Path::new("").find(&value), Some(&value));
    }
}
