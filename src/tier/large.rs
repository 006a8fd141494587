//! Bodies that are too large for memory, in a tier that all instances share: read in parts, stored as they come.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

use crate::entry::{Checksum, Chunks, Facts, Version};
use crate::error::Result;
use crate::freshness::Timestamp;
use crate::key::Key;
use crate::tier::{State, Token};

/// What a shared tier does with bodies that are too large for memory.
#[async_trait]
pub trait LargeBodies: Send + Sync + 'static {
    /// Opens a part of the body that `state` names: the bytes from `range.start` up to and without `range.end`. No byte of
    /// it leaves before the block that it is in was verified. Of an empty part it is only seen whether the body is there.
    ///
    /// `None` where it is missing, has another length, cannot be verified in parts, or is damaged where the part begins.
    ///
    /// # Errors
    /// `Tier`, also amid the bytes; and `Busy` where there is no room for a block in memory.
    async fn open(&self, key: &Key, state: &State, range: Range<u64>) -> Result<Option<Chunks>>;

    /// Makes a place for a body of `size` bytes that is about to come; `None` where there is no room for it.
    ///
    /// # Errors
    /// `Tier`.
    async fn receive(&self, key: &Key, size: u64) -> Result<Option<Box<dyn Incoming>>>;
}

/// A body on its way into a shared tier. Dropped before it is published, nothing of it stays.
#[async_trait]
pub trait Incoming: Send + Sync + 'static {
    /// Adds `parts` to its end.
    ///
    /// # Errors
    /// `Tier`; then it is of no use any more.
    async fn append(&self, parts: Vec<Bytes>) -> Result<()>;

    /// Reads what was added before.
    ///
    /// # Errors
    /// `Tier`.
    async fn read_back(&self, range: Range<u64>) -> Result<Vec<u8>>;

    /// The checksum of all that was added.
    fn checksum(&self) -> Checksum;

    /// Publishes what was added, unless the token has moved; `None` where it has. Once.
    ///
    /// # Errors
    /// `Tier`; then nothing is believed that was not before.
    async fn publish(&self, publication: Publication) -> Result<Option<State>>;
}

/// What is to be believed of a body that has come whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Which content it is.
    pub version: Version,
    /// What is known of it, its checksum too.
    pub facts: Facts,
    /// The token the record was asked under.
    pub token: Token,
    /// When the record was asked, in the record's time.
    pub confirmed_at: Timestamp,
}
