//! Warming: fetches what is to be there before anybody asks, and mends what an event that was lost has left.
//!
//! The listing says which version each object has, so that a key that is held costs a look at the directory and no request. What
//! is left when the time is over is left for the next call: that one finds done what this one did.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::time::timeout_at;

use crate::cache::{Ask, Cache, Read, Served};
use crate::entry::Version;
use crate::error::{Error, Result, Unlisted};
use crate::freshness::Moment;
use crate::key::{Key, KeyPatterns};
use crate::record::{Mark, Object};
use crate::refresh::{KEYS_AT_A_TIME, Refresher, WORK_TIME_MIN, bring};

/// What is to be there before anybody asks.
#[derive(Clone, Debug)]
pub enum Meant {
    /// These keys: what is held is asked for at the record, what is not is fetched.
    Keys(Vec<Key>),
    /// What the record has of these: the listing shows what is to be done.
    Matching(KeyPatterns),
}

/// A step of warming.
#[derive(Debug)]
pub enum Progress {
    /// The record listed more objects.
    Listed {
        /// So many.
        listed: u64,
        /// Of these, those that are meant.
        matched: u64,
    },
    /// All that is meant is known by now.
    ListedAll,
    /// The record cannot be listed, or not further.
    NotListed(Error),
    /// A key is done with.
    Done {
        /// The key.
        key: Key,
        /// What became of it.
        brought: Brought,
    },
}

/// What became of a key.
#[derive(Debug)]
pub enum Brought {
    /// Nobody held it; it was fetched.
    Created(Read),
    /// It was held at another version than the record's; now it is at that one.
    Refreshed(Read),
    /// It was held already, at the record's version. Of what was only listed nothing was read.
    Already(Option<Read>),
    /// It was fetched, and is not kept: there is no room, or something happened to it meanwhile.
    NotKept(Read),
    /// It could not be fetched.
    Failed(Error),
    /// There was no time for it.
    Left,
}

/// What warming did, in keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

impl Warmed {
    /// Counts a step.
    pub fn count(&mut self, progress: &Progress) {
        match progress {
            Progress::Listed { listed, matched } => {
                self.listed += listed;
                self.matched += matched;
            }
            Progress::ListedAll => self.listed_all = true,
            Progress::NotListed(_) => {}
            Progress::Done { brought, .. } => {
                *match brought {
                    Brought::Created(_) => &mut self.created,
                    Brought::Refreshed(_) => &mut self.refreshed,
                    Brought::Already(_) => &mut self.already,
                    Brought::NotKept(_) | Brought::Failed(_) => &mut self.failed,
                    Brought::Left => &mut self.left,
                } += 1;
            }
        }
    }
}

impl Refresher {
    /// Fetches what matches `patterns`, or, without any, what is to be kept warm; before `deadline`.
    ///
    /// # Errors
    /// `NotListed` where the record could not be listed; but no time for the rest of a listing is no error.
    pub async fn warm(
        &self,
        patterns: Option<&KeyPatterns>,
        deadline: Instant,
        clock: impl Fn() -> Moment + Clone,
    ) -> Result<Warmed> {
        self.warm_watched(patterns, deadline, clock, |_| {}).await
    }

    /// The same; `watch` sees each step.
    ///
    /// # Errors
    /// As [`Refresher::warm`].
    pub async fn warm_watched(
        &self,
        patterns: Option<&KeyPatterns>,
        deadline: Instant,
        clock: impl Fn() -> Moment + Clone,
        mut watch: impl FnMut(&Progress),
    ) -> Result<Warmed> {
        let meant = Meant::Matching(patterns.unwrap_or(&self.keep_warm).clone());
        let mut steps = pin!(warming(Arc::clone(&self.cache), meant, deadline, clock));
        let (mut warmed, mut failure) = (Warmed::default(), None);
        while let Some(step) = steps.next().await {
            warmed.count(&step);
            watch(&step);
            match step {
                Progress::NotListed(Error::NotListed { why: Unlisted::Deadline, .. }) if warmed.listed > 0 => {}
                Progress::NotListed(error) => failure = Some(error),
                Progress::Listed { .. } | Progress::ListedAll | Progress::Done { .. } => {}
            }
        }
        failure.map_or(Ok(warmed), Err)
    }
}

/// Fetches what is meant, some keys at a time, before `deadline`: step by step as it is done. Dropped, it begins nothing more.
pub fn warming(
    cache: Arc<Cache>,
    meant: Meant,
    deadline: Instant,
    clock: impl Fn() -> Moment + Clone,
) -> impl Stream<Item = Progress> {
    let time_over = deadline.checked_sub(WORK_TIME_MIN).unwrap_or(deadline);
    let steps = match meant {
        Meant::Keys(keys) => {
            let all = Progress::Listed { listed: keys.len() as u64, matched: keys.len() as u64 };
            let keys = keys.into_iter().map(|key| Step::Bring { key, listed: None });
            let steps = [Step::Say(all), Step::Say(Progress::ListedAll)].into_iter().chain(keys);
            stream::iter(steps).left_stream()
        }
        Meant::Matching(patterns) => listing(Arc::clone(&cache), Arc::new(patterns), time_over).right_stream(),
    };
    let work = steps.map(move |step| {
        let (cache, clock) = (Arc::clone(&cache), clock.clone());
        async move {
            let (key, listed) = match step {
                Step::Say(progress) => return progress,
                Step::Bring { key, listed } => (key, listed),
            };
            // The clock that timeouts go by.
            if tokio::time::Instant::now().into_std() >= time_over {
                return Progress::Done { key, brought: Brought::Left };
            }
            let brought = bring_up(&cache, &key, listed.as_ref(), Ask::new(clock(), deadline)).await;
            Progress::Done { key, brought }
        }
    });
    work.buffer_unordered(KEYS_AT_A_TIME)
}

/// What is to be done next.
enum Step {
    Say(Progress),
    Bring { key: Key, listed: Option<Object> },
}

/// Page by page, each asked for when what was before it is under way.
fn listing(cache: Arc<Cache>, patterns: Arc<KeyPatterns>, time_over: Instant) -> impl Stream<Item = Step> {
    let first = (!patterns.is_empty()).then_some(None::<Mark>);
    let none = patterns.is_empty().then_some(Step::Say(Progress::ListedAll));
    let pages = stream::unfold(first, move |at| {
        let (cache, patterns) = (Arc::clone(&cache), Arc::clone(&patterns));
        async move {
            let mark = at?;
            let page = match cache.list_record(patterns.literal_prefix(), mark.as_ref(), time_over).await {
                Ok(page) => page,
                Err(error) => return Some((vec![Step::Say(Progress::NotListed(error))], None)),
            };
            let listed = page.objects.len() as u64;
            let meant = page.objects.into_iter().filter(|object| patterns.matches(object.key.as_str()));
            let mut steps: Vec<_> = meant.map(|object| Step::Bring { key: object.key.clone(), listed: Some(object) }).collect();
            let matched = steps.len() as u64;
            steps.insert(0, Step::Say(Progress::Listed { listed, matched }));
            if page.next.is_none() {
                steps.push(Step::Say(Progress::ListedAll));
            }
            Some((steps, page.next.map(Some)))
        }
    });
    stream::iter(none).chain(pages.flat_map(stream::iter))
}

async fn bring_up(cache: &Arc<Cache>, key: &Key, listed: Option<&Object>, ask: Ask) -> Brought {
    let held = cache.held_version(key).await;
    let is_listed = |version: &Version| listed.is_some_and(|object| is_version_of(version, object));
    if held.as_ref().is_some_and(is_listed) {
        return Brought::Already(None);
    }
    let bringing = async {
        match held {
            Some(_) => {
                let read = cache.update(key, ask).await?;
                cache.complete(key, read, ask).await
            }
            None => bring(cache, key, ask).await,
        }
    };
    let read = timeout_at(ask.deadline.into(), bringing).await.unwrap_or_else(|_| Err(Error::Deadline { key: key.clone() }));
    match read {
        Ok(read @ (Read { served: Served::Stale(_), .. } | Read { stored: false, .. })) => Brought::NotKept(read),
        Ok(read) if held.is_none() => Brought::Created(read),
        Ok(read @ Read { served: Served::Confirmed(_), .. }) => Brought::Already(Some(read)),
        Ok(read) => Brought::Refreshed(read),
        // Deleted since it was listed.
        Err(Error::NotFound { .. }) if listed.is_some() => Brought::Already(None),
        Err(error) => {
            tracing::warn!(%key, %error, cause = error.cause_text(), "a key could not be warmed");
            Brought::Failed(error)
        }
    }
}

/// Whether `version` is the one that was listed, as far as the listing says.
fn is_version_of(version: &Version, object: &Object) -> bool {
    match &object.etag {
        Some(etag) => version.etag == *etag,
        None => version.last_modified == object.last_modified,
    }
}
