//! The system of record: where the objects are, and the only truth about them.

use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::entry::{Entry, Version};
use crate::error::Result;
use crate::freshness::ClockBounds;
use crate::key::{Key, Prefix, RecordId};

mod directory;
#[cfg(feature = "aws")]
mod s3;

pub use directory::DirectoryRecord;
#[cfg(feature = "aws")]
pub use s3::{S3Location, S3Record};

/// The system of record. Nothing here writes to it.
#[async_trait]
pub trait Record: Send + Sync + 'static {
    /// The hash of what names this record; two records with one directory tier never see each other's entries.
    fn id(&self) -> &RecordId;

    /// What the record puts before every key.
    fn prefix(&self) -> &Prefix;

    /// Asks for the object under `key`, conditionally where `known` names the version whose body is in hand.
    ///
    /// Costs one request; a second one only where the first answered 304 but with another Last-Modified. Length and
    /// checksum of a body are verified. Gives up at `deadline`.
    ///
    /// # Errors
    /// `Forbidden`, `Throttled`, `Unreachable`, `Changed`, `Corrupted`, `TooLarge`, `Deadline`.
    async fn fetch(&self, key: &Key, known: Option<&Version>, deadline: Instant) -> Result<Answer>;
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
    /// The known version is still the one.
    Unchanged,
    /// There is no such object.
    Missing,
}

/// An answer of the record and what it shows of the record's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What the record answered.
    pub fetched: Fetched,
    /// How far the record's clock is ahead of ours; `None` where it is the same clock or the answer had no `Date`.
    pub clock: Option<ClockBounds>,
}
