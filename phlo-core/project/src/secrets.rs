//! What counts as a secret, and who is told.
//!
//! Told to the [`Redactor`], which replaces them in everything that leaves the process:
//! - the value of a variable whose name holds one of [`SECRET_WORDS`] or is made of one of [`SECRET_PARTS`] (not the shell's own
//!   `PWD`), once a file uses it;
//! - what a secret store gave for a `${secret:…}`;
//! - each value of `.env` of [`DOTENV_MIN`] or more characters, used or not, unless it is harmless (a number, a boolean, a URL
//!   without user info, a lower-case word of less than [`DOTENV_LONG`] letters), is the same as the default of a variable that is
//!   not secret, or sets up phlo itself (`PHLO_…`);
//! - the password in a URL, and what its query holds under a secret's name or as a signature;
//! - values of `storage.options`, except harmless ones and regions;
//! - a text or a number written plainly under a key such as `password` or `api_key`, and the default of a secret variable, unless
//!   it is one lower-case word: replacing `postgres` wherever it stands would hide more than it protects. Of `Bearer X` under
//!   `Authorization`, also the `X`.
//!
//! `config show` masks all of these at their places, whatever their length and look, and everything below `headers`, `storage`'s
//! `options` and a key that a plugin's schema calls `writeOnly`.

use std::borrow::Cow;

use phlo_spec::Redactor;
use phlo_spec::secret::MASK;

/// A variable is secret when its name holds one of these.
const SECRET_WORDS: &[&str] = &["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "KEY", "CREDENTIAL", "PWD"];
/// A variable is secret when one of these stands between its underscores: within a word they mean other things.
const SECRET_PARTS: &[&str] = &["PASS", "AUTH", "PAT", "PIN"];
/// A key's value is secret when the key ends with one of these.
const SECRET_KEYS: &[&str] = &[
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "credential",
    "credentials",
    "authorization",
    "cookie",
    "api_key",
    "apikey",
    "access_key",
    "secret_key",
    "private_key",
    "account_key",
];
/// Shorter values of `.env` are not searched for in text.
const DOTENV_MIN: usize = 6;
/// A lower-case word of `.env` that is as long as this is no name of a layer or a database.
const DOTENV_LONG: usize = 12;

/// Whether a variable of this name holds a secret.
pub(crate) fn is_secret_variable(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    !matches!(name.as_str(), "PWD" | "OLDPWD")
        && (SECRET_WORDS.iter().any(|word| name.contains(word))
            || name.split('_').any(|part| SECRET_PARTS.contains(&part)))
}

/// Whether what is written under this key, or under one that ends with it, is a secret.
pub fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    SECRET_KEYS.iter().any(|word| key.ends_with(word))
}

/// Whether everything below this key is masked where it is shown: what a header or an option is for, only the other side knows.
pub(crate) fn is_secret_section(key: &str) -> bool {
    matches!(key.to_ascii_lowercase().as_str(), "headers" | "options")
}

/// Whether a parameter of a URL's query lets somebody in.
fn is_secret_parameter(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    is_secret_key(&name) || name == "sig" || name == "key" || name.ends_with("signature")
}

fn is_boolean(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "none" | "~"
    )
}

fn is_harmless(value: &str) -> bool {
    is_boolean(value)
        || value.parse::<f64>().is_ok()
        || (value.contains("://") && user_info(value).is_none() && !value.contains('?'))
}

fn is_plain_word(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_lowercase())
}

/// The user info of the first URL in a text that has one: its range.
fn user_info(text: &str) -> Option<std::ops::Range<usize>> {
    let mut from = 0;
    while let Some(at) = text[from..].find("://") {
        let start = from + at + 3;
        let authority = &text[start..];
        let authority = &authority
            [..authority.find(|c: char| matches!(c, '/' | '?' | '#') || c.is_whitespace()).unwrap_or(authority.len())];
        if let Some(end) = authority.rfind('@') {
            return Some(start..start + end);
        }
        from = start;
    }
    None
}

/// The text with the password of its URL masked; and the password.
pub(crate) fn without_password(text: &str) -> (Cow<'_, str>, Option<&str>) {
    match user_info(text).and_then(|range| Some((range.end, text[range.clone()].find(':')? + range.start + 1))) {
        Some((end, start)) => {
            (Cow::Owned(format!("{}{MASK}{}", &text[..start], &text[end..])), Some(&text[start..end]))
        }
        None => (Cow::Borrowed(text), None),
    }
}

/// Adds secrets to a redactor by the rules of this module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keeper {
    /// Who is told.
    pub(crate) redactor: Redactor,
    // Defaults of variables that are not secret: they stand in the files for all to read.
    open_defaults: Vec<String>,
}

impl Keeper {
    /// One that tells this redactor.
    pub(crate) fn of(redactor: Redactor) -> Self {
        Self { redactor, open_defaults: Vec::new() }
    }

    /// The value of a secret variable.
    pub(crate) fn variable(&self, value: &str) {
        if is_boolean(value) {
            return;
        }
        self.redactor.add(value);
        self.scheme(value);
        // A key file's lines may come back one by one.
        if value.contains('\n') {
            value.lines().map(str::trim).filter(|line| line.len() >= 16).for_each(|line| self.redactor.add(line));
        }
    }

    /// A secret that a file holds in plain text.
    pub(crate) fn literal(&self, value: &str) {
        if !is_plain_word(value) && !is_boolean(value) {
            self.redactor.add(value);
            self.scheme(value);
        }
    }

    /// A text that a plugin takes as one of many secrets of any name: a header that says what is accepted stands beside one that
    /// lets somebody in, and only what looks made up is searched for.
    pub(crate) fn one_of_many(&self, value: &str) {
        let has = |of: fn(&char) -> bool| value.chars().any(|c| of(&c));
        if value.len() >= 8 && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic) {
            self.literal(value);
        }
    }

    // `Bearer X`: a server may tell the X alone.
    fn scheme(&self, value: &str) {
        if let Some((scheme, credentials)) = value.split_once(' ')
            && ["bearer", "basic", "token", "apikey"].contains(&scheme.to_ascii_lowercase().as_str())
        {
            self.redactor.add(credentials.trim());
        }
    }

    /// A value of `storage.options`.
    pub(crate) fn storage_option(&self, key: &str, value: &str) {
        if !is_harmless(value) && !key.to_ascii_lowercase().contains("region") {
            self.redactor.add(value);
        }
    }

    /// Any text, which may be a URL with a password or a signature.
    pub(crate) fn url(&self, text: &str) {
        if let (_, Some(password)) = without_password(text) {
            self.redactor.add(password);
        }
        let query = text.split_once("://").and_then(|(_, rest)| rest.split_once('?'));
        for (written, (name, value)) in query.into_iter().flat_map(|(_, query)| {
            let query = query.split('#').next().unwrap_or_default();
            query.split('&').filter(|pair| !pair.is_empty()).zip(url::form_urlencoded::parse(query.as_bytes()))
        }) {
            if is_secret_parameter(&name) {
                self.literal(&value);
                self.literal(written.split_once('=').map_or("", |(_, value)| value));
            }
        }
    }

    /// The default of a variable that is not secret.
    pub(crate) fn open_default(&mut self, value: &str) {
        self.open_defaults.push(value.to_owned());
    }

    /// The variables of `.env`. Comes last, when every default is known.
    pub(crate) fn dotenv<'a>(&self, variables: impl Iterator<Item = (&'a str, &'a str)>) {
        for (name, value) in variables {
            self.url(value);
            let open = value.chars().count() < DOTENV_MIN
                || is_harmless(value)
                || (is_plain_word(value) && value.len() < DOTENV_LONG)
                || name.starts_with("PHLO_")
                || self.open_defaults.iter().any(|d| d == value);
            if is_secret_variable(name) || !open {
                self.variable(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_their_names() {
        for name in ["CARRIER_TOKEN", "db_password", "AWS_SECRET_ACCESS_KEY", "DB_PWD", "GCP_CREDENTIALS"] {
            assert!(is_secret_variable(name), "{name}");
        }
        for name in ["PWD", "OLDPWD", "CARRIER_API", "HOME", "COMPASS", "PATH", "AUTHOR", "PINNED"] {
            assert!(!is_secret_variable(name), "{name}");
        }
        for (key, secret) in [
            ("auth_token", true),
            ("api-key", true),
            ("Authorization", true),
            ("POSTGRES_PASSWORD", true),
            ("unique_key", false),
            ("results_key", false),
        ] {
            assert_eq!(is_secret_key(key), secret, "{key}");
        }
    }

    #[test]
    fn passwords_are_cut_out_of_urls() {
        for (text, masked) in [
            ("postgres://me:p@ss@host/db", "postgres://me:***@host/db"),
            (
                "see https://a.example then https://u:pw@b.example/x?y=1",
                "see https://a.example then https://u:***@b.example/x?y=1",
            ),
            ("https://a.example/x@y:z", "https://a.example/x@y:z"),
            ("https://user@a.example", "https://user@a.example"),
            ("no url", "no url"),
        ] {
            assert_eq!(without_password(text).0, masked);
        }
    }

    #[test]
    fn what_lets_somebody_in_is_found_in_headers_and_queries() {
        let keeper = Keeper::default();
        keeper.literal("Bearer abc-DEF");
        keeper.url("https://h/x?page=seven&sig=a%2Fb%3D1&X-Amz-Signature=0123beef#top");
        let told = "abc-DEF seven a/b=1 a%2Fb%3D1 0123beef top";
        assert_eq!(keeper.redactor.clean(told), "*** seven *** *** *** top");
        for header in ["application/json", "2022-11-28", "gzip", "12345678", "k3y-0f-mine"] {
            keeper.one_of_many(header);
        }
        assert_eq!(
            keeper.redactor.clean("application/json 2022-11-28 12345678 k3y-0f-mine"),
            "application/json 2022-11-28 12345678 ***"
        );
    }

    #[test]
    fn values_of_dotenv_are_secrets_unless_they_are_harmless() {
        let mut keeper = Keeper::default();
        keeper.open_default("localhost-5432");
        let variables = [
            ("CARRIER", "hunter-22"),
            ("HOST", "localhost-5432"),
            ("PORT", "123456"),
            ("URL", "https://a.example/x"),
            ("DSN", "pg://u:sesame@h/x"),
            ("PHLO_CAPABILITY_QUERY_ENGINE", "datafusion"),
            ("SHORT", "abcde"),
            ("SHORT_TOKEN", "wxyz"),
            ("LAYER", "bronze"),
            ("PHRASE", "correcthorsebattery"),
            ("DB_PASS", "hunter"),
            ("USE_TOKEN", "true"),
        ];
        keeper.dotenv(variables.into_iter());
        let told = "hunter-22 localhost-5432 123456 https://a.example/x sesame datafusion abcde wxyz bronze correcthorsebattery hunter true";
        assert_eq!(
            keeper.redactor.clean(told),
            "*** localhost-5432 123456 https://a.example/x *** datafusion abcde *** bronze *** *** true"
        );
    }
}
