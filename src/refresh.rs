//! Keeps the cache fresh: what is said to have changed is doubted, then confirmed before anybody asks. Knows no AWS and no HTTP.
//!
//! A change carries no facts and may be told twice, late and in any order (pitfall 25): only the record says what is there. The
//! doubt is what correctness rests on. The confirmation saves the next reader the way to the record, and may fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt, stream};
use tokio::time::{sleep_until, timeout_at};

use crate::cache::{Ask, Cache, Read, Served};
use crate::error::{Cause, Error, Result};
use crate::freshness::Moment;
use crate::key::{Key, KeyPatterns};
use crate::tier::Doubted;

mod warm;

pub use warm::{Brought, Meant, Progress, Warmed, warming};

/// How many keys are worked on at a time: a doubt or confirmation mostly waits, for EFS or for S3.
const KEYS_AT_A_TIME: usize = 16;

/// Time that a doubt or confirmation has at least: what cannot be begun so long before the end is not begun.
const WORK_TIME_MIN: Duration = Duration::from_secs(1);

/// Doubts and confirms keys that are said to have changed.
pub struct Refresher {
    cache: Arc<Cache>,
    keep_warm: KeyPatterns,
}

/// How it went with a key that is said to have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was held; the record was asked, and what it said is where every instance's next look finds it.
    Confirmed,
    /// Nobody held it; it is to be kept warm, and was fetched.
    Created,
    /// Nobody holds it, and nothing was left behind: it is not to be kept warm, or the record does not have it.
    NotHeld,
    /// It was doubted, and what the record says could not be learnt or kept: the next read asks.
    Unconfirmed,
    /// The doubt could not be written: other instances may not know, and the change has to be told again.
    Failed,
    /// There was no time to begin: the change has to be told again.
    NotBegun,
}

impl Outcome {
    /// Whether the change has to be told again.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::NotBegun)
    }
}

impl Refresher {
    /// Refreshes what `cache` holds, and fetches what matches `keep_warm` though nobody holds it.
    pub fn new(cache: Arc<Cache>, keep_warm: KeyPatterns) -> Self {
        Self { cache, keep_warm }
    }

    /// Parses the name of an object of the cache's record.
    ///
    /// # Errors
    /// `InvalidKey`.
    pub fn key(&self, text: &str) -> Result<Key> {
        Ok(self.cache.key(text)?)
    }

    /// Doubts `keys`, then confirms those that are held; answers how it went with each, before `deadline`.
    ///
    /// All are doubted before the first is confirmed, so that a slow record keeps no doubt from being written. `clock` is read
    /// once a confirmation. Without a shared tier there is nobody to confirm for: a doubt reaches this instance's memory, and its
    /// own next read asks.
    pub async fn changed(&self, keys: BTreeSet<Key>, deadline: Instant, clock: impl Fn() -> Moment) -> BTreeMap<Key, Outcome> {
        let mut outcomes: BTreeMap<_, _> = keys.iter().map(|key| (key.clone(), Outcome::NotBegun)).collect();
        let doubts = in_time(keys, deadline).map(async |key| {
            let outcome = self.doubt(&key, deadline).await;
            (key, outcome)
        });
        outcomes.extend(doubts.buffer_unordered(KEYS_AT_A_TIME).collect::<Vec<_>>().await);
        let doubted = outcomes.iter().filter(|(_, outcome)| **outcome == Outcome::Unconfirmed);
        let doubted: BTreeSet<_> = doubted.map(|(key, _)| key.clone()).collect();
        let confirmations = in_time(doubted, deadline).map(async |key| {
            let confirmed = timeout_at(deadline.into(), self.confirm(&key, Ask::new(clock(), deadline))).await;
            (key, confirmed.unwrap_or(Outcome::Unconfirmed))
        });
        outcomes.extend(confirmations.buffer_unordered(KEYS_AT_A_TIME).collect::<Vec<_>>().await);
        outcomes
    }

    /// `Unconfirmed` where there is something to confirm or to fetch.
    async fn doubt(&self, key: &Key, deadline: Instant) -> Outcome {
        let doubted = timeout_at(deadline.into(), self.cache.doubt(key)).await;
        let too_late = |late| Error::NotWritten { key: key.clone(), verb: "doubted", cause: Cause::from(late) };
        match doubted.unwrap_or_else(|late| Err(too_late(late))) {
            Ok(Doubted::NobodyHeld) if !self.keep_warm.matches(key.as_str()) => Outcome::NotHeld,
            Ok(Doubted::NobodyHeld | Doubted::Written) => Outcome::Unconfirmed,
            Err(error) => {
                tracing::error!(%key, %error, cause = error.cause_text(), "a changed key could not be doubted");
                Outcome::Failed
            }
        }
    }

    async fn confirm(&self, key: &Key, ask: Ask) -> Outcome {
        // A token may be there without a state: of a fill that is under way and stores nothing now, or of what was evicted.
        let was_held = self.cache.holds(key).await;
        if !was_held && !self.keep_warm.matches(key.as_str()) {
            return Outcome::NotHeld;
        }
        match bring(&self.cache, key, ask).await {
            Ok(Read { served: Served::Stale(_), .. } | Read { stored: false, .. }) => Outcome::Unconfirmed,
            Ok(_) if was_held => Outcome::Confirmed,
            Ok(_) => Outcome::Created,
            Err(Error::NotFound { .. }) if was_held => Outcome::Confirmed,
            Err(Error::NotFound { .. }) => Outcome::NotHeld,
            Err(error) => {
                tracing::warn!(%key, %error, cause = error.cause_text(), "a doubted key could not be confirmed; its next read asks");
                Outcome::Unconfirmed
            }
        }
    }
}

/// Reads `key`, and sees to it that it is where other instances find it.
async fn bring(cache: &Arc<Cache>, key: &Key, ask: Ask) -> Result<Read> {
    let read = cache.read(key, ask).await?;
    cache.complete(key, read, ask).await
}

/// The keys, one after the other, as long as there is time for one.
fn in_time(keys: BTreeSet<Key>, deadline: Instant) -> impl Stream<Item = Key> {
    let time_over = deadline.checked_sub(WORK_TIME_MIN).unwrap_or(deadline);
    stream::iter(keys).take_until(sleep_until(time_over.into()))
}

#[cfg(test)]
mod tests;
