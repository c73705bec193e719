//! An asset's checks, made by their plugins.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use phlo_engine::Check;
use phlo_engine::check::unique_names;
use phlo_plugin::quality::{CheckPlan, CheckTarget, Evaluation};
use phlo_plugin::{Error, Result};
use phlo_spec::asset::CheckSpec;
use phlo_spec::{AssetSpec, CheckSeverity, Code, Diagnostics};

use crate::platform::Platform;

/// Makes every check of an asset; all problems are told.
pub(crate) fn checks(platform: &Platform, spec: &AssetSpec, schema: Option<&SchemaRef>) -> (Vec<Check>, Diagnostics) {
    let registry = &platform.inner.registry;
    let sensitive = Arc::new(spec.sensitive.iter().cloned().collect());
    let target = CheckTarget { asset: spec.key.clone(), schema: schema.cloned() };
    let (mut made, mut problems) = (Vec::new(), Diagnostics::default());
    for check in &spec.checks {
        let plan = registry.quality(&check.kind).and_then(|plugin| {
            let plan = plugin.check(&check.params, &target)?;
            refuse_inert(check, plugin.heeds_tolerance(), &plan)?;
            Ok(plan)
        });
        match plan {
            Ok(plan) => made.push(Check {
                asset: spec.key.clone(),
                name: check.name.clone().unwrap_or_else(|| plan.name.clone()),
                id: identity(check, &plan.name),
                fingerprint: fingerprint(platform, check, &plan),
                kind: check.kind.clone(),
                description: check.description.clone(),
                severity: check.severity,
                tolerance: check.tolerance,
                filter: check.filter.clone(),
                sample: check.sample,
                sensitive: Arc::clone(&sensitive),
                plan,
                place: check.place.clone(),
            }),
            Err(err) => problems.push(err.at(check.place.clone()).into_diagnostic()),
        }
    }
    for check in &mut made {
        also_of_others(platform, check);
    }
    apart(&mut made);
    if let Err(err) = unique_names(&made) {
        problems.push(err.into_diagnostic());
    }
    (made, problems)
}

// A plan's name tells its parameters apart, however they are written.
fn identity(check: &CheckSpec, plan: &str) -> String {
    hashed(&[check.kind.as_str(), plan, check.filter.as_deref().unwrap_or_default()].join("\0"))
}

// Checks that differ only in what a failure does are told apart by their names: each has a history of its own.
fn apart(checks: &mut [Check]) {
    let ids: Vec<String> = checks.iter().map(|check| check.id.clone()).collect();
    for check in checks.iter_mut().filter(|check| ids.iter().filter(|id| **id == check.id).count() > 1) {
        check.id = hashed(&[check.id.as_str(), &check.name].join("\0"));
    }
}

// What a table was audited with: another bound, limit or severity is another question, and so is one about columns that the table did not
// have. Without secrets: it stands in commits.
fn fingerprint(platform: &Platform, check: &CheckSpec, plan: &CheckPlan) -> String {
    let predicate = match &plan.evaluation {
        Evaluation::Rows { predicate } => Some(predicate),
        _ => None,
    };
    let params = check.params.to_json();
    let said = serde_json::json!([check.kind, check.severity, check.tolerance, check.filter, params, predicate]);
    hashed(&platform.redactor().clean(&said.to_string()))
}

fn hashed(text: &str) -> String {
    format!("{:016x}", phlo_spec::text::hash(text))
}

// What other assets call sensitive is so in what a check shows of their tables too.
fn also_of_others(platform: &Platform, check: &mut Check) {
    let tables = check.tables();
    let others = tables.iter().filter_map(|table| platform.asset(table));
    let columns: Vec<&String> = others.flat_map(|other| &other.sensitive).collect();
    if !columns.is_empty() {
        Arc::make_mut(&mut check.sensitive).extend(columns.into_iter().cloned());
    }
}

/// Refuses what a check's map says and the check would not heed.
fn refuse_inert(check: &CheckSpec, heeds_tolerance: bool, plan: &CheckPlan) -> Result<()> {
    let inert = |key: &str, why: &str, hint: &str| {
        Err(Error::new(Code::InertConfig, format!("`{key}` has no say in the check `{}`, {why}", check.kind))
            .hint(hint))
    };
    let has_a_say = heeds_tolerance && plan.tolerates;
    if !has_a_say && !check.tolerance.is_none() {
        let hint = "remove `tolerance`; `severity: warn` tells without blocking";
        return inert("tolerance", "whose violations are no fraction of rows", hint);
    }
    if plan.warns {
        let why = "which has bounds of its own for each level";
        if check.severity == CheckSeverity::Warn {
            return inert("severity", why, "remove `severity`, or write the inner bounds alone, with `severity: warn`");
        }
        if !check.tolerance.is_none() {
            return inert("tolerance", why, "remove `tolerance`");
        }
    }
    if check.filter.is_some() && matches!(plan.evaluation, Evaluation::Schema { .. } | Evaluation::Schemas { .. }) {
        return inert("where", "which looks at no rows", "remove `where`: the check is about the columns alone");
    }
    Ok(())
}

/// As [`checks`], for a run: the first problem is the error.
///
/// # Errors
/// The first problem.
pub(crate) fn checks_or_first(platform: &Platform, spec: &AssetSpec, schema: Option<&SchemaRef>) -> Result<Vec<Check>> {
    let (made, problems) = checks(platform, spec, schema);
    match problems.into_iter().next() {
        Some(problem) => Err(problem.into()),
        None => Ok(made),
    }
}
