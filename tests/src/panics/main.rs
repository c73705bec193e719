//! The binary whose plugins panic where they are told to: every plugin of the repository beside a saboteur of each kind.

mod gatekeeper;
mod saboteurs;
mod store;

use std::process::ExitCode;

fn main() -> ExitCode {
    phlo_cli::main()
}
