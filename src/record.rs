//! The system of record: where the objects are, and the only truth about them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;

use crate::entry::{Chunks, Entry, Facts, Version};
use crate::error::Result;
use crate::freshness::{ClockBounds, Timestamp};
use crate::key::{Key, Prefix, RecordId};

mod directory;
#[cfg(feature = "aws")]
mod s3;

pub use directory::DirectoryRecord;
#[cfg(feature = "aws")]
pub use s3::{S3Location, S3Record};

/// Most objects on a page. Source: S3, `ListObjectsV2`, `MaxKeys`.
pub const PAGE_OBJECTS_MAX: usize = 1000;

/// How long a body may pause. What pauses this long is lost: S3 sends without pausing, and a disk reads.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The system of record. Nothing here writes to it.
#[async_trait]
pub trait Record: Send + Sync + 'static {
    /// The hash of what names this record; two records with one directory tier never see each other's entries.
    fn id(&self) -> &RecordId;

    /// What the record puts before every key.
    fn prefix(&self) -> &Prefix;

    /// Asks for the object under `key`, conditionally where `known` names the version whose body is in hand.
    ///
    /// Costs one request; a second one only where the first answered 304 but with another Last-Modified, or what it answered was
    /// damaged or changed meanwhile; and one for every 8 MiB of a body after its first 16. Length and checksum of a body are
    /// verified. Gives up at `deadline`. A body that is to be held whole takes its room in the memory budget before it is read.
    ///
    /// # Errors
    /// `Forbidden`, `Throttled`, `Unreachable`, `Changed`, `Corrupted`, `Busy`, `Deadline`.
    async fn fetch(&self, key: &Key, known: Option<&Version>, deadline: Instant) -> Result<Answer>;

    /// Opens a part of the object under `key`, if it still has `version`: the bytes from `range.start` up to and without
    /// `range.end`, which lie within it.
    ///
    /// Costs one request, and one more for every 8 MiB after the first: those are asked for side by side, each for this version
    /// alone. A part that breaks off is asked for again, from where it broke off. What is in memory of it takes its room in the
    /// budget before the first request, once: no more than the longest body that is held whole. Under a budget of less than
    /// 256 MiB that makes the parts smaller. `deadline` is for the first bytes; after them only a pause ends it.
    ///
    /// # Errors
    /// `Changed` where the object has another version by now or is gone, before the first bytes or amid them; else as `fetch`.
    async fn open(&self, key: &Key, version: &Version, range: Range<u64>, deadline: Instant) -> Result<Chunks>;

    /// Lists the objects whose key begins with `below`, in the order of the keys' bytes: the first page, or the one after
    /// `mark`.
    ///
    /// Costs one request, and one more where a name cannot be said in XML. Gives up at `deadline`. What changes between two
    /// pages may be seen or not; what does not is seen once.
    ///
    /// # Errors
    /// `NotListed`.
    async fn list(&self, below: &str, mark: Option<&Mark>, deadline: Instant) -> Result<Page>;
}

/// A record that takes the files of functions: the one place where this project writes. Beside [`Record`], which nothing here writes to,
/// so that only who is handed this can.
#[async_trait]
pub trait FunctionDeploy: Send + Sync + 'static {
    /// Puts the text of a function at `key`, in place of what is there, whole or not at all.
    ///
    /// # Errors
    /// `NotDeployed`; `Deadline`, after which it may be there or not.
    async fn put_function(&self, key: &Key, text: Bytes, deadline: Instant) -> Result<()>;
}

/// A record that can hand out links to its own bytes. Beside [`Record`], for a directory has none to give.
#[async_trait]
pub trait Presign: Send + Sync + 'static {
    /// Makes a link under which whoever has it gets the body of `key` at `version_id`, for `valid_for` at most: signed with
    /// credentials that expire sooner, it ends with them. Asks the record nothing.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`: nothing to sign with.
    async fn presign(&self, key: &Key, version_id: &str, valid_for: Duration) -> Result<PresignedUrl>;
}

/// A link that is as good as a password while it lasts. Only [`PresignedUrl::reveal`] shows it, so that no log does.
pub struct PresignedUrl(String);

impl PresignedUrl {
    /// Hides `url`.
    pub fn new(url: String) -> Self {
        Self(url)
    }

    /// The link itself, for the one who asked for it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresignedUrl(hidden)")
    }
}

/// What the record answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The object as it is now.
    Changed(Entry),
    /// The object as it is now, but for its bytes: they are too many to be held whole, and come by [`Record::open`].
    Large(Head),
    /// The known version is still the one.
    Unchanged,
    /// There is no such object.
    Missing,
}

/// What is known of an object whose bytes have not been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which content it has.
    pub version: Version,
    /// What is known of its body; the checksum where the record gives one of the same kind for the whole.
    pub facts: Facts,
}

/// An answer of the record and what it shows of the record's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What the record answered.
    pub fetched: Fetched,
    /// How far the record's clock is ahead of ours; `None` where it is the same clock or the answer had no `Date`.
    pub clock: Option<ClockBounds>,
}

/// A part of a listing, in the order of the keys' bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The objects, at most [`PAGE_OBJECTS_MAX`]; there may be none on a page that is not the last.
    pub objects: Vec<Object>,
    /// Names that nothing can be asked for by: they are no [`Key`], or cannot be read.
    pub skipped: u64,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Mark>,
}

/// What a listing says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub key: Key,
    /// Length of its body in bytes.
    pub size: u64,
    /// When it was last modified.
    pub last_modified: Timestamp,
    /// The entity tag that a fetch would give which knows none; `None` where only a fetch can tell.
    pub etag: Option<Arc<str>>,
}

/// A place in a listing: just after a name, be there such an object or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark(String);

impl Mark {
    /// Goes on after `key`.
    pub fn after(key: &Key) -> Self {
        Self(key.as_str().to_owned())
    }

    /// Goes on after `name`, be there such an object or not; from the first on where it is empty.
    pub fn after_name(name: &str) -> Option<Self> {
        (!name.is_empty()).then(|| Self(name.to_owned()))
    }

    /// Goes on after all names that begin with `prefix`, but for those that go on with U+10FFFF, the last of all characters.
    pub fn after_all(prefix: &str) -> Self {
        Self(format!("{prefix}{}", char::MAX))
    }

    /// The name it is after, below the record's prefix.
    pub fn name(&self) -> &str {
        &self.0
    }
}
