//! Delta tables: staged, audited and committed atomically.
