//! How many files there are.

use std::path::Path;

/// The files below `root`, at any depth, without the directories.
pub fn count(root: &Path) -> usize {
    let mut count = 0;
    for found in std::fs::read_dir(root).expect("a directory").map(|found| found.expect("an entry")) {
        count += if found.file_type().expect("a type").is_dir() { self::count(&found.path()) } else { 1 };
    }
    count
}
