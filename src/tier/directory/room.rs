//! Room: whether what is to be stored fits into the budget, as far as this process knows.
//!
//! In Lambda nothing runs after an answer, and a directory that one instance has for itself has no schedule. So whoever fills
//! makes room first, in bounded time; what then does not fit is not stored.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::freshness::Stopwatch;
use crate::tier::directory::sweep::walk::weight;
use crate::tier::sweep::{Limits, Swept, Upkeep};

/// How long the first look at what is held may take: some ten thousand keys on a disk, some hundred on EFS.
pub(super) const MEASURE_TIME_MAX: Duration = Duration::from_millis(250);

/// How long the answer of a fill waits for room.
pub(super) const SWEEP_TIME_MAX: Duration = Duration::from_secs(1);

/// How long nothing more is tried when a sweep has made no room.
const REST: Duration = Duration::from_secs(60);

/// What this process knows of the room.
pub(super) struct Room {
    pub limits: Arc<Limits>,
    known: Mutex<Known>,
    /// Held by whoever measures or sweeps on behalf of a fill.
    pub upkeep: tokio::sync::Mutex<()>,
    since_start: Stopwatch,
}

#[derive(Default)]
struct Known {
    budget_bytes: u64,
    /// Measured once, or by a sweep, and what was stored since; what others store is not in it. `None` while nothing was measured.
    held: Option<u64>,
    rests_until: Duration,
    not_stored: u64,
    last_sweep: Option<Swept>,
}

/// Whether something may be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may; it counts as held from here on.
    Fits,
    /// It may not, and a sweep has just made no room.
    Full,
    /// It may not before a sweep.
    SweepFirst,
    /// Nobody knows what is held.
    MeasureFirst,
}

impl Room {
    pub fn within(limits: Limits) -> Self {
        Self {
            limits: Arc::new(limits),
            known: Mutex::default(),
            upkeep: tokio::sync::Mutex::default(),
            since_start: Stopwatch::start(),
        }
    }

    pub fn judge(&self, bytes: u64) -> Verdict {
        let mut known = self.known();
        match known.held {
            None if self.since_start.elapsed() < known.rests_until => Verdict::Full,
            None => Verdict::MeasureFirst,
            Some(held) if held.saturating_add(bytes) <= known.budget_bytes => {
                known.held = Some(held + bytes);
                Verdict::Fits
            }
            Some(_) if bytes > known.budget_bytes || self.since_start.elapsed() < known.rests_until => Verdict::Full,
            Some(_) => Verdict::SweepFirst,
        }
    }

    /// Takes back that a body of this length is held: it did not come.
    pub fn give_back(&self, body_bytes: u64) {
        let mut known = self.known();
        known.held = known.held.map(|held| held.saturating_sub(weight(body_bytes)));
    }

    pub fn measured(&self, budget_bytes: u64, held: u64) {
        let mut known = self.known();
        known.budget_bytes = budget_bytes;
        known.held = Some(held);
    }

    pub fn swept(&self, budget_bytes: u64, swept: Swept) {
        self.measured(budget_bytes, swept.bytes);
        self.known().last_sweep = Some(swept);
    }

    /// Knows no longer what is held, so that it is measured again.
    pub fn forget(&self) {
        self.known().held = None;
    }

    /// Takes down that something was not stored, for there was no room.
    pub fn refused(&self) {
        self.known().not_stored += 1;
    }

    /// Tries nothing more for a while.
    pub fn rest(&self) {
        self.known().rests_until = self.since_start.elapsed() + REST;
        tracing::warn!("the shared directory is full and a sweep made no room; what is read is not stored for a while");
    }

    pub fn upkeep(&self) -> Upkeep {
        let known = self.known();
        Upkeep { budget_bytes: known.budget_bytes, not_stored: known.not_stored, last_sweep: known.last_sweep }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_counted_and_what_does_not_waits_for_a_sweep_and_then_for_a_minute() {
        let room = Room::within(Limits::default());
        assert_eq!(room.judge(1), Verdict::MeasureFirst);
        room.measured(100, 40);
        assert_eq!([room.judge(50), room.judge(50), room.judge(10)], [Verdict::Fits, Verdict::SweepFirst, Verdict::Fits]);
        assert_eq!(room.judge(101), Verdict::Full, "no sweep makes room for more than the budget");
        room.swept(100, Swept { bytes: 90, ..Swept::default() });
        assert_eq!(room.judge(20), Verdict::SweepFirst);
        room.refused();
        assert_eq!(room.judge(20), Verdict::SweepFirst, "another may try");
        room.rest();
        assert_eq!(room.judge(20), Verdict::Full);
        assert_eq!(room.judge(10), Verdict::Fits, "what fits is stored all the same");
        assert_eq!(room.upkeep().not_stored, 1);
        room.forget();
        assert_eq!(room.judge(10), Verdict::Full, "nothing is measured while it rests");
    }
}
