//! Walking the directory: what is kept in it, and how much that is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::key::{Key, Prefix};
use crate::tier::directory::file::{self, found};
use crate::tier::directory::layout::{BodyName, Disk};
use crate::tier::directory::look::decode;
use crate::tier::{Line, Lines, Listed, Usage, Wanted};

impl Disk {
    /// The keys that have a state, doubted ones too.
    pub fn list(&self) -> io::Result<Vec<Listed>> {
        let mut lines = Vec::new();
        self.lines(|listed| lines.push(listed))?;
        Ok(lines)
    }

    /// A page of them.
    pub fn page(&self, wanted: Wanted) -> io::Result<Vec<Line>> {
        let mut page = Lines::new(wanted);
        self.lines(|listed| page.add(listed))?;
        Ok(page.into_lines())
    }

    fn lines(&self, mut take: impl FnMut(Listed)) -> io::Result<()> {
        self.walk(|dir| {
            file::read_small(&dir.join("state.json"))?.and_then(|bytes| line(dir, &bytes)).into_iter().for_each(&mut take);
            Ok(())
        })
    }

    /// Views are further names of the bodies, and not counted.
    pub fn usage(&self) -> io::Result<Usage> {
        let mut usage = Usage::default();
        self.walk(|dir| {
            for entry in found(fs::read_dir(dir))?.into_iter().flatten() {
                let entry = entry?;
                let name = entry.file_name();
                if name == "state.json" {
                    usage.keys += 1;
                } else if name.as_encoded_bytes().ends_with(BodyName::SUFFIX.as_bytes())
                    && let Some(metadata) = found(entry.metadata())?
                {
                    usage.files += 1;
                    usage.bytes += metadata.len();
                }
            }
            Ok(())
        })?;
        Ok(usage)
    }

    /// Visits the keys' directories. What goes while we walk is left out.
    fn walk(&self, mut visit: impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
        for shard in subdirectories(&self.base, 2)? {
            for dir in subdirectories(&shard, 64)? {
                visit(&dir)?;
            }
        }
        Ok(())
    }
}

/// The bodies in a key's directory, those that no state names too. Opening a directory has an NFS client ask what is in it now.
///
/// # Errors
/// `NotFound` where it is gone.
pub(super) fn bodies(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let is_named_so = entry.file_name().to_str().is_some_and(|name| BodyName::parse(name).is_some());
        if is_named_so && entry.file_type()?.is_file() {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

/// The directories in `dir` that have a name of so many hex digits.
pub(super) fn subdirectories(dir: &Path, digits: usize) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in found(fs::read_dir(dir))?.into_iter().flatten() {
        let entry = entry?;
        let name = entry.file_name();
        let is_hash = name.len() == digits && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit);
        if is_hash && entry.file_type()?.is_dir() {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

/// The line of a state, if it is in the directory of its key.
fn line(dir: &Path, bytes: &[u8]) -> Option<Listed> {
    let state = decode(bytes)?;
    let key = Key::parse(&state.key, &Prefix::default()).ok()?;
    let is_in_place = dir.file_name().is_some_and(|name| *name == *key.hash().hex());
    is_in_place.then_some(Listed {
        key: state.key,
        version: state.version,
        size: state.facts.size,
        confirmed_at: state.confirmed_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Entry, Media, Version};
    use crate::freshness::Timestamp;
    use crate::key::RecordId;

    fn store(disk: &Disk, key: &str, body: &'static str) {
        let key = Key::parse(key, &Prefix::default()).unwrap();
        let version = Version { etag: "\"v\"".into(), last_modified: Timestamp::from_millis(0) };
        let token = disk.announce(&key).unwrap();
        disk.store(&key, &token, &Entry::new(version, Media::default(), body.into()), Timestamp::from_millis(1)).unwrap();
    }

    #[test]
    fn what_is_kept_is_listed_and_counted_once() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(dir.path(), &RecordId::of(&["test"]));
        assert_eq!((disk.list().unwrap(), disk.usage().unwrap()), (Vec::new(), Usage::default()));
        store(&disk, "a", "1");
        store(&disk, "b/c", "22");
        store(&disk, "b/c", "333");
        disk.announce(&Key::parse("being filled", &Prefix::default()).unwrap()).unwrap();
        let mut lines: Vec<_> = disk.list().unwrap().into_iter().map(|line| (line.key, line.size)).collect();
        lines.sort();
        assert_eq!(lines, [("a".to_owned(), 1), ("b/c".to_owned(), 3)]);
        // The body of "22" waits for the sweep.
        assert_eq!(disk.usage().unwrap(), Usage { keys: 2, files: 3, bytes: 6 });
    }

    #[test]
    fn garbage_is_not_listed() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(dir.path(), &RecordId::of(&["test"]));
        store(&disk, "a", "1");
        store(&disk, "b", "2");
        let [a, b] = ["a", "b"].map(|name| disk.place(&Key::parse(name, &Prefix::default()).unwrap()));
        fs::write(a.state(), "{").unwrap();
        fs::copy(b.state(), a.dir.join("copy")).unwrap();
        fs::rename(a.dir.join("copy"), a.state()).unwrap();
        fs::write(disk.base.join("ff"), "a file where a shard would be").unwrap();
        assert_eq!(disk.list().unwrap().into_iter().map(|line| line.key).collect::<Vec<_>>(), ["b"]);
    }
}
