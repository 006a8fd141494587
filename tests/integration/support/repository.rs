//! Files of this repository.

use std::path::{Path, PathBuf};

pub fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of the sample data.
pub fn sample(name: &str) -> Vec<u8> {
    std::fs::read(in_repository("sample-data").join(name)).unwrap()
}
