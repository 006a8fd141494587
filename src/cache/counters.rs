//! What the cache counts of its answers, since this instance started.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::cache::answer::{Read, Served};
use crate::error::{Error, Result};
use crate::tier::TierName;

/// Counts of answers by where they came from.
#[derive(Default)]
pub struct Counters {
    memory_hits: AtomicU64,
    directory_hits: AtomicU64,
    fills: AtomicU64,
    replacements: AtomicU64,
    confirmations: AtomicU64,
    stale: AtomicU64,
    absent: AtomicU64,
    not_cached: AtomicU64,
    errors: AtomicU64,
    collapsed: AtomicU64,
    doubts: AtomicU64,
    evictions: AtomicU64,
}

/// The counts at one moment. A read is counted once, by where its answer came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Answered from memory.
    pub memory_hits: u64,
    /// Answered from the shared directory.
    pub directory_hits: u64,
    /// Fetched from the record, no tier having it.
    pub fills: u64,
    /// Fetched from the record in place of another version.
    pub replacements: u64,
    /// Confirmed by the record.
    pub confirmations: u64,
    /// Answered with a stale entry, the record not being there.
    pub stale: u64,
    /// Answered that there is no such object.
    pub absent: u64,
    /// Not answered, for nothing was held that may be, and the caller wanted nothing else.
    pub not_cached: u64,
    /// Not answered.
    pub errors: u64,
    /// Of all these, those that shared another caller's request to the record.
    pub collapsed: u64,
    /// Keys doubted: updates and events.
    pub doubts: u64,
    /// Keys evicted on request.
    pub evictions: u64,
}

impl Counters {
    pub(super) fn count(&self, answer: &Result<Read>) {
        let counter = match answer {
            Ok(read) => {
                if read.collapsed {
                    add(&self.collapsed);
                }
                match read.served {
                    Served::Hit(TierName::Memory) => &self.memory_hits,
                    Served::Hit(TierName::Directory) => &self.directory_hits,
                    Served::Filled => &self.fills,
                    Served::Replaced => &self.replacements,
                    Served::Confirmed(_) => &self.confirmations,
                    Served::Stale(_) => &self.stale,
                }
            }
            Err(Error::NotFound { .. }) => &self.absent,
            Err(Error::NotCached { .. }) => &self.not_cached,
            Err(_) => &self.errors,
        };
        add(counter);
    }

    pub(super) fn count_doubt(&self) {
        add(&self.doubts);
    }

    pub(super) fn count_eviction(&self) {
        add(&self.evictions);
    }

    /// The counts now.
    pub fn counts(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            memory_hits: get(&self.memory_hits),
            directory_hits: get(&self.directory_hits),
            fills: get(&self.fills),
            replacements: get(&self.replacements),
            confirmations: get(&self.confirmations),
            stale: get(&self.stale),
            absent: get(&self.absent),
            not_cached: get(&self.not_cached),
            errors: get(&self.errors),
            collapsed: get(&self.collapsed),
            doubts: get(&self.doubts),
            evictions: get(&self.evictions),
        }
    }
}

impl Counts {
    /// Reads that a tier answered without the record.
    pub fn hits(&self) -> u64 {
        self.memory_hits + self.directory_hits
    }

    /// Reads for which the record was asked.
    pub fn misses(&self) -> u64 {
        self.fills + self.replacements + self.confirmations + self.stale + self.absent + self.errors
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
