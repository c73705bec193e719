//! An asset's checks, made by their plugins.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use phlo_engine::Check;
use phlo_engine::check::unique_names;
use phlo_plugin::quality::{CheckTarget, Evaluation};
use phlo_plugin::{Error, Registry, Result};
use phlo_spec::asset::CheckSpec;
use phlo_spec::{AssetSpec, Code, Diagnostics};

/// Makes every check of an asset; all problems are told.
pub(crate) fn checks(registry: &Registry, spec: &AssetSpec, schema: Option<&SchemaRef>) -> (Vec<Check>, Diagnostics) {
    let sensitive = Arc::new(spec.sensitive.iter().cloned().collect());
    let target = CheckTarget { asset: spec.key.clone(), schema: schema.cloned() };
    let (mut made, mut problems) = (Vec::new(), Diagnostics::default());
    for check in &spec.checks {
        let plan = registry.quality(&check.kind).and_then(|plugin| {
            let plan = plugin.check(&check.params, &target)?;
            refuse_inert(check, plugin.heeds_tolerance(), &plan.evaluation)?;
            Ok(plan)
        });
        match plan {
            Ok(plan) => made.push(Check {
                asset: spec.key.clone(),
                name: check.name.clone().unwrap_or_else(|| plan.name.clone()),
                id: identity(check, &plan.name),
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
    if let Err(err) = unique_names(&made) {
        problems.push(err.into_diagnostic());
    }
    (made, problems)
}

// A plan's name tells its parameters apart, however they are written. FNV-1a: the same in every build.
fn identity(check: &CheckSpec, plan: &str) -> String {
    let text = [check.kind.as_str(), plan, check.filter.as_deref().unwrap_or_default()].join("\0");
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}

/// Refuses what a check's map says and the check would not heed.
fn refuse_inert(check: &CheckSpec, heeds_tolerance: bool, evaluation: &Evaluation) -> Result<()> {
    let inert = |key: &str, why: &str, hint: &str| {
        Err(Error::new(Code::InertConfig, format!("`{key}` has no say in the check `{}`, {why}", check.kind))
            .hint(hint))
    };
    if !check.tolerance.is_none() && !heeds_tolerance {
        let hint = "remove `tolerance`; `severity: warn` tells without blocking";
        return inert("tolerance", "whose violations are no fraction of rows", hint);
    }
    if check.filter.is_some() && matches!(evaluation, Evaluation::Schema { .. } | Evaluation::Schemas { .. }) {
        return inert("where", "which looks at no rows", "remove `where`: the check is about the columns alone");
    }
    Ok(())
}

/// As [`checks`], for a run: the first problem is the error.
///
/// # Errors
/// The first problem.
pub(crate) fn checks_or_first(registry: &Registry, spec: &AssetSpec, schema: Option<&SchemaRef>) -> Result<Vec<Check>> {
    let (made, problems) = checks(registry, spec, schema);
    match problems.into_iter().next() {
        Some(problem) => Err(problem.into()),
        None => Ok(made),
    }
}
