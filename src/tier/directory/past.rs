//! What became of the operations on the directory, for `/stats`.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::freshness::Timestamp;
use crate::tier::directory::touch;
use crate::tier::health::{Failure, LaneHealth};

/// Counts of one lane.
#[derive(Default)]
pub(super) struct Tried {
    calls: AtomicU64,
    failures: AtomicU64,
    not_tried: AtomicU64,
    micros: AtomicU64,
}

impl Tried {
    pub fn ended(&self, waited: Duration, failed: bool) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.failures.fetch_add(u64::from(failed), Ordering::Relaxed);
        self.micros.fetch_add(waited.as_micros() as u64, Ordering::Relaxed);
    }

    pub fn not_tried(&self) {
        self.not_tried.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts now; whether the lane is closed is not known here.
    pub fn health(&self) -> LaneHealth {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let calls = get(&self.calls);
        LaneHealth {
            calls,
            failures: get(&self.failures),
            not_tried: get(&self.not_tried),
            mean_millis: get(&self.micros) / calls.max(1) / 1000,
            closed: false,
        }
    }
}

/// What failed last, and when by the wall clock: the monotonic one may stop while Lambda freezes the process.
#[derive(Default)]
pub(super) struct LastFailure(Mutex<Option<(&'static str, String, Timestamp)>>);

impl LastFailure {
    pub fn set(&self, action: &'static str, error: &io::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((action, kind(error), touch::now().into()));
    }

    pub fn get(&self) -> Option<Failure> {
        let (action, kind, at) = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(Failure { action, kind, seconds_ago: Timestamp::from(touch::now()).since(at).as_secs() })
    }
}

/// What went wrong in words that cannot hold a path: the system's own, else the kind of error.
fn kind(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number).to_string(),
        None => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_failure_is_told_in_the_systems_words_and_without_a_path() {
        let last = LastFailure::default();
        assert_eq!(last.get(), None);
        last.set("read a state", &io::Error::from_raw_os_error(116));
        let told = Failure { action: "read a state", kind: "Stale file handle (os error 116)".to_owned(), seconds_ago: 0 };
        assert_eq!(last.get(), Some(told));
        last.set("store a body", &io::Error::new(io::ErrorKind::StorageFull, "/mnt/secret is full"));
        assert_eq!(last.get().unwrap().kind, "no storage space");
    }

    #[test]
    fn the_mean_is_of_all_that_was_tried() {
        let tried = Tried::default();
        assert_eq!(tried.health(), LaneHealth::default());
        tried.ended(Duration::from_millis(10), false);
        tried.ended(Duration::from_millis(30), true);
        tried.not_tried();
        assert_eq!(tried.health(), LaneHealth { calls: 2, failures: 1, not_tried: 1, mean_millis: 20, closed: false });
    }
}
