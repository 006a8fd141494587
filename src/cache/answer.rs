//! What is asked of the cache, and what it answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::entry::Entry;
use crate::freshness::{Demand, Moment};
use crate::tier::TierName;

/// When something is asked, and until when an answer is of use.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Taken as the request came in; everything is judged as of here.
    pub now: Moment,
    /// After this nobody waits for the answer.
    pub deadline: Instant,
    /// What is demanded of its freshness.
    pub demand: Demand,
}

impl Ask {
    /// Asks as of `now`, until `deadline`, for what the policy gives.
    pub fn new(now: Moment, deadline: Instant) -> Self {
        Self { now, deadline, demand: Demand::default() }
    }
}

/// An entry, where it came from and how old it is.
#[derive(Clone, Debug)]
pub struct Read {
    /// The body and its facts, at one version.
    pub entry: Arc<Entry>,
    /// Where it came from.
    pub served: Served,
    /// Whether another caller's request to the record was shared.
    pub collapsed: bool,
    /// Whether the policy would have answered what was held, and the record was asked because the caller demanded it.
    pub demanded: bool,
    /// Whether it is kept for the next reader.
    pub stored: bool,
    /// How long ago the record said that this is the current version.
    pub age: Duration,
    /// How much longer it is fresh; zero once it is stale.
    pub ttl: Duration,
    /// How long it has been stale; zero while it is fresh.
    pub overdue: Duration,
    /// What took how long.
    pub timings: Timings,
}

/// Where an entry came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// A tier had it and it was fresh.
    Hit(TierName),
    /// No tier had it; the record gave it.
    Filled,
    /// A tier had another version; the record gave this one.
    Replaced,
    /// A tier had it; the record said that it still is the current version.
    Confirmed(TierName),
    /// A tier had it; the record could not be asked, and it stands in.
    Stale(TierName),
}

/// How long the parts of a read took; `None` for a part that was not needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Looks at the shared tier, lifting and storing included.
    pub directory: Option<Duration>,
    /// The request to the record.
    pub record: Option<Duration>,
}

impl Read {
    /// Whether the record, asked at the caller's demand, has another version than others may still believe to be fresh. One who
    /// only shared the asking leaves that to who asked.
    pub(super) fn belies_others(&self) -> bool {
        self.demanded && self.served == Served::Replaced && !self.collapsed
    }
}

impl Timings {
    pub(super) fn add_directory(&mut self, took: Duration) {
        *self.directory.get_or_insert_default() += took;
    }
}
