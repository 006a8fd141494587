//! A page of what the directory holds, in the order of the keys' bytes: S3's order, which is not that of a walk by names. There
//! `a.csv` comes before `a/b.csv`, and `a/b.csv` before `a0.csv`.

use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Instant;

use cap_std::fs::{Dir, Metadata};

use crate::error::{Cause, Error, Result, Unlisted};
use crate::freshness::{Moment, Timestamp};
use crate::key::{Key, Prefix};
use crate::record::directory::now;
use crate::record::directory::root::{Failure, Root};
use crate::record::directory::stamp::Stamp;
use crate::record::{Mark, Object, PAGE_OBJECTS_MAX, Page};

/// Which keys are asked for.
pub(super) struct Range<'a> {
    pub(super) below: &'a str,
    pub(super) mark: Option<&'a Mark>,
}

impl Range<'_> {
    fn has(&self, name: &[u8]) -> bool {
        name.starts_with(self.below.as_bytes()) && self.mark.is_none_or(|mark| name > mark.name().as_bytes())
    }

    /// Whether a name that begins with `path` may be asked for.
    fn may_be_under(&self, path: &[u8]) -> bool {
        let below = self.below.as_bytes();
        let is_after = |mark: &[u8]| path > mark || mark.starts_with(path);
        (path.starts_with(below) || below.starts_with(path)) && self.mark.is_none_or(|mark| is_after(mark.name().as_bytes()))
    }
}

impl Root {
    /// Reads each directory whole that the page begins in or reaches: files of one directory in the thousands are read once a
    /// page. Gives up at `deadline`.
    pub(super) fn list(&self, range: Range, asked: Moment, deadline: Instant) -> Result<Page> {
        let mut walk = Walk { root: self, range, asked: asked.wall, deadline, page: Page::default() };
        let walked = self.is_there().map_err(Failure::Io).and_then(|()| walk.visit(&self.dir, &mut Vec::new()));
        let failed = |why, cause: io::Error| Err(Error::NotListed { why, cause: Cause::from(cause) });
        match walked {
            Ok(_) | Err(Failure::NoFile | Failure::Overtaken) => Ok(walk.page),
            Err(Failure::Denied(cause)) => failed(Unlisted::Forbidden, cause),
            Err(Failure::Late) => failed(Unlisted::Deadline, io::ErrorKind::TimedOut.into()),
            Err(Failure::Io(cause)) => failed(Unlisted::Unreachable, cause),
        }
    }
}

struct Walk<'a> {
    root: &'a Root,
    range: Range<'a>,
    asked: Timestamp,
    deadline: Instant,
    page: Page,
}

impl Walk<'_> {
    /// Lists what is in `dir`, whose path below the root is `path`: empty, or ending in a slash. Breaks where the page is full.
    fn visit(&mut self, dir: &Dir, path: &mut Vec<u8>) -> Result<ControlFlow<()>, Failure> {
        if now().monotonic >= self.deadline {
            return Err(Failure::Late);
        }
        for name in self.names(dir, path)? {
            let length = path.len();
            path.extend_from_slice(&name);
            let visited = if name.ends_with(b"/") {
                let opened = dir.open_dir(Path::new(std::ffi::OsStr::from_bytes(&name[..name.len() - 1])));
                opened.map_err(Failure::from).and_then(|dir| self.visit(&dir, path))
            } else {
                self.take(path)
            };
            path.truncate(length);
            match visited {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return Ok(ControlFlow::Break(())),
                // One directory that somebody keeps to himself does not hide the rest.
                Err(Failure::Denied(_)) => self.page.skipped += 1,
                // Gone since its name was read.
                Err(Failure::NoFile | Failure::Overtaken) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The names in `dir` that may be asked for, a slash behind those of directories, in the order of the keys below them.
    fn names(&self, dir: &Dir, path: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
        let mut names = Vec::new();
        for entry in dir.entries()? {
            let entry = entry?;
            let mut name = entry.file_name().as_bytes().to_owned();
            if name.starts_with(b".") {
                continue;
            }
            let is_dir = entry.file_type()?.is_dir();
            if is_dir {
                name.push(b'/');
            }
            let whole = [path, &name].concat();
            if if is_dir { self.range.may_be_under(&whole) } else { self.range.has(&whole) } {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Puts the file of this name on the page.
    fn take(&mut self, name: &[u8]) -> Result<ControlFlow<()>, Failure> {
        let key = std::str::from_utf8(name).ok().and_then(|name| Key::parse(name, &Prefix::default()).ok());
        let Some(key) = key else {
            self.page.skipped += 1;
            return Ok(ControlFlow::Continue(()));
        };
        let metadata = self.root.dir.metadata(key.as_str())?;
        if !metadata.is_file() {
            return Ok(ControlFlow::Continue(()));
        }
        if self.page.objects.len() == PAGE_OBJECTS_MAX {
            self.page.next = self.page.objects.last().map(|object| Mark::after(&object.key));
            return Ok(ControlFlow::Break(()));
        }
        self.page.objects.push(object(key, &metadata, self.asked));
        Ok(ControlFlow::Continue(()))
    }
}

fn object(key: Key, metadata: &Metadata, asked: Timestamp) -> Object {
    let stamp = Stamp::from(metadata);
    let etag = stamp.is_quiet_at(asked).then(|| stamp.version().etag);
    Object { key, size: stamp.size(), last_modified: stamp.last_modified(), etag }
}
