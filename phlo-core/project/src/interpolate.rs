//! `${NAME}` in the texts of YAML files, by the rules of Docker Compose.
//!
//! | written | is |
//! |---|---|
//! | `${NAME}` | the variable's value; an error if it is not set |
//! | `${NAME:-default}`, `${NAME-default}` | the default, if it is not set or empty (`:-`), or not set (`-`) |
//! | `${NAME:?message}`, `${NAME?message}` | an error with this message, likewise |
//! | `${NAME:+other}`, `${NAME+other}` | the other text if it is set and not empty (`:+`), or set (`+`); nothing otherwise |
//! | `${secret:NAME}`, `${secret:STORE/NAME}` | what the secret store holds under the name; see [`crate::stores`] |
//! | `$$` | a dollar |
//!
//! Defaults and other texts may hold variables themselves; values may not. A dollar before anything else stays: regular
//! expressions end in one. Only where a whole text is `$NAME` in capitals is it taken for a mistake and refused.

use std::collections::HashMap;

use phlo_spec::secret::MASK;
use phlo_spec::{Code, Diagnostic, Node, Place, Span, nearest};

use crate::environment::Environment;
use crate::secrets::{Keeper, is_secret_variable};
use crate::stores::{self, Secrets};

/// What became of the texts of one file.
#[derive(Debug, Default)]
pub(crate) struct Filled {
    /// How each text that held a dollar may be shown.
    pub(crate) texts: ShownTexts,
    /// One for each text that could not be filled in; it stays as it was written.
    pub(crate) problems: Vec<Diagnostic>,
    /// The texts that could not be filled in.
    pub(crate) unfilled: Vec<Place>,
}

/// How filled-in texts may be shown. All texts below a YAML alias stand at the place of the alias, so a place is not enough to
/// tell them apart.
#[derive(Debug, Default)]
pub(crate) struct ShownTexts(HashMap<Span, Vec<(String, Shown)>>);

impl ShownTexts {
    /// How a node's text may be shown, if it held a dollar.
    pub(crate) fn of(&self, node: &Node) -> Option<&Shown> {
        let text = node.as_str()?;
        self.0.get(&node.span)?.iter().find(|(value, _)| value == text).map(|(_, shown)| shown)
    }

    fn insert(&mut self, span: Span, value: String, shown: Shown) {
        let here = self.0.entry(span).or_default();
        match here.iter_mut().find(|(known, _)| *known == value) {
            // Of two equal texts the masked one is the safe one.
            Some((_, known)) if known.text == value => *known = shown,
            Some(_) => {}
            None => here.push((value, shown)),
        }
    }
}

/// A text as it may be shown.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Shown {
    /// The text with what came from secret variables masked.
    pub(crate) text: String,
    /// Variables of the environment whose values are in it, and secrets as `secret:NAME`.
    pub(crate) variables: Vec<String>,
}

/// Fills in the variables and secrets of every text (not key) below a node.
pub(crate) fn fill(
    node: &mut Node,
    environment: &Environment,
    keeper: &mut Keeper,
    secrets: &mut Secrets<'_>,
) -> Filled {
    let mut filled = Filled::default();
    let (texts, unfilled) = (&mut filled.texts, &mut filled.unfilled);
    filled.problems = node.map_strings(&mut |text, node| {
        if !text.contains('$') {
            return Ok(None);
        }
        let mut run = Run { environment, keeper, secrets, shown: Shown::default(), whole: text, node };
        match run.whole(text) {
            Ok(value) => {
                texts.insert(node.span, value.clone(), run.shown);
                Ok((value != text).then_some(value))
            }
            Err(problem) => {
                unfilled.extend(node.place());
                Err(problem.placed(text, node))
            }
        }
    });
    filled
}

struct Problem {
    code: Code,
    message: String,
    hint: String,
    /// The part of the text that it is about, in bytes.
    part: std::ops::Range<usize>,
}

impl Problem {
    fn placed(self, text: &str, node: &Node) -> Diagnostic {
        let diagnostic = node.error(self.code, self.message).hint(self.hint);
        let Some(mut place) = node.place() else { return diagnostic };
        // The part's own column is known where the text stands in the file as it is, with or without quotes around it.
        let chars = |text: &str| text.chars().count() as u32;
        let quote = match place.span.len.checked_sub(chars(text)) {
            Some(0) => 0,
            Some(2) => 1,
            _ => return diagnostic,
        };
        if !text.contains('\n') {
            place.span.column += quote + chars(&text[..self.part.start]);
            place.span.len = chars(&text[self.part]);
        }
        diagnostic.at(place)
    }
}

struct Run<'a, 's> {
    environment: &'a Environment,
    keeper: &'a mut Keeper,
    secrets: &'a mut Secrets<'s>,
    shown: Shown,
    // The whole text, of which every `&str` below is a part, and its node.
    whole: &'a str,
    node: &'a Node,
}

impl<'a> Run<'a, '_> {
    fn whole(&mut self, text: &'a str) -> Result<String, Problem> {
        let capitals = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if let Some(name) = text.strip_prefix('$')
            && name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.chars().all(capitals)
        {
            return Err(self.problem(
                text,
                Code::InvalidValue,
                format!("`${name}` is not filled in"),
                format!("write `${{{name}}}`, or `$${name}` for the text itself"),
            ));
        }
        let (value, shown) = self.text(text)?;
        self.shown.text = shown;
        Ok(value)
    }

    /// The text filled in, and as it may be shown.
    fn text(&mut self, text: &'a str) -> Result<(String, String), Problem> {
        let (mut value, mut shown) = (String::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, after) = (&rest[..at], &rest[at + 1..]);
            value.push_str(before);
            shown.push_str(before);
            if after.starts_with('{') {
                let Some(end) = closing(after) else {
                    let hint = "close it with `}`, or write `$$` for a dollar".to_owned();
                    return Err(self.problem(&rest[at..], Code::InvalidValue, "`${` has no `}`".to_owned(), hint));
                };
                let (v, s) = self.variable(&rest[at..=at + 1 + end])?;
                value.push_str(&v);
                shown.push_str(&s);
                rest = &after[end + 1..];
            } else {
                value.push('$');
                shown.push('$');
                rest = after.strip_prefix('$').unwrap_or(after);
            }
        }
        Ok((value + rest, shown + rest))
    }

    /// One `${…}`.
    fn variable(&mut self, part: &'a str) -> Result<(String, String), Problem> {
        let body = &part[2..part.len() - 1];
        if let Some(reference) = body.strip_prefix(stores::PREFIX).filter(|it| !it.starts_with(['-', '?', '+'])) {
            return self.secret(part, body, reference);
        }
        let end = body.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(body.len());
        let (name, rest) = body.split_at(end);
        let (or_empty, operator) = rest.strip_prefix(':').map_or((false, rest), |operator| (true, operator));
        let operation = operator.chars().next();
        if name.is_empty()
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !(rest.is_empty() || matches!(operation, Some('-' | '?' | '+')))
        {
            let hint = "write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`, or `$$` for a dollar".to_owned();
            return Err(self.problem(part, Code::InvalidValue, format!("`{part}` is not a variable"), hint));
        }
        let other = operator.get(1..).unwrap_or_default();
        let set = self.environment.get(name).filter(|value| !(or_empty && value.is_empty()));
        match (set, operation) {
            (Some(_), Some('+')) => self.text(other),
            (None, Some('+')) => Ok((String::new(), String::new())),
            (Some(value), _) => {
                let value = value.to_owned();
                if !self.shown.variables.iter().any(|v| v == name) {
                    self.shown.variables.push(name.to_owned());
                }
                self.keeper.url(&value);
                if is_secret_variable(name) {
                    self.keeper.variable(&value);
                    return Ok((value, MASK.to_owned()));
                }
                if operation == Some('-') {
                    self.keeper.open_default(other);
                }
                Ok((value.clone(), value))
            }
            (None, Some('-')) => {
                let (value, shown) = self.text(other)?;
                if is_secret_variable(name) {
                    self.keeper.literal(&value);
                    return Ok((value, MASK.to_owned()));
                }
                self.keeper.open_default(&value);
                Ok((value, shown))
            }
            (None, asked) => {
                let message = match other {
                    "" => format!("`{name}` has no value"),
                    why => format!("`{name}` has no value: {why}"),
                };
                let near = nearest(name, self.environment.dotenv().map(|(name, _)| name));
                let hint = match (near, asked) {
                    (Some(near), _) => format!("did you mean `{near}`?"),
                    (None, None) => format!("set it in the environment or in `.env`, or write `${{{name}:-default}}`"),
                    (None, Some(_)) => "set it in the environment or in `.env`".to_owned(),
                };
                Err(self.problem(part, Code::UnsetVariable, message, hint))
            }
        }
    }

    /// One `${secret:…}`: masked wherever it is shown, and told to the redactor.
    fn secret(&mut self, part: &str, body: &str, reference: &str) -> Result<(String, String), Problem> {
        let value = self.secrets.value(reference, self.node).map_err(|problem| {
            let hint = problem.hints.join("; ");
            self.problem(part, problem.code, problem.message, hint)
        })?;
        if !self.shown.variables.iter().any(|v| v == body) {
            self.shown.variables.push(body.to_owned());
        }
        self.keeper.url(&value);
        self.keeper.variable(&value);
        Ok((value, MASK.to_owned()))
    }

    fn problem(&self, part: &str, code: Code, message: String, hint: String) -> Problem {
        let start = part.as_ptr() as usize - self.whole.as_ptr() as usize;
        Problem { code, message, hint, part: start..start + part.len() }
    }
}

/// Where the brace that opens a text is closed.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'$', b'$', ..] => at += 1,
            [b'$', b'{', ..] => {
                depth += 1;
                at += 1;
            }
            [b'}', ..] if depth == 0 => return Some(at),
            [b'}', ..] => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::stores::tests::Vault;

    fn environment() -> Environment {
        Environment::from_pairs([("A", "one"), ("EMPTY", ""), ("B_TOKEN", "x$A}y"), ("DSN", "pg://u:sesame@h/d")])
    }

    fn filled(yaml: &str) -> (Node, Filled, Keeper) {
        let (mut node, mut keeper) = (Node::parse(yaml, "f.yaml", 1).unwrap(), Keeper::default());
        let mut secrets = Secrets::of(&Vault, stores::tests::opening());
        let filled = fill(&mut node, &environment(), &mut keeper, &mut secrets);
        (node, filled, keeper)
    }

    #[test]
    fn texts_are_filled_in_by_the_rules_of_compose() {
        for (text, want) in [
            ("${A}", "one"),
            ("x ${A}/${A} y", "x one/one y"),
            ("${EMPTY}", ""),
            ("${EMPTY:-d}", "d"),
            ("${EMPTY-d}", ""),
            ("${NO-d}", "d"),
            ("${NO:-${A}-${NO2:-z}}", "one-z"),
            ("${NO:-}", ""),
            ("${NO:-a b: ?c}", "a b: ?c"),
            ("${A:?needed}", "one"),
            ("${A:+set ${A}}|${EMPTY:+set}|${EMPTY+set}|${NO+set}", "set one||set|"),
            ("$$ $${A} $$$${A}", "$ ${A} $${A}"),
            ("^[a-z]{2}$", "^[a-z]{2}$"),
            ("cost in $ and $a", "cost in $ and $a"),
            ("${B_TOKEN}", "x$A}y"),
            ("${NO:-$${A}}", "${A}"),
            ("a ${secret:db} ${secret:v/db}", "a in $A}Y in v: $A}Y"),
            ("${NO:-${secret:db}} $${secret:db}", "in $A}Y ${secret:db}"),
        ] {
            let (node, filled, _) = filled(&format!("k: '{text}'\n"));
            assert!(filled.problems.is_empty(), "{text}: {:?}", filled.problems);
            assert_eq!(node.get("k").unwrap().as_str(), Some(want), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_placed_exactly() {
        for (yaml, want) in [
            (
                "k: ab ${NO}",
                "f.yaml:1:7: P1005: `NO` has no value [set it in the environment or in `.env`, or write `${NO:-default}`]",
            ),
            (
                "k: \"ab ${NO}\"",
                "f.yaml:1:8: P1005: `NO` has no value [set it in the environment or in `.env`, or write `${NO:-default}`]",
            ),
            ("k: [a, 'é ${A:-${NO:?say why}}']", "f.yaml:1:8: P1005: "),
            (
                "k: é ${NO:?say why}",
                "f.yaml:1:6: P1005: `NO` has no value: say why [set it in the environment or in `.env`]",
            ),
            ("k: x ${EMPTY:?}", "f.yaml:1:6: P1005: `EMPTY` has no value [set it in the environment or in `.env`]"),
            ("k: ${A", "f.yaml:1:4: P1004: `${` has no `}` [close it with `}`, or write `$$` for a dollar]"),
            (
                "k: ${1A}",
                "f.yaml:1:4: P1004: `${1A}` is not a variable [write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`, or `$$` for a dollar]",
            ),
            (
                "k: x${A:d}",
                "f.yaml:1:5: P1004: `${A:d}` is not a variable [write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`, or `$$` for a dollar]",
            ),
            ("k: x ${secret:no} y", "f.yaml:1:6: P1005: the vault has no `no` [add it]"),
            (
                "k: ${secret:a b}",
                "f.yaml:1:4: P1004: `a b` is no name of a secret [write `${secret:NAME}` or `${secret:STORE/NAME}`: letters, digits, `_`, `-` and `.`]",
            ),
            ("k: ${secret:?}", "f.yaml:1:4: P1005: `secret` has no value [set it in the environment or in `.env`]"),
            (
                "k: $TOKEN",
                "f.yaml:1:4: P1004: `$TOKEN` is not filled in [write `${TOKEN}`, or `$$TOKEN` for the text itself]",
            ),
        ] {
            let (node, filled, _) = filled(yaml);
            let got: Vec<_> = filled.problems.iter().map(|p| format!("{p} [{}]", p.hints.join("; "))).collect();
            if want.ends_with(": ") {
                // A default that is not needed is not filled in.
                assert!(got.is_empty(), "{got:?}");
                assert_eq!(node.get("k").unwrap().items().unwrap()[1].as_str(), Some("é one"));
            } else {
                assert_eq!(got, [want]);
            }
        }
    }

    #[test]
    fn secrets_are_masked_where_they_are_shown_and_told_to_the_redactor() {
        let (node, filled, keeper) = filled(
            "a: Bearer ${B_TOKEN}\nb: ${NO_KEY:-p w}\nc: ${DSN}/${A}\nd: ${NO:-open}\ne: ${NO_PWD:-postgres}\nf: u ${secret:db}\n",
        );
        let shown: Vec<_> =
            node.entries().unwrap().iter().map(|(_, value)| filled.texts.of(value).unwrap().text.as_str()).collect();
        assert_eq!(shown, ["Bearer ***", "***", "pg://u:sesame@h/d/one", "open", "***", "u ***"]);
        assert_eq!(
            keeper.redactor.clean("x$A}y p w sesame open postgres one in $A}Y"),
            "*** p w *** open postgres one ***"
        );
        assert_eq!(filled.texts.of(node.get("f").unwrap()).unwrap().variables, ["secret:db"]);
        assert_eq!(filled.texts.of(node.get("c").unwrap()).unwrap().variables, ["DSN", "A"]);
    }

    #[test]
    fn texts_below_an_alias_are_told_apart() {
        let (node, filled, _) = filled("a: &a {x: '${B_TOKEN}', y: '${A}'}\nb: *a\nc:\n  <<: *a\n");
        for map in ["a", "b", "c"] {
            let shown = |key: &str| filled.texts.of(node.get(map).unwrap().get(key).unwrap()).unwrap().text.as_str();
            assert_eq!((shown("x"), shown("y")), ("***", "one"), "{map}");
        }
    }
}
