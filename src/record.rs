//! The system of record: where the objects are, and the only truth about them.

use std::time::Instant;

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
