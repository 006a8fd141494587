//! What `make build` asks before it builds half an hour, and of what it has built before it is deployed.

use std::env::consts::ARCH;
use std::process::{Command, Output};

use crate::support::repository::in_repository;

/// What tools/glibc.py says of a zip with this executable, for a function of this architecture.
fn judge(executable: &[u8], architecture: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bootstrap"), executable).unwrap();
    let python = |arguments: &[&str]| Command::new("python3").current_dir(&dir).args(arguments).output().unwrap();
    assert!(python(&["-m", "zipfile", "-c", "code.zip", "bootstrap"]).status.success());
    python(&[in_repository("tools/glibc.py").to_str().unwrap(), "code.zip", architecture])
}

/// A real executable of this machine, changed so that it asks for no other glibc than this (`17` is 2.17) where it asks for one
/// with two digits.
fn executable_of_glibc(minor: &[u8; 2]) -> Vec<u8> {
    const NAME: &[u8] = b"GLIBC_2.";
    let mut bytes = std::fs::read("/bin/sh").unwrap();
    let places: Vec<_> = (0..bytes.len() - NAME.len() - 3).filter(|&at| bytes[at..].starts_with(NAME)).collect();
    for digits in places.into_iter().map(|at| at + NAME.len()) {
        if bytes[digits..digits + 2].iter().all(u8::is_ascii_digit) && bytes[digits + 2] == 0 {
            bytes[digits..digits + 2].copy_from_slice(minor);
        }
    }
    bytes
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap().trim_end()
}

/// Lambda's `provided.al2023` has glibc 2.34; a function that asks for more would not start.
#[test]
fn a_zip_that_lambda_could_not_start_is_not_made() {
    let (ours, other) = if ARCH == "aarch64" { ("arm64", "x86_64") } else { (ARCH, "arm64") };
    let good = judge(&executable_of_glibc(b"34"), ours);
    assert_eq!(text(&good.stdout), format!("code.zip is for {ours} and asks for glibc 2.34; Lambda has 2.34"), "{good:?}");
    assert!(good.status.success(), "{good:?}");
    let new = judge(&executable_of_glibc(b"35"), ours);
    assert_eq!(text(&new.stderr), "Lambda could not start it: glibc 2.35 is more than 2.34");
    let foreign = judge(&executable_of_glibc(b"34"), other);
    assert_eq!(text(&foreign.stderr), format!("code.zip was built for {ours}, not {other}"));
    let script = judge(b"#!/bin/sh\n", ours);
    assert_eq!(text(&script.stderr), "the bootstrap is no executable of Linux on x86_64 or arm64");
    assert!([new, foreign, script].iter().all(|refused| refused.status.code() == Some(1)));
}

#[test]
fn a_toolchain_without_the_targets_library_is_told_so() {
    let ask = |rustc: &str| {
        let target = format!("{ARCH}-unknown-linux-gnu");
        Command::new(in_repository("tools/has-target")).arg(target).env("RUSTC", rustc).output().unwrap()
    };
    // It names no directory.
    let missing = ask("true");
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
    assert!(text(&missing.stderr).contains("has no standard library.\nBuild on a machine of that kind"), "{missing:?}");
    let found = ask("rustc");
    assert!(found.status.success() && found.stderr.is_empty(), "{found:?}");
}
