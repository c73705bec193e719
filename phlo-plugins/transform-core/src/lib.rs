//! Everyday transforms: rename, cast, deduplicate, select, drop, filter, derive.
