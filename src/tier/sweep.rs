//! What the sweep of a shared tier goes by, and what it did.

use std::time::Duration;

use fail::fail_point;
use serde::Serialize;

use crate::freshness::Timestamp;
use crate::key::{KeyPatterns, Shard};

/// How long what nobody names any more is kept: longer than any read or fill. A Lambda function runs 15 minutes at most, and may be
/// frozen in between; who wakes later finds its file gone, and asks the record.
pub const GRACE: Duration = Duration::from_secs(60 * 60);

/// How long a key's directory stays without a state: it holds a token that a doubt has left, and somebody may want the key again.
pub const STATELESS: Duration = Duration::from_secs(24 * 60 * 60);

/// What a shared tier keeps at most, and what it parts with last.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Bytes of disk; `None` for what the disk allows.
    pub budget_bytes: Option<u64>,
    /// Which keys are evicted last.
    pub keep_warm: KeyPatterns,
}

/// What one sweep goes by.
#[derive(Clone, Copy, Debug)]
pub struct SweepPlan {
    /// Now, by the clock that stamps the files.
    pub now: Timestamp,
    /// How long what nobody names any more is kept.
    pub grace: Duration,
    /// How long a key's directory stays without a state.
    pub stateless: Duration,
    /// How long it may take. A sweep that is cut short does its part of the work: it judges by what it has seen.
    pub time_max: Duration,
    /// Bytes of disk that are to be free within the budget when it ends.
    pub room_bytes: u64,
    /// Where it begins. Sweeps that are cut short and begin anywhere get everywhere.
    pub first: Shard,
}

impl SweepPlan {
    /// A sweep at `now` that may take `time_max`.
    pub fn new(now: Timestamp, time_max: Duration) -> Self {
        let plan = Self { now, grace: GRACE, stateless: STATELESS, time_max, room_bytes: 0, first: Shard(rand::random()) };
        fail_point!("sweep-after-grace", |_| Self { grace: Duration::ZERO, ..plan });
        plan
    }
}

/// What a sweep found and did. Bytes are those of the disk: whole blocks, and what a key takes besides its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Swept {
    /// The part of the directory that was seen, from 0 to 1.
    pub seen: f64,
    /// Keys that are held after it; reckoned from the part that was seen.
    pub keys: u64,
    /// Bytes that are taken after it, the trash included; reckoned likewise.
    pub bytes: u64,
    /// Keys that were evicted.
    pub evicted: u64,
    /// Files that nobody named, moved to the trash.
    pub trashed: u64,
    /// Files of the trash that were unlinked.
    pub unlinked: u64,
    /// Directories of keys that went.
    pub directories: u64,
    /// What could not be done; it stays for the next sweep.
    pub failed: u64,
}

/// How a shared tier keeps within its bounds, since this process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Upkeep {
    /// The most it may take, in bytes of disk.
    pub budget_bytes: u64,
    /// Bodies that were not stored, for there was no room.
    pub not_stored: u64,
    /// What this process swept last; `None` where it has not.
    pub last_sweep: Option<Swept>,
}
