//! Answers events that are no requests: what S3 says has changed is doubted and confirmed, and tasks are done.
//!
//! Order and number of deliveries do not matter (pitfall 25), not even those of a FIFO queue's groups.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_lambda_events::sqs::SqsBatchResponse;
use serde::Serialize;
use serde_json::Value;

use crate::cache::Ask;
use crate::freshness::Moment;
use crate::key::{Key, Prefix};
use crate::lambda::notice::{Message, Notice, Poison};
use crate::lambda::{Chores, Shape, Unanswered, task};
use crate::refresh::{Outcome, Refresher};

/// Time that is kept for saying how it went.
const ANSWER_TIME: Duration = Duration::from_millis(500);

/// What answers events that are no requests.
pub struct Events {
    /// Doubts and confirms what has changed.
    pub refresher: Refresher,
    /// Where the record's objects are: all else that events tell of is no business of this function.
    pub bucket: Bucket,
    /// Does what tasks ask for.
    pub chores: Arc<dyn Chores>,
}

/// Where the record's objects are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The bucket's name, as events have it.
    pub name: String,
    /// What stands before every key.
    pub prefix: Prefix,
}

/// How it went with all that an event told. Of the keys, each is counted once, however often it was told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Keys that were doubted.
    pub doubted: usize,
    /// Of these, those that were held and that the record was asked for.
    pub confirmed: usize,
    /// Of these, those that nobody held and that were fetched, as CACHE_API_KEEP_WARM says.
    pub created: usize,
    /// Of these, those that nobody held, and of which nothing was left behind.
    pub not_held: usize,
    /// Of these, those of which the record gave no answer: their next read asks.
    pub unconfirmed: usize,
    /// Keys that were not doubted: what told of them has to be sent again.
    pub failed: usize,
    /// What was told of other buckets, of what is outside the prefix, and of names that are no keys.
    pub ignored: usize,
}

impl Events {
    /// Answers an event of such a shape, before `ends_at`: a queue with the messages that it has to send again, others with a
    /// [`Tally`], a task with what it did.
    ///
    /// # Errors
    /// The event has to be sent again as a whole, or has no answer.
    pub async fn answer(&self, shape: Shape, event: &Value, ends_at: Instant) -> Result<Value, Unanswered> {
        let deadline = ends_at.checked_sub(ANSWER_TIME).unwrap_or(ends_at);
        if shape == Shape::Task {
            let answer = task::run(event, &*self.chores, Ask::new(now(), deadline)).await;
            return Ok(answer.inspect_err(|undone| tracing::error!(%undone, "a task was not done"))?);
        }
        if !Message::is_in(shape) {
            return Err(Unanswered::Unknown { shape });
        }
        let messages: Vec<_> = Message::all(shape, event).into_iter().map(|message| self.sort(message)).collect();
        let keys: BTreeSet<_> = messages.iter().flat_map(|message| &message.keys).cloned().collect();
        let outcomes = self.refresher.changed(keys, deadline, now).await;
        let tally = Tally::of(&outcomes, messages.iter().map(|message| message.ignored).sum());
        tally.log(&messages);
        let has_failed = |key: &Key| outcomes.get(key).is_some_and(|outcome| outcome.is_failure());
        if shape == Shape::Sqs { to_queue(&messages, has_failed) } else { to_sender(&messages, tally) }
    }
}

impl Events {
    /// Sorts out what a message tells: keys of this record, and what is no business of ours.
    fn sort(&self, message: Message) -> Sorted {
        let keys: Vec<_> = message.notices.iter().filter_map(|notice| self.key(notice)).collect();
        Sorted { ignored: message.notices.len() - keys.len(), keys, id: message.id, poison: message.poison }
    }

    fn key(&self, notice: &Notice) -> Option<Key> {
        let name = notice.name.as_ref().filter(|_| notice.bucket == self.bucket.name)?;
        self.refresher.key(name.strip_prefix(self.bucket.prefix.as_str())?).ok()
    }
}

impl Tally {
    fn of(outcomes: &BTreeMap<Key, Outcome>, ignored: usize) -> Self {
        let mut tally = Self { ignored, ..Self::default() };
        for outcome in outcomes.values() {
            tally.doubted += usize::from(!outcome.is_failure());
            *match outcome {
                Outcome::Confirmed => &mut tally.confirmed,
                Outcome::Created => &mut tally.created,
                Outcome::NotHeld => &mut tally.not_held,
                Outcome::Unconfirmed => &mut tally.unconfirmed,
                Outcome::Failed | Outcome::NotBegun => &mut tally.failed,
            } += 1;
        }
        tally
    }

    fn log(self, messages: &[Sorted]) {
        for Sorted { id, poison, .. } in messages {
            if let Some(reason) = poison {
                tracing::error!(message_id = id, %reason, "a message can never be understood; sent again and again, it ends in the dead-letter queue");
            }
        }
        let Self { doubted, confirmed, created, not_held, unconfirmed, failed, ignored } = self;
        let messages = messages.len();
        tracing::info!(messages, doubted, confirmed, created, not_held, unconfirmed, failed, ignored, "events were taken down");
    }
}

/// What a message tells, sorted out.
struct Sorted {
    id: Option<String>,
    keys: Vec<Key>,
    ignored: usize,
    poison: Option<Poison>,
}

/// Names exactly the messages that have to be sent again.
///
/// A poisonous one is among them each time, so that the queue moves it to the dead-letter queue (pitfall 26).
fn to_queue(messages: &[Sorted], has_failed: impl Fn(&Key) -> bool) -> Result<Value, Unanswered> {
    let mut response = SqsBatchResponse::default();
    for Sorted { id, keys, poison, .. } in messages {
        if poison.is_some() || keys.iter().any(&has_failed) {
            response.add_failure(id.clone().ok_or(Unanswered::Nameless)?);
        }
    }
    Ok(json(&response))
}

/// Whoever sends an event by itself sends it again as a whole.
fn to_sender(messages: &[Sorted], tally: Tally) -> Result<Value, Unanswered> {
    if tally.failed > 0 {
        return Err(Unanswered::NotDoubted { failed: tally.failed, keys: tally.doubted + tally.failed });
    }
    match messages.iter().find_map(|message| message.poison) {
        Some(poison) => Err(Unanswered::Poison(poison)),
        None => Ok(json(&tally)),
    }
}

fn json(answer: &impl Serialize) -> Value {
    serde_json::to_value(answer).expect("texts and numbers can be written")
}

#[expect(clippy::disallowed_methods, reason = "an edge: here an event gets its time")]
fn now() -> Moment {
    Moment { wall: SystemTime::now().into(), monotonic: Instant::now() }
}
