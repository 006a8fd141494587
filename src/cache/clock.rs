//! The record's clock, as far as its answers show it.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::freshness::{ClockBounds, Moment, Timestamp};

/// Our clock, corrected by what the record's answers have shown of its own.
#[derive(Default)]
pub(super) struct RecordClock {
    /// How far the record's clock is ahead of ours.
    ahead_millis: AtomicI64,
}

/// When the record was asked, by its own time: between these two, which are one while nobody sets our clock.
///
/// Each is for those to whom the other would be wrong. A time that is too late lets everybody believe for longer than they may; one
/// that is too early lets in what another instance saw before this.
#[derive(Clone, Copy)]
pub(super) struct AskedAt {
    /// From when on what the record said is believed.
    pub(super) earliest: Timestamp,
    /// What was seen until then may be older than what the record said: it is the floor's.
    pub(super) latest: Timestamp,
}

impl RecordClock {
    /// What the record's clock shows at `now`.
    pub(super) fn time(&self, now: Moment) -> Timestamp {
        self.corrected(now.wall)
    }

    /// When the record is asked, as far as is known before its answer.
    pub(super) fn asking(&self, now: Moment) -> AskedAt {
        let time = self.time(now);
        AskedAt { earliest: time, latest: time }
    }

    /// Learns how far the record's clock is ahead, and answers when it was asked, in better knowledge: `now` is when somebody began to
    /// ask, and `believed` what was known then.
    ///
    /// Our clock may have been set between the two readings, and the bounds are of what it was afterwards. Where it was set while the
    /// record answered they show nothing, and what was known before is as good.
    pub(super) fn correct(&self, bounds: ClockBounds, now: Moment, believed: AskedAt) -> AskedAt {
        let ahead_millis = bounds.correct(self.ahead_millis.load(Ordering::Relaxed));
        self.ahead_millis.store(ahead_millis, Ordering::Relaxed);
        let (begun, asked) = (self.corrected(now.wall), self.corrected(bounds.asked));
        let corrected = AskedAt { earliest: begun.min(asked), latest: begun.max(asked) };
        if bounds.are_crossed() { corrected.spanning(believed) } else { corrected }
    }

    fn corrected(&self, wall: Timestamp) -> Timestamp {
        Timestamp::from_millis(wall.as_millis().saturating_add_signed(self.ahead_millis.load(Ordering::Relaxed)))
    }
}

impl AskedAt {
    fn spanning(self, other: Self) -> Self {
        Self { earliest: self.earliest.min(other.earliest), latest: self.latest.max(other.latest) }
    }
}
