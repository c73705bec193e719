//! `pattern`.

use arrow_schema::DataType;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::{quote, quote_text};
use phlo_plugin::schema::type_name;
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, invalid};

/// Texts match a regular expression.
///
/// The whole value has to match, from its first character to its last, unless `anywhere` is set. Null passes (add `not_null` to refuse
/// it); the empty text is matched like any other. An empty table passes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PatternParams {
    /// The column, of texts.
    pub column: String,
    /// The regular expression, in the syntax of Rust's `regex`: close to Perl's, without look-around and back-references. Best written
    /// in single quotes, so that YAML leaves backslashes alone: `'N\d+[A-Z]*'`.
    pub pattern: String,
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
        let PatternParams { column, pattern, anywhere, case_sensitive } = params;
        if pattern.is_empty() {
            return Err(invalid("`pattern` is empty").hint("write a regular expression, e.g. \"N[0-9]+\""));
        }
        // The bare pattern first: `a)|(b` would become valid inside a group.
        compiles(&pattern, &pattern)?;
        let flags = if case_sensitive { "" } else { "(?i)" };
        let whole = if anywhere { format!("{flags}{pattern}") } else { format!("{flags}^(?:{pattern})$") };
        compiles(&whole, &pattern)?;
        if let Some(other) = params::column_type(target, &column)
            && !matches!(other, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
        {
            return Err(invalid(format!("`column` is `{column}`, whose type {} is not text", type_name(other)))
                .hint("use `range` or `accepted_values`, or a `business_rule` that casts it"));
        }
        let how = [(anywhere, " anywhere"), (!case_sensitive, " in any case")];
        let how: String = how.iter().filter(|(on, _)| *on).map(|(_, text)| *text).collect();
        Ok(CheckPlan::new(
            params::name("pattern", &format!("{column}, {pattern}{how}")),
            format!("{column} matching {pattern}{how}"),
            Evaluation::rows(format!("regexp_like({}, {})", quote(&column), quote_text(&whole))),
        )
        .on(vec![column]))
    }
}

fn compiles(regex: &str, pattern: &str) -> Result<()> {
    Regex::new(regex).map(drop).map_err(|err| {
        // The error draws the pattern over several lines and says what is wrong in the last.
        let text = err.to_string();
        let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        invalid(format!("`pattern` is `{pattern}`, which is not a regular expression: {why}"))
            .hint("a character that is meant as it is needs a backslash: `\\(`")
    })
}
