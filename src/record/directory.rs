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
//! # What is too large to be held
//! A large file that was quiet is not read to be named. One that just changed is read once for its hash, and no more of it is held
//! than a block; so it is whenever it is opened by that name, until it is quiet and remembered. A block leaves only if the stamp
//! is still the one after it was read; of a file that just changed, only if it also has the checksum that it had when the
//! whole was hashed. A large file is open while it is streamed: to put another in its place changes it, and cuts the stream off.
//!
//! Where that ends: bytes that a program writes through a mapping count from when the kernel stamps them; a file that is
//! rewritten in place may be caught half-way (rename a finished file into place instead); a share whose clock is behind ours
//! by more than 2 s and whose ticks are longer than that may hide a second change in one tick.

use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use async_trait::async_trait;

use crate::entry::{Budget, Chunks, Version};
use crate::error::{Error, Result, Unlisted};
use crate::freshness::Moment;
use crate::key::{Key, Prefix, RecordId};
use crate::record::{Answer, Mark, Page, Record};

use root::{Question, Root, Step, read_up_to};

mod deploy;
mod large;
mod listing;
mod media;
mod root;
mod stamp;
#[cfg(test)]
mod tests;

/// How often a file that changes while it is read is read.
const ATTEMPTS_MAX: usize = 4;

/// How many quiet files' content tags are remembered: some 200 bytes each.
const SETTLED_MAX: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");

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
        Ok(Self { id: RecordId::of(&["directory", name]), prefix: Prefix::default(), root: Arc::new(Root::open(&path, budget)?) })
    }

    /// Looks until there is an answer, each time with the room that the file wanted the time before.
    async fn ask(&self, key: &Key, known: Option<&Version>, question: Question) -> Result<Answer> {
        let mut room = None;
        for _ in 0..ATTEMPTS_MAX {
            let look = {
                let (root, key, known) = (Arc::clone(&self.root), key.clone(), known.cloned());
                move || root.fetch(&key, known.as_ref(), question, room, &read_up_to)
            };
            match off_the_workers(key, look).await? {
                Step::Done(fetched) => return Ok(Answer { fetched, clock: None }),
                Step::Wants(bytes) => room = Some(self.root.room(key, bytes).await?),
            }
        }
        Err(Error::Changed { key: key.clone() })
    }

    async fn begin(&self, key: &Key, version: &Version, range: Range<u64>, question: Question) -> Result<Chunks> {
        let room = self.root.room(key, large::room_bytes(&range, self.root.block_bytes())).await?;
        let begin = {
            let (root, key, version) = (Arc::clone(&self.root), key.clone(), version.clone());
            move || root.begin(&key, &version, question)
        };
        let opened = off_the_workers(key, begin).await?;
        Ok(opened.read(key.clone(), range, room))
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
        let question = Question::until(deadline, key)?;
        let answer = tokio::time::timeout_at(deadline.into(), self.ask(key, known, question)).await;
        answer.unwrap_or_else(|_| Err(Error::Deadline { key: key.clone() }))
    }

    /// As the trait says, but that it costs a look at the file for every block, and where the file just changed a reading of all of it.
    async fn open(&self, key: &Key, version: &Version, range: Range<u64>, deadline: Instant) -> Result<Chunks> {
        let question = Question::until(deadline, key)?;
        let opened = tokio::time::timeout_at(deadline.into(), self.begin(key, version, range, question)).await;
        opened.unwrap_or_else(|_| Err(Error::Deadline { key: key.clone() }))
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

/// Runs `work` where it may take long: disks, and shares more so, take too long for an async worker.
async fn off_the_workers<T: Send + 'static>(key: &Key, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|cause| Err(Error::Unreachable { key: key.clone(), cause: cause.into() }))
}

#[expect(clippy::disallowed_methods, reason = "a record is an edge: whether a file is quiet is a matter of the clock")]
fn now() -> Moment {
    Moment { wall: SystemTime::now().into(), monotonic: Instant::now() }
}
