//! The open directory, and one look into it after the other. Blocks.

use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, MetadataExt, OpenOptions, OpenOptionsExt};
use lru::LruCache;
use sha2::{Digest, Sha256};

use crate::entry::{Budget, Entry, Facts, Media, Room, Version};
use crate::error::{Error, Result};
use crate::freshness::Timestamp;
use crate::key::Key;
use crate::record::directory::large::{self, Opened};
use crate::record::directory::media::content_type;
use crate::record::directory::stamp::{Stamp, content_etag};
use crate::record::directory::{ATTEMPTS_MAX, SETTLED_MAX, now};
use crate::record::{Fetched, Head};

/// To open without waiting for the other end of a FIFO. Source: Linux `asm-generic/fcntl.h`; BSD and macOS `sys/fcntl.h`.
const O_NONBLOCK: i32 = if cfg!(target_os = "linux") { 0o4000 } else { 4 };

/// Links that lead in a circle; `io::ErrorKind` has no stable name for it. Source: as above, `errno.h`.
pub(super) const ELOOP: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };

/// Reads at most so many bytes of a file; a parameter, for the tests that change a file while it is read.
pub(super) type ReadFile<'a> = &'a dyn Fn(&mut File, u64) -> io::Result<Vec<u8>>;

/// When something was asked, and until when it may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// Before the file is looked at: judged too early, a quiet file only counts as one that just changed.
    pub(super) asked: Timestamp,
    pub(super) deadline: Instant,
}

/// What a look came to.
#[derive(Debug)]
pub(super) enum Step {
    /// This is the answer.
    Done(Fetched),
    /// The body needs room for so many bytes, and there is none now.
    Wants(u64),
}

/// The open directory.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) dir: Dir,
    budget: Arc<Budget>,
    /// The content tag of what a quiet file holds.
    settled: Mutex<LruCache<Stamp, Arc<str>>>,
}

impl Question {
    /// Asks now.
    ///
    /// # Errors
    /// `Deadline` where that has passed.
    pub(super) fn until(deadline: Instant, key: &Key) -> Result<Self> {
        let asked = now();
        if deadline <= asked.monotonic {
            return Err(Error::Deadline { key: key.clone() });
        }
        Ok(Self { asked: asked.wall, deadline })
    }
}

impl Root {
    pub(super) fn open(path: &Path, budget: Arc<Budget>) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        Ok(Self { dir, budget, settled: Mutex::new(LruCache::new(SETTLED_MAX)) })
    }

    /// Answers for what is under `key`; `room` is what the body wanted the last time.
    pub(super) fn fetch(
        &self,
        key: &Key,
        known: Option<&Version>,
        question: Question,
        mut room: Option<Room>,
        read: ReadFile,
    ) -> Result<Step> {
        for _ in 0..ATTEMPTS_MAX {
            match self.attempt(key, known, question, &mut room, read) {
                Ok(step) => return Ok(step),
                Err(Failure::Overtaken) => {}
                Err(Failure::NoFile) => return self.missing(key).map(Step::Done),
                Err(failure) => return Err(failure.of(key)),
            }
        }
        Err(Error::Changed { key: key.clone() })
    }

    /// Opens what is under `key`, to be read as far as it is `version`.
    pub(super) fn begin(&self, key: &Key, version: &Version, question: Question) -> Result<Opened> {
        match self.opened(key, version, question) {
            Err(Failure::NoFile) => self.missing(key).and(Err(Error::Changed { key: key.clone() })),
            opened => opened.map_err(|failure| failure.of(key)),
        }
    }

    /// Waits for room for a body.
    pub(super) async fn room(&self, key: &Key, bytes: u64) -> Result<Room> {
        self.budget.room(bytes).await.map_err(|_no_room| Error::Busy { key: key.clone() })
    }

    /// How much of a large file is read at once.
    pub(super) fn block_bytes(&self) -> usize {
        large::block_bytes(self.budget.whole_max())
    }

    fn attempt(
        &self,
        key: &Key,
        known: Option<&Version>,
        question: Question,
        room: &mut Option<Room>,
        read: ReadFile,
    ) -> Result<Step, Failure> {
        let mut file = self.file(key)?;
        let stamp = Stamp::of(&file)?;
        let size = stamp.size();
        if known.is_some_and(|known| self.names_unread(stamp, known)) {
            return Ok(Step::Done(Fetched::Unchanged));
        }
        if size > self.budget.whole_max() {
            return self.large(key, (&file, stamp), known, question).map(Step::Done);
        }
        let room = room.take().filter(|room| room.bytes() as u64 >= size);
        let Some(room) = room.or_else(|| self.budget.room_now(size).ok()) else { return Ok(Step::Wants(size)) };
        let body = read(&mut file, size)?;
        if Stamp::of(&file)? != stamp || body.len() as u64 != size {
            return Err(Failure::Overtaken);
        }
        let content = content_etag(Sha256::new_with_prefix(&body));
        let Some(version) = self.judge(stamp, content, known, question) else { return Ok(Step::Done(Fetched::Unchanged)) };
        let media = Media { content_type: content_type(key), content_encoding: None };
        Ok(Step::Done(Fetched::Changed(Entry::new(version, media, room.hold(body)))))
    }

    /// Answers for a file that is not held; read only where its stamp does not say all.
    fn large(
        &self,
        key: &Key,
        (file, stamp): (&File, Stamp),
        known: Option<&Version>,
        question: Question,
    ) -> Result<Fetched, Failure> {
        let version = if stamp.is_quiet_at(question.asked) && !known.is_some_and(|known| stamp.may_be(known)) {
            stamp.version()
        } else {
            let hashed = large::hash(file, stamp, self.block_bytes(), question.deadline)?;
            let Some(version) = self.judge(stamp, hashed.etag, known, question) else { return Ok(Fetched::Unchanged) };
            version
        };
        let facts = Facts {
            size: stamp.size(),
            content_type: content_type(key).map(Into::into),
            content_encoding: None,
            checksum: None,
            version_id: None,
        };
        Ok(Fetched::Large(Head { version, facts }))
    }

    fn opened(&self, key: &Key, version: &Version, question: Question) -> Result<Opened, Failure> {
        let file = self.file(key)?;
        let stamp = Stamp::of(&file)?;
        let block_bytes = self.block_bytes();
        if self.names_unread(stamp, version) {
            return Ok(Opened { file, stamp, block_bytes, checksums: None });
        }
        if !stamp.may_be(version) {
            return Err(Failure::Overtaken);
        }
        let hashed = large::hash(&file, stamp, block_bytes, question.deadline)?;
        match self.judge(stamp, hashed.etag, Some(version), question) {
            None => Ok(Opened { file, stamp, block_bytes, checksums: Some(hashed.checksums) }),
            Some(_other) => Err(Failure::Overtaken),
        }
    }

    /// The version of a file that was read and has this content; `None` where that is the known one.
    fn judge(&self, stamp: Stamp, content: Arc<str>, known: Option<&Version>, question: Question) -> Option<Version> {
        let is_quiet = stamp.is_quiet_at(question.asked);
        let by_content = Version { etag: content, last_modified: stamp.last_modified() };
        if known == Some(&by_content) {
            if is_quiet {
                self.settled().put(stamp, by_content.etag);
            }
            return None;
        }
        Some(if is_quiet { stamp.version() } else { by_content })
    }

    /// Opens the regular file under `key`.
    fn file(&self, key: &Key) -> Result<File, Failure> {
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

    pub(super) fn is_there(&self) -> io::Result<()> {
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
pub(super) enum Failure {
    /// No regular file below the root has this name.
    NoFile,
    /// The file changed, or another took its place; worth another attempt.
    Overtaken,
    /// There is no time left to read it.
    Late,
    /// The file system does not let this process read it.
    Denied(io::Error),
    /// The file system failed.
    Io(io::Error),
}

impl Failure {
    /// What it means for `key`, whose file was there before.
    pub(super) fn of(self, key: &Key) -> Error {
        let key = key.clone();
        match self {
            Self::NoFile | Self::Overtaken => Error::Changed { key },
            Self::Late => Error::Deadline { key },
            Self::Denied(cause) => Error::Forbidden { key, cause: cause.into() },
            Self::Io(cause) => Error::Unreachable { key, cause: cause.into() },
        }
    }
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
pub(super) fn read_up_to(file: &mut File, size: u64) -> io::Result<Vec<u8>> {
    let room = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut body = Vec::new();
    body.try_reserve_exact(room.saturating_add(1))?;
    file.take(size.saturating_add(1)).read_to_end(&mut body)?;
    Ok(body)
}
