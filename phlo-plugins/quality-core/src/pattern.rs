//! `pattern`.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::{quote, quote_text};
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::invalid;
use crate::row::texts::Conditions;
use crate::row::{Texts, of_texts};

/// Texts match regular expressions.
///
/// The whole value has to match, from its first character to its last, unless `anywhere` is set. All that is given has to hold. Null
/// passes (add `not_null` to refuse it); the empty text is matched like any other. There is no NaN among texts. An empty table passes. A
/// column that is not of texts is refused. A violation is a row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PatternParams {
    /// The column, of texts.
    pub column: String,
    /// The regular expression, in the syntax of Rust's `regex`: close to Perl's, without look-around and back-references. Best written
    /// in single quotes, so that YAML leaves backslashes alone: `'N\d+[A-Z]*'`. At least one of these and the following is needed.
    #[serde(default)]
    pub pattern: Option<String>,
    /// Expressions of which one has to match: a text or a list.
    #[serde(default)]
    pub any_of: Texts,
    /// Expressions that all have to match.
    #[serde(default)]
    pub all_of: Texts,
    /// Expressions of which none may match.
    #[serde(default)]
    pub none_of: Texts,
    /// Whether it is enough that some part of the value matches.
    #[serde(default)]
    pub anywhere: bool,
    /// Whether upper and lower case differ.
    #[serde(default = "yes")]
    pub case_sensitive: bool,
}

fn yes() -> bool {
    true
}

/// Makes `pattern` checks.
#[derive(Debug)]
pub struct Pattern;

impl Quality for Pattern {
    type Params = PatternParams;

    fn check(&self, params: PatternParams, target: &CheckTarget) -> Result<CheckPlan> {
        let PatternParams { column, pattern, any_of, all_of, none_of, anywhere, case_sensitive } = params;
        of_texts(target, &column)?;
        let flags = if case_sensitive { "" } else { "(?i)" };
        let whole =
            |pattern: &str| if anywhere { format!("{flags}{pattern}") } else { format!("{flags}^(?:{pattern})$") };
        let pattern: Vec<String> = pattern.into_iter().collect();
        let fields = [
            ("pattern", &pattern[..]),
            ("any_of", any_of.list()),
            ("all_of", all_of.list()),
            ("none_of", none_of.list()),
        ];
        for (field, pattern) in fields.iter().flat_map(|(field, list)| list.iter().map(move |pattern| (field, pattern)))
        {
            if pattern.is_empty() {
                return Err(invalid(format!("`{field}` is empty")).hint("write a regular expression, e.g. \"N[0-9]+\""));
            }
            // The bare pattern first: `a)|(b` would become valid inside a group.
            compiles(field, pattern, pattern)?;
            compiles(field, &whole(pattern), pattern)?;
        }
        let matches = |pattern: &str| format!("regexp_like({}, {})", quote(&column), quote_text(&whole(pattern)));
        let how = [(anywhere, " anywhere"), (!case_sensitive, " in any case")];
        let how: String = how.iter().filter(|(on, _)| *on).map(|(_, text)| *text).collect();
        if let ([pattern], true) = (&pattern[..], fields[1..].iter().all(|(_, list)| list.is_empty())) {
            return Ok(CheckPlan::new(
                check_name("pattern", &format!("{column}, {pattern}{how}")),
                format!("{column} matching {pattern}{how}"),
                Evaluation::rows(matches(pattern)),
            )
            .on(vec![column]));
        }
        let mut conditions = Conditions::default();
        conditions.add("matching", fields[0].1, " AND ", matches);
        conditions.add("matching one of", fields[1].1, " OR ", matches);
        conditions.add("matching all of", fields[2].1, " AND ", matches);
        conditions.add("matching none of", fields[3].1, " AND ", |pattern| format!("NOT {}", matches(pattern)));
        if conditions.is_empty() {
            return Err(invalid("none of `pattern`, `any_of`, `all_of` and `none_of` is given")
                .hint("write a regular expression, e.g. `pattern: 'N[0-9]+'`"));
        }
        Ok(conditions.plan("pattern", column.clone(), &how))
    }
}

/// Refuses what is no regular expression; `pattern` is it as it is written.
pub(crate) fn compiles(field: &str, regex: &str, pattern: &str) -> Result<()> {
    Regex::new(regex).map(drop).map_err(|err| {
        // The error draws the pattern over several lines and says what is wrong in the last.
        let text = err.to_string();
        let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        invalid(format!("`{field}` is `{pattern}`, which is not a regular expression: {why}"))
            .hint("a character that is meant as it is needs a backslash: `\\(`")
    })
}
