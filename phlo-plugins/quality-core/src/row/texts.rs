//! `like`, `text`, `length`.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::{quote, quote_text};
use phlo_spec::text::one_line;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Texts, of_texts};
use crate::params::invalid;

fn yes() -> bool {
    true
}

/// Conditions in the words of a check's name.
#[derive(Default)]
pub(crate) struct Conditions {
    parts: Vec<String>,
    told: Vec<String>,
}

impl Conditions {
    /// One or several texts, joined by `how` unless there are none.
    pub(crate) fn add(&mut self, word: &str, texts: &[String], how: &str, condition: impl Fn(&str) -> String) {
        if texts.is_empty() {
            return;
        }
        let parts: Vec<_> = texts.iter().map(|text| condition(text)).collect();
        self.parts.push(if parts.len() == 1 { parts.concat() } else { format!("({})", parts.join(how)) });
        self.told.push(format!("{word} {}", texts.join(", ")));
    }

    fn flag(&mut self, on: bool, word: &str, condition: String) {
        if on {
            self.parts.push(condition);
            self.told.push(word.to_owned());
        }
    }

    /// A plan of these, all of which have to hold.
    pub(crate) fn plan(self, kind: &str, column: String, how: &str) -> CheckPlan {
        let told = self.told.join(", ");
        CheckPlan::new(
            check_name(kind, &format!("{column}, {told}{how}")),
            one_line(&format!("{column} {told}{how}")),
            Evaluation::rows(self.parts.join(" AND ")),
        )
        .on(vec![column])
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// Texts match SQL patterns, in which `%` stands for any characters and `_` for one.
///
/// The whole value has to match. All that is given has to hold. Null passes (add `not_null` to refuse it); the empty text is matched like
/// any other. There is no NaN among texts. An empty table passes. A column that is not of texts is refused. A violation is a row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LikeParams {
    /// The column, of texts.
    pub column: String,
    /// Patterns of which one has to match: a text or a list. A `%` or `_` that is meant as it is needs a backslash.
    #[serde(default)]
    pub any_of: Texts,
    /// Patterns that all have to match.
    #[serde(default)]
    pub all_of: Texts,
    /// Patterns of which none may match.
    #[serde(default)]
    pub none_of: Texts,
    /// Whether upper and lower case differ.
    #[serde(default = "yes")]
    pub case_sensitive: bool,
}

/// Makes `like` checks.
#[derive(Debug)]
pub struct Like;

impl Quality for Like {
    type Params = LikeParams;

    fn check(&self, params: LikeParams, target: &CheckTarget) -> Result<CheckPlan> {
        let LikeParams { column, any_of, all_of, none_of, case_sensitive } = params;
        of_texts(target, &column)?;
        let (name, like) = (quote(&column), if case_sensitive { "LIKE" } else { "ILIKE" });
        let mut conditions = Conditions::default();
        conditions.add("like", any_of.list(), " OR ", |text| format!("{name} {like} {}", quote_text(text)));
        conditions.add("like all of", all_of.list(), " AND ", |text| format!("{name} {like} {}", quote_text(text)));
        conditions.add("not like", none_of.list(), " AND ", |text| format!("{name} NOT {like} {}", quote_text(text)));
        if conditions.is_empty() {
            return Err(invalid("none of `any_of`, `all_of` and `none_of` is given").hint("write e.g. `any_of: 'N%'`"));
        }
        Ok(conditions.plan("like", column, if case_sensitive { "" } else { " in any case" }))
    }
}

/// Upper or lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// No upper-case letters.
    Lower,
    /// No lower-case letters.
    Upper,
}

/// Texts begin, end and are made as they should.
///
/// All that is given has to hold. Null passes (add `not_null` to refuse it); the empty text is one like any other unless `not_empty` or
/// `not_blank` is set. There is no NaN among texts. An empty table passes. A column that is not of texts is refused. A violation is a row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextParams {
    /// The column.
    pub column: String,
    /// How a text may begin: a text, or a list of which one is enough.
    #[serde(default)]
    pub starts_with: Texts,
    /// How it may end: a text, or a list of which one is enough.
    #[serde(default)]
    pub ends_with: Texts,
    /// What it contains: a text, or a list all of which have to be there.
    #[serde(default)]
    pub contains: Texts,
    /// What it does not contain: a text, or a list none of which may be there.
    #[serde(default)]
    pub excludes: Texts,
    /// Whether the empty text is refused.
    #[serde(default)]
    pub not_empty: bool,
    /// Whether a text of white space alone is refused, and the empty one.
    #[serde(default)]
    pub not_blank: bool,
    /// Whether white space around a text is refused.
    #[serde(default)]
    pub trimmed: bool,
    /// Letters of one case alone, `lower` or `upper`; what is no letter may be there.
    #[serde(default)]
    pub case: Option<Case>,
    /// Whether upper and lower case differ in `starts_with`, `ends_with`, `contains` and `excludes`.
    #[serde(default = "yes")]
    pub case_sensitive: bool,
}

/// Makes `text` checks.
#[derive(Debug)]
pub struct Text;

impl Quality for Text {
    type Params = TextParams;

    fn check(&self, params: TextParams, target: &CheckTarget) -> Result<CheckPlan> {
        let column = params.column;
        of_texts(target, &column)?;
        let parts = [
            ("starts_with", params.starts_with.list()),
            ("ends_with", params.ends_with.list()),
            ("contains", params.contains.list()),
            ("excludes", params.excludes.list()),
        ];
        if let Some((field, _)) = parts.iter().find(|(_, texts)| texts.iter().any(String::is_empty)) {
            return Err(invalid(format!("`{field}` holds the empty text, which is everywhere")).hint("remove it"));
        }
        if !params.case_sensitive && parts.iter().all(|(_, texts)| texts.is_empty()) {
            return Err(invalid("`case_sensitive` is for `starts_with`, `ends_with`, `contains` and `excludes`")
                .hint("remove `case_sensitive`"));
        }
        let name = quote(&column);
        let of = |function: &str, text: &str| {
            if params.case_sensitive {
                format!("{function}({name}, {})", quote_text(text))
            } else {
                format!("{function}(lower({name}), {})", quote_text(&text.to_lowercase()))
            }
        };
        let mut conditions = Conditions::default();
        conditions.add("starting with", parts[0].1, " OR ", |text| of("starts_with", text));
        conditions.add("ending with", parts[1].1, " OR ", |text| of("ends_with", text));
        conditions.add("containing", parts[2].1, " AND ", |text| of("contains", text));
        conditions.add("without", parts[3].1, " AND ", |text| format!("NOT {}", of("contains", text)));
        conditions.flag(params.not_empty, "not empty", format!("{name} <> ''"));
        conditions.flag(params.not_blank, "not blank", format!("regexp_like({name}, '\\S')"));
        conditions.flag(params.trimmed, "trimmed", format!("NOT regexp_like({name}, '^\\s|\\s$')"));
        conditions.flag(params.case == Some(Case::Lower), "in lower case", format!("lower({name}) = {name}"));
        conditions.flag(params.case == Some(Case::Upper), "in upper case", format!("upper({name}) = {name}"));
        if conditions.is_empty() {
            return Err(
                invalid("nothing but `column` is given").hint("write e.g. `starts_with: N` or `not_empty: true`")
            );
        }
        Ok(conditions.plan("text", column, if params.case_sensitive { "" } else { " in any case" }))
    }
}

/// Texts are as long as they should be, in characters (Unicode code points).
///
/// Null passes (add `not_null` to refuse it); the empty text has length 0. There is no NaN among texts. An empty table passes. A column
/// that is not of texts is refused. A violation is a row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LengthParams {
    /// The column, of texts.
    pub column: String,
    /// The fewest characters allowed.
    #[serde(default)]
    pub min: Option<u32>,
    /// The most characters allowed.
    #[serde(default)]
    pub max: Option<u32>,
    /// Exactly so many characters; excludes `min` and `max`.
    #[serde(default)]
    pub equal: Option<u32>,
}

/// Makes `length` checks.
#[derive(Debug)]
pub struct Length;

impl Quality for Length {
    type Params = LengthParams;

    fn check(&self, params: LengthParams, target: &CheckTarget) -> Result<CheckPlan> {
        let LengthParams { column, min, max, equal } = params;
        of_texts(target, &column)?;
        let length = format!("character_length({})", quote(&column));
        let (shown, expected, predicate) = match (min, max, equal) {
            (None, None, Some(equal)) => {
                (equal.to_string(), format!("of {equal} characters"), format!("{length} = {equal}"))
            }
            (_, _, Some(_)) => {
                return Err(invalid("`equal` excludes `min` and `max`").hint("keep either `equal` or the bounds"));
            }
            (Some(min), Some(max), None) if min > max => {
                return Err(invalid(format!("`min` is {min}, above `max`, which is {max}")).hint("swap them"));
            }
            (Some(min), Some(max), None) => (
                format!("{min}..{max}"),
                format!("of {min} to {max} characters"),
                format!("{length} >= {min} AND {length} <= {max}"),
            ),
            (Some(min), None, None) => {
                (format!("{min}.."), format!("of at least {min} characters"), format!("{length} >= {min}"))
            }
            (None, Some(max), None) => {
                (format!("..{max}"), format!("of at most {max} characters"), format!("{length} <= {max}"))
            }
            (None, None, None) => {
                return Err(invalid("none of `min`, `max` and `equal` is given").hint("give one of them"));
            }
        };
        let plan = CheckPlan::new(
            check_name("length", &format!("{column}, {shown}")),
            format!("{column} {expected}"),
            Evaluation::rows(predicate),
        );
        Ok(plan.on(vec![column]))
    }
}
