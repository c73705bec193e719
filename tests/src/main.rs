//! The binary that the integration tests run: every plugin linked, and three lines, as any author can write them.

use std::process::ExitCode;

fn main() -> ExitCode {
    phlo_cli::main()
}
