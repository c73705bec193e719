//! DataFusion's errors as phlo's: our own errors that travelled through a plan come out unharmed, the others get a code.

use arrow_schema::ArrowError;
use datafusion::error::DataFusionError;
use phlo_plugin::Error;
use phlo_spec::Code;

/// Maps an error of planning or executing. An [`Error`] that a stream put in comes out as it was.
pub fn map_error(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => engine_failed(&DataFusionError::External(other)),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => map_error(*inner),
        DataFusionError::ArrowError(inner, backtrace) => match *inner {
            ArrowError::ExternalError(inner) => map_error(DataFusionError::External(inner)),
            other => engine_failed(&DataFusionError::ArrowError(Box::new(other), backtrace)),
        },
        DataFusionError::Shared(shared) => match std::sync::Arc::try_unwrap(shared) {
            Ok(inner) => map_error(inner),
            Err(shared) => match find_ours(&shared) {
                Some(ours) => ours.clone(),
                None => engine_failed(&shared),
            },
        },
        other => engine_failed(&other),
    }
}

fn find_ours<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return Some(ours);
        }
        next = error.source();
    }
    None
}

fn engine_failed(error: &DataFusionError) -> Error {
    if let Some(ours) = find_ours(error) {
        return ours.clone();
    }
    let code = match error {
        DataFusionError::SQL(..) | DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => Code::SqlError,
        DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) => Code::StorageFailed,
        DataFusionError::Internal(_) => Code::Internal,
        _ => Code::EngineFailed,
    };
    let failed = Error::new(code, text(error));
    match error {
        DataFusionError::ResourcesExhausted(_) => failed.hint("raise `run.memory_mib` in phlo.yaml, or lower `--jobs`"),
        _ => failed,
    }
}

/// The message alone: no kind prefixes, no backtraces.
pub fn text(error: &DataFusionError) -> String {
    let message = match error {
        DataFusionError::NotImplemented(what) => what.clone(),
        other => other.strip_backtrace(),
    };
    if let Some((_, unmatched)) = message.rsplit_once("No function matches the given name and argument types ") {
        return no_such_function(unmatched);
    }
    // Whose fault it is, and where to report it, is told by phlo.
    let mut message =
        message.split("This issue was likely caused by a bug in DataFusion").next().unwrap_or_default().trim();
    loop {
        let prefixes = [
            "Error during planning: ",
            "Schema error: ",
            "SQL error: ",
            "Execution error: ",
            "Optimizer rule failure: ",
            "type_coercion\ncaused by\n",
            "External error: ",
            "Arrow error: ",
            "Internal error: ",
        ];
        match prefixes.iter().find_map(|p| message.strip_prefix(p)) {
            Some(rest) => message = rest.trim(),
            None => break,
        }
    }
    let message = message.strip_prefix("ParserError(\"").and_then(|m| m.strip_suffix("\")")).unwrap_or(message);
    message.trim_end_matches('.').to_owned()
}

// `'sum(Utf8)'. You might need to add explicit type casts.`, then a line for each signature.
fn no_such_function(unmatched: &str) -> String {
    const SHOWN: usize = 8;
    let call = unmatched.split('\'').nth(1).unwrap_or_default();
    let candidates: Vec<_> =
        unmatched.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.ends_with(':')).collect();
    let more = if candidates.len() > SHOWN { ", …" } else { "" };
    let candidates = candidates[..candidates.len().min(SHOWN)].join(", ");
    format!("no function takes `{call}`; a cast may help, there are: {candidates}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a bare session is all that a message needs")]
    async fn a_function_that_does_not_fit_is_told_in_one_line_and_blames_nobody() {
        let session = datafusion::prelude::SessionContext::new();
        let told = text(&session.sql("select sum('x' || 'y')").await.unwrap_err());
        assert!(told.starts_with("no function takes `sum(Utf8"), "{told}");
        assert!(told.contains("sum(Int64)") && !told.contains('\n') && !told.contains("bug"), "{told}");
    }
}
