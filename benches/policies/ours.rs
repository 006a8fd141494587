//! Our memory tier, asked as the cache asks it.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cache_api::entry::{Body, Entry, Facts, Part, Parts, Version};
use cache_api::error::{Error, Result};
use cache_api::freshness::{Moment, Timestamp};
use cache_api::key::{Key, Prefix};
use cache_api::tier::MemoryTier;
use cache_api::tier::memory::Held;

use crate::trace::Trace;

/// How often a read of what memory does not have asks it: before it looks at the directory, and again once it is its turn to fill.
const LOOKS_OF_A_MISS: usize = 2;

/// How many of the requests memory answers within `budget_bytes`.
pub fn hits(trace: &Trace, budget_bytes: u64) -> u64 {
    // Of its budget memory keeps three quarters.
    let memory = MemoryTier::new(budget_bytes / 3 * 4);
    let objects: Vec<_> = trace.sizes.iter().enumerate().map(|(index, &size)| object(index, size)).collect();
    let mut hits = 0;
    for &index in &trace.requests {
        let (key, entry) = &objects[index as usize];
        if (0..LOOKS_OF_A_MISS).any(|_| memory.held(key).is_some()) {
            hits += 1;
        } else {
            memory.hold(key, held(key, entry));
        }
    }
    assert!(memory.used_bytes() <= budget_bytes, "memory keeps to its budget");
    hits
}

/// What each of the keys weighs in memory, in bytes.
pub fn weights(sizes: &[u64]) -> Vec<u64> {
    // Keys have the same length, so that sizes alone tell weights apart.
    let alone = |size| {
        let memory = MemoryTier::new(u64::from(u32::MAX));
        let (key, entry) = object(0, size);
        memory.hold(&key, held(&key, &entry));
        memory.used_bytes()
    };
    let nothing = alone(0);
    let weight = |&size: &u64| nothing + size;
    let weights: Vec<_> = sizes.iter().map(weight).collect();
    assert!(alone(sizes[0]).abs_diff(weights[0]) <= 64, "memory weighs in units of 64 bytes");
    weights
}

/// A key and its entry. No body, but what says that it weighs as much: that saves gigabytes here.
fn object(index: usize, size: u64) -> (Key, Arc<Entry>) {
    let key = Key::parse(&format!("objects/{index:08}"), &Prefix::default()).expect("a key");
    let facts = Facts { size, content_type: None, content_encoding: None, checksum: None, version_id: None };
    let version = Version { etag: "\"1\"".into(), last_modified: Timestamp::from_millis(0) };
    (key, Arc::new(Entry { version, facts, body: Body::Large(Arc::new(OfSize(size))) }))
}

/// What memory holds of it anew: it takes its room once.
fn held(key: &Key, entry: &Arc<Entry>) -> Arc<Held> {
    Arc::new(Held::new(key, Some(Arc::clone(entry)), Timestamp::from_millis(0), Duration::ZERO, now()))
}

/// Weighs so many bytes, and has none.
struct OfSize(u64);

#[async_trait]
impl Parts for OfSize {
    async fn open(&self, _range: Range<u64>, _deadline: Instant) -> Result<Part> {
        Err(Error::Tier { action: "open a body", cause: "there is none".into() })
    }

    fn weight_bytes(&self) -> u64 {
        self.0
    }
}

#[expect(clippy::disallowed_methods, reason = "a monotonic clock has no other beginning; nothing here goes by it")]
fn now() -> Moment {
    Moment { wall: Timestamp::from_millis(0), monotonic: Instant::now() }
}
