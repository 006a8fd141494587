//! Whether what the cache may keep fits where it keeps it.

use std::io;
use std::path::Path;

use crate::doctor::Finding;
use crate::doctor::words::bytes;

const CHECK: &str = "space";

/// The least that should be free: below it the next large object may not fit.
const FREE_BYTES_MIN: u64 = 256 << 20;

/// The fewest names that should be free: a key takes four, and a fill some more for a moment.
const FREE_NAMES_MIN: u64 = 1000;

/// What the file system of a directory says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// What may still be written, in bytes.
    pub free_bytes: u64,
    /// How many names may still be made; `None` where the file system does not count them, as EFS.
    pub free_names: Option<u64>,
}

impl Room {
    /// Asks the file system that `dir` is on.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn of(dir: &Path) -> io::Result<Self> {
        let said = rustix::fs::statvfs(dir)?;
        let free_bytes = said.f_bavail.saturating_mul(said.f_frsize);
        Ok(Self { free_bytes, free_names: (said.f_files > 0).then_some(said.f_favail) })
    }
}

/// Judges the room there is, where `kept_bytes` are kept and `budget_bytes` may be.
pub(super) fn judge(room: Room, kept_bytes: u64, budget_bytes: Option<u64>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let free = bytes(room.free_bytes);
    let missing = budget_bytes.map_or(0, |budget| budget.saturating_sub(kept_bytes)).saturating_sub(room.free_bytes);
    if room.free_bytes < FREE_BYTES_MIN {
        let what = format!("only {free} are free: soon nothing new can be stored, and every read goes to the record");
        findings.push(Finding::problem(
            CHECK,
            what,
            "make room on that disk, or lower CACHE_API_LOCAL_BUDGET and let a sweep run",
        ));
    } else if missing > 0 {
        let budget = bytes(budget_bytes.unwrap_or(0));
        let what =
            format!("{free} are free and {} kept: {} too little for the budget of {budget}", bytes(kept_bytes), bytes(missing));
        let fix = format!(
            "set CACHE_API_LOCAL_BUDGET to at most {}MiB, or give it a larger disk",
            (kept_bytes + room.free_bytes) >> 20
        );
        findings.push(Finding::warning(CHECK, what, fix));
    } else {
        let budget =
            budget_bytes.map_or_else(|| "no budget is set".to_owned(), |budget| format!("the budget is {}", bytes(budget)));
        findings.push(Finding::ok(CHECK, format!("{free} are free, {} kept; {budget}", bytes(kept_bytes))));
    }
    if let Some(names) = room.free_names.filter(|&names| names < FREE_NAMES_MIN) {
        let what = format!("only {names} more files can be made: a key takes four");
        findings.push(Finding::problem(CHECK, what, "make room for files (inodes) on that disk"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    const GIB: u64 = 1 << 30;

    #[track_caller]
    fn assert_levels(room: (u64, Option<u64>), kept: u64, budget: Option<u64>, expected: &[Level]) {
        let found = judge(Room { free_bytes: room.0, free_names: room.1 }, kept, budget);
        assert_eq!(found.iter().map(|finding| finding.level).collect::<Vec<_>>(), expected, "{found:?}");
    }

    #[test]
    fn the_room_is_held_against_what_is_kept_and_what_may_be() {
        assert_levels((10 * GIB, None), 0, None, &[Level::Ok]);
        assert_levels((10 * GIB, Some(1000)), GIB, Some(11 * GIB), &[Level::Ok]);
        assert_levels((10 * GIB, None), GIB, Some(11 * GIB + 1), &[Level::Warning]);
        // The budget was lowered, and the sweep has not run yet.
        assert_levels((10 * GIB, None), 5 * GIB, Some(GIB), &[Level::Ok]);
        assert_levels((FREE_BYTES_MIN - 1, None), GIB, None, &[Level::Problem]);
        assert_levels((10 * GIB, Some(999)), 0, None, &[Level::Ok, Level::Problem]);
        // EFS says that it has all there is.
        assert_levels((u64::MAX, None), u64::MAX, Some(u64::MAX), &[Level::Ok]);
    }

    #[test]
    fn a_real_directory_says_how_much_is_free() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Room::of(dir.path()).unwrap().free_bytes > 0);
        assert_eq!(Room::of(&dir.path().join("gone")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
