//! The check that `make build` ends with: `tools/check-glibc`.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::path::Path;
use std::process::{Command, Output};

/// Checks one program against the newest GLIBC that it may need.
fn check(newest: &str, program: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/check-glibc");
    Command::new(script).arg(newest).arg(program).output().unwrap()
}

#[test]
fn accepts_a_program_that_needs_an_older_glibc() {
    let output = check("999.0", &std::env::current_exe().unwrap());
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains(" needs GLIBC 2."), "{output:?}");
}

#[test]
fn refuses_a_program_that_needs_a_newer_glibc() {
    // Every program of the Rust that this workspace needs wants at least 2.17.
    let output = check("2.9", &std::env::current_exe().unwrap());
    assert!(!output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("which is newer than 2.9"), "{output:?}");
}

#[test]
fn refuses_what_is_no_program() {
    let output = check("2.34", &Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    assert!(!output.status.success(), "{output:?}");
}
