//! `all_of` and `any_of`.

use phlo_plugin::context::Plugin;
use phlo_plugin::prelude::*;
use phlo_plugin::{NoSettings, Policy, Registry};
use phlo_spec::Node;
use phlo_spec::text::one_line;
use schemars::JsonSchema;
use serde::Deserialize;

use super::nested;
use crate::params::invalid;

/// Several row-level checks, taken as one.
///
/// Each is a check as it is written elsewhere, e.g. `range: {column: a, min: 0}`, or an SQL predicate on its own. A row is good to
/// `all_of` if it is good to each of them, and to `any_of` if it is good to at least one; what is NULL is good, so a null in the column
/// of one of them usually satisfies `any_of`. NaN, types and overflow are as in the checks. An empty table passes. Checks that look at
/// more than a row, or whose rule is no SQL, are refused. Settings that the project gives to a check's plugin are not used for the
/// checks in here.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompositeParams {
    /// The checks, two or more; also written on their own: `any_of: [a > b, {not_null: c}]`.
    pub checks: Vec<serde_json::Value>,
}

/// Makes `all_of` checks.
pub struct AllOf(InitContext);

/// Makes `any_of` checks.
pub struct AnyOf(InitContext);

macro_rules! composite {
    ($ty:ident, $name:literal, $summary:literal, $word:literal) => {
        impl Plugin for $ty {
            type Settings = NoSettings;

            fn create(_: NoSettings, context: &InitContext) -> Result<Self> {
                Ok(Self(context.clone()))
            }
        }

        impl Quality for $ty {
            type Params = CompositeParams;
            const SHORTHAND: Option<&'static str> = Some("checks");

            fn check(&self, params: CompositeParams, target: &CheckTarget) -> Result<CheckPlan> {
                composed(&self.0, &params.checks, target, $name, $word)
            }
        }

        phlo_plugin::register!(Quality, $ty, name = $name, summary = $summary);
    };
}

composite!(AllOf, "all_of", "Each row is good to all of several checks", "AND");
composite!(AnyOf, "any_of", "Each row is good to at least one of several checks", "OR");

fn composed(
    context: &InitContext,
    checks: &[serde_json::Value],
    target: &CheckTarget,
    name: &str,
    word: &str,
) -> Result<CheckPlan> {
    if checks.len() < 2 {
        return Err(invalid("`checks` has fewer than two checks").hint("list two or more, or write the one by itself"));
    }
    let registry = Registry::linked(&[])?.activate(Policy::default(), context.clone())?;
    let (mut predicates, mut names, mut expected, mut columns) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for check in checks {
        let only = check.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next());
        let (kind, params) = match only {
            Some((kind, params)) => (kind.as_str(), params),
            None if check.is_string() => ("business_rule", check),
            None => {
                return Err(invalid(format!("`checks` holds `{check}`, which is no check"))
                    .hint("write one check for each item, e.g. `not_null: a`, or an SQL predicate"));
            }
        };
        let plan = registry.quality(kind)?.check(&Node::from_json(params), target)?;
        let Evaluation::Rows { predicate } = plan.evaluation else {
            return Err(invalid(format!("`checks` holds `{kind}`, which is no SQL predicate over one row"))
                .hint("write it as a check of its own"));
        };
        predicates.push(nested(&predicate));
        names.push(plan.name);
        expected.push(plan.expected);
        for column in plan.columns {
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
    }
    let between = format!(" {word} ");
    Ok(CheckPlan::new(
        check_name(name, &names.join(", ")),
        one_line(&expected.join(&format!(" {} ", word.to_lowercase()))),
        Evaluation::rows(predicates.join(&between)),
    )
    .on(columns))
}
