//! When an answer may be given without asking: moments, ages, the record's clock, what fails. Pure; asks nobody for the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

mod breaker;
mod demand;

pub use breaker::{Breaker, Leave, PAUSE};
pub use demand::{Demand, Keeping, Source};

/// How much two instances' ideas of the record's time may differ and still be called the same.
pub const CLOCK_SLACK: Duration = Duration::from_secs(2);

/// A point in time: milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The point `millis` milliseconds after 1970-01-01 UTC.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to here; zero where `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Whether this is later than `other` by more than two clocks may differ.
    pub fn is_surely_after(self, other: Self) -> bool {
        self.since(other) > CLOCK_SLACK
    }
}

impl From<SystemTime> for Timestamp {
    /// What lies before 1970 becomes 1970.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(time.0)
    }
}

/// One reading of both of an instance's clocks.
///
/// Elapsed time is the larger of the two: the monotonic clock may stop while Lambda freezes the process, the wall clock
/// may be set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock.
    pub wall: Timestamp,
    /// The monotonic clock.
    pub monotonic: Instant,
}

impl Moment {
    /// The time from `earlier` to here, by the clock that says more; zero where `earlier` is later by both.
    pub fn since(self, earlier: Self) -> Duration {
        self.wall.since(earlier.wall).max(self.monotonic.saturating_duration_since(earlier.monotonic))
    }
}

/// What a clock said, for whoever asks how long ago that was.
pub trait Reading: Copy {
    /// The time from `earlier` to here; zero where `earlier` is later.
    fn since(self, earlier: Self) -> Duration;
}

impl Reading for Moment {
    fn since(self, earlier: Self) -> Duration {
        Self::since(self, earlier)
    }
}

/// The time since any one start.
impl Reading for Duration {
    fn since(self, earlier: Self) -> Duration {
        self.saturating_sub(earlier)
    }
}

/// What one exchange with the record showed of its clock: between which bounds it runs ahead of ours, in milliseconds.
///
/// `Date` has whole seconds and the answer took a while, so that a single exchange bounds the difference and does not fix it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockBounds {
    /// Our wall clock as it was when the record was asked.
    pub asked: Timestamp,
    /// The record's clock is ahead by at least this many milliseconds; negative when it is behind.
    pub ahead_millis_min: i64,
    /// The record's clock is ahead by at most this many milliseconds.
    pub ahead_millis_max: i64,
}

impl ClockBounds {
    /// The bounds that follow from a `Date` (whole seconds) that came between `asked` and `answered` by our wall clock.
    pub fn from_date(date: Timestamp, asked: Timestamp, answered: Timestamp) -> Self {
        let difference =
            |theirs: u64, ours: u64| i64::try_from(theirs).unwrap_or(i64::MAX) - i64::try_from(ours).unwrap_or(i64::MAX);
        Self { asked, ahead_millis_min: difference(date.0, answered.0), ahead_millis_max: difference(date.0 + 1000, asked.0) }
    }

    /// Whether our clock was set back while the record answered, so that what was known of the difference before is as good.
    pub fn are_crossed(self) -> bool {
        self.ahead_millis_min > self.ahead_millis_max
    }

    /// Moves `ahead_millis`, what was believed so far, only as far as these bounds force it.
    ///
    /// A clock that agrees with the record's within the bounds thus stays uncorrected, and instances agree on it.
    ///
    /// ```
    /// use cache_api::freshness::{ClockBounds, Timestamp};
    ///
    /// let asked = Timestamp::from_millis(1_040);
    /// let bounds = ClockBounds { asked, ahead_millis_min: -1040, ahead_millis_max: 960 };
    /// assert_eq!(bounds.correct(0), 0);
    /// assert_eq!(bounds.correct(5000), 960);
    /// ```
    pub fn correct(self, ahead_millis: i64) -> i64 {
        // The bounds are crossed when our clock was set while the record answered; then the later one is as good.
        ahead_millis.max(self.ahead_millis_min).min(self.ahead_millis_max)
    }
}

/// How long things may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long memory answers without looking at the shared tier.
    pub memory_max_age: Duration,
    /// How long a confirmed version answers without asking the record.
    pub local_max_age: Duration,
    /// How long a version stands in past `local_max_age` while the record cannot be asked.
    pub stale_if_error: Duration,
    /// How long an absence is remembered.
    pub negative_max_age: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            memory_max_age: Duration::from_secs(1),
            local_max_age: Duration::from_secs(60),
            stale_if_error: Duration::from_secs(24 * 60 * 60),
            negative_max_age: Duration::from_secs(5),
        }
    }
}

/// When an answer is of no use any more. Travels with a request, so that whoever asks the record gives up in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

/// Measures how long something took, for `Server-Timing` and logs. Decides nothing.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[expect(clippy::disallowed_methods, reason = "measures, and decides nothing")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elapsed_time_is_what_the_clock_says_that_says_more() {
        let start = Stopwatch::start().0;
        let early = Moment { wall: Timestamp(10_000), monotonic: start };
        let frozen = Moment { wall: Timestamp(70_000), monotonic: start };
        let set_back = Moment { wall: Timestamp(0), monotonic: start + Duration::from_secs(60) };
        assert_eq!(frozen.since(early), Duration::from_secs(60));
        assert_eq!(set_back.since(early), Duration::from_secs(60));
        assert_eq!(early.since(frozen), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_may_be_right_is_left_alone() {
        // The record answered "10 s" to a question asked at 10.2 s and answered at 10.3 s.
        let bounds = ClockBounds::from_date(Timestamp(10_000), Timestamp(10_200), Timestamp(10_300));
        assert_eq!(bounds, ClockBounds { asked: Timestamp(10_200), ahead_millis_min: -300, ahead_millis_max: 800 });
        assert_eq!(bounds.correct(0), 0);
        // A clock an hour fast is put right to within the second.
        let bounds = ClockBounds::from_date(Timestamp(10_000), Timestamp(3_610_200), Timestamp(3_610_300));
        assert_eq!(bounds.correct(0), -3_599_200);
    }

    #[test]
    fn surely_after_leaves_room_for_two_clocks() {
        assert!(!Timestamp(12_000).is_surely_after(Timestamp(10_000)));
        assert!(Timestamp(12_001).is_surely_after(Timestamp(10_000)));
        assert!(!Timestamp(0).is_surely_after(Timestamp(10_000)));
    }
}
