//! `business_rule`.

use phlo_plugin::prelude::*;
use phlo_spec::text::one_line;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, invalid};

/// A rule, written in SQL, holds for every row.
///
/// A row for which the rule is false is a violation. A row for which it is NULL, because a column that it compares is null, passes, as in
/// SQL's CHECK; write `coalesce(rule, false)` to refuse such rows. NaN equals NaN and is above every number. An empty table passes. A rule
/// that is neither true nor false, or adds a number to a text, is refused when the check is planned; a text that is compared with a number
/// is read as one. A product or sum of whole numbers beyond their width wraps, as in the engine's SQL; cast to a decimal or a double where that
/// may be. Where a row's value cannot be computed (a whole number by zero, a text that is read as a number and is none) the check errs,
/// which blocks.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BusinessRuleParams {
    /// A boolean SQL expression over the columns of one row, e.g. `arr_time >= 0`; also written on its own: `business_rule: a >= b`.
    pub rule: String,
    /// Columns that must be there, beside those that the rule names.
    #[serde(default)]
    pub columns: Vec<String>,
}

/// Makes `business_rule` checks.
#[derive(Debug)]
pub struct BusinessRule;

impl Quality for BusinessRule {
    type Params = BusinessRuleParams;
    const SHORTHAND: Option<&'static str> = Some("rule");

    fn check(&self, params: BusinessRuleParams, _: &CheckTarget) -> Result<CheckPlan> {
        let rule = params.rule.trim();
        if rule.is_empty() {
            return Err(
                invalid("`rule` is empty").hint("write a condition that every row has to meet, e.g. `arr_time >= 0`")
            );
        }
        if !params.columns.is_empty() {
            params::distinct(&params.columns)?;
        }
        // A comment at the end would comment out what the engine writes behind it.
        let predicate = if rule.contains("--") { format!("(\n{rule}\n)") } else { rule.to_owned() };
        Ok(CheckPlan::new(check_name("business_rule", rule), one_line(rule), Evaluation::rows(predicate))
            .on(params.columns))
    }
}
