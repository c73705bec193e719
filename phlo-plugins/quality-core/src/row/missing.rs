//! `is_null`, `any_not_null`, `nulls_together`, `not_missing`, `missing_only_as`.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::{quote, quote_text};
use phlo_plugin::schema::type_name;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Class, class, is_in, shown};
use crate::params::{self, invalid};
use crate::scalar::Scalar;

/// Columns hold nulls alone.
///
/// A row with a value in any of the columns is one violation; NaN and the empty text are values. An empty table passes. Every type will
/// do, and nothing is computed that could overflow.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IsNullParams {
    /// The columns; also written on their own: `is_null: [a, b]`.
    pub columns: Vec<String>,
}

/// Makes `is_null` checks.
#[derive(Debug)]
pub struct IsNull;

impl Quality for IsNull {
    type Params = IsNullParams;
    const SHORTHAND: Option<&'static str> = Some("columns");

    fn check(&self, params: IsNullParams, _: &CheckTarget) -> Result<CheckPlan> {
        params::distinct(&params.columns)?;
        let list = params.columns.join(", ");
        let predicate = all(&params.columns, "IS NULL", " AND ");
        let plan =
            CheckPlan::new(check_name("is_null", &list), format!("nulls alone in {list}"), Evaluation::rows(predicate));
        Ok(plan.on(params.columns))
    }
}

/// What is said of each column: `"a" IS NULL AND "b" IS NULL`.
pub(crate) fn all(columns: &[String], is: &str, and: &str) -> String {
    columns.iter().map(|column| format!("{} {is}", quote(column))).collect::<Vec<_>>().join(and)
}

fn several(columns: &[String]) -> Result<()> {
    params::distinct(columns)?;
    match columns {
        [only] => Err(invalid(format!("`columns` names `{only}` alone")).hint("name at least two columns")),
        _ => Ok(()),
    }
}

/// Each row holds a value in at least one of several columns.
///
/// A row with nulls in all of them is one violation; NaN and the empty text are values. An empty table passes. Every type will do, and
/// nothing is computed that could overflow. Without `columns` no row is empty.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnyNotNullParams {
    /// The columns, two or more, also written on their own: `any_not_null: [phone, email]`; all but those that phlo adds, `_phlo_…`, unless
    /// set.
    #[serde(default, deserialize_with = "params::given")]
    #[schemars(with = "Vec<String>")]
    pub columns: Option<Vec<String>>,
    /// Columns whose values do not count; excludes `columns`.
    #[serde(default)]
    pub except: Vec<String>,
}

/// Makes `any_not_null` checks.
#[derive(Debug)]
pub struct AnyNotNull;

impl Quality for AnyNotNull {
    type Params = AnyNotNullParams;
    const SHORTHAND: Option<&'static str> = Some("columns");

    fn check(&self, params: AnyNotNullParams, target: &CheckTarget) -> Result<CheckPlan> {
        let AnyNotNullParams { columns, except } = params;
        columns.as_deref().map_or(Ok(()), several)?;
        let known = params::looked_at(columns.as_deref(), &except, target)?;
        let list = params::listed(columns.as_deref(), &except);
        let predicate = known.map_or_else(|| "true".to_owned(), |known| all(&known, "IS NOT NULL", " OR "));
        let expected = format!("a value in one of {list}");
        let plan = CheckPlan::new(check_name("any_not_null", &list), expected, Evaluation::rows(predicate));
        Ok(plan.on(columns.unwrap_or(except)))
    }
}

/// Columns are null together: a row holds a value in each of them, or in none.
///
/// A row with nulls in some and values in others is one violation; NaN and the empty text are values. An empty table passes. Every type
/// will do, and nothing is computed that could overflow.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NullsTogetherParams {
    /// The columns, two or more; also written on their own: `nulls_together: [latitude, longitude]`.
    pub columns: Vec<String>,
}

/// Makes `nulls_together` checks.
#[derive(Debug)]
pub struct NullsTogether;

impl Quality for NullsTogether {
    type Params = NullsTogetherParams;
    const SHORTHAND: Option<&'static str> = Some("columns");

    fn check(&self, params: NullsTogetherParams, _: &CheckTarget) -> Result<CheckPlan> {
        several(&params.columns)?;
        let list = params.columns.join(", ");
        let (none, each) = (all(&params.columns, "IS NULL", " AND "), all(&params.columns, "IS NOT NULL", " AND "));
        let plan = CheckPlan::new(
            check_name("nulls_together", &list),
            format!("{list} null together or not at all"),
            Evaluation::rows(format!("({none}) OR ({each})")),
        );
        Ok(plan.on(params.columns))
    }
}

/// A column holds neither nulls nor values that stand for one, such as `''`, `N/A` or -999.
///
/// Null fails: the check is about what is missing (`not_accepted_values` refuses the values alone). NaN is a value. An empty table
/// passes. A value of another type than the column's is refused. A violation is a row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotMissingParams {
    /// The column.
    pub column: String,
    /// What stands for a missing value: all texts, all numbers or all booleans.
    pub values: Vec<Scalar>,
    /// Whether upper and lower case differ, and white space around a text; no unless set. For texts.
    #[serde(default)]
    pub exact: bool,
}

/// Makes `not_missing` checks.
#[derive(Debug)]
pub struct NotMissing;

impl Quality for NotMissing {
    type Params = NotMissingParams;

    fn check(&self, params: NotMissingParams, target: &CheckTarget) -> Result<CheckPlan> {
        let NotMissingParams { column, values, exact } = params;
        let listed = is_in(target, &column, &values)?;
        let texts: Vec<&str> = values.iter().filter_map(text).collect();
        if exact && texts.is_empty() {
            return Err(invalid("`exact` is set, and `values` holds no text").hint("remove `exact`"));
        }
        // A date is a text in the file, and not in the table.
        let of_texts = target.column_type(&column).is_none_or(|it| class(it) == Class::Text);
        let found = if exact || texts.is_empty() || !of_texts { listed } else { loosely(&column, &texts) };
        let (list, how) = (shown(&values), if exact { ", exact" } else { "" });
        Ok(CheckPlan::new(
            check_name("not_missing", &format!("{column}: {list}{how}")),
            format!("{column} neither null nor one of {list}{how}"),
            Evaluation::rows(format!("{} IS NOT NULL AND NOT ({found})", quote(&column))),
        )
        .on(vec![column]))
    }
}

fn text(value: &Scalar) -> Option<&str> {
    match value {
        Scalar::Text(text) => Some(text),
        _ => None,
    }
}

/// Whether the column holds one of these texts, in whatever case and with whatever spaces around.
fn loosely(column: &str, texts: &[&str]) -> String {
    let list: Vec<_> = texts.iter().map(|text| quote_text(&text.trim().to_lowercase())).collect();
    format!("lower(trim({})) IN ({})", quote(column), list.join(", "))
}

/// What people write for a missing number.
const USUAL_NUMBERS: [Scalar; 4] = [Scalar::Int(-9), Scalar::Int(-99), Scalar::Int(-999), Scalar::Int(-9999)];

/// What people write for a missing value, in lower case.
const USUAL: &[&str] = &[
    "",
    "-",
    "--",
    ".",
    "?",
    "#n/a",
    "#na",
    "(null)",
    "<na>",
    "missing",
    "n.a.",
    "n/a",
    "na",
    "nan",
    "nil",
    "none",
    "null",
    "undefined",
    "unknown",
    "-9",
    "-99",
    "-999",
    "-9999",
];

/// Where a text or a number is missing, it is so in the ways that are agreed upon, and in no other.
///
/// Of the usual spellings of a missing text (``''``, `-`, `.`, `?`, `n/a`, `na`, `nan`, `nil`, `none`, `null`, `unknown`, `-999` and
/// such, in any case, spaces around ignored), or of the usual numbers for a missing one (-9, -99, -999 and -9999), the column holds those
/// that are listed, exactly as they are listed. Null passes unless `null` is false. NaN is a value. An empty table passes. A column that
/// is neither of texts nor of numbers is refused, and so is a value of another type than the column's. A violation is a row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MissingOnlyAsParams {
    /// The column, of texts or numbers.
    pub column: String,
    /// The spellings that are agreed upon, e.g. `[NA]`, or the numbers, e.g. `[-999]`; none unless set: null alone.
    #[serde(default)]
    pub values: Vec<Scalar>,
    /// Whether null is agreed upon.
    #[serde(default = "yes")]
    pub null: bool,
}

fn yes() -> bool {
    true
}

/// Makes `missing_only_as` checks.
#[derive(Debug)]
pub struct MissingOnlyAs;

impl Quality for MissingOnlyAs {
    type Params = MissingOnlyAsParams;

    fn check(&self, params: MissingOnlyAsParams, target: &CheckTarget) -> Result<CheckPlan> {
        let MissingOnlyAsParams { column, values, null } = params;
        if values.is_empty() && !null {
            return Err(invalid("`values` is empty and `null` is false, so that nothing may be missing")
                .hint("use `not_missing`, or list how values are missing"));
        }
        let of_numbers = match target.column_type(&column) {
            Some(known) if class(known) == Class::Text => false,
            Some(known) if known.is_numeric() => true,
            Some(other) => {
                let message =
                    format!("`column` is `{column}`, whose type {} is neither text nor number", type_name(other));
                return Err(invalid(message).hint("use `not_missing` or `not_accepted_values`"));
            }
            // Until it is known, it is of what the values are.
            None => values.iter().any(|value| value.kind() == "number"),
        };
        let usual = if of_numbers { is_in(target, &column, &USUAL_NUMBERS)? } else { loosely(&column, USUAL) };
        let mut ways = vec![format!("NOT ({usual})")];
        if !values.is_empty() {
            ways.push(is_in(target, &column, &values)?);
        }
        let mut predicate = ways.join(" OR ");
        if !null {
            predicate = format!("{} IS NOT NULL AND ({predicate})", quote(&column));
        }
        let mut told: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        if null {
            told.push("null".to_owned());
        }
        let told = told.join(", ");
        Ok(CheckPlan::new(
            check_name("missing_only_as", &format!("{column}: {told}")),
            format!("{column} missing as {told} only"),
            Evaluation::rows(predicate),
        )
        .on(vec![column]))
    }
}
