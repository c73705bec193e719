//! Placeholder, written by codegen.
