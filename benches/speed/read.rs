//! A warm `Cache::read`: a directory as the record, a directory tier, memory; the settings as they are by default.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cache_api::cache::{Ask, Cache, Served};
use cache_api::entry::Budget;
use cache_api::freshness::{Moment, Policy, Stopwatch};
use cache_api::key::Key;
use cache_api::record::{DirectoryRecord, Record};
use cache_api::tier::{DirectoryTier, MemoryTier, TierName};
use tempfile::TempDir;

use crate::table::{Row, Target, Unit};
use crate::{OBJECT, OBJECT_KEY, RUNS};

/// A run takes a second or so: memory looks at the epochs once or twice in it, as it does in service.
const READS: u32 = 1_000_000;

pub async fn rows() -> Vec<Row> {
    let mut row = Row::new("`Cache::read`", "two clocks read", Unit::Nanoseconds, Some(Target::Below(2000.0)));
    let cache = WarmCache::start().await;
    for _ in 0..RUNS {
        row.add(cache.read_nanos().await, clock_nanos());
    }
    vec![row]
}

/// A cache with one key in memory.
struct WarmCache {
    cache: Arc<Cache>,
    key: Key,
    // The record and the directory tier; held, so that they stay.
    _dirs: [TempDir; 2],
}

impl WarmCache {
    async fn start() -> Self {
        let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
        let [source, local] = &dirs;
        std::fs::write(source.path().join(OBJECT_KEY), OBJECT).expect("a written file");
        let record = DirectoryRecord::open(source.path(), Budget::new(64 << 20)).expect("the directory is there");
        let tier = DirectoryTier::open(local.path(), record.id()).await.expect("the directory is there");
        let cache = Cache::new(MemoryTier::new(64 << 20), Some(Arc::new(tier)), Arc::new(record), Policy::default());
        let key = cache.key(OBJECT_KEY).expect("a key");
        cache.read(&key, ask()).await.expect("the record has it");
        Self { cache, key, _dirs: dirs }
    }

    /// ns for one read, the reading of both clocks included. One task reads.
    async fn read_nanos(&self) -> f64 {
        let read = self.cache.read(&self.key, ask()).await.expect("the record has it");
        // Before the first run, and after a minute, this is what confirms it.
        assert!(matches!(read.served, Served::Hit(TierName::Memory) | Served::Confirmed(_)), "{:?}", read.served);
        let stopwatch = Stopwatch::start();
        for _ in 0..READS {
            let read = self.cache.read(&self.key, ask()).await.expect("memory has it");
            black_box(read);
        }
        nanos_each(stopwatch)
    }
}

/// ns for the reading of both clocks, the part of a read that its caller does.
fn clock_nanos() -> f64 {
    let stopwatch = Stopwatch::start();
    for _ in 0..READS {
        black_box(ask());
    }
    nanos_each(stopwatch)
}

fn nanos_each(stopwatch: Stopwatch) -> f64 {
    stopwatch.elapsed().as_secs_f64() * 1e9 / f64::from(READS)
}

/// Now, with half a minute's time.
#[expect(clippy::disallowed_methods, reason = "as the doors do")]
pub fn ask() -> Ask {
    let monotonic = Instant::now();
    Ask::new(Moment { wall: SystemTime::now().into(), monotonic }, monotonic + Duration::from_secs(30))
}
