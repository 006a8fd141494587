//! What stands between a read and a record that gives no answers: a breaker. Who has a stale entry in hand gets it without asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use crate::cache::Cache;
use crate::entry::{Entry, Seen};
use crate::error::{Error, Result};
use crate::freshness::{Breaker, Leave, Moment, Timestamp};
use crate::key::Key;
use crate::record::Answer;
use crate::tier::memory::Held;
use crate::tier::{Looked, TierName};

/// A failure that is older says nothing of the record any more: whoever comes after a quiet time asks. Longer than a question
/// hangs, so that nobody hangs as well while one does.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// Keeps count of what becomes of questions to the record.
#[derive(Default)]
pub(super) struct Guard {
    breaker: Breaker<Moment>,
    failures: AtomicU64,
    opened: AtomicU64,
    spared: AtomicU64,
}

/// Whether a read asks the record.
pub(super) enum Admission<'a> {
    /// It does; this goes when it has ended.
    Asks(Option<Leave<'a, Moment>>),
    /// Not if something stands in: the record gives no answers, and another read is trying it or has just done so.
    Spared,
}

/// How the record does, as this instance sees it since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecordHealth {
    /// Questions to which the record gave no answer in time, or that it should be asked less.
    pub failures: u64,
    /// Whether the last ones all were so, and stale entries stand in without asking.
    pub breaker_open: bool,
    /// Since when, in milliseconds since 1970-01-01 UTC; `None` while it is not so.
    pub open_since_millis: Option<Timestamp>,
    /// How often it came to that.
    pub opened: u64,
    /// Reads that a stale entry answered without asking.
    pub spared: u64,
}

impl Guard {
    /// Whether a read that begins at `now` is to ask.
    pub(super) fn admit(&self, now: Moment) -> Admission<'_> {
        match self.breaker.admit(now) {
            None if self.breaker.has_failed_within(FORGOTTEN_AFTER, now) => Admission::Spared,
            leave => Admission::Asks(leave),
        }
    }

    /// Takes note of what the record said to a question of `now`.
    pub(super) fn answered(&self, answer: &Result<Answer>, now: Moment) {
        match answer {
            Err(error) if error.is_no_answer() => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                if self.breaker.failed(now) {
                    self.opened.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(%error, cause = error.cause_text(), "the record gives no answers, stale entries stand in at once");
                }
            }
            // Memory was full: that says nothing of the record.
            Err(Error::Busy { .. }) => {}
            Ok(_) | Err(_) => {
                if self.breaker.succeeded() {
                    tracing::info!("the record answers again");
                }
            }
        }
    }

    pub(super) fn health(&self) -> RecordHealth {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let open_since = self.breaker.open_since();
        RecordHealth {
            failures: get(&self.failures),
            breaker_open: open_since.is_some(),
            open_since_millis: open_since.map(|since| since.wall),
            opened: get(&self.opened),
            spared: get(&self.spared),
        }
    }
}

impl Cache {
    /// What answers a read without asking a record that gives no answers: a stale entry of a key to which nothing has happened
    /// since it was confirmed. What was doubted is asked about: the record has not been, since.
    pub(super) async fn spare(&self, key: &Key, now: Moment) -> Option<(Arc<Held>, TierName)> {
        let spared = self.spared(key, now).await?;
        self.guard.spared.fetch_add(1, Ordering::Relaxed);
        Some(spared)
    }

    async fn spared(&self, key: &Key, now: Moment) -> Option<(Arc<Held>, TierName)> {
        let in_memory = self.memory.held(key);
        let (entry, tier, confirmed_at, age) = match &self.shared {
            Some(shared) => {
                let Ok(Looked::Other { token: Some(token), state }) = shared.look(key, None).await else { return None };
                match state {
                    Some(state) if state.is_believed_under(&token) => {
                        let age = self.age_of_state(key, &state, now);
                        let (entry, tier) = self.body_of(shared, key, &state).await.ok()??;
                        (entry, tier, state.confirmed_at, age)
                    }
                    Some(_) => return None,
                    // It could not be stored, and memory alone has it.
                    None => self.of_memory(in_memory.filter(|held| held.token == Some(token))?, now)?,
                }
            }
            // A doubt takes away what vouches for it.
            None => self.of_memory(in_memory.filter(|held| held.vouchers().asked.is_some())?, now)?,
        };
        if age > self.stale_max_age() {
            return None;
        }
        let seen = Seen::Present(entry.version.clone());
        let mut floors = self.floors();
        if !floors.admits(key, &seen, confirmed_at) {
            return None;
        }
        floors.raise(key, seen, confirmed_at);
        self.let_go_of_others(key, Some(&entry));
        Some((Arc::new(Held::new(key, Some(entry), confirmed_at, age, now)), tier))
    }

    fn of_memory(&self, held: Arc<Held>, now: Moment) -> Option<(Arc<Entry>, TierName, Timestamp, Duration)> {
        let entry = held.entry.clone()?;
        Some((entry, TierName::Memory, held.confirmed_at, self.age_of(&held, now)))
    }

    /// The age up to which an entry stands in for a record that gives no answer.
    pub(super) fn stale_max_age(&self) -> Duration {
        self.policy.local_max_age.saturating_add(self.policy.stale_if_error)
    }
}
