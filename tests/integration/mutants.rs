//! The guards that `make mutants` takes out, as far as that is said without building them.

use std::process::Command;

use super::support::repository::in_repository;

/// "`make mutants` removes each named guard": one that cannot be taken out any more guards nothing that anybody has seen fail.
#[test]
fn every_guard_can_still_be_taken_out() {
    let checked = Command::new("python3").arg(in_repository("tools/mutants.py")).arg("--check").output().unwrap();
    let (told, error) = (String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    assert!(checked.status.success() && told.ends_with("mutants apply\n"), "{told}{error}");
}
