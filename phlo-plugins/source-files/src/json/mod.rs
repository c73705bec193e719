//! JSON: one object per line, objects one after the other, or an array of objects.

pub(crate) mod decode;
pub(crate) mod infer;
pub(crate) mod split;
