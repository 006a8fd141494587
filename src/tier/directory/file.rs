//! Files that are written beside their place and published in one step: a name is there whole or not at all.

use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::tier::directory::fs::{self, File, OpenOptions};
use crate::tier::directory::layout::unused_word;

/// Longest file that is read whole without its length being known: a state holds a key and what its record said of it.
const SMALL_BYTES_MAX: u64 = 64 * 1024;

/// How a file came to its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// This call made it.
    Here,
    /// Somebody else had.
    Before,
}

/// Reads a small file by opening it, which asks the server, as a stat would not; `None` where it is missing. What is longer
/// than anything we write is cut, and so illegible.
pub(super) fn read_small(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let read = || {
        let mut bytes = Vec::new();
        fs::open(path)?.take(SMALL_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    found(once_more_if_stale(read))
}

/// Reads a small file that others rename over, as [`read_small`] does.
///
/// An NFS client that has the name in its cache opens the file it knows, and the server says that it is gone only once nobody has it
/// open: half a minute of the old content was measured. Opening a directory makes the client ask whether its names have changed.
pub(super) fn read_named(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let dir = path.parent().unwrap_or(path);
    match found(once_more_if_stale(|| fs::open(dir)))? {
        Some(_asked) => read_small(path),
        None => Ok(None),
    }
}

/// Puts `content` in place of what is at `path`. `NotFound` where the directory went.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let aside = Aside::beside(path);
    aside.write(content)?;
    fs::rename(&aside.0, path)?;
    aside.published();
    Ok(())
}

/// As [`replace`], of what need not outlive the machine: nobody waits for the disk.
pub(super) fn replace_unsynced(path: &Path, content: &[u8]) -> io::Result<()> {
    let aside = Aside::beside(path);
    aside.create()?.write_all(content)?;
    fs::rename(&aside.0, path)?;
    aside.published();
    Ok(())
}

/// Writes `content` into the file at `path`, or makes it. Who reads meanwhile may find a mixture.
///
/// NFS promises that who opens the file after this sees it. What has another name as well, or leads to another file, is somebody
/// else's too: it is replaced.
pub(super) fn overwrite(path: &Path, content: &[u8]) -> io::Result<()> {
    let write = || {
        let Some(file) = open_own(path)? else { return replace(path, content) };
        file.write_all_at(content, 0)?;
        if file.metadata()?.len() != content.len() as u64 {
            file.set_len(content.len() as u64)?;
        }
        file.sync_all()
    };
    match write() {
        Err(error) if is_gone(&error) => {}
        outcome => return outcome,
    }
    match create(path, content)? {
        Made::Here => Ok(()),
        Made::Before => write(),
    }
}

/// Cuts the file at `path` to this length, if it is longer and ours alone.
pub(super) fn cut(path: &Path, bytes: u64) -> io::Result<()> {
    match open_own(path)? {
        Some(file) if file.metadata()?.len() > bytes => file.set_len(bytes),
        _ => Ok(()),
    }
}

/// Opens the file at `path` to write into it; `None` where that is no file, or not one of ours alone.
fn open_own(path: &Path) -> io::Result<Option<File>> {
    // A FIFO would wait for a reader.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    match fs::open_as(OpenOptions::new().write(true).custom_flags(flags), path) {
        Ok(file) => {
            let metadata = file.metadata()?;
            Ok((metadata.is_file() && metadata.nlink() == 1).then_some(file))
        }
        Err(error) if is_gone(&error) => Err(error),
        Err(_) if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts `content` at `path` unless something is there.
pub(super) fn create(path: &Path, content: &[u8]) -> io::Result<Made> {
    let aside = Aside::beside(path);
    aside.write(content)?;
    // Unlike O_EXCL this publishes a whole file, and unlike rename it replaces nothing.
    match fs::hard_link(&aside.0, path) {
        Ok(()) => Ok(Made::Here),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Made::Before),
        Err(error) => Err(error),
    }
}

/// A name beside a file's place that nothing has yet; what it names is removed when this is dropped.
pub(super) struct Aside(pub PathBuf);

impl Aside {
    pub const SUFFIX: &str = ".tmp";

    pub fn beside(path: &Path) -> Self {
        Self(path.with_file_name(format!("{}{}", unused_word(), Self::SUFFIX)))
    }

    /// Writes the file and sees to it that its bytes outlive the machine's crash.
    pub fn write(&self, content: &[u8]) -> io::Result<File> {
        let mut file = self.create()?;
        file.write_all(content)?;
        file.sync_all()?;
        Ok(file)
    }

    /// Makes the file, to be written and read.
    pub fn create(&self) -> io::Result<File> {
        fs::open_as(OpenOptions::new().read(true).write(true).create_new(true), &self.0)
    }

    /// Its name has gone with a rename; asking the server to remove nothing would be a request too.
    pub fn published(mut self) {
        self.0.clear();
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            // What stays is an orphan that the sweep finds.
            let _removed = fs::remove_file(&self.0);
        }
    }
}

/// `None` for what is missing.
pub(super) fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an NFS client gave a file this name when it was to remove it, or to rename over it, and had it open itself. It goes
/// when it is closed, and stays where the client dies before that.
pub(super) fn is_silly(name: &str) -> bool {
    let word = name.strip_prefix(".nfs");
    word.is_some_and(|word| word.len() == 24 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether a name, or the directory it was in, is no longer there.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::StaleNetworkFileHandle)
}

/// NFS forgets a file that another client replaced while we had it open; the name then leads to the new one.
pub(super) fn once_more_if_stale<T>(read: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match read() {
        Err(error) if error.kind() == io::ErrorKind::StaleNetworkFileHandle => read(),
        outcome => outcome,
    }
}

/// Tries again from the start where a directory went while we worked in it: another announcement or doubt had made and
/// removed it.
pub(super) fn once_more_if_gone<T>(step: impl Fn() -> io::Result<T>) -> io::Result<T> {
    // Each time somebody else must have made and removed the directory in between; so often in a row it is broken.
    const ATTEMPTS: usize = 16;
    for _ in 1..ATTEMPTS {
        match step() {
            Err(error) if is_gone(&error) => {}
            outcome => return outcome,
        }
    }
    step()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epoch");
        assert_eq!(read_small(&path).unwrap(), None);
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read_small(&path).unwrap().unwrap(), b"two");
        assert_eq!(names(dir.path()), ["epoch"]);
    }

    #[test]
    fn a_file_is_written_over_whatever_its_length_or_made_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epoch");
        for before in [None, Some(""), Some("ab"), Some("abc"), Some("abcd")] {
            if let Some(content) = before {
                fs::write(&path, content).unwrap();
            }
            overwrite(&path, b"new").unwrap();
            assert_eq!(read_small(&path).unwrap().unwrap(), b"new", "over {before:?}");
            assert_eq!(names(dir.path()), ["epoch"]);
        }
        let (foreign, linked) = (dir.path().join("foreign"), dir.path().join("linked"));
        fs::write(&foreign, "somebody's").unwrap();
        fs::hard_link(&foreign, &linked).unwrap();
        for target in [foreign.as_path(), Path::new("nowhere")] {
            fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink(target, &path).unwrap();
            overwrite(&path, b"new").unwrap();
            assert_eq!(read_small(&path).unwrap().unwrap(), b"new", "over a link to {target:?}");
        }
        overwrite(&linked, b"new").unwrap();
        assert_eq!(fs::read(&foreign).unwrap(), b"somebody's");
        let error = overwrite(&dir.path().join("gone/epoch"), b"new").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_that_is_there_is_not_created_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epoch");
        assert_eq!(create(&path, b"one").unwrap(), Made::Here);
        assert_eq!(create(&path, b"two").unwrap(), Made::Before);
        assert_eq!(read_small(&path).unwrap().unwrap(), b"one");
        assert_eq!(names(dir.path()), ["epoch"]);
    }

    #[test]
    fn what_cannot_be_published_leaves_nothing_beside_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epoch");
        fs::create_dir_all(path.join("in the way")).unwrap();
        replace(&path, b"one").unwrap_err();
        assert_eq!(names(dir.path()), ["epoch"]);
    }

    /// Pitfall 16: a file replaced by another client is stale; reopen it, once.
    #[test]
    fn a_stale_file_is_opened_once_more() {
        let opened = Cell::new(0);
        let stale = || -> io::Result<()> {
            opened.set(opened.get() + 1);
            Err(io::ErrorKind::StaleNetworkFileHandle.into())
        };
        assert_eq!(found(once_more_if_stale(stale)).unwrap(), None);
        assert_eq!(opened.get(), 2);
    }

    #[test]
    fn a_directory_that_keeps_going_is_an_error_in_the_end() {
        let tried = Cell::new(0);
        let gone = || -> io::Result<()> {
            tried.set(tried.get() + 1);
            Err(io::ErrorKind::NotFound.into())
        };
        assert_eq!(once_more_if_gone(gone).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(tried.get(), 16);
    }
}
