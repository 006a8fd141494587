//! `make bench-scale`: what a directory of many keys costs, by the key. Prints the table of docs/PERFORMANCE.md.
//!
//! Where a column stays the same from row to row, the cost is linear in the number of keys, or, of a read, does not depend on it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cache_api::cache::{Ask, Cache, Served};
use cache_api::entry::{Budget, Entry, Media, Version};
use cache_api::error::Error;
use cache_api::freshness::{Moment, Policy, Stopwatch, Timestamp};
use cache_api::key::Key;
use cache_api::record::{DirectoryRecord, Record};
use cache_api::tier::{DirectoryTier, Kept, MemoryTier, SharedTier, SweepPlan, Tier, TierName};
use tempfile::TempDir;
use tokio::task::JoinSet;

mod files;

/// Keys that are read of each directory, spread over all of them.
const READS: usize = 10_000;

/// Who stores and probes at the same time.
const TASKS: usize = 4;

const BODY: &[u8] = &[b'7'; 100];

/// A cache over a directory with so many keys, and an empty record.
struct Held {
    keys: usize,
    local: TempDir,
    source: TempDir,
    tier: Arc<DirectoryTier>,
}

#[tokio::main]
async fn main() {
    // cargo adds an argument of its own.
    let counts: Vec<usize> = std::env::args().skip(1).filter_map(|count| count.parse().ok()).collect();
    println!("µs a key, or a read:\n");
    println!("| keys | stored | listed | swept | read from the directory | read from memory | absent | files before, after |");
    println!("|---|---|---|---|---|---|---|---|");
    for keys in counts {
        measure(keys).await;
    }
}

async fn measure(keys: usize) {
    let held = Held::new(keys).await;
    let stored = micros(keys, held.store()).await;
    let listed = held.list_micros().await.map_or_else(|| "too long".to_owned(), |micros| format!("{micros:.1}"));
    let swept = micros(keys, held.sweep()).await;
    let cache = held.cache().await;
    let directory = micros(READS, held.read(&cache, TierName::Directory)).await;
    let memory = micros(READS, held.read(&cache, TierName::Memory)).await;
    let before = files::count(held.local.path());
    let absent = micros(keys, held.probe(&cache)).await;
    let after = files::count(held.local.path());
    println!("| {keys} | {stored:.0} | {listed} | {swept:.1} | {directory:.0} | {memory:.2} | {absent:.0} | {before}, {after} |");
    assert_eq!(after, before, "probes of absent keys create no file");
}

impl Held {
    async fn new(keys: usize) -> Self {
        let [local, source] = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
        let record = DirectoryRecord::open(source.path(), Budget::new(64 << 20)).expect("the directory is there");
        let tier = DirectoryTier::open(local.path(), record.id()).await.expect("the directory is there");
        Self { keys, local, source, tier: Arc::new(tier) }
    }

    /// An instance that has just started.
    async fn cache(&self) -> Arc<Cache> {
        let record = DirectoryRecord::open(self.source.path(), Budget::new(64 << 20)).expect("the directory is there");
        let tier = DirectoryTier::open(self.local.path(), record.id()).await.expect("the directory is there");
        // What was stored first is fresh still when the last is.
        let policy = Policy { local_max_age: Duration::from_secs(24 * 60 * 60), ..Policy::default() };
        Cache::new(MemoryTier::new(64 << 20), Some(Arc::new(tier)), Arc::new(record), policy)
    }

    async fn store(&self) {
        let version = Version { etag: "\"1\"".into(), last_modified: Timestamp::from_millis(0) };
        let entry = Arc::new(Entry::new(version, Media::default(), BODY.into()));
        let mut tasks = JoinSet::new();
        for first in 0..TASKS {
            let (tier, entry, keys) = (Arc::clone(&self.tier), Arc::clone(&entry), self.keys);
            tasks.spawn(async move {
                for number in (first..keys).step_by(TASKS) {
                    let kept = Kept { entry: Arc::clone(&entry), confirmed_at: now().now.wall };
                    tier.put(&held(number), kept).await.expect("the directory can be written");
                }
            });
        }
        tasks.join_all().await;
    }

    /// µs a key; `None` where it takes longer than a client behind API Gateway would wait, which is when the tier gives up.
    async fn list_micros(&self) -> Option<f64> {
        let stopwatch = Stopwatch::start();
        let lines = self.tier.list().await.ok()?;
        assert_eq!(lines.len(), self.keys);
        Some(stopwatch.elapsed().as_secs_f64() * 1e6 / self.keys as f64)
    }

    async fn sweep(&self) {
        let plan = SweepPlan::new(now().now.wall, Duration::from_secs(60 * 60));
        let swept = self.tier.sweep(&plan).await.expect("the directory can be read").expect("nobody else sweeps");
        assert_eq!((swept.seen, swept.keys, swept.evicted), (1.0, self.keys as u64, 0));
    }

    /// Reads some keys, one after the other, all of which this tier has.
    async fn read(&self, cache: &Arc<Cache>, tier: TierName) {
        for number in 0..READS {
            let read = cache.read(&held(number * (self.keys / READS).max(1) % self.keys), now()).await.expect("it is held");
            assert_eq!(read.served, Served::Hit(tier));
        }
    }

    async fn probe(&self, cache: &Arc<Cache>) {
        let mut tasks = JoinSet::new();
        for first in 0..TASKS {
            let (cache, keys) = (Arc::clone(cache), self.keys);
            tasks.spawn(async move {
                for number in (first..keys).step_by(TASKS) {
                    let absent = cache.key(&format!("absent/{number}")).expect("a key");
                    let read = cache.read(&absent, now()).await;
                    assert!(matches!(read, Err(Error::NotFound { .. })), "{read:?}");
                }
            });
        }
        tasks.join_all().await;
    }
}

fn held(number: usize) -> Key {
    Key::parse(&format!("held/{number}"), &cache_api::key::Prefix::default()).expect("a key")
}

/// µs a time for what `doing` does so many times.
async fn micros(times: usize, doing: impl Future<Output = ()>) -> f64 {
    let stopwatch = Stopwatch::start();
    doing.await;
    stopwatch.elapsed().as_secs_f64() * 1e6 / times as f64
}

/// Now, with half a minute's time.
#[expect(clippy::disallowed_methods, reason = "as the doors do")]
fn now() -> Ask {
    let monotonic = Instant::now();
    Ask::new(Moment { wall: SystemTime::now().into(), monotonic }, monotonic + Duration::from_secs(30))
}
