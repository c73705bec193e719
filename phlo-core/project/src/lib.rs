//! Find, read, merge and validate a phlo project; the only reader of the environment.
