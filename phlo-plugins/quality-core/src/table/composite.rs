//! `all_of` and `any_of`.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray};
use phlo_plugin::context::Plugin;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::{MaskFn, Value, VerdictFn};
use phlo_plugin::{NoSettings, Policy, Registry};
use phlo_spec::Node;
use phlo_spec::text::one_line;
use schemars::JsonSchema;
use serde::Deserialize;

use super::nested;
use crate::params::invalid;

/// Several checks, taken as one.
///
/// Each is a check as it is written elsewhere, e.g. `range: {column: a, min: 0}`, or an SQL predicate on its own. A row is good to
/// `all_of` if it is good to each of them, and to `any_of` if it is good to at least one; what is NULL is good, so a null in the column
/// of one of them usually satisfies `any_of`. NaN, types and overflow are as in the checks. An empty table passes.
///
/// Or all of them are of the table as a whole and judge aggregates, as `row_count`, `aggregate` and `freshness` do: the verdict is that
/// of each, or of at least one. One that is not good is one violation, an empty table is as in the checks, and `tolerance` is refused.
///
/// Checks that look at other rows or tables (`unique`, `sql`, `foreign_key` and such) are refused, and so are those of rows beside those
/// of the table, and `warn`. Settings that the project gives to a check's plugin are not used for the checks in here.
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
    ($ty:ident, $name:literal, $summary:literal, $every:literal) => {
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
                composed(&self.0, &params.checks, target, $name, $every)
            }
        }

        phlo_plugin::register!(Quality, $ty, name = $name, summary = $summary);
    };
}

composite!(AllOf, "all_of", "Each row, or the table, is good to all of several checks", true);
composite!(AnyOf, "any_of", "Each row, or the table, is good to at least one of several checks", false);

/// A check of rows.
enum Row {
    Sql(String),
    Function { mask: MaskFn, given: Vec<String> },
}

/// A check of the table as a whole.
struct Whole {
    expressions: Vec<String>,
    verdict: VerdictFn,
}

fn composed(
    context: &InitContext,
    checks: &[serde_json::Value],
    target: &CheckTarget,
    name: &str,
    every: bool,
) -> Result<CheckPlan> {
    if checks.len() < 2 {
        return Err(invalid("`checks` has fewer than two checks").hint("list two or more, or write the one by itself"));
    }
    let registry = Registry::linked(&[])?.activate(Policy::default(), context.clone())?;
    let (mut rows, mut wholes, mut of_rows, mut of_table) = (Vec::new(), Vec::new(), None, None);
    let (mut names, mut expected, mut columns) = (Vec::new(), Vec::new(), Vec::new());
    let (mut compared, mut by_the_clock) = (Vec::new(), false);
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
        let refused = |what: &str| {
            Err(invalid(format!("`checks` holds `{kind}`, {what}")).hint("write it as a check of its own"))
        };
        if plan.warns {
            return refused("whose `warn` makes two levels");
        }
        let first = match plan.evaluation {
            Evaluation::Rows { predicate } => {
                rows.push(Row::Sql(nested(&predicate)));
                &mut of_rows
            }
            // A result's SQL calls it with the columns that the composite names.
            Evaluation::Mask { .. } if plan.columns.is_empty() => return refused("a function that names no column"),
            Evaluation::Mask { mask, given } => {
                rows.push(Row::Function { mask, given });
                &mut of_rows
            }
            Evaluation::Aggregates { expressions, verdict } if plan.others.is_empty() => {
                wholes.push(Whole { expressions, verdict });
                &mut of_table
            }
            _ => return refused("which is no rule over one row and no verdict on aggregates"),
        };
        first.get_or_insert(kind);
        if let (Some(row), Some(table)) = (of_rows, of_table) {
            let message = format!("`checks` holds `{row}`, which is of rows, and `{table}`, which is of the table");
            return Err(invalid(message).hint("write two checks, one of the rows and one of the table"));
        }
        by_the_clock |= plan.by_the_clock;
        compared.extend(plan.compared);
        names.push(plan.name);
        expected.push(plan.expected);
        for column in plan.columns {
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
    }
    let of_rows = wholes.is_empty();
    let evaluation = if of_rows { judged(rows, every) } else { weighed(wholes, every) };
    let word = if every { "and" } else { "or" };
    let expected = one_line(&expected.join(&format!(" {word} ")));
    let mut plan = CheckPlan::new(check_name(name, &names.join(", ")), expected, evaluation).on(columns);
    plan.compared = compared;
    if !of_rows {
        plan = plan.intolerant();
    }
    Ok(if by_the_clock { plan.by_the_clock() } else { plan })
}

/// Checks of rows as one: SQL, if each is SQL.
fn judged(rows: Vec<Row>, every: bool) -> Evaluation {
    let sql = rows.iter().map(|row| match row {
        Row::Sql(sql) => Some(sql.as_str()),
        Row::Function { .. } => None,
    });
    if let Some(all) = sql.collect::<Option<Vec<_>>>() {
        return Evaluation::rows(all.join(if every { " AND " } else { " OR " }));
    }
    // Of what the composite is given, each check takes a part.
    let (mut given, mut judges) = (Vec::new(), Vec::new());
    for row in rows {
        let from = given.len();
        let mask = match row {
            Row::Sql(sql) => {
                given.push(sql);
                None
            }
            Row::Function { mask, given: own } => {
                given.extend(own);
                Some(mask)
            }
        };
        judges.push((mask, from..given.len()));
    }
    let all = given.len();
    let mask = move |batch: &RecordBatch| {
        let Some(own) = batch.num_columns().checked_sub(all) else {
            return Err(Error::internal("a batch is without what SQL says of its rows"));
        };
        let mut good = said(&judges[0], batch, own)?;
        for judge in &judges[1..] {
            let other = said(judge, batch, own)?;
            good = good.iter().zip(&other).map(|(one, other)| both(one, other, every)).collect();
        }
        Ok(good)
    };
    Evaluation::Mask { mask: Arc::new(mask), given }
}

/// What a check says of rows whose own columns are so many.
fn said((mask, given): &(Option<MaskFn>, Range<usize>), batch: &RecordBatch, own: usize) -> Result<BooleanArray> {
    let given = own + given.start..own + given.end;
    let Some(mask) = mask else {
        let column = batch.column(given.start);
        // SQL that is NULL whatever the row has no type.
        return Ok(column.as_boolean_opt().cloned().unwrap_or_else(|| BooleanArray::new_null(column.len())));
    };
    let columns: Vec<_> = (0..own).chain(given).collect();
    let rows = batch.project(&columns).map_err(|err| Error::internal("columns cannot be taken out").because(err))?;
    mask(&rows)
}

/// SQL's AND, or its OR.
fn both(one: Option<bool>, other: Option<bool>, every: bool) -> Option<bool> {
    if one == Some(!every) || other == Some(!every) { Some(!every) } else { one.and(other) }
}

/// Verdicts on aggregates as one.
fn weighed(wholes: Vec<Whole>, every: bool) -> Evaluation {
    let mut expressions = Vec::new();
    let mut verdicts = Vec::new();
    for whole in wholes {
        verdicts.push((whole.verdict, whole.expressions.len()));
        expressions.extend(whole.expressions);
    }
    Evaluation::aggregates(expressions, move |mut values: &[Value]| {
        let (mut good, mut observed) = (Vec::new(), Vec::new());
        for (verdict, of) in &verdicts {
            let (own, rest) = values.split_at((*of).min(values.len()));
            values = rest;
            let found = verdict(own);
            good.push(found.passed && found.violations == 0);
            observed.extend(found.observed);
        }
        let passed = if every { good.iter().all(|good| *good) } else { good.contains(&true) };
        Verdict::whole(passed, observed.join("; "))
    })
}
