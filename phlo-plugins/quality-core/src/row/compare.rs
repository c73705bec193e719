//! `compare`.

use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use phlo_plugin::schema::type_name;
use schemars::JsonSchema;
use serde::Deserialize;

use super::uniqueness::comparable;
use super::{Class, class, side};
use crate::params::invalid;
use crate::scalar::Scalar;

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Is {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Ge,
}

impl Is {
    fn sql(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "<>",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

/// A column compares with a value, or with another column of the row, as it should.
///
/// A null on either side passes (add `not_null` to refuse it). NaN equals NaN, and is neither less nor greater than anything, itself
/// included. An empty table passes. Numbers compare with numbers (as float64 if one of them is a float), texts with texts, by their
/// bytes, dates and timestamps with each other, times of day with such, booleans by `eq` and `ne`; anything else is refused. A violation
/// is a row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompareParams {
    /// The column on the left side.
    pub column: String,
    /// `eq`, `ne`, `lt`, `le`, `gt` or `ge`: equal, not equal, less, less or equal, greater, greater or equal.
    pub is: Is,
    /// The column on the right side. Either this or `value` is needed.
    #[serde(default)]
    pub other: Option<String>,
    /// The value on the right side.
    #[serde(default)]
    pub value: Option<Scalar>,
    /// How far apart two numbers may be that count as equal; for `eq` and `ne`.
    #[serde(default)]
    pub within: Option<f64>,
}

/// Makes `compare` checks.
#[derive(Debug)]
pub struct Compare;

impl Quality for Compare {
    type Params = CompareParams;

    fn check(&self, params: CompareParams, target: &CheckTarget) -> Result<CheckPlan> {
        let CompareParams { column, is, other, value, within } = params;
        let data_type = target.column_type(&column);
        let equality = matches!(is, Is::Eq | Is::Ne);
        if let Some(found) = data_type.filter(|it| class(it) == Class::Other || (class(it) == Class::Bool && !equality))
        {
            return Err(invalid(format!("`column` is `{column}`, whose type {} has no order", type_name(found)))
                .hint("use `is: eq` or `is: ne`, or a `business_rule`"));
        }
        // NaN equals NaN; in an order it is refused below.
        let against = |one: &str, other: &str| {
            let float = target.column_type(one).is_some_and(|it| it.is_floating());
            if equality && float { target.group_key(one) } else { side(target, one, other) }
        };
        let (right, shown) = match (&other, &value) {
            (Some(other), None) if *other == column => {
                return Err(invalid(format!("`other` is `{column}`, the column itself")).hint("name another column"));
            }
            (Some(other), None) => {
                comparable(target, &column, other)?;
                (against(other, &column), other.clone())
            }
            (None, Some(value)) => {
                if !equality && matches!(value, Scalar::Bool(_)) {
                    return Err(invalid(format!("`value` is `{value}`, which has no order")).hint("use `is: eq`"));
                }
                (value.literal(&column, data_type)?, value.to_string())
            }
            _ => return Err(invalid("either `other` or `value` is needed").hint("name a column or give a value")),
        };
        let left = against(&column, other.as_deref().unwrap_or(&column));
        let mut predicate = format!("{left} {} {right}", is.sql());
        let mut how = String::new();
        if let Some(within) = within {
            let number = data_type.is_none_or(|it| class(it) == Class::Number);
            if !equality || !number || matches!(value, Some(Scalar::Text(_) | Scalar::Bool(_))) {
                return Err(
                    invalid("`within` is for numbers that are compared by `eq` or `ne`").hint("remove `within`")
                );
            }
            if !(within > 0.0 && within.is_finite()) {
                return Err(
                    invalid(format!("`within` is {within}, which is not a positive number")).hint("write e.g. 0.01")
                );
            }
            // Infinities are equal and their difference is no number. As float64, so that no difference overflows.
            let near = format!(
                "({left} = {right} OR (abs(CAST({left} AS DOUBLE) - CAST({right} AS DOUBLE)) <= {within:?} \
                 AND NOT isnan(CAST({left} AS DOUBLE)) AND NOT isnan(CAST({right} AS DOUBLE))))"
            );
            predicate = if is == Is::Eq { near } else { format!("NOT {near}") };
            how = format!(" within {within}");
        } else if !equality {
            let columns: Vec<&str> = std::iter::once(column.as_str()).chain(other.as_deref()).collect();
            let floats = columns.iter().filter(|name| target.column_type(name).is_some_and(|it| it.is_floating()));
            let numbers: Vec<_> = floats.map(|name| format!("NOT isnan({})", quote(name))).collect();
            if !numbers.is_empty() {
                predicate = format!("{predicate} AND {}", numbers.join(" AND "));
                if let Some(other) = &other {
                    // A null beside NaN would not hide it.
                    predicate = format!("{} IS NULL OR {} IS NULL OR ({predicate})", quote(&column), quote(other));
                }
            }
        }
        // A column and a text of the same letters are two checks.
        let named = if other.is_some() { format!("column {shown}") } else { shown.clone() };
        Ok(CheckPlan::new(
            check_name("compare", &format!("{column} {} {named}{how}", is.sql())),
            format!("{column} {} {shown}{how}", is.sql()),
            Evaluation::rows(predicate),
        )
        .on(std::iter::once(column).chain(other)))
    }
}
