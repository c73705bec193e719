//! CSV: its structure, its types, its values.

pub(crate) mod decode;
pub(crate) mod scan;
