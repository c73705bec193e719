//! The `phlo` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    phlo_cli::main()
}
