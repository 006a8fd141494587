//! Checksums of a body's blocks: what lets a part of it be verified without the rest.

use serde::{Deserialize, Serialize};

use crate::entry::{Checksum, Digest};

/// The shortest block in bytes. A body of one block has the checksum of the whole and needs no other.
pub const BLOCK_BYTES_MIN: u64 = 1 << 20;

/// The longest block in bytes: of longer bodies no part could be verified in reasonable memory, and they are not stored.
pub const BLOCK_BYTES_MAX: u64 = 32 << 20;

/// Most blocks of a body: at 19 bytes each their checksums stay well within what a state may have.
const BLOCKS_MAX: u64 = 2048;

/// The checksums of a body's blocks, in order; all blocks are of one length but for the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocks {
    /// Length of a block in bytes.
    pub bytes: u64,
    /// The checksum of each.
    pub checksums: Vec<Checksum>,
}

/// Computes the checksums of a body's blocks, and of the whole, as it comes.
#[derive(Debug)]
pub struct BlockDigest {
    bytes: u64,
    whole: Digest,
    block: Digest,
    in_block: u64,
    checksums: Vec<Checksum>,
}

/// How long the blocks of a body of `size` bytes are; `None` where they would be too long.
pub fn block_bytes(size: u64) -> Option<u64> {
    let bytes = size.div_ceil(BLOCKS_MAX).max(1).checked_next_power_of_two()?.max(BLOCK_BYTES_MIN);
    (bytes <= BLOCK_BYTES_MAX).then_some(bytes)
}

impl Blocks {
    /// The checksums of a body that is in memory; `None` where it is a single block, or too long.
    pub fn of(body: &[u8]) -> Option<Self> {
        let bytes = block_bytes(body.len() as u64)?;
        let checksums = body.chunks(usize::try_from(bytes).ok()?).map(Checksum::of).collect();
        Self { bytes, checksums }.unless_single()
    }

    /// Whether these can be of a body of `size` bytes.
    pub fn fit(&self, size: u64) -> bool {
        block_bytes(size) == Some(self.bytes) && self.checksums.len() as u64 == size.div_ceil(self.bytes)
    }

    fn unless_single(self) -> Option<Self> {
        (self.checksums.len() > 1).then_some(self)
    }
}

impl BlockDigest {
    /// Of a body of `size` bytes; `None` where it is too long.
    pub fn of(size: u64) -> Option<Self> {
        let bytes = block_bytes(size)?;
        Some(Self { bytes, whole: Digest::default(), block: Digest::default(), in_block: 0, checksums: Vec::new() })
    }

    /// Goes on with `part`.
    pub fn update(&mut self, mut part: &[u8]) {
        self.whole.update(part);
        while !part.is_empty() {
            let length = usize::try_from(self.bytes - self.in_block).map_or(part.len(), |left| left.min(part.len()));
            let (here, rest) = part.split_at(length);
            self.block.update(here);
            self.in_block += length as u64;
            if self.in_block == self.bytes {
                self.end_block();
            }
            part = rest;
        }
    }

    /// The checksum of all that came.
    pub fn whole(&self) -> Checksum {
        self.whole.checksum()
    }

    /// The checksums of the blocks, where there are several. Then it begins anew.
    pub fn end(&mut self) -> Option<Blocks> {
        if self.in_block > 0 {
            self.end_block();
        }
        Blocks { bytes: self.bytes, checksums: std::mem::take(&mut self.checksums) }.unless_single()
    }

    fn end_block(&mut self) {
        self.checksums.push(std::mem::take(&mut self.block).checksum());
        self.in_block = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_grow_with_the_body_and_stay_few() {
        let bytes_of = |size| block_bytes(size).unwrap();
        assert_eq!([0, 1, 2 << 30].map(bytes_of), [BLOCK_BYTES_MIN; 3]);
        assert_eq!(bytes_of((2 << 30) + 1), 2 * BLOCK_BYTES_MIN);
        assert_eq!(bytes_of(64 << 30), BLOCK_BYTES_MAX);
        assert_eq!([(64 << 30) + 1, u64::MAX].map(block_bytes), [None; 2]);
    }

    #[test]
    fn the_checksums_are_the_same_whether_the_body_is_there_or_comes() {
        let body: Vec<u8> = (0..2 * BLOCK_BYTES_MIN + 5).map(|number| (number % 251) as u8).collect();
        let blocks = Blocks::of(&body).unwrap();
        assert_eq!(blocks.checksums.len(), 3);
        assert_eq!(blocks.checksums[2], Checksum::of(&body[2 * BLOCK_BYTES_MIN as usize..]));
        for length in [1000, BLOCK_BYTES_MIN as usize, body.len()] {
            let mut digest = BlockDigest::of(body.len() as u64).unwrap();
            body.chunks(length).for_each(|part| digest.update(part));
            assert_eq!((digest.whole(), digest.end()), (Checksum::of(&body), Some(blocks.clone())), "in parts of {length}");
        }
        assert!(blocks.fit(body.len() as u64));
        assert!(!blocks.fit(body.len() as u64 + BLOCK_BYTES_MIN) && !Blocks { bytes: 1, ..blocks }.fit(body.len() as u64));
    }

    #[test]
    fn a_single_block_has_the_checksum_of_the_whole_and_no_other() {
        assert_eq!(Blocks::of(&vec![7; BLOCK_BYTES_MIN as usize]), None);
        let mut digest = BlockDigest::of(4).unwrap();
        digest.update(b"body");
        assert_eq!((digest.whole(), digest.end()), (Checksum::of(b"body"), None));
    }
}
