//! What of an event is worth a line.

use phlo_plugin::prelude::*;
use phlo_spec::{AssetStatus, CheckResult, CheckSeverity, Payload};
use serde_json::{Value, json};

/// The line for an event; none if nothing failed.
pub(crate) fn of(event: &Event, warnings: bool) -> Option<Value> {
    let (what, name, status, message) = match &event.payload {
        Payload::QualityResult(check) if !check.passed() && (warnings || check.severity == CheckSeverity::Error) => {
            ("check", check.name.as_str(), json!(check.outcome), reason(check))
        }
        Payload::IngestionEnd(run) | Payload::TransformEnd(run) | Payload::PublishEnd(run)
            if matches!(run.status, AssetStatus::Failed | AssetStatus::Blocked) =>
        {
            let error = run.error.as_ref().map(|error| error.messages.join(": "));
            let blocking = || run.checks.iter().filter(|check| check.blocks()).count();
            let message = error.unwrap_or_else(|| format!("{} blocking checks failed", blocking()));
            ("asset", run.asset.as_str(), json!(run.status), message)
        }
        _ => return None,
    };
    let asset = event.correlation.asset.as_ref().map(AssetKey::as_str);
    Some(json!({
        "id": event.id,
        "at": event.at.to_rfc3339(),
        "run": event.correlation.run_id,
        "asset": asset,
        "what": what,
        "name": name,
        "status": status,
        "message": message,
    }))
}

/// Why a check failed: its error, what it found, or the count of rows.
fn reason(check: &CheckResult) -> String {
    let told = check.error.as_ref().or(check.observed.as_ref()).cloned();
    told.unwrap_or_else(|| format!("{} of {} rows", check.violations, check.total))
}
