//! Warming: fetches what is to be there before anybody asks, and mends what an event that was lost has left.
//!
//! The listing says which version each object has, so that a key that is held costs a look at the directory and no request. What
//! is left when the time is over is left for the next call: that one finds done what this one did.

use std::time::Instant;

use futures_util::{StreamExt, stream};
use serde::Serialize;
use tokio::time::{sleep_until, timeout_at};

use crate::cache::{Ask, Read, Served};
use crate::entry::Version;
use crate::error::{Error, Result, Unlisted};
use crate::freshness::Moment;
use crate::key::{Key, KeyPatterns};
use crate::record::Object;
use crate::refresh::{KEYS_AT_A_TIME, Refresher, WORK_TIME_MIN};

/// What warming did, in keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Warmed {
    /// Objects that the record listed.
    pub listed: u64,
    /// Of these, those that were meant.
    pub matched: u64,
    /// Of these, those that nobody held and that were fetched.
    pub created: u64,
    /// Held, but at another version than the record's: doubted, and confirmed.
    pub refreshed: u64,
    /// Held already, at the record's version.
    pub already: u64,
    /// Could not be fetched, or not be kept.
    pub failed: u64,
    /// There was no time for them.
    pub left: u64,
    /// Whether the listing was read to its end; where not, there may be more to do.
    pub listed_all: bool,
}

enum Outcome {
    Created,
    Refreshed,
    Already,
    Failed,
}

impl Refresher {
    /// Fetches what matches `patterns`, or, without any, what is to be kept warm; before `deadline`.
    ///
    /// # Errors
    /// `NotListed` where the record could not be listed; but no time for the rest of a listing is no error.
    pub async fn warm(&self, patterns: Option<&KeyPatterns>, deadline: Instant, clock: impl Fn() -> Moment) -> Result<Warmed> {
        let patterns = patterns.unwrap_or(&self.keep_warm);
        let time_over = deadline.checked_sub(WORK_TIME_MIN).unwrap_or(deadline);
        let mut warmed = Warmed { listed_all: patterns.is_empty(), ..Warmed::default() };
        let mut mark = None;
        while !warmed.listed_all {
            let page = match self.cache.list_record(patterns.literal_prefix(), mark.as_ref(), time_over).await {
                Ok(page) => page,
                Err(Error::NotListed { why: Unlisted::Deadline, .. }) if warmed.listed > 0 => break,
                Err(error) => return Err(error),
            };
            warmed.listed += page.objects.len() as u64;
            let meant: Vec<_> = page.objects.into_iter().filter(|object| patterns.matches(object.key.as_str())).collect();
            let count = meant.len() as u64;
            warmed.matched += count;
            let work = stream::iter(meant).take_until(sleep_until(time_over.into()));
            let outcomes = work.map(async |object| self.warm_up(&object, Ask::new(clock(), deadline)).await);
            let outcomes: Vec<_> = outcomes.buffer_unordered(KEYS_AT_A_TIME).collect().await;
            warmed.left += count - outcomes.len() as u64;
            for outcome in outcomes {
                *match outcome {
                    Outcome::Created => &mut warmed.created,
                    Outcome::Refreshed => &mut warmed.refreshed,
                    Outcome::Already => &mut warmed.already,
                    Outcome::Failed => &mut warmed.failed,
                } += 1;
            }
            mark = page.next;
            warmed.listed_all = mark.is_none();
        }
        Ok(warmed)
    }

    async fn warm_up(&self, object: &Object, ask: Ask) -> Outcome {
        let key = &object.key;
        let held = self.cache.held_version(key).await;
        let (done, read) = match held {
            Some(version) if is_version_of(&version, object) => return Outcome::Already,
            Some(_) => (Outcome::Refreshed, timeout_at(ask.deadline.into(), self.bring_anew(key, ask)).await),
            None => (Outcome::Created, timeout_at(ask.deadline.into(), self.bring(key, ask)).await),
        };
        match read.unwrap_or_else(|_| Err(Error::Deadline { key: key.clone() })) {
            Ok(Read { served: Served::Stale(_), .. } | Read { stored: false, .. }) => Outcome::Failed,
            Ok(_) => done,
            // Deleted since it was listed.
            Err(Error::NotFound { .. }) => Outcome::Already,
            Err(error) => {
                tracing::warn!(%key, %error, cause = error.cause_text(), "a key could not be warmed");
                Outcome::Failed
            }
        }
    }

    async fn bring_anew(&self, key: &Key, ask: Ask) -> Result<Read> {
        let read = self.cache.update(key, ask).await?;
        self.cache.complete(key, read, ask).await
    }
}

/// Whether `version` is the one that was listed, as far as the listing says.
fn is_version_of(version: &Version, object: &Object) -> bool {
    match &object.etag {
        Some(etag) => version.etag == *etag,
        None => version.last_modified == object.last_modified,
    }
}
