//! A new plugin's name, checked once, and the names that follow from it.

use std::fmt;

use crate::Kind;

/// The most characters of a name: it is typed, and it stands in lines of tables and of code.
pub const MAX_NAME: usize = 32;

/// Why something cannot be called so, and what to write in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong: a lower-case fragment without period.
    pub message: String,
    /// The next step.
    pub hint: String,
}

impl Refusal {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.hint)
    }
}

impl std::error::Error for Refusal {}

/// The name of a new plugin, in kebab case, with its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    kind: Kind,
    kebab: String,
}

impl Name {
    /// Checks a name as it is written on the command line, e.g. `my-api`.
    ///
    /// # Errors
    /// A name that is empty, longer than [`MAX_NAME`], not in kebab case, a keyword of Rust (or of Python, for a Dagster module), or
    /// that says the kind again; with the name that was probably meant.
    pub fn new(kind: Kind, text: &str) -> Result<Self, Refusal> {
        if text.is_empty() {
            return Err(Refusal::new("the name is empty", "write lower-case words joined by `-`, e.g. `my-api`"));
        }
        for prefix in [format!("phlo-{kind}-"), format!("{kind}-"), "phlo-".to_owned()] {
            if let Some(rest) = text.strip_prefix(&prefix) {
                let hint = match Self::new(kind, rest) {
                    Ok(_) => format!("write `{rest}`: package and folder get `{kind}-` in front by themselves"),
                    Err(_) => "package and folder get the kind in front by themselves: leave it out".to_owned(),
                };
                return Err(Refusal::new(format!("the name `{text}` begins with `{prefix}`"), hint));
            }
        }
        if text == kind.as_str() {
            return Err(Refusal::new(
                format!("the name `{text}` only says the kind again"),
                "name what the plugin is about, e.g. the system that it reads",
            ));
        }
        if !is_kebab(text) {
            let mended = to_kebab(text);
            let hint = if text.is_ascii() && is_kebab(&mended) && Self::new(kind, &mended).is_ok() {
                format!("write `{mended}`")
            } else {
                "write lower-case words joined by `-`, the first beginning with a letter, e.g. `my-api`".to_owned()
            };
            return Err(Refusal::new(format!("the name `{text}` is not in kebab case"), hint));
        }
        let length = text.chars().count();
        if length > MAX_NAME {
            return Err(Refusal::new(
                format!("the name `{text}` has {length} characters"),
                format!("use at most {MAX_NAME}"),
            ));
        }
        for (language, keywords, hit) in
            [("Rust", RUST_KEYWORDS, true), ("Python", PYTHON_KEYWORDS, kind == Kind::Dagster)]
        {
            if hit && keywords.contains(&text) {
                return Err(Refusal::new(
                    format!("the name `{text}` is a keyword of {language}"),
                    format!("add a word, e.g. `{text}-data`"),
                ));
            }
        }
        Ok(Self { kind, kebab: text.to_owned() })
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The name as it was given: `my-api`.
    pub fn kebab(&self) -> &str {
        &self.kebab
    }

    /// The plugin's name, as users write it: `my_api`.
    pub fn plugin(&self) -> String {
        self.kebab.replace('-', "_")
    }

    /// The beginning of its types' names: `MyApi`.
    pub fn pascal(&self) -> String {
        let word = |word: &str| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        };
        self.kebab.split('-').map(word).collect()
    }

    /// The crate's folder in the repository, and the cargo feature that links it: `source-my-api`.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.kind, self.kebab)
    }

    /// The package: `phlo-source-my-api`.
    pub fn package(&self) -> String {
        format!("phlo-{}", self.folder())
    }

    /// The library, as Rust names it: `phlo_source_my_api`.
    pub fn library(&self) -> String {
        self.package().replace('-', "_")
    }
}

/// Lower-case words of letters and digits joined by single `-`, the first beginning with a letter.
fn is_kebab(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .split('-')
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

/// The text as kebab case would have it: words end at other signs and before a capital.
fn to_kebab(text: &str) -> String {
    let mut out = String::new();
    let mut after_lower = false;
    for c in text.trim().chars() {
        if c.is_ascii_alphanumeric() {
            if c.is_ascii_uppercase() && after_lower {
                out.push('-');
            }
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    out.trim_end_matches('-').to_owned()
}

/// Strict and reserved keywords of Rust, those of every edition up to 2024.
const RUST_KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Keywords of Python that are none of Rust.
const PYTHON_KEYWORDS: &[&str] = &[
    "and", "assert", "class", "def", "del", "elif", "except", "finally", "from", "global", "import", "is", "lambda",
    "nonlocal", "not", "or", "pass", "raise", "with",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_name_follows_from_the_one_that_was_given() {
        let name = Name::new(Kind::Source, "my-s3-api2").unwrap();
        assert_eq!(
            [name.plugin(), name.pascal(), name.folder(), name.package(), name.library()],
            ["my_s3_api2", "MyS3Api2", "source-my-s3-api2", "phlo-source-my-s3-api2", "phlo_source_my_s3_api2"]
        );
    }

    #[test]
    fn names_that_would_not_compile_or_mislead_are_refused_with_what_to_write() {
        let long = "a".repeat(MAX_NAME + 1);
        for (kind, text, message, hint) in [
            (Kind::Source, "", "the name is empty", "e.g. `my-api`"),
            (Kind::Source, "My_Api", "the name `My_Api` is not in kebab case", "write `my-api`"),
            (Kind::Source, "MyApi", "the name `MyApi` is not in kebab case", "write `my-api`"),
            (Kind::Source, "my_api", "the name `my_api` is not in kebab case", "write `my-api`"),
            (Kind::Source, "my api", "the name `my api` is not in kebab case", "write `my-api`"),
            (Kind::Source, "my--api-", "the name `my--api-` is not in kebab case", "write `my-api`"),
            (Kind::Source, "2nd-api", "the name `2nd-api` is not in kebab case", "the first beginning with a letter"),
            (Kind::Source, "../x", "the name `../x` is not in kebab case", "write `x`"),
            (Kind::Source, "ünder", "the name `ünder` is not in kebab case", "write lower-case words"),
            (Kind::Source, "42", "the name `42` is not in kebab case", "the first beginning with a letter"),
            (Kind::Source, "Type", "the name `Type` is not in kebab case", "the first beginning with a letter"),
            (Kind::Source, "source-my-api", "the name `source-my-api` begins with `source-`", "write `my-api`:"),
            (Kind::Source, "phlo-source-x", "the name `phlo-source-x` begins with `phlo-source-`", "write `x`:"),
            (Kind::Source, "phlo-x", "the name `phlo-x` begins with `phlo-`", "write `x`:"),
            (Kind::Source, "source-2", "the name `source-2` begins with `source-`", "leave it out"),
            (Kind::Hook, "hook", "the name `hook` only says the kind again", "what the plugin is about"),
            (Kind::Source, "type", "the name `type` is a keyword of Rust", "e.g. `type-data`"),
            (Kind::Source, "self", "the name `self` is a keyword of Rust", "e.g. `self-data`"),
            (Kind::Dagster, "import", "the name `import` is a keyword of Python", "e.g. `import-data`"),
            (Kind::Source, &long, "has 33 characters", "use at most 32"),
        ] {
            let refusal = Name::new(kind, text).unwrap_err();
            assert!(refusal.message.contains(message) && refusal.hint.contains(hint), "{text}: {refusal}");
        }
    }

    #[test]
    fn names_that_are_fine_are_taken() {
        let longest = "a".repeat(MAX_NAME);
        for (kind, text) in [
            (Kind::Source, "a"),
            (Kind::Source, "s3"),
            (Kind::Source, "import"),
            (Kind::Hook, "source-x"),
            (Kind::Source, "sources"),
            (Kind::Orchestrator, &longest),
        ] {
            assert!(Name::new(kind, text).is_ok(), "{text}");
        }
    }
}
