//! What is beside our own part of LOCAL_DATA_DIR: other records, other layouts, other programs' files.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::key::RecordId;
use crate::tier::directory::layout::{LAYOUT, VIEWLESS};
use crate::tier::directory::survey::{Sample, entries};

/// The directory in LOCAL_DATA_DIR that everything but the views is in.
pub const LAYOUT_DIR: &str = VIEWLESS;

/// How many names are looked at: enough to tell what the directory is used for, and some seconds on EFS.
const NAMES_MAX: usize = 10_000;

/// What else is in LOCAL_DATA_DIR.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Other versions of our layout.
    pub other_layouts: Sample,
    /// Other records' parts in ours.
    pub other_records: Sample,
    /// What is left of a doctor that was killed.
    pub scratches: Sample,
    /// Names in our directory that nothing here makes.
    pub foreign: Sample,
    /// Files outside of our directory that are no view: another program's.
    pub others: Sample,
}

/// The directories that doctors make and remove again.
#[derive(Clone, Copy, Debug)]
pub struct Scratches<'a> {
    /// What their names begin with.
    pub prefix: &'a str,
    /// The one in use by who is looking; it is not left over.
    pub own: Option<&'a OsStr>,
}

/// Looks at what is in `root` beside the part of `record`. `scratches` tells what a doctor
/// makes there.
///
/// # Errors
/// Where `root` cannot be listed.
pub fn look_around(root: &Path, record: &RecordId, scratches: Scratches<'_>) -> io::Result<Around> {
    let mut around = Around::default();
    for entry in entries(&root.join(VIEWLESS))? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_dir = entry.file_type()?.is_dir();
        if name == LAYOUT || scratches.own.is_some_and(|own| own == entry.file_name()) {
            continue;
        }
        let is_layout = is_dir && name.strip_prefix('v').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let kind = if is_layout {
            &mut around.other_layouts
        } else if name.starts_with(scratches.prefix) {
            &mut around.scratches
        } else {
            &mut around.foreign
        };
        kind.add(name);
    }
    for entry in entries(&root.join(VIEWLESS).join(LAYOUT))? {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != record.as_str() {
            around.other_records.add(name);
        }
    }
    other_files(root, &mut around.others)?;
    Ok(around)
}

/// A view is a further name of a body, so that what has one name only is none.
fn other_files(root: &Path, others: &mut Sample) -> io::Result<()> {
    let mut dirs = VecDeque::from([root.to_owned()]);
    let mut names = 0;
    while let Some(dir) = dirs.pop_front() {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            names += 1;
            if names > NAMES_MAX {
                return Ok(());
            }
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                // Our own, and what we may not read.
                if entry.path() != root.join(VIEWLESS) && fs::read_dir(entry.path()).is_ok() {
                    dirs.push_back(entry.path());
                }
            } else if metadata.nlink() == 1 {
                others.add(entry.path().strip_prefix(root).unwrap_or(&entry.path()).display().to_string());
            }
        }
    }
    Ok(())
}
