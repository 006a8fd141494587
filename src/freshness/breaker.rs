//! Whether what has failed repeatedly is worth another try.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::freshness::Reading;

/// Failures in a row after which a breaker opens. One may be bad luck of one file or object, three of different reads are not.
const FAILURES_MAX: u32 = 3;

/// How long nobody tries then; at the worst a fifth of the time goes to trying.
pub const PAUSE: Duration = Duration::from_secs(5);

/// Says whether it is worth trying: always, until so much has failed in a row that the breaker opens; then one at a time, with
/// pauses, until one succeeds.
#[derive(Debug)]
pub struct Breaker<T: Reading>(Mutex<Past<T>>);

/// Leave to try. Who is the one that tries is so until this goes.
#[derive(Debug)]
pub struct Leave<'a, T: Reading>(Option<&'a Breaker<T>>);

#[derive(Clone, Copy, Debug)]
struct Past<T> {
    failures_in_row: u32,
    /// `None` while all may try.
    open: Option<Open<T>>,
}

#[derive(Clone, Copy, Debug)]
struct Open<T> {
    since: T,
    failed: T,
    tried: T,
    /// Somebody is at it.
    is_tried: bool,
}

impl<T: Reading> Breaker<T> {
    /// Leave to try at `now`; `None` while others do, or have just done so in vain.
    pub fn admit(&self, now: T) -> Option<Leave<'_, T>> {
        let mut past = self.past();
        match &mut past.open {
            None => Some(Leave(None)),
            Some(open) if open.is_tried || now.since(open.tried) < PAUSE => None,
            Some(open) => {
                *open = Open { tried: now, is_tried: true, ..*open };
                Some(Leave(Some(self)))
            }
        }
    }

    /// Since when it is open; `None` while it is not.
    pub fn open_since(&self) -> Option<T> {
        self.past().open.map(|open| open.since)
    }

    /// Whether it is open, and the last failure no longer ago than `span`.
    pub fn has_failed_within(&self, span: Duration, now: T) -> bool {
        self.past().open.is_some_and(|open| now.since(open.failed) < span)
    }

    /// Takes note of a success; answers whether it closed the breaker.
    pub fn succeeded(&self) -> bool {
        std::mem::take(&mut *self.past()).open.is_some()
    }

    /// Takes note of what failed at `now`; answers whether it opened the breaker.
    pub fn failed(&self, now: T) -> bool {
        let past = &mut *self.past();
        past.failures_in_row = past.failures_in_row.saturating_add(1);
        match &mut past.open {
            Some(open) => {
                *open = Open { failed: now, tried: now, ..*open };
                false
            }
            None if past.failures_in_row < FAILURES_MAX => false,
            open => {
                *open = Some(Open { since: now, failed: now, tried: now, is_tried: false });
                true
            }
        }
    }

    fn past(&self) -> MutexGuard<'_, Past<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Reading> Default for Breaker<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Default for Past<T> {
    fn default() -> Self {
        Self { failures_in_row: 0, open: None }
    }
}

/// Should who tries go away, nobody waits for what became of it.
impl<T: Reading> Drop for Leave<'_, T> {
    fn drop(&mut self) {
        if let Some(breaker) = self.0
            && let Some(open) = &mut breaker.past().open
        {
            open.is_tried = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_one_at_a_time_tries_every_five_seconds() {
        let breaker = Breaker::default();
        assert!(!breaker.failed(seconds(1)) && !breaker.failed(seconds(1)));
        assert!(!breaker.succeeded());
        assert!(!breaker.failed(seconds(1)) && !breaker.failed(seconds(1)), "not in a row");
        assert!(breaker.admit(seconds(1)).is_some());
        assert!(breaker.failed(seconds(1)), "said once");
        assert!(!breaker.failed(seconds(1)), "by another that was under way");
        assert_eq!(breaker.open_since(), Some(seconds(1)));
        assert!(breaker.admit(seconds(5)).is_none());
        let one = breaker.admit(seconds(6)).expect("one tries");
        assert!(breaker.admit(seconds(6)).is_none() && breaker.admit(seconds(60)).is_none(), "and only one, however long");
        assert!(!breaker.failed(seconds(7)));
        drop(one);
        assert!(breaker.admit(seconds(11)).is_none());
        assert!(breaker.admit(seconds(12)).is_some(), "the next tries");
        assert!(breaker.admit(seconds(16)).is_none());
        assert!(breaker.admit(seconds(17)).is_some(), "whatever became of the one before");
        assert!(breaker.succeeded());
        assert!(breaker.admit(seconds(17)).is_some() && breaker.admit(seconds(17)).is_some());
        assert_eq!(breaker.open_since(), None);
    }

    #[test]
    fn what_failed_long_ago_is_told_from_what_fails() {
        let breaker = Breaker::default();
        for _ in 0..FAILURES_MAX {
            assert!(!breaker.has_failed_within(seconds(60), seconds(1)));
            breaker.failed(seconds(1));
        }
        assert!(breaker.has_failed_within(seconds(60), seconds(60)) && !breaker.has_failed_within(seconds(60), seconds(61)));
        breaker.failed(seconds(61));
        assert!(breaker.has_failed_within(seconds(60), seconds(61)));
    }
}
