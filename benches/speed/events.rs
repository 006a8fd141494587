//! Events of a queue, answered in this process: a directory as the record, a directory tier, the settings as they are by default.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use cache_api::cache::{Ask, Cache};
use cache_api::entry::Budget;
use cache_api::freshness::{Policy, Stopwatch};
use cache_api::key::{KeyPatterns, Prefix};
use cache_api::lambda::{Bucket, Chores, Events, LambdaDoor, Undone};
use cache_api::record::{DirectoryRecord, Record};
use cache_api::refresh::Refresher;
use cache_api::tier::{DirectoryTier, MemoryTier};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::read::ask;
use crate::table::{Row, Unit};
use crate::{OBJECT, RUNS};

const BUCKET: &str = "bench";
const HELD_KEYS: usize = 100;
const BATCH_EVENTS: usize = 1_000;
const UNREAD_EVENTS: usize = 100_000;

pub async fn rows() -> Vec<Row> {
    // No targets but those that the runs assert: at most a confirmation a key, and nothing left of what nobody reads.
    let mut batches = Row::new("1000 events, 100 keys", "100 updates in turn", Unit::Milliseconds, None);
    let mut unread = Row::new("10^5 events, unread keys", "mkdir and rmdir, in turn", Unit::Milliseconds, None);
    let told = Told::start().await;
    for _ in 0..RUNS {
        batches.add(told.batch_millis().await, told.updates_millis().await);
        unread.add(told.unread_millis().await, told.directories_millis());
    }
    vec![batches, unread]
}

/// A function over a cache that holds [`HELD_KEYS`] keys.
struct Told {
    cache: Arc<Cache>,
    door: LambdaDoor<Router>,
    local: TempDir,
    // The record; held, so that it stays.
    _source: TempDir,
}

impl Told {
    async fn start() -> Self {
        let source = tempfile::tempdir().expect("a directory");
        // In memory. ext4 without a journal searches the inodes that it has freed in the last minutes before it gives a new one,
        // so that whoever makes directories second would pay for the first.
        let local = tempfile::tempdir_in("/dev/shm").expect("a directory");
        let record = DirectoryRecord::open(source.path(), Budget::new(64 << 20)).expect("the directory is there");
        let tier = DirectoryTier::open(local.path(), record.id()).await.expect("the directory is there");
        let cache = Cache::new(MemoryTier::new(64 << 20), Some(Arc::new(tier)), Arc::new(record), Policy::default());
        for number in 0..HELD_KEYS {
            std::fs::write(source.path().join(held(number)), OBJECT).expect("a written file");
            let key = cache.key(&held(number)).expect("a key");
            cache.read(&key, ask()).await.expect("the record has it");
        }
        let events = Events {
            refresher: Refresher::new(Arc::clone(&cache), KeyPatterns::default()),
            bucket: Bucket { name: BUCKET.to_owned(), prefix: Prefix::default() },
            chores: Arc::new(Idle),
        };
        let door = LambdaDoor::new(Router::new(), |_, _| unreachable!("no request is sent")).with_events(Arc::new(events));
        Self { cache, door, local, _source: source }
    }

    /// ms for a batch of 1000 events over the 100 held keys, each of which is confirmed at the record once at most.
    async fn batch_millis(&self) -> f64 {
        let batch = batch((0..BATCH_EVENTS).map(|number| held(number % HELD_KEYS)));
        let before = self.cache.head().await.counts;
        let stopwatch = Stopwatch::start();
        self.answer(batch).await;
        let took = millis(stopwatch.elapsed());
        let asked = self.cache.head().await.counts.misses() - before.misses();
        assert!(asked <= HELD_KEYS as u64, "{asked} confirmations of {HELD_KEYS} keys");
        took
    }

    /// ms for as many updates, one after the other, as the batch has keys.
    async fn updates_millis(&self) -> f64 {
        let stopwatch = Stopwatch::start();
        for number in 0..HELD_KEYS {
            let key = self.cache.key(&held(number)).expect("a key");
            self.cache.update(&key, ask()).await.expect("the record has it");
        }
        millis(stopwatch.elapsed())
    }

    /// ms for 10^5 events, 1000 a batch, for keys that nobody has read: neither a file nor an epoch changes.
    async fn unread_millis(&self) -> f64 {
        let before = files(self.local.path());
        let mut took = Duration::ZERO;
        for first in (0..UNREAD_EVENTS).step_by(BATCH_EVENTS) {
            let batch = batch((first..first + BATCH_EVENTS).map(|number| format!("unread/{number}")));
            let stopwatch = Stopwatch::start();
            self.answer(batch).await;
            took += stopwatch.elapsed();
        }
        assert!(files(self.local.path()) == before, "events for keys that nobody has read left something behind");
        millis(took)
    }

    /// ms for making and removing 10^5 directories, the one call of each that shows that nobody holds a key.
    fn directories_millis(&self) -> f64 {
        let directory = self.local.path().join("unread");
        let stopwatch = Stopwatch::start();
        for _ in 0..UNREAD_EVENTS {
            std::fs::create_dir(&directory).expect("it is not there");
            std::fs::remove_dir(&directory).expect("it is there");
        }
        millis(stopwatch.elapsed())
    }

    async fn answer(&self, batch: Value) {
        let payload = self.door.answer(batch, ask().deadline).await.expect("an answer");
        let answer = serde_json::to_value(&payload).expect("JSON");
        assert_eq!(answer, json!({"batchItemFailures": []}));
    }
}

/// Is asked to do nothing here.
struct Idle;

#[async_trait]
impl Chores for Idle {
    async fn warm(&self, _patterns: Option<KeyPatterns>, _ask: Ask) -> Result<Value, Undone> {
        Err(Undone::Unknown)
    }

    async fn sweep(&self, _ask: Ask) -> Result<Value, Undone> {
        Err(Undone::Unknown)
    }

    async fn doctor(&self, _ask: Ask) -> Result<Value, Undone> {
        Err(Undone::Unknown)
    }
}

fn held(number: usize) -> String {
    format!("{number}.json")
}

/// A batch of a queue with a notification of S3 in each message.
fn batch(keys: impl Iterator<Item = String>) -> Value {
    let message = |key: String| {
        let record = json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": "1970-01-01T00:00:00.000Z",
            "eventName": "ObjectCreated:Put", "userIdentity": {"principalId": "EXAMPLE"},
            "requestParameters": {"sourceIPAddress": "127.0.0.1"}, "responseElements": {},
            "s3": {"bucket": {"name": BUCKET}, "object": {"key": key, "size": OBJECT.len(), "eTag": "etag"}},
        });
        let body = json!({"Records": [record]}).to_string();
        json!({"messageId": key, "receiptHandle": "handle", "body": body, "eventSource": "aws:sqs"})
    };
    json!({"Records": keys.map(message).collect::<Vec<_>>()})
}

/// The files below `root`, and what is in the small ones, the epochs among them.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for found in std::fs::read_dir(directory).expect("a directory").map(|found| found.expect("an entry").path()) {
            if found.is_dir() {
                directories.push(found);
            } else {
                let bytes = std::fs::read(&found).expect("a file");
                files.insert(found, bytes);
            }
        }
    }
    files
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}
