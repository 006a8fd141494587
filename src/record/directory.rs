//! A directory as the system of record: the default, for a laptop, a container, a mounted share.
//!
//! A key is the path of a regular file below the root. Whatever leads elsewhere is missing: `..`, a link out of the root,
//! a FIFO, device, socket or directory, a segment that begins with a dot, `a//b` and `a/` (no file has such a name). A link
//! within the root is followed, but by a listing only if it leads to a file: links to directories may go in circles. The root is
//! held open, so that nothing done to the path above it changes what it is.
//!
//! # Which version a file has
//! A file that was quiet for 2 s has a version by its *stamp*: size, mtime, ctime and inode. Whoever changes the content
//! from then on moves the ctime, and no program can put that back. So the same stamp means the same content, and a
//! confirmation reads nothing.
//!
//! A file that changed within the last 2 s may change again without a trace, since file systems stamp in ticks: of some
//! milliseconds, at worst of 2 s. Its version is by *content*, a hash of the bytes that were read.
//!
//! When such a file has become quiet and somebody asks whether its version by content is still the one, it is read once
//! more: the same bytes are *unchanged*, although a read that knows nothing would now name them by the stamp. Changed would
//! be true to the letter and drop every result that was computed from those bytes. Which content a quiet stamp stands for is
//! remembered, so that this costs one read of the file and not one at every confirmation.
//!
//! Where that ends: bytes that a program writes through a mapping count from when the kernel stamps them; a file that is
//! rewritten in place may be caught half-way (rename a finished file into place instead); a share whose clock is behind ours
//! by more than 2 s and whose ticks are longer than that may hide a second change in one tick.

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, MetadataExt, OpenOptions, OpenOptionsExt};
use lru::LruCache;

use crate::entry::{Budget, Chunks, Entry, Media, Version};
use crate::error::{Error, Result, Unlisted};
use crate::freshness::{Moment, Timestamp};
use crate::key::{Key, Prefix, RecordId};
use crate::record::{Answer, Fetched, Mark, Page, Record};

use media::content_type;
use stamp::{Stamp, content_etag};

mod listing;
mod media;
mod stamp;
#[cfg(test)]
mod tests;

/// How often a file that changes while it is read is read.
const ATTEMPTS_MAX: usize = 4;

/// How many quiet files' content tags are remembered: some 200 bytes each.
const SETTLED_MAX: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");

/// To open without waiting for the other end of a FIFO. Source: Linux `asm-generic/fcntl.h`; BSD and macOS `sys/fcntl.h`.
const O_NONBLOCK: i32 = if cfg!(target_os = "linux") { 0o4000 } else { 4 };

/// Links that lead in a circle; `io::ErrorKind` has no stable name for it. Source: as above, `errno.h`.
const ELOOP: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };

/// A directory as the system of record.
#[derive(Debug)]
pub struct DirectoryRecord {
    id: RecordId,
    prefix: Prefix,
    root: Arc<Root>,
}

impl DirectoryRecord {
    /// Opens the directory `root`; bodies take their room in `budget` before they are read.
    ///
    /// # Errors
    /// What the file system says of `root`; `InvalidFilename` where its path is not UTF-8, for the record is named by it.
    pub fn open(root: &Path, budget: Arc<Budget>) -> io::Result<Self> {
        let path = root.canonicalize()?;
        let name = path.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority())?;
        Ok(Self {
            id: RecordId::of(&["directory", name]),
            prefix: Prefix::default(),
            root: Arc::new(Root { dir, budget, settled: Mutex::new(LruCache::new(SETTLED_MAX)) }),
        })
    }
}

#[async_trait]
impl Record for DirectoryRecord {
    fn id(&self) -> &RecordId {
        &self.id
    }

    fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// As the trait says. A read that is given up at the deadline ends by itself, on its own thread.
    async fn fetch(&self, key: &Key, known: Option<&Version>, deadline: Instant) -> Result<Answer> {
        // Before the file is looked at: judged too early, a quiet file only counts as one that just changed.
        let asked = now();
        if deadline <= asked.monotonic {
            return Err(Error::Deadline { key: key.clone() });
        }
        let look = {
            let (root, key, known) = (Arc::clone(&self.root), key.clone(), known.cloned());
            move || root.fetch(&key, known.as_ref(), asked.wall, &read_up_to)
        };
        // Disks, and shares more so, take too long for an async worker.
        let fetched = tokio::time::timeout_at(deadline.into(), tokio::task::spawn_blocking(look))
            .await
            .map_err(|_| Error::Deadline { key: key.clone() })?
            .map_err(|cause| Error::Unreachable { key: key.clone(), cause: cause.into() })??;
        Ok(Answer { fetched, clock: None })
    }

    async fn open(&self, _key: &Key, _version: &Version, _range: Range<u64>, _deadline: Instant) -> Result<Chunks> {
        todo!()
    }

    async fn list(&self, below: &str, mark: Option<&Mark>, deadline: Instant) -> Result<Page> {
        let asked = now();
        let late =
            || Error::NotListed { why: Unlisted::Deadline, cause: "the source directory has too many files for it".into() };
        if deadline <= asked.monotonic {
            return Err(late());
        }
        let walk = {
            let (root, below, mark) = (Arc::clone(&self.root), below.to_owned(), mark.cloned());
            move || root.list(listing::Range { below: &below, mark: mark.as_ref() }, asked, deadline)
        };
        tokio::time::timeout_at(deadline.into(), tokio::task::spawn_blocking(walk))
            .await
            .map_err(|_| late())?
            .map_err(|cause| Error::NotListed { why: Unlisted::Unreachable, cause: cause.into() })?
    }
}

/// Reads at most so many bytes of a file; a parameter, for the tests that change a file while it is read.
type ReadFile<'a> = &'a dyn Fn(&mut File, u64) -> io::Result<Vec<u8>>;

/// The open directory.
#[derive(Debug)]
struct Root {
    dir: Dir,
    budget: Arc<Budget>,
    /// The content tag of what a quiet file holds.
    settled: Mutex<LruCache<Stamp, Arc<str>>>,
}

impl Root {
    fn fetch(&self, key: &Key, known: Option<&Version>, asked: Timestamp, read: ReadFile) -> Result<Fetched> {
        for _ in 0..ATTEMPTS_MAX {
            match self.attempt(key, known, asked, read) {
                Ok(fetched) => return Ok(fetched),
                Err(Failure::Overtaken) => {}
                Err(Failure::NoFile) => return self.missing(key),
                Err(Failure::TooLarge(size)) => {
                    return Err(Error::TooLarge { key: key.clone(), size, size_max: self.budget.whole_max() });
                }
                Err(Failure::Denied(cause)) => return Err(Error::Forbidden { key: key.clone(), cause: cause.into() }),
                Err(Failure::Io(cause)) => return Err(Error::Unreachable { key: key.clone(), cause: cause.into() }),
            }
        }
        Err(Error::Changed { key: key.clone() })
    }

    fn attempt(&self, key: &Key, known: Option<&Version>, asked: Timestamp, read: ReadFile) -> Result<Fetched, Failure> {
        let mut file = self.open(key)?;
        let stamp = Stamp::of(&file)?;
        if known.is_some_and(|known| self.names_unread(stamp, known)) {
            return Ok(Fetched::Unchanged);
        }
        if stamp.size() > self.budget.whole_max() {
            return Err(Failure::TooLarge(stamp.size()));
        }
        let body = read(&mut file, stamp.size())?;
        if Stamp::of(&file)? != stamp || body.len() as u64 != stamp.size() {
            return Err(Failure::Overtaken);
        }
        let is_quiet = stamp.is_quiet_at(asked);
        let by_content = Version { etag: content_etag(&body), last_modified: stamp.last_modified() };
        if known == Some(&by_content) {
            if is_quiet {
                self.settled().put(stamp, by_content.etag);
            }
            return Ok(Fetched::Unchanged);
        }
        let version = if is_quiet { stamp.version() } else { by_content };
        let media = Media { content_type: content_type(key), content_encoding: None };
        Ok(Fetched::Changed(Entry::new(version, media, Bytes::from(body))))
    }

    /// Opens the regular file under `key`.
    fn open(&self, key: &Key) -> Result<File, Failure> {
        if key.as_str().split('/').any(|segment| segment.is_empty() || segment.starts_with('.')) {
            return Err(Failure::NoFile);
        }
        // Looked at first, for opening is an event to a FIFO's other end and to some devices; and again afterwards, for
        // another file may have taken the name between the two.
        if !self.dir.metadata(key.as_str())?.is_file() {
            return Err(Failure::NoFile);
        }
        let file = self.dir.open_with(key.as_str(), OpenOptions::new().read(true).custom_flags(O_NONBLOCK))?;
        if !file.metadata()?.is_file() {
            return Err(Failure::NoFile);
        }
        Ok(file)
    }

    /// Whether `known` is surely the version of the file with this stamp, which nobody has read.
    fn names_unread(&self, stamp: Stamp, known: &Version) -> bool {
        *known == stamp.version()
            || self.settled().get(&stamp).is_some_and(|etag| *etag == known.etag) && known.last_modified == stamp.last_modified()
    }

    /// Answers that there is no such object, unless the root itself is gone and nothing can be said of what was in it.
    fn missing(&self, key: &Key) -> Result<Fetched> {
        self.is_there().map_err(|cause| Error::Unreachable { key: key.clone(), cause: cause.into() })?;
        Ok(Fetched::Missing)
    }

    fn is_there(&self) -> io::Result<()> {
        if self.dir.dir_metadata()?.nlink() == 0 {
            return Err(io::Error::other("the source directory was removed"));
        }
        Ok(())
    }

    fn settled(&self) -> std::sync::MutexGuard<'_, LruCache<Stamp, Arc<str>>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an attempt gave no answer.
#[derive(Debug)]
enum Failure {
    /// No regular file below the root has this name.
    NoFile,
    /// The file changed, or another took its place; worth another attempt.
    Overtaken,
    /// The file has so many bytes, too many.
    TooLarge(u64),
    /// The file system does not let this process read it.
    Denied(io::Error),
    /// The file system failed.
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{InvalidFilename, IsADirectory, NotADirectory, NotFound, PermissionDenied, StaleNetworkFileHandle};
        match error.kind() {
            NotFound | NotADirectory | IsADirectory | InvalidFilename => Self::NoFile,
            _ if error.raw_os_error() == Some(ELOOP) => Self::NoFile,
            // Not the system's word but cap-std's: the path led out of the root.
            PermissionDenied if error.raw_os_error().is_none() => Self::NoFile,
            PermissionDenied => Self::Denied(error),
            StaleNetworkFileHandle => Self::Overtaken,
            _ => Self::Io(error),
        }
    }
}

/// Reads at most `size` bytes and one more, which shows that the file has grown.
fn read_up_to(file: &mut File, size: u64) -> io::Result<Vec<u8>> {
    let room = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut body = Vec::new();
    body.try_reserve_exact(room.saturating_add(1))?;
    file.take(size.saturating_add(1)).read_to_end(&mut body)?;
    Ok(body)
}

#[expect(clippy::disallowed_methods, reason = "a record is an edge: whether a file is quiet is a matter of the clock")]
fn now() -> Moment {
    Moment { wall: SystemTime::now().into(), monotonic: Instant::now() }
}
