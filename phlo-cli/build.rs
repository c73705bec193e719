//! Tells the crate what only a build script knows: the target, the profile and the compiler.
#![allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]
#![allow(clippy::disallowed_methods, reason = "this is how cargo speaks to a build script")]

use std::process::Command;

fn main() {
    let given = |name: &str| std::env::var(name).unwrap_or_default();
    let rustc = Command::new(given("RUSTC")).arg("--version").output().ok();
    let rustc = rustc.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    println!("cargo:rustc-env=PHLO_TARGET={}", given("TARGET"));
    println!("cargo:rustc-env=PHLO_PROFILE={}", given("PROFILE"));
    println!("cargo:rustc-env=PHLO_RUSTC={}", rustc.trim());
    println!("cargo:rerun-if-changed=build.rs");
}
