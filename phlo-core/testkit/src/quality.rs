//! What checks promise. [`crate::Package`] calls this for each use of a check in a package's example.

use arrow_schema::SchemaRef;
use phlo_plugin::quality::{AnyQuality, CheckPlan, CheckTarget, Evaluation, Value};
use phlo_plugin::registry::guard;
use phlo_plugin::{InitContext, Policy, Registry, Result};
use phlo_spec::Node;

use crate::findings::Findings;
use crate::fixture::{key, schema};

/// A plan with a name and an expectation that stay the same, which lists the columns that it was given, and whose verdicts do not
/// panic over a table without rows or columns. Answers the name.
pub fn check(name: &str, plugin: &dyn AnyQuality, params: &Node, findings: &mut Findings) -> Option<String> {
    let target = CheckTarget { asset: key("example.checked"), schema: None };
    let make = || guard(name, "making a check", || plugin.check(params, &target));
    let plan = findings.expect(make(), "making the check of the example")?;
    if let Some(again) = findings.expect(make(), "making it again") {
        let same = (&plan.name, &plan.expected) == (&again.name, &again.expected);
        findings.hold(same, format_args!("its name or expectation changes: {plan:?}, then {again:?}"));
    }
    for (what, text) in [("name", &plan.name), ("expectation", &plan.expected)] {
        findings.hold(!text.trim().is_empty(), format_args!("the check has no {what}"));
        findings.hold(!text.contains('\n'), format_args!("the check's {what} has several lines"));
    }
    for column in named_columns(params) {
        let listed = plan.columns.iter().any(|listed| listed == column);
        findings.hold(listed, format_args!("the column `{column}` is not listed in the plan's columns"));
    }
    evaluation(name, &plan, findings);
    Some(plan.name)
}

/// The check that this text of an asset's file makes, e.g. `not_null: [a]`, of the linked plugins; for a table of these columns, or one
/// that is not known yet.
///
/// # Errors
/// What the plugin refuses.
///
/// # Panics
/// Where the text is no map with the check's name.
pub fn plan(text: &str, schema: Option<SchemaRef>) -> Result<CheckPlan> {
    let registry = Registry::linked(&[])?.activate(Policy::default(), InitContext::at("/nowhere"))?;
    let node = Node::parse(text, "a.yaml", 1).expect("a check is YAML");
    let [(kind, params)] = node.entries().expect("a check is a map") else { panic!("`{text}` is not one check") };
    let target = CheckTarget { asset: key("a.b"), schema };
    registry.quality(kind.as_str().expect("a kind is a text"))?.check(params, &target)
}

/// Columns that are written as such: `column: a`, `columns: [a, b]`.
fn named_columns(params: &Node) -> Vec<&str> {
    let one = params.get("column").and_then(Node::as_str);
    let several = params.get("columns").and_then(Node::items).unwrap_or_default();
    one.into_iter().chain(several.iter().filter_map(Node::as_str)).collect()
}

fn evaluation(name: &str, plan: &CheckPlan, findings: &mut Findings) {
    let sql = |text: &str| !text.trim().is_empty() && !text.contains(';');
    let quiet = |judge: &dyn Fn()| {
        guard(name, "judging", || {
            judge();
            Ok(())
        })
    };
    match &plan.evaluation {
        Evaluation::Rows { predicate } => findings.hold(sql(predicate), format_args!("`{predicate}` is no predicate")),
        Evaluation::Mask { mask, given } => {
            findings.hold(given.iter().all(|text| sql(text)), format_args!("{given:?} are no expressions"));
            let empty = arrow_array::RecordBatch::new_empty(schema(""));
            findings.expect(quiet(&|| drop(mask(&empty))), "its mask, of no rows");
        }
        Evaluation::Aggregates { expressions, verdict } => {
            findings.hold(!expressions.is_empty() && expressions.iter().all(|text| sql(text)), "it aggregates nothing");
            let nothing = vec![Value::Null; expressions.len()];
            findings.expect(quiet(&|| drop(verdict(&nothing))), "its verdict on nulls");
        }
        Evaluation::Violations { query } => findings.hold(!query.trim().is_empty(), "its query is empty"),
        Evaluation::Count { count, show } => {
            findings.hold(!count.trim().is_empty() && !show.trim().is_empty(), "a query of it is empty");
        }
        Evaluation::Unique { key, .. } => {
            findings.hold(!key.is_empty() && key.iter().all(|part| sql(&part.expression)), "it has no key");
        }
        Evaluation::Query { query, verdict, show } => {
            let empty = [Some(query), show.as_ref()].into_iter().flatten().any(|query| query.trim().is_empty());
            findings.hold(!empty, "a query of it is empty");
            findings.expect(quiet(&|| drop(verdict(&[]))), "its verdict on no rows");
        }
        Evaluation::Schemas { other, verdict } => {
            findings.hold(!other.trim().is_empty(), "it names no other table");
            findings
                .expect(quiet(&|| drop(verdict(&schema(""), &schema("")))), "its verdict on tables without columns");
        }
        Evaluation::Schema { verdict } => {
            findings.expect(quiet(&|| drop(verdict(&schema("")))), "its verdict on a table without columns");
        }
    }
}
