//! A YAML value that knows its place, so that a problem found long after parsing still names file, line and column.
//!
//! A [`Node`] is what a file was parsed into; typed structs are read from it with [`Node::read`], and every error of that
//! reading carries the place of the value it is about.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, nearest};

/// Where a value begins in its file, counted from 1, and how many characters it spans on that line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// Line, from 1; 0 for the file as a whole.
    pub line: u32,
    /// Column in characters, from 1; 0 for the line as a whole.
    pub column: u32,
    /// Length in characters; 0 when unknown.
    pub len: u32,
}

/// A span in a named file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The file, relative to the project where it lies inside; or the URL of what was read.
    pub file: Arc<str>,
    /// Where in it.
    #[serde(flatten)]
    pub span: Span,
}

impl Place {
    /// A line of a file, from 1; 0 for the file as a whole. A line beyond what 32 bits count is told as the last that they do.
    pub fn line(file: &str, line: u64) -> Self {
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        Self { file: file.into(), span: Span { line, ..Span::default() } }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        [self.span.line, self.span.column].iter().take_while(|n| **n > 0).try_for_each(|n| write!(f, ":{n}"))
    }
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// A text.
    Str(String),
    /// A list.
    Seq(Vec<Node>),
    /// A map, in file order; each key is a [`NodeKind::Str`].
    Map(Vec<(Node, Node)>),
}

/// A value with its place.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub kind: NodeKind,
    /// Where it stands; `line` 0 for a value that came from no file.
    pub span: Span,
    /// The file it stands in.
    pub file: Arc<str>,
    // A text that came out of interpolation may become a number or a boolean where one is wanted.
    interpolated: bool,
    // No message tells what is here.
    secret: bool,
}

impl Node {
    /// A value that came from no file.
    pub fn synthetic(kind: NodeKind) -> Self {
        Self { kind, span: Span::default(), file: Arc::from(""), interpolated: false, secret: false }
    }

    /// A value from JSON, placed nowhere.
    pub fn from_json(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        Self::synthetic(match value {
            Value::Null => NodeKind::Null,
            Value::Bool(b) => NodeKind::Bool(*b),
            Value::Number(n) => {
                n.as_i64().map_or_else(|| NodeKind::Float(n.as_f64().unwrap_or(f64::NAN)), NodeKind::Int)
            }
            Value::String(s) => NodeKind::Str(s.clone()),
            Value::Array(items) => NodeKind::Seq(items.iter().map(Self::from_json).collect()),
            Value::Object(map) => NodeKind::Map(
                map.iter().map(|(k, v)| (Self::synthetic(NodeKind::Str(k.clone())), Self::from_json(v))).collect(),
            ),
        })
    }

    /// Parses one YAML document. `first_line` is the line of the file at which the text begins (1 for a whole file).
    ///
    /// # Errors
    /// [`Code::YamlSyntax`] with the place of the syntax error; a key given twice is one.
    pub fn parse(text: &str, file: &str, first_line: u32) -> Result<Self, Box<Diagnostic>> {
        let file: Arc<str> = Arc::from(file);
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            let span = Span { line: first_line, column: 1, len: 0 };
            return Ok(Self { kind: NodeKind::Map(Vec::new()), span, file, interpolated: false, secret: false });
        }
        let options = serde_yaml::options! { with_snippet: false, strict_booleans: true };
        let raw: serde_yaml::Spanned<Raw> = serde_yaml::from_str_with_options(text, options).map_err(|err| {
            let span = err.location().map_or(Span { line: first_line, column: 1, len: 0 }, |at| Span {
                line: at.line() as u32 + first_line - 1,
                column: at.column() as u32,
                len: 1,
            });
            let place = Place { file: file.clone(), span };
            let err = err.without_snippet();
            if let serde_yaml::Error::DuplicateMappingKey { key, .. } = err {
                let key = key.as_deref().map_or_else(|| "a key".to_owned(), |key| format!("the key `{key}`"));
                let twice = Diagnostic::error(Code::YamlSyntax, format!("{key} is there twice"));
                return Box::new(twice.at(place).hint("keep one of them, with the contents of both"));
            }
            // The place is told apart from the message, counted from the file's beginning.
            let message = err.to_string();
            let first = message.lines().next().unwrap_or("not YAML");
            let first = first.split(" at line ").next().unwrap_or(first);
            Box::new(Diagnostic::error(Code::YamlSyntax, first).at(place))
        })?;
        Ok(raw_to_node(raw, &file, first_line - 1))
    }

    /// The place of this value; nothing for one that came from no file.
    pub fn place(&self) -> Option<Place> {
        (self.span.line > 0).then(|| Place { file: self.file.clone(), span: self.span })
    }

    /// A diagnostic at this value.
    pub fn error(&self, code: Code, message: impl Into<String>) -> Diagnostic {
        let diagnostic = Diagnostic::error(code, message);
        match self.place() {
            Some(place) => diagnostic.at(place),
            None => diagnostic,
        }
    }

    /// The text, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The entries, if this is a map.
    pub fn entries(&self) -> Option<&[(Node, Node)]> {
        match &self.kind {
            NodeKind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items, if this is a list.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.kind {
            NodeKind::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The value under a key of a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|(k, _)| k.as_str() == Some(key)).map(|(_, v)| v)
    }

    /// Takes the entry with this key out of a map.
    pub fn take(&mut self, key: &str) -> Option<(Node, Node)> {
        let NodeKind::Map(entries) = &mut self.kind else { return None };
        let at = entries.iter().position(|(k, _)| k.as_str() == Some(key))?;
        Some(entries.remove(at))
    }

    /// Wraps this value as the single entry of a map, at the same place: how `not_null: [a]` becomes `{columns: [a]}`.
    #[must_use]
    pub fn wrapped(self, key: &str) -> Self {
        let key = Self {
            kind: NodeKind::Str(key.to_owned()),
            span: self.span,
            file: self.file.clone(),
            interpolated: false,
            secret: false,
        };
        let (span, file) = (self.span, self.file.clone());
        Self { kind: NodeKind::Map(vec![(key, self)]), span, file, interpolated: false, secret: false }
    }

    /// Makes no message tell this value: it stands under a key such as `password`.
    pub fn keep_secret(&mut self) {
        self.secret = true;
    }

    /// Finds the value that a text stands in: the first text or key equal to `needle`, depth first.
    pub fn find_str(&self, needle: &str) -> Option<&Node> {
        match &self.kind {
            NodeKind::Str(text) => (text == needle).then_some(self),
            NodeKind::Seq(items) => items.iter().find_map(|n| n.find_str(needle)),
            NodeKind::Map(entries) => {
                entries.iter().find_map(|(k, v)| k.find_str(needle).or_else(|| v.find_str(needle)))
            }
            _ => None,
        }
    }

    /// Replaces every text (not keys) by what `f` makes of it; `None` leaves it as it is.
    ///
    /// # Errors
    /// Whatever `f` refuses, once per text.
    pub fn map_strings(
        &mut self,
        f: &mut impl FnMut(&str, &Node) -> Result<Option<String>, Diagnostic>,
    ) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        let replaced = match &self.kind {
            NodeKind::Str(text) => match f(text, self) {
                Ok(replaced) => replaced,
                Err(problem) => {
                    problems.push(problem);
                    None
                }
            },
            _ => None,
        };
        if let Some(text) = replaced {
            self.kind = NodeKind::Str(text);
            self.interpolated = true;
        }
        match &mut self.kind {
            NodeKind::Seq(items) => problems.extend(items.iter_mut().flat_map(|n| n.map_strings(f))),
            NodeKind::Map(entries) => problems.extend(entries.iter_mut().flat_map(|(_, n)| n.map_strings(f))),
            _ => {}
        }
        problems
    }

    /// The value as JSON, without places.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.kind {
            NodeKind::Null => Value::Null,
            NodeKind::Bool(b) => Value::Bool(*b),
            NodeKind::Int(i) => Value::from(*i),
            NodeKind::Float(x) => Value::from(*x),
            NodeKind::Str(s) => Value::String(s.clone()),
            NodeKind::Seq(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            NodeKind::Map(entries) => Value::Object(
                entries.iter().map(|(k, v)| (k.as_str().unwrap_or_default().to_owned(), v.to_json())).collect(),
            ),
        }
    }

    /// Reads a typed value.
    ///
    /// # Errors
    /// A diagnostic at the innermost value that is wrong: an unknown key with the nearest known one, a wrong type, a missing key.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Box<Diagnostic>> {
        T::deserialize(self).map_err(|err| Box::new(err.into_diagnostic(self)))
    }

    fn what(&self) -> String {
        match &self.kind {
            NodeKind::Null => "nothing".to_owned(),
            NodeKind::Bool(b) => format!("the boolean `{b}`"),
            NodeKind::Int(i) => format!("the number `{i}`"),
            NodeKind::Float(x) => format!("the number `{x}`"),
            // What a variable held may be a secret.
            NodeKind::Str(_) if self.interpolated => "a text from a variable".to_owned(),
            NodeKind::Str(s) => format!("the text `{s}`"),
            NodeKind::Seq(_) => "a list".to_owned(),
            NodeKind::Map(_) => "a map".to_owned(),
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a variable held may be a secret.
        if self.interpolated || self.secret { f.write_str(crate::secret::MASK) } else { self.kind.fmt(f) }
    }
}

/// The name by which a node, read as a part of a typed value, asks for itself: with its places, not yet understood.
const WHOLE: &str = "$phlo::Node";

thread_local! {
    // Serde's visitors take no foreign values: the node is handed over beside them, within one call.
    static HANDED: std::cell::RefCell<Option<Node>> = const { std::cell::RefCell::new(None) };
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl<'de> Visitor<'de> for Whole {
            type Value = Node;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
                HANDED.with(std::cell::RefCell::take).ok_or_else(|| E::custom("nothing was handed over"))
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, other: D) -> Result<Node, D::Error> {
                Ok(Node::from_json(&serde_json::Value::deserialize(other)?))
            }
        }
        deserializer.deserialize_newtype_struct(WHOLE, Whole)
    }
}

/// What serde-saphyr deserializes into; each child carries its own span.
enum Raw {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Seq(Vec<serde_yaml::Spanned<Raw>>),
    Map(Vec<(serde_yaml::Spanned<Raw>, serde_yaml::Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RawVisitor;
        impl<'de> Visitor<'de> for RawVisitor {
            type Value = Raw;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a YAML value")
            }
            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Raw, D::Error> {
                Raw::deserialize(d)
            }
            fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
                Ok(Raw::Bool(v))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
                Ok(Raw::Int(v))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Raw, E> {
                i64::try_from(v).map(Raw::Int).map_err(|_| E::custom("a number beyond 64 bits"))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
                Ok(Raw::Float(v))
            }
            fn visit_str<E>(self, v: &str) -> Result<Raw, E> {
                Ok(Raw::Str(v.to_owned()))
            }
            fn visit_string<E>(self, v: String) -> Result<Raw, E> {
                Ok(Raw::Str(v))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Raw::Seq(items))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key()? {
                    entries.push((key, map.next_value()?));
                }
                Ok(Raw::Map(entries))
            }
        }
        deserializer.deserialize_any(RawVisitor)
    }
}

fn raw_to_node(raw: serde_yaml::Spanned<Raw>, file: &Arc<str>, line_offset: u32) -> Node {
    let at = raw.referenced;
    let mut span =
        Span { line: at.line() as u32 + line_offset, column: at.column() as u32, len: at.span().len() as u32 };
    let kind = match raw.value {
        Raw::Null => NodeKind::Null,
        Raw::Bool(b) => NodeKind::Bool(b),
        Raw::Int(i) => NodeKind::Int(i),
        Raw::Float(x) => NodeKind::Float(x),
        Raw::Str(s) => NodeKind::Str(s),
        Raw::Seq(items) => NodeKind::Seq(items.into_iter().map(|n| raw_to_node(n, file, line_offset)).collect()),
        Raw::Map(entries) => NodeKind::Map(
            entries
                .into_iter()
                .map(|(k, v)| {
                    let mut key = raw_to_node(k, file, line_offset);
                    // Keys such as `on` or `1` are names here, whatever YAML makes of them.
                    key.kind = NodeKind::Str(match key.kind {
                        NodeKind::Str(s) => s,
                        NodeKind::Bool(b) => b.to_string(),
                        NodeKind::Int(i) => i.to_string(),
                        NodeKind::Float(x) => x.to_string(),
                        _ => "~".to_owned(),
                    });
                    (key, raw_to_node(v, file, line_offset))
                })
                .collect(),
        ),
    };
    if let NodeKind::Seq(_) | NodeKind::Map(_) = kind {
        span.len = span.len.min(1);
    }
    Node { kind, span, file: file.clone(), interpolated: false, secret: false }
}

/// An error of reading a typed value from a [`Node`], with the place of the value it is about.
#[derive(Debug)]
pub struct ReadError {
    code: Code,
    message: String,
    hint: Option<String>,
    // The name of the key an unknown-key or missing-key error is about, until the map that holds it places it.
    key: Option<String>,
    place: Option<Place>,
    placed: bool,
}

impl ReadError {
    fn new(code: Code, message: String) -> Self {
        Self { code, message, hint: None, key: None, place: None, placed: false }
    }

    fn or_at(mut self, node: &Node) -> Self {
        if !self.placed {
            self.place = node.place();
            self.placed = true;
            if node.secret && self.code == Code::InvalidValue {
                // What was found is nobody's business.
                self.message = match self.message.split_once(", found ") {
                    Some((expected, _)) => expected.to_owned(),
                    None => "the value does not fit".to_owned(),
                };
            }
        }
        self
    }

    fn into_diagnostic(self, root: &Node) -> Diagnostic {
        let placed = self.or_at(root);
        let diagnostic = Diagnostic::error(placed.code, placed.message).maybe_hint(placed.hint);
        match placed.place {
            Some(place) => diagnostic.at(place),
            None => diagnostic,
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(msg: T) -> Self {
        Self::new(Code::InvalidValue, msg.to_string())
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let near = nearest(field, expected.iter().copied());
        let mut known: Vec<_> = expected.to_vec();
        known.sort_unstable();
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "it has no settings".to_owned(),
            None => format!("known keys: {}", known.join(", ")),
        };
        Self {
            hint: Some(hint),
            key: Some(field.to_owned()),
            ..Self::new(Code::UnknownKey, format!("unknown key `{field}`"))
        }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint = match nearest(variant, expected.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of: {}", expected.join(", ")),
        };
        Self { hint: Some(hint), ..Self::new(Code::InvalidValue, format!("unknown value `{variant}`")) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Code::MissingKey, format!("missing key `{field}`"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(Code::UnknownKey, format!("key `{field}` is given twice"))
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let given = match unexpected {
            de::Unexpected::Signed(i) => format!("{i}"),
            de::Unexpected::Unsigned(i) => format!("{i}"),
            de::Unexpected::Float(x) => format!("{x}"),
            other => other.to_string(),
        };
        // serde names Rust's types; people read what they hold.
        let expected = match expected.to_string().as_str() {
            "u8" => "a whole number from 0 to 255".to_owned(),
            "u16" => "a whole number from 0 to 65535".to_owned(),
            "u32" | "u64" | "usize" => "a whole number of 0 or more".to_owned(),
            "a nonzero u32" | "a nonzero u64" | "a nonzero usize" => "a whole number of 1 or more".to_owned(),
            "i32" => "a whole number of 32 bits".to_owned(),
            other => other.to_owned(),
        };
        Self::new(Code::InvalidValue, format!("expected {expected}, found {given}"))
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(Code::InvalidValue, format!("expected {expected}, found {unexpected}"))
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.kind {
            NodeKind::Null => visitor.visit_unit(),
            NodeKind::Bool(b) => visitor.visit_bool(*b),
            NodeKind::Int(i) if *i >= 0 => visitor.visit_u64(*i as u64),
            NodeKind::Int(i) => visitor.visit_i64(*i),
            NodeKind::Float(x) => visitor.visit_f64(*x),
            // Where any type will do, what came out of a variable is read as it would be without quotes.
            NodeKind::Str(s) if self.interpolated => match (s.parse::<i64>(), s.parse::<f64>(), s.as_str()) {
                (Ok(i), ..) => visitor.visit_i64(i),
                (_, Ok(x), _) if x.is_finite() => visitor.visit_f64(x),
                (.., "true") => visitor.visit_bool(true),
                (.., "false") => visitor.visit_bool(false),
                _ => visitor.visit_borrowed_str(s),
            },
            NodeKind::Str(s) => visitor.visit_borrowed_str(s),
            NodeKind::Seq(items) => {
                let mut items = items.iter();
                visitor.visit_seq(SeqReader(&mut items))
            }
            NodeKind::Map(entries) => {
                visitor.visit_map(MapReader { entries: entries.iter(), value: None }).map_err(|err| {
                    // An unknown key is placed at the key itself, not at the map.
                    match (&err.key, err.placed) {
                        (Some(key), false) => match entries.iter().find(|(k, _)| k.as_str() == Some(key)) {
                            Some((key, _)) => err.or_at(key),
                            None => err,
                        },
                        _ => err,
                    }
                })
            }
        }
        .map_err(|err| err.or_at(self))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.kind {
            NodeKind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.kind {
            NodeKind::Bool(b) => visitor.visit_bool(*b),
            NodeKind::Str(s) if self.interpolated && matches!(s.as_str(), "true" | "false") => {
                visitor.visit_bool(s == "true")
            }
            _ => Err(ReadError::new(Code::InvalidValue, format!("expected true or false, found {}", self.what()))),
        }
        .map_err(|err| err.or_at(self))
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.kind {
            NodeKind::Int(i) => visitor.visit_i64(*i),
            NodeKind::Str(s) if self.interpolated => match s.trim().parse::<i64>() {
                Ok(i) => visitor.visit_i64(i),
                Err(_) => Err(ReadError::new(
                    Code::InvalidValue,
                    "expected a whole number, found a text from a variable".to_owned(),
                )),
            },
            _ => Err(ReadError::new(Code::InvalidValue, format!("expected a whole number, found {}", self.what()))),
        }
        .map_err(|err| err.or_at(self))
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_i64(visitor)
    }
    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_i64(visitor)
    }
    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_i64(visitor)
    }
    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_i64(visitor)
    }
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_i64(visitor)
    }
    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_i64(visitor)
    }
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.kind {
            NodeKind::Int(i) => visitor.visit_f64(*i as f64),
            NodeKind::Float(x) => visitor.visit_f64(*x),
            NodeKind::Str(s) if self.interpolated => match s.trim().parse::<f64>() {
                Ok(x) => visitor.visit_f64(x),
                Err(_) => Err(ReadError::new(
                    Code::InvalidValue,
                    "expected a number, found a text from a variable".to_owned(),
                )),
            },
            _ => Err(ReadError::new(Code::InvalidValue, format!("expected a number, found {}", self.what()))),
        }
        .map_err(|err| err.or_at(self))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.kind {
            NodeKind::Str(s) => visitor.visit_borrowed_str(s),
            _ => Err(ReadError {
                hint: Some("write it in quotes if it is meant as text".to_owned()),
                ..ReadError::new(Code::InvalidValue, format!("expected a text, found {}", self.what()))
            }),
        }
        .map_err(|err| err.or_at(self))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.kind {
            NodeKind::Seq(_) => self.deserialize_any(visitor),
            // One where a list is wanted is a list of one.
            NodeKind::Str(_) | NodeKind::Int(_) | NodeKind::Float(_) | NodeKind::Bool(_) => {
                let one = std::slice::from_ref(self);
                let mut items = one.iter();
                visitor.visit_seq(SeqReader(&mut items))
            }
            _ => Err(ReadError::new(Code::InvalidValue, format!("expected a list, found {}", self.what()))),
        }
        .map_err(|err| err.or_at(self))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.kind {
            NodeKind::Map(_) => self.deserialize_any(visitor),
            _ => Err(ReadError::new(Code::InvalidValue, format!("expected a map, found {}", self.what())).or_at(self)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.kind {
            NodeKind::Str(s) => visitor.visit_enum(s.as_str().into_deserializer()),
            NodeKind::Map(entries) if entries.len() == 1 => visitor.visit_enum(EnumReader(&entries[0])),
            _ => Err(ReadError::new(
                Code::InvalidValue,
                format!("expected a name or a map with one key, found {}", self.what()),
            )),
        }
        .map_err(|err| err.or_at(self))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if name == WHOLE {
            HANDED.with(|handed| handed.replace(Some(self.clone())));
            return visitor.visit_unit();
        }
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct SeqReader<'a, 'de>(&'a mut std::slice::Iter<'de, Node>);

impl<'de> de::SeqAccess<'de> for SeqReader<'_, 'de> {
    type Error = ReadError;
    fn next_element_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        self.0.next().map(|node| seed.deserialize(node).map_err(|err| err.or_at(node))).transpose()
    }
}

struct MapReader<'de> {
    entries: std::slice::Iter<'de, (Node, Node)>,
    value: Option<&'de Node>,
}

impl<'de> de::MapAccess<'de> for MapReader<'de> {
    type Error = ReadError;
    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some(value);
        // A refused key is placed by the key; see `deserialize_any`.
        seed.deserialize(KeyReader(key)).map(Some).map_err(|err| err.or_at(key))
    }
    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let value = self.value.take().ok_or_else(|| de::Error::custom("a value without a key"))?;
        seed.deserialize(value).map_err(|err: ReadError| err.or_at(value))
    }
}

struct KeyReader<'de>(&'de Node);

impl<'de> Deserializer<'de> for KeyReader<'de> {
    type Error = ReadError;
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_borrowed_str(self.0.as_str().unwrap_or_default())
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_enum(self.0.as_str().unwrap_or_default().into_deserializer())
    }
    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct EnumReader<'de>(&'de (Node, Node));

impl<'de> de::EnumAccess<'de> for EnumReader<'de> {
    type Error = ReadError;
    type Variant = VariantReader<'de>;
    fn variant_seed<V: de::DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), ReadError> {
        let variant = seed.deserialize(KeyReader(&self.0.0)).map_err(|err| err.or_at(&self.0.0))?;
        Ok((variant, VariantReader(&self.0.1)))
    }
}

struct VariantReader<'de>(&'de Node);

impl<'de> de::VariantAccess<'de> for VariantReader<'de> {
    type Error = ReadError;
    fn unit_variant(self) -> Result<(), ReadError> {
        match self.0.kind {
            NodeKind::Null => Ok(()),
            _ => Err(ReadError::new(Code::InvalidValue, format!("expected nothing here, found {}", self.0.what()))
                .or_at(self.0)),
        }
    }
    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        seed.deserialize(self.0).map_err(|err| err.or_at(self.0))
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.0.deserialize_seq(visitor)
    }
    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, ReadError> {
        self.0.deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Config {
        path: String,
        #[serde(default)]
        pages: Option<u32>,
        #[serde(default)]
        columns: Vec<String>,
        #[serde(default)]
        mode: Option<Mode>,
        #[serde(default)]
        nested: Option<Box<Config>>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Fast,
        Slow { by: u8 },
    }

    fn read(text: &str) -> Result<Config, String> {
        let node = Node::parse(text, "a.yaml", 1).map_err(|d| d.to_string())?;
        node.read().map_err(|d| format!("{d}{}", d.hints.iter().map(|h| format!(" [{h}]")).collect::<String>()))
    }

    #[test]
    fn every_error_names_the_innermost_place() {
        for (text, want) in [
            (
                "path: x
pagse: 3
",
                "a.yaml:2:1: P1002: unknown key `pagse` [did you mean `pages`?]",
            ),
            (
                "path: x
pages: many
",
                "a.yaml:2:8: P1004: expected a whole number, found the text `many`",
            ),
            (
                "path: x
pages: -1
",
                "a.yaml:2:8: P1004: ",
            ),
            (
                "pages: 1
",
                "a.yaml:1:1: P1003: missing key `path`",
            ),
            (
                "path: x
columns: [a, 1]
",
                "a.yaml:2:14: P1004: expected a text, found the number `1`",
            ),
            (
                "path: x
mode: fats
",
                "a.yaml:2:7: P1004: unknown value `fats` [did you mean `fast`?]",
            ),
            (
                "path: x
mode: {slow: {by: 300}}
",
                "a.yaml:2:19: P1004: ",
            ),
            (
                "path: x
nested:
  path: y
  zzz: 1
",
                "a.yaml:4:3: P1002: unknown key `zzz`",
            ),
            (
                "path: [
", "a.yaml:",
            ),
            (
                "path: x
path: y
",
                "a.yaml:2:1: P1001: ",
            ),
        ] {
            let got = read(text).unwrap_err();
            assert!(
                got.starts_with(want),
                "{text:?}
 got {got}
want {want}"
            );
        }
    }

    #[test]
    fn one_where_a_list_is_wanted_is_a_list_of_one() {
        assert_eq!(
            read(
                "path: x
columns: a
"
            )
            .unwrap()
            .columns,
            ["a"]
        );
    }

    #[test]
    fn a_text_from_a_variable_becomes_the_type_that_is_wanted_and_is_never_shown() {
        let mut node = Node::parse(
            "path: x
pages: $P
",
            "a.yaml",
            1,
        )
        .unwrap();
        node.map_strings(&mut |text, _| Ok((text == "$P").then(|| "7".to_owned())));
        assert_eq!(node.read::<Config>().unwrap().pages, Some(7));
        let mut node = Node::parse(
            "path: x
pages: $P
",
            "a.yaml",
            1,
        )
        .unwrap();
        node.map_strings(&mut |text, _| Ok((text == "$P").then(|| "hunter2".to_owned())));
        let err = node.read::<Config>().unwrap_err().to_string();
        assert!(!err.contains("hunter2"), "{err}");
    }

    #[test]
    fn a_value_that_is_kept_secret_is_in_no_message() {
        for (text, want) in [
            ("path: 12345678\n", "a.yaml:1:7: P1004: expected a text"),
            ("path: x\npages: hunter\n", "a.yaml:2:8: P1004: expected a whole number"),
            ("path: x\nmode: hunter\n", "a.yaml:2:7: P1004: the value does not fit"),
        ] {
            let mut node = Node::parse(text, "a.yaml", 1).unwrap();
            let NodeKind::Map(entries) = &mut node.kind else { panic!("no map") };
            entries.iter_mut().for_each(|(_, value)| value.keep_secret());
            assert_eq!(node.read::<Config>().unwrap_err().to_string(), want);
            assert!(!format!("{node:?}").contains("hunter"));
        }
    }

    #[test]
    fn an_embedded_document_counts_lines_from_its_file() {
        let node = Node::parse(
            "path: x
zz: 1
",
            "q.sql",
            10,
        )
        .unwrap();
        assert_eq!(node.read::<Config>().unwrap_err().place.unwrap().span.line, 11);
    }

    #[test]
    fn an_empty_document_is_an_empty_map() {
        assert_eq!(Node::parse("\n# only a comment\n", "a.yaml", 1).unwrap().entries(), Some(&[][..]));
    }
}
