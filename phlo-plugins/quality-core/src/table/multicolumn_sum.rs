//! `multicolumn_sum`.

use arrow_schema::DataType;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use phlo_plugin::schema::type_name;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, invalid};

/// In each row, columns add up to a number or to another column.
///
/// A row whose sum is another is a violation. A null in any of the columns passes. The sum of whole numbers and decimals (of up to 20
/// digits before the point and 14 behind) is exact and cannot overflow; with others among them it is a float64's, so give a tolerance. A
/// sum that is NaN equals a column's NaN and no number; an infinite one equals itself. An empty table passes; a column that is no number is
/// refused.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MulticolumnSumParams {
    /// The columns to add.
    pub columns: Vec<String>,
    /// What they must add up to.
    #[serde(default)]
    pub equal: Option<f64>,
    /// The column that holds what they must add up to; excludes `equal`.
    #[serde(default)]
    pub equal_column: Option<String>,
    /// How far the sum may be from it.
    #[serde(default)]
    pub abs_tolerance: f64,
    /// How far the sum may be from it, as a fraction of it. The wider tolerance counts.
    #[serde(default)]
    pub rel_tolerance: f64,
}

/// Makes `multicolumn_sum` checks.
#[derive(Debug)]
pub struct MulticolumnSum;

impl Quality for MulticolumnSum {
    type Params = MulticolumnSumParams;

    fn check(&self, params: MulticolumnSumParams, target: &CheckTarget) -> Result<CheckPlan> {
        let MulticolumnSumParams { columns, equal, equal_column, abs_tolerance, rel_tolerance } = params;
        params::distinct(&columns)?;
        for (name, tolerance) in [("abs_tolerance", abs_tolerance), ("rel_tolerance", rel_tolerance)] {
            if !(tolerance >= 0.0 && tolerance.is_finite()) {
                return Err(
                    invalid(format!("`{name}` is {tolerance}, which is not a number from 0")).hint("write e.g. 0.01")
                );
            }
        }
        let what = match (equal, &equal_column) {
            (Some(equal), None) if equal.is_finite() => equal.to_string(),
            (None, Some(column)) => column.clone(),
            (Some(_), Some(_)) => return Err(invalid("`equal` excludes `equal_column`").hint("keep one of them")),
            _ => {
                return Err(
                    invalid("`equal` is no finite number, and `equal_column` is not given").hint("give one of them")
                );
            }
        };
        let all: Vec<String> = columns.iter().chain(&equal_column).cloned().collect();
        let mut exact = equal.is_none_or(|equal| equal.fract() == 0.0 && equal.abs() < 9e15);
        let mut scale = 0;
        for column in &all {
            let found = target.column_type(column);
            if let Some(other) = found.filter(|found| !found.is_numeric()) {
                return Err(invalid(format!("`{column}` is of type {}, which cannot be added", type_name(other)))
                    .hint("name columns of numbers, or cast it"));
            }
            match found {
                Some(
                    DataType::Decimal32(precision, at)
                    | DataType::Decimal64(precision, at)
                    | DataType::Decimal128(precision, at)
                    | DataType::Decimal256(precision, at),
                ) if i16::from(*precision) - i16::from(*at) <= 20 => {
                    scale = scale.max(*at);
                }
                Some(whole) if whole.is_integer() => {}
                _ => exact = false,
            }
        }
        let cast = if exact && scale <= 14 { format!("DECIMAL(38, {scale})") } else { "DOUBLE".to_owned() };
        let floats = cast == "DOUBLE";
        let number = |column: &String| format!("CAST({} AS {cast})", quote(column));
        let sum = format!("({})", columns.iter().map(number).collect::<Vec<_>>().join(" + "));
        let wanted = match (&equal_column, equal) {
            (Some(column), _) => number(column),
            (None, equal) => format!("CAST({:?} AS {cast})", equal.unwrap_or_default()),
        };
        let mut good = format!("{sum} = {wanted}");
        if floats || abs_tolerance > 0.0 || rel_tolerance > 0.0 {
            let (sum, wanted) = if floats {
                (sum.clone(), wanted.clone())
            } else {
                (format!("CAST({sum} AS DOUBLE)"), format!("CAST({wanted} AS DOUBLE)"))
            };
            let distance = format!("abs({sum} - {wanted})");
            let near = |limit: &str| format!("{distance} <= {limit}");
            let mut parts = vec![good, near(&format!("{abs_tolerance:?}"))];
            if rel_tolerance > 0.0 {
                // Everything finite is within a fraction of infinity.
                let finite = format!("abs({wanted}) < CAST('Infinity' AS DOUBLE)");
                // 129 is within 0.29 of 100, though the product in floating point is a little less than 29.
                let fraction = format!("{rel_tolerance:?} * abs({wanted}) * {:?}", 1.0 + 1e-12);
                parts.push(format!("({finite} AND {})", near(&fraction)));
            }
            good = parts.join(" OR ");
            if floats {
                good = format!(
                    "CASE WHEN isnan({sum}) OR isnan({wanted}) THEN isnan({sum}) AND isnan({wanted}) ELSE {good} END"
                );
            }
        }
        let list = columns.join(" + ");
        let mut shown = format!("{list} = {what}");
        for (tolerance, of) in [(abs_tolerance, ""), (rel_tolerance, " of it")] {
            if tolerance > 0.0 {
                shown = format!("{shown} ± {tolerance}{of}");
            }
        }
        Ok(CheckPlan::new(check_name("multicolumn_sum", &shown), shown, Evaluation::rows(good)).on(all))
    }
}
