//! `accepted_combinations`.

use arrow_schema::DataType;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, invalid};
use crate::scalar::Scalar;

/// The values of several columns come only in these combinations.
///
/// A row with another combination is a violation. A null in any of the columns passes. NaN is in no combination; -0.0 is 0. An empty
/// table passes. A value that cannot be of the column's type is refused.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptedCombinationsParams {
    /// The columns, two or more.
    pub columns: Vec<String>,
    /// The combinations, each a list with a value for each column: `[[EWR, US], [LHR, GB]]`.
    pub values: Vec<Vec<Scalar>>,
}

/// Makes `accepted_combinations` checks.
#[derive(Debug)]
pub struct AcceptedCombinations;

impl Quality for AcceptedCombinations {
    type Params = AcceptedCombinationsParams;

    fn check(&self, params: AcceptedCombinationsParams, target: &CheckTarget) -> Result<CheckPlan> {
        let AcceptedCombinationsParams { columns, values } = params;
        params::distinct(&columns)?;
        if columns.len() < 2 {
            return Err(invalid("`columns` names one column").hint("use `accepted_values`"));
        }
        if values.is_empty() {
            return Err(invalid("`values` is empty").hint("list the combinations, e.g. [[EWR, US], [LHR, GB]]"));
        }
        let (mut any, mut shown) = (Vec::new(), Vec::new());
        for combination in &values {
            if combination.len() != columns.len() {
                return Err(invalid(format!(
                    "`values` has a combination of {}, and there are {} columns",
                    combination.len(),
                    columns.len()
                ))
                .hint("give one value for each column"));
            }
            let mut all = Vec::new();
            for (column, value) in columns.iter().zip(combination) {
                let data_type = params::column_type(target, column);
                let (sql, literal) = (quote(column), value.literal(column, data_type)?);
                let zero = matches!(value, Scalar::Int(0)) || matches!(value, Scalar::Float(x) if *x == 0.0);
                all.push(if zero && data_type.is_some_and(DataType::is_floating) {
                    format!("abs({sql}) = 0")
                } else {
                    format!("{sql} = {literal}")
                });
            }
            any.push(format!("({})", all.join(" AND ")));
            shown.push(format!("({})", combination.iter().map(Scalar::to_string).collect::<Vec<_>>().join(", ")));
        }
        let nulls = params::quoted(&columns).join(" IS NULL OR ");
        let (list, shown) = (columns.join(", "), shown.join(", "));
        Ok(CheckPlan::new(
            params::name("accepted_combinations", &format!("{list}: {shown}")),
            format!("({list}) one of {}", params::one_line(&shown)),
            Evaluation::rows(format!("{nulls} IS NULL OR {}", any.join(" OR "))),
        )
        .on(columns))
    }
}
