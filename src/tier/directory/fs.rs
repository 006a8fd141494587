//! The file operations that the protocol is made of: the standard library's. Under the feature `interleavings` each is a step, before
//! which others may get to run, and which a dead process does not do.

use std::io;
use std::path::Path;

pub use std::fs::{File, OpenOptions, Permissions, TryLockError};

#[cfg(not(feature = "interleavings"))]
pub use std::fs::{create_dir, create_dir_all, hard_link, metadata, remove_dir, remove_file, rename, symlink_metadata};

#[cfg(feature = "interleavings")]
pub use steps::{create_dir, create_dir_all, hard_link, metadata, remove_dir, remove_file, rename, symlink_metadata};

#[cfg(feature = "interleavings")]
pub mod steps;

/// Opens a file or directory to read it.
pub fn open(path: &Path) -> io::Result<File> {
    #[cfg(feature = "interleavings")]
    steps::look()?;
    File::open(path)
}

/// Opens a file as `options` say, to change it.
pub fn open_as(options: &OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(feature = "interleavings")]
    steps::step()?;
    options.open(path)
}
