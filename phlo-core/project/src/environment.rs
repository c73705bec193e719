//! The environment as a value: what the process was given, over what `.env` says. The only place that reads either.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use phlo_spec::{CapabilityType, Code, Diagnostic, Place, Span};

/// The file with a project's variables for development.
const DOTENV: &str = ".env";
const CAPABILITY_PREFIX: &str = "PHLO_CAPABILITY_";

/// The variables of the process over those of `.env`; the process wins. Its `Debug` tells no value.
#[derive(Clone, Default)]
pub struct Environment {
    process: BTreeMap<String, String>,
    // With the line it stands on.
    dotenv: Lines,
}

impl Environment {
    /// The variables of this process. Those that are not UTF-8 are left out: no project file could name their value.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn of_process() -> Self {
        Self::from_pairs(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// Just these variables, as if the process had them.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self {
            process: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            dotenv: Lines::new(),
        }
    }

    /// Adds the variables of the project's `.env`, if there is one. What the process has already stays.
    ///
    /// The file holds `NAME=value` lines, optionally with `export` before them, and `#` comments. A value in single quotes is taken
    /// as it is; in double quotes, `\n`, `\r`, `\t`, `\"` and `\\` are escapes; both may go over several lines. Without quotes it
    /// ends before ` #`. Variables inside values are not filled in, so that a password may hold a dollar. The last of two wins.
    ///
    /// # Errors
    /// [`Code::UnreadableFile`] if the file cannot be read or a line of it is not one of these; no part of the line is told.
    pub fn with_dotenv(mut self, root: &Path) -> Result<Self, Diagnostic> {
        let at = |line: u32, column: u32| Place { file: DOTENV.into(), span: Span { line, column, len: 0 } };
        let text = match std::fs::read(root.join(DOTENV)) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| {
                Diagnostic::error(Code::UnreadableFile, "the file is not UTF-8").at(at(1, 1)).hint("save it as UTF-8")
            })?,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(self),
            Err(err) => {
                return Err(Diagnostic::error(
                    Code::UnreadableFile,
                    format!("the file cannot be read: {}", err.kind()),
                )
                .at(at(1, 1))
                .hint("check its permissions"));
            }
        };
        self.dotenv = parse_dotenv(&text).map_err(|(line, column, message)| {
            Diagnostic::error(Code::UnreadableFile, message)
                .at(at(line, column))
                .hint("lines are `NAME=value`, `NAME=\"value\"` or `# comment`")
        })?;
        Ok(self)
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.process.get(name).or_else(|| self.dotenv.get(name).map(|(value, _)| value)).map(String::as_str)
    }

    /// Every variable of `.env` with its value, whether the process overrides it or not.
    pub(crate) fn dotenv(&self) -> impl Iterator<Item = (&str, &str)> {
        self.dotenv.iter().map(|(name, (value, _))| (name.as_str(), value.as_str()))
    }

    /// Providers chosen by `PHLO_CAPABILITY_<TYPE>=<name>`, e.g. `PHLO_CAPABILITY_TABLE_STORE=delta`; an empty value chooses nothing.
    /// Beside them, an error for each such variable whose type does not exist.
    pub fn capability_choices(&self) -> (BTreeMap<CapabilityType, String>, Vec<Diagnostic>) {
        let (mut choices, mut problems) = (BTreeMap::new(), Vec::new());
        let in_dotenv = self.dotenv.iter().filter(|(name, _)| !self.process.contains_key(*name));
        let all = in_dotenv.map(|(name, (value, line))| (name, value, Some(*line)));
        for (name, value, line) in all.chain(self.process.iter().map(|(name, value)| (name, value, None))) {
            let Some(capability) = name.strip_prefix(CAPABILITY_PREFIX) else { continue };
            if value.is_empty() {
                continue;
            }
            match capability.to_ascii_lowercase().parse::<CapabilityType>() {
                Ok(capability) if name[CAPABILITY_PREFIX.len()..].chars().all(|c| !c.is_ascii_lowercase()) => {
                    choices.insert(capability, value.clone());
                }
                parsed => {
                    let near = parsed.map_or_else(|err| err.nearest, |c| Some(c.as_str().to_owned()));
                    let hint = if let Some(near) = near {
                        format!("did you mean `{CAPABILITY_PREFIX}{}`?", near.to_ascii_uppercase())
                    } else {
                        let known: Vec<_> =
                            CapabilityType::ALL.iter().map(|c| c.as_str().to_ascii_uppercase()).collect();
                        format!("known: {CAPABILITY_PREFIX} and one of {}", known.join(", "))
                    };
                    let problem = Diagnostic::error(
                        Code::UnknownCapability,
                        format!("the variable `{name}` names no capability type"),
                    )
                    .hint(hint);
                    problems.push(match line {
                        Some(line) => problem
                            .at(Place { file: DOTENV.into(), span: Span { line, column: 1, len: name.len() as u32 } }),
                        None => problem,
                    });
                }
            }
        }
        (choices, problems)
    }

    /// Whether output shall have no colour: `NO_COLOR` is set to anything but nothing.
    pub fn no_color(&self) -> bool {
        self.get("NO_COLOR").is_some_and(|v| !v.is_empty())
    }

    /// Whether output shall have colour even where it is no terminal: `CLICOLOR_FORCE` is set to anything but nothing and `0`.
    pub fn force_color(&self) -> bool {
        self.get("CLICOLOR_FORCE").is_some_and(|v| !v.is_empty() && v != "0")
    }

    /// What to log, from `PHLO_LOG`.
    pub fn log_filter(&self) -> Option<&str> {
        self.get("PHLO_LOG").filter(|v| !v.is_empty())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables, {} of .env)", self.process.len(), self.dotenv.len())
    }
}

/// Each variable's value, and the line that it stands on.
type Lines = BTreeMap<String, (String, u32)>;
/// A line and column, and what is wrong there.
type Wrong = (u32, u32, &'static str);

fn parse_dotenv(text: &str) -> Result<Lines, Wrong> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = Lines::new();
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let column = |rest: &str| (line.chars().count() - rest.chars().count()) as u32 + 1;
        let assignment = trimmed.strip_prefix("export ").map_or(trimmed, str::trim_start);
        let Some((name, value)) = assignment.split_once('=') else {
            return Err((number, column(assignment), "the line is no `NAME=value`"));
        };
        let name = name.trim_end();
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(valid) {
            return Err((number, column(assignment), "the line does not begin with the name of a variable"));
        }
        let value = value.trim_start();
        let start = column(value);
        let value = if let Some(quote @ ('"' | '\'')) = value.chars().next() {
            let mut content = value[1..].to_owned();
            let end = loop {
                if let Some(end) = closing(&content, quote) {
                    break end;
                }
                let Some((next, _)) = lines.next() else { return Err((number, start, "the quote has no end")) };
                content.push('\n');
                content.push_str(next);
            };
            let rest = content[end + 1..].trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err((number, start, "something follows the closing quote"));
            }
            if quote == '"' { unescape(&content[..end]) } else { content[..end].to_owned() }
        } else {
            // A `#` that follows a space begins a comment; one inside a value does not.
            let before = std::iter::once(' ').chain(value.chars());
            let comment = value.char_indices().zip(before).find(|((_, c), before)| *c == '#' && before.is_whitespace());
            value[..comment.map_or(value.len(), |((at, _), _)| at)].trim_end().to_owned()
        };
        variables.insert(name.to_owned(), (value, number));
    }
    Ok(variables)
}

fn closing(content: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    content.char_indices().find_map(|(at, c)| {
        let found = c == quote && !escaped;
        escaped = quote == '"' && c == '\\' && !escaped;
        found.then_some(at)
    })
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.as_str().chars().next()) {
            ('\\', Some(next @ ('n' | 'r' | 't' | '"' | '\\'))) => {
                out.push(match next {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    same => same,
                });
                chars.next();
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotenv_lines_are_read_as_compose_reads_them_but_dollars_stay() {
        for (text, want) in [
            ("A=1", Ok("1")),
            ("\u{feff}A = 1 # one", Ok("1")),
            ("export A=a#b", Ok("a#b")),
            ("A=", Ok("")),
            ("A= # nothing", Ok("")),
            ("A='x # \\n $B'  # c", Ok("x # \\n $B")),
            ("A=\"x\\n\\\"y\\\" \\d\"", Ok("x\n\"y\" \\d")),
            ("A=\"line 1\nline 2\"\r\nB=2", Ok("line 1\nline 2")),
            ("A=pa$$word=${X}", Ok("pa$$word=${X}")),
            ("A=1\nA=2", Ok("2")),
            ("# c\n\nwhat", Err((3, 1, "the line is no `NAME=value`"))),
            ("  1A=x", Err((1, 3, "the line does not begin with the name of a variable"))),
            ("B=1\nA=\"x", Err((2, 3, "the quote has no end"))),
            ("A='x' y", Err((1, 3, "something follows the closing quote"))),
        ] {
            let got = parse_dotenv(text).map(|v| v["A"].0.clone());
            assert_eq!(got.as_deref().map_err(Clone::clone), want, "{text:?}");
        }
    }

    #[test]
    fn the_process_wins_over_dotenv_and_debug_tells_no_value() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".env"), "A=file-secret\nB=file-secret\n").unwrap();
        let environment = Environment::from_pairs([("A", "process-secret")]).with_dotenv(dir.path()).unwrap();
        assert_eq!(
            (environment.get("A"), environment.get("B"), environment.get("C")),
            (Some("process-secret"), Some("file-secret"), None)
        );
        assert_eq!(format!("{environment:?}"), "Environment(1 variables, 2 of .env)");
        std::fs::write(dir.path().join(".env"), "A=1\nhunter2 hunter2\n").unwrap();
        let problem = Environment::default().with_dotenv(dir.path()).unwrap_err();
        assert_eq!(problem.to_string(), ".env:2:1: P1011: the line is no `NAME=value`");
    }

    #[test]
    fn capability_choices_come_from_variables_and_unknown_types_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".env"), "PHLO_CAPABILITY_CATALOG=glue\n\nPHLO_CAPABILITY_TABEL_STORE=delta\n")
            .unwrap();
        let pairs = [
            ("PHLO_CAPABILITY_TABLE_STORE", "delta"),
            ("PHLO_CAPABILITY_ALERT_SINK", ""),
            ("PHLO_CAPABILITY_query_engine", "x"),
            ("PHLO_LOG", ""),
        ];
        let environment = Environment::from_pairs(pairs).with_dotenv(dir.path()).unwrap();
        let (choices, problems) = environment.capability_choices();
        assert_eq!(
            choices,
            [(CapabilityType::TableStore, "delta".to_owned()), (CapabilityType::Catalog, "glue".to_owned())].into()
        );
        let problems: Vec<_> = problems.iter().map(|p| format!("{p} [{}]", p.hints[0])).collect();
        assert_eq!(
            problems,
            [
                ".env:3:1: P2008: the variable `PHLO_CAPABILITY_TABEL_STORE` names no capability type [did you mean `PHLO_CAPABILITY_TABLE_STORE`?]",
                "P2008: the variable `PHLO_CAPABILITY_query_engine` names no capability type [did you mean `PHLO_CAPABILITY_QUERY_ENGINE`?]",
            ]
        );
        assert_eq!(environment.log_filter(), None);
    }
}
