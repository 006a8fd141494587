//! Views that a crash, or a failure, left of bodies that are gone. They are found by their inode; to whom else could it belong.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::freshness::Stopwatch;
use crate::tier::directory::file::found;
use crate::tier::directory::layout::VIEWLESS;

/// Unlinks the names below `root` of these inodes. Walks all views, and so only where there are such names.
pub fn unlink(root: &Path, inodes: &HashSet<(u64, u64)>, time_max: Duration) {
    let watch = Stopwatch::start();
    let mut dirs: Vec<PathBuf> = if inodes.is_empty() { Vec::new() } else { vec![root.to_owned()] };
    while let Some(dir) = dirs.pop().filter(|_| watch.elapsed() < time_max) {
        let viewless = (dir == root).then_some(VIEWLESS);
        if let Err(error) = visit(&dir, viewless, inodes, &mut dirs) {
            tracing::debug!(%error, "views of what is gone may stay");
        }
    }
}

fn visit(dir: &Path, viewless: Option<&str>, inodes: &HashSet<(u64, u64)>, dirs: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in found(fs::read_dir(dir))?.into_iter().flatten() {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let is_ours = viewless.is_some_and(|viewless| entry.file_name().eq_ignore_ascii_case(viewless));
            dirs.extend((!is_ours).then(|| entry.path()));
        } else if kind.is_file()
            && let Some(metadata) = found(entry.metadata())?
            && inodes.contains(&(metadata.dev(), metadata.ino()))
        {
            found(fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}
