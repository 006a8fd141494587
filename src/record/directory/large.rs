//! Files that are too large to be held: read block by block, of which each is of the one version or does not leave.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use cap_std::fs::{File, FileExt};
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::entry::{Checksum, Chunks, Room};
use crate::error::{Error, Result};
use crate::key::Key;
use crate::record::PAUSE_MAX;
use crate::record::directory::root::Failure;
use crate::record::directory::stamp::{Stamp, content_etag};
use crate::record::directory::{now, off_the_workers};

/// Large enough that the looks at the file between two blocks do not show, small enough that the first is there soon.
const BLOCK_BYTES: usize = 1 << 20;

/// Blocks that are in memory at once: one that is being read, and one in the hands of who asked for it.
const BLOCKS_IN_FLIGHT: u64 = 2;

/// What reading a whole file has shown.
pub(super) struct Hashed {
    /// The tag of its content.
    pub(super) etag: Arc<str>,
    /// The checksums of its blocks, in order.
    pub(super) checksums: Vec<Checksum>,
}

/// An open file whose content is known.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    /// The stamp that it had when its content became known.
    pub(super) stamp: Stamp,
    /// How much is read at once.
    pub(super) block_bytes: usize,
    /// The checksums of its blocks where the stamp may hide a change.
    pub(super) checksums: Option<Vec<Checksum>>,
}

/// A file on its way out.
struct Reading {
    opened: Opened,
    left: Range<u64>,
    room: Arc<Room>,
}

/// How much of a file is read at once where a body of `whole_max` bytes is held whole.
pub(super) fn block_bytes(whole_max: u64) -> usize {
    usize::try_from(whole_max / BLOCKS_IN_FLIGHT).unwrap_or(BLOCK_BYTES).clamp(1, BLOCK_BYTES)
}

/// The room that reading `range` takes.
pub(super) fn room_bytes(range: &Range<u64>, block_bytes: usize) -> u64 {
    (range.end - range.start).min(BLOCKS_IN_FLIGHT * block_bytes as u64)
}

/// Reads a whole file and holds no more than a block of it.
pub(super) fn hash(file: &File, stamp: Stamp, block_bytes: usize, deadline: Instant) -> Result<Hashed, Failure> {
    let (mut content, mut checksums, mut block) = (Sha256::new(), Vec::new(), vec![0; block_bytes]);
    let mut at = 0;
    while at < stamp.size() {
        if now().monotonic >= deadline {
            return Err(Failure::Late);
        }
        let length = usize::try_from(stamp.size() - at).map_or(block_bytes, |left| left.min(block_bytes));
        read_at(file, at, &mut block[..length])?;
        content.update(&block[..length]);
        checksums.push(Checksum::of(&block[..length]));
        at += length as u64;
    }
    if Stamp::of(file)? != stamp {
        return Err(Failure::Overtaken);
    }
    Ok(Hashed { etag: content_etag(content), checksums })
}

impl Opened {
    /// Reads `range`, a block whenever one is asked for.
    pub(super) fn read(self, key: Key, range: Range<u64>, room: Room) -> Chunks {
        let reading = Reading { opened: self, left: range, room: Arc::new(room) };
        let blocks = stream::unfold(Some(reading), move |reading| {
            let key = key.clone();
            async move {
                let mut reading = reading.filter(|reading| !reading.left.is_empty())?;
                let read = {
                    let key = key.clone();
                    move || reading.next().map(|block| (block, reading)).map_err(|failure| failure.of(&key))
                };
                Some(match timeout(PAUSE_MAX, off_the_workers(&key, read)).await {
                    Ok(Ok((block, reading))) => (Ok(block), Some(reading)),
                    Ok(Err(error)) => (Err(error), None),
                    Err(_elapsed) => (Err(Error::Unreachable { key, cause: "reading the file takes too long".into() }), None),
                })
            }
        });
        blocks.boxed()
    }

    /// The bytes of `range`, which lie in one block.
    fn block(&self, range: Range<u64>) -> Result<Vec<u8>, Failure> {
        let mut block = vec![0; (range.end - range.start) as usize];
        read_at(&self.file, range.start, &mut block)?;
        if Stamp::of(&self.file)? != self.stamp {
            return Err(Failure::Overtaken);
        }
        Ok(block)
    }
}

impl Reading {
    fn next(&mut self) -> Result<Bytes, Failure> {
        let block_bytes = self.opened.block_bytes as u64;
        let index = self.left.start / block_bytes;
        let block = index * block_bytes..((index + 1) * block_bytes).min(self.opened.stamp.size());
        let wanted = self.left.start..self.left.end.min(block.end);
        if wanted.is_empty() {
            return Err(Failure::Overtaken);
        }
        self.left.start = wanted.end;
        let Some(checksums) = &self.opened.checksums else { return Ok(self.room.lend(self.opened.block(wanted)?)) };
        let bytes = self.opened.block(block.clone())?;
        if checksums.get(index as usize) != Some(&Checksum::of(&bytes)) {
            return Err(Failure::Overtaken);
        }
        let part = (wanted.start - block.start) as usize..(wanted.end - block.start) as usize;
        Ok(self.room.lend(bytes).slice(part))
    }
}

/// Reads exactly the bytes at `at`; a file that ends before them has changed.
fn read_at(file: &File, at: u64, block: &mut [u8]) -> Result<(), Failure> {
    file.read_exact_at(block, at).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Failure::Overtaken,
        _ => error.into(),
    })
}
