//! How a shared tier does: what an operator sees of it in `/stats`.

use serde::Serialize;

/// How a shared tier does, since this process started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Operations that failed or took too long.
    pub failures: u64,
    /// Files that were found damaged; the record was asked instead.
    pub damaged: u64,
    /// Whether the tier has failed repeatedly and is being left alone, in one lane at least.
    pub breaker_open: bool,
    /// The same by what was to be done.
    pub lanes: Lanes,
    /// What failed last; `None` where nothing has.
    pub last_failure: Option<Failure>,
}

/// Operations that fail together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lanes {
    /// Looks at epochs, tokens and states. While it is closed each read asks the record that memory cannot answer.
    pub look: LaneHealth,
    /// Bodies on their way into memory. While it is closed they come from the record.
    pub lift: LaneHealth,
    /// What is written on behalf of a read. While it is closed nothing is stored.
    pub fill: LaneHealth,
    /// Doubts and evictions. Always tried: one that fails has failed for its caller.
    pub doubt: LaneHealth,
    /// Walks through everything: listings, these figures, sweeps. Always tried.
    pub walk: LaneHealth,
}

/// What became of one lane's operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LaneHealth {
    /// Operations that were tried and have ended.
    pub calls: u64,
    /// Those of them that failed or took too long.
    pub failures: u64,
    /// Operations that were not even tried, since the lane was closed.
    pub not_tried: u64,
    /// How long one was waited for on the average, in milliseconds.
    pub mean_millis: u64,
    /// Whether the lane is closed now.
    pub closed: bool,
}

/// An operation that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What was to be done: "read a state".
    pub action: &'static str,
    /// What the file system said, without any path: "Stale file handle (os error 116)".
    pub kind: String,
    /// How long ago that was by the wall clock, in seconds.
    pub seconds_ago: u64,
}
