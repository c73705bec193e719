//! Failures of Delta, the object store, Parquet and the file system as the boundary's error.

use std::io::ErrorKind;

use deltalake_core::DeltaTableError;
use deltalake_core::kernel::transaction::TransactionError;
use object_store::Error as StoreError;
use phlo_plugin::Error;
use phlo_spec::Code;

/// Storage did not do as asked: the disk, or the object store.
pub(crate) fn io(operation: impl Into<String>, path: impl std::fmt::Display, cause: std::io::Error) -> Error {
    let (message, hint, retry) = match cause.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            ("the disk is full", Some("free some space and run again; nothing became visible"), false)
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            ("permission denied", Some("let the user that runs phlo write the storage's root"), false)
        }
        ErrorKind::TimedOut | ErrorKind::Interrupted => ("storage did not answer", None, true),
        _ => ("storage failed", None, false),
    };
    finish(Error::new(Code::StorageFailed, message).during(operation.into()).with("path", path), hint, retry)
        .because(cause)
}

/// The object store did not do as asked.
pub(crate) fn store(operation: impl Into<String>, cause: StoreError) -> Error {
    let operation = operation.into();
    if let StoreError::Generic { source, .. } = &cause
        && let Some(inner) = find_io(source.as_ref())
    {
        let kind = inner.kind();
        let rebuilt = std::io::Error::new(kind, cause.to_string());
        return io(operation, "the table's folder", rebuilt);
    }
    let (message, hint, retry) = match &cause {
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
            ("storage refused access", Some("check `storage.options` and the permissions of the bucket"), false)
        }
        StoreError::NotFound { .. } => ("a file is missing", None, false),
        // What is left after the client's own retries: timeouts, connections lost, 5xx.
        StoreError::Generic { .. } => ("storage did not answer", None, true),
        _ => ("storage failed", None, false),
    };
    finish(Error::new(Code::StorageFailed, message).during(operation), hint, retry).because(cause)
}

/// Delta's library failed.
pub(crate) fn delta(operation: impl Into<String>, cause: DeltaTableError) -> Error {
    let operation = operation.into();
    match cause {
        DeltaTableError::ObjectStore { source }
        | DeltaTableError::Transaction { source: TransactionError::ObjectStore { source } } => store(operation, source),
        DeltaTableError::Io { source } => io(operation, "the table's folder", source),
        DeltaTableError::Transaction { source: TransactionError::UnsupportedTableFeatures(features) } => {
            let names: Vec<_> = features.iter().map(|f| format!("`{f}`")).collect();
            Error::new(
                Code::Unsupported,
                format!("the table uses features that are not supported: {}", names.join(", ")),
            )
            .during(operation)
        }
        DeltaTableError::Transaction { source: TransactionError::DeltaTableAppendOnly } => {
            Error::new(Code::Unsupported, "the table is append-only (`delta.appendOnly`)")
                .during(operation)
                .hint("use `write.strategy: append`")
        }
        cause => match find_io(&cause).map(std::io::Error::kind) {
            Some(kind) => io(operation, "the table's folder", std::io::Error::new(kind, cause.to_string())),
            None => Error::new(Code::TableDamaged, "the table's log cannot be read").during(operation).because(cause),
        },
    }
}

/// The encoder failed, or the file beneath it.
pub(crate) fn parquet(path: impl std::fmt::Display, cause: parquet::errors::ParquetError) -> Error {
    match find_io(&cause).map(std::io::Error::kind) {
        Some(kind) => io("writing a data file", path, std::io::Error::new(kind, cause.to_string())),
        None => Error::new(Code::StorageFailed, "a data file cannot be written").with("path", path).because(cause),
    }
}

/// A query over the table or the staged rows failed.
pub(crate) fn query(operation: impl Into<String>, cause: datafusion::error::DataFusionError) -> Error {
    use datafusion::error::DataFusionError as D;
    let operation = operation.into();
    match cause.find_root() {
        D::ResourcesExhausted(_) => Error::new(Code::EngineFailed, "not enough memory")
            .during(operation)
            .hint("give queries more memory, or merge smaller batches")
            .because(cause),
        D::IoError(inner) => {
            let kind = inner.kind();
            io(operation, "a file that the query reads or spills to", std::io::Error::new(kind, cause.to_string()))
        }
        D::ObjectStore(inner) => {
            let retry = matches!(**inner, StoreError::Generic { .. });
            finish(Error::new(Code::StorageFailed, "storage failed").during(operation), None, retry).because(cause)
        }
        _ => Error::new(Code::EngineFailed, "the query failed").during(operation).because(cause),
    }
}

/// Whether the engine had too little memory.
pub(crate) fn is_out_of_memory(error: &Error) -> bool {
    use std::error::Error as _;
    let cause = error.source().and_then(|cause| cause.downcast_ref::<datafusion::error::DataFusionError>());
    cause.is_some_and(|cause| matches!(cause.find_root(), datafusion::error::DataFusionError::ResourcesExhausted(_)))
}

fn finish(error: Error, hint: Option<&str>, retry: bool) -> Error {
    let error = if retry { error.retryable() } else { error };
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The first IO error of a chain: libraries bury it, and it says whether the disk is full.
fn find_io<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a std::io::Error> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<std::io::Error>() {
            return Some(found);
        }
        // Parquet's external errors hide their cause from `source`.
        if let Some(parquet::errors::ParquetError::External(inner)) = current.downcast_ref() {
            return find_io(inner.as_ref());
        }
        next = current.source();
    }
    None
}
