//! What transforms promise, tried on rows.

use std::sync::Arc;

use arrow_array::RecordBatch;
use phlo_plugin::registry::guard;
use phlo_plugin::transform::{AnyTransform, TransformPlan};
use phlo_plugin::{InitContext, Policy, Registry};
use phlo_spec::Node;

use crate::findings::Findings;
use crate::fixture::rows;

/// Tries a linked transform, with parameters as YAML, on a batch: it delivers the schema that it tells, and a batch function does the
/// same to rows however they are divided.
///
/// # Panics
/// If there is no such transform, or it breaks a promise.
#[track_caller]
pub fn suite(name: &str, params: &str, input: &RecordBatch) {
    let registry =
        Registry::linked(&[]).and_then(|linked| linked.activate(Policy::default(), InitContext::at("/nowhere")));
    let plugin = registry.and_then(|registry| registry.transform(name)).unwrap_or_else(|err| panic!("{err:?}"));
    let params = Node::parse(params, "conformance.yaml", 1).unwrap_or_else(|err| panic!("{err}"));
    let mut findings = Findings::new(format!("the transform `{name}`"));
    check(name, plugin.as_ref(), &params, input, &mut findings);
    findings.assert_none();
}

/// What [`suite`] tries.
pub fn check(name: &str, plugin: &dyn AnyTransform, params: &Node, input: &RecordBatch, findings: &mut Findings) {
    let schema = input.schema();
    let plan = guard(name, "making a transform", || plugin.plan(params, &schema));
    match findings.expect(plan, "planning") {
        Some(TransformPlan::Sql(sql)) => {
            findings.hold(sql.contains("input"), format_args!("the query `{sql}` does not read `input`"));
        }
        Some(TransformPlan::Batches { schema, map }) => {
            let mut apply =
                |batch: RecordBatch| findings.expect(guard(name, "transforming", || map(batch)), "transforming");
            let half = input.num_rows() / 2;
            let parts =
                [input.clone(), input.slice(0, half), input.slice(half, input.num_rows() - half), input.slice(0, 0)];
            let Some(parts) = parts.map(&mut apply).into_iter().collect::<Option<Vec<_>>>() else { return };
            for part in &parts {
                findings.hold(
                    part.schema() == schema,
                    format_args!("it tells {schema:?} and delivers {:?}", part.schema()),
                );
            }
            findings.hold(
                rows(&parts[..1]) == rows(&parts[1..]),
                "rows are transformed otherwise when they are divided otherwise",
            );
        }
        Some(TransformPlan::Engine(_)) | None => {}
    }
    let again = guard(name, "making a transform", || plugin.plan(params, &Arc::clone(&schema)));
    findings.hold(again.is_ok(), "it does not plan a second time");
}
