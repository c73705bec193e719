//! The `phlo` binary.

fn main() {}
