//! Instances of the cache in this process, on a record and a directory of files.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_api::cache::{Ask, Cache, Read};
use cache_api::entry::Budget;
use cache_api::error::Error;
use cache_api::freshness::{Moment, Policy};
use cache_api::record::{DirectoryRecord, Record};
use cache_api::tier::{DirectoryTier, Health, MemoryTier, SharedTier};
use tempfile::TempDir;

use super::tier::key;

/// A record of one directory.
pub struct Source(TempDir);

/// An instance on it and on a shared directory.
pub struct Instance {
    pub cache: Arc<Cache>,
    pub tier: Arc<DirectoryTier>,
}

impl Source {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn put(&self, key: &str, body: &str) {
        fs::write(self.0.path().join(key), body).unwrap();
    }

    /// An instance that looks at the directory for each read.
    pub async fn instance(&self, held: &Path) -> Instance {
        self.hurried_instance(held, 1.0).await
    }

    /// One that waits `share` as long for the directory.
    pub async fn hurried_instance(&self, held: &Path, share: f64) -> Instance {
        let record = DirectoryRecord::open(self.0.path(), Budget::new(64 << 20)).unwrap();
        let tier = Arc::new(DirectoryTier::open(held, record.id()).await.unwrap().hurried(share));
        let policy = Policy { memory_max_age: Duration::ZERO, local_max_age: Duration::from_secs(3600), ..Policy::default() };
        let cache = Cache::new(MemoryTier::new(64 << 20), Some(Arc::clone(&tier) as _), Arc::new(record), policy);
        Instance { cache, tier }
    }
}

impl Instance {
    pub async fn read(&self, name: &str) -> Read {
        self.cache.read(&key(name), ask()).await.unwrap()
    }

    /// Reads, and asserts what.
    pub async fn assert_reads(&self, name: &str, body: &str, when: &str) -> Read {
        let read = self.read(name).await;
        assert_eq!(read.entry.body, body.as_bytes(), "{name} {when}");
        read
    }

    pub async fn assert_absent(&self, name: &str, when: &str) {
        let absent = self.cache.read(&key(name), ask()).await;
        assert!(matches!(absent, Err(Error::NotFound { .. })), "{when}: {absent:?}");
    }

    pub async fn assert_takes_no_doubt(&self, name: &str, when: &str) {
        let doubted = self.cache.doubt(&key(name)).await;
        assert!(matches!(doubted, Err(Error::NotWritten { verb: "doubted", .. })), "{when}: {doubted:?}");
        let evicted = self.cache.evict(&key(name)).await;
        assert!(matches!(evicted, Err(Error::NotWritten { verb: "evicted", .. })), "{when}: {evicted:?}");
    }

    pub fn health(&self) -> Health {
        self.tier.health()
    }
}

#[expect(clippy::disallowed_methods, reason = "as the doors do")]
pub fn ask() -> Ask {
    let monotonic = Instant::now();
    Ask::new(Moment { wall: std::time::SystemTime::now().into(), monotonic }, monotonic + Duration::from_secs(60))
}
