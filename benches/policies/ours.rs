//! Our memory tier, asked as the cache asks it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cache_api::entry::{Checksum, Entry, Facts, Version};
use cache_api::freshness::{Moment, Timestamp};
use cache_api::key::{Key, Prefix};
use cache_api::tier::MemoryTier;
use cache_api::tier::memory::Held;

use crate::trace::Trace;

/// How often a read of what memory does not have asks it: before it looks at the directory, and again once it is its turn to fill.
const LOOKS_OF_A_MISS: usize = 2;

/// How many of the requests memory answers within `budget_bytes`.
pub fn hits(trace: &Trace, budget_bytes: u64) -> u64 {
    let memory = MemoryTier::new(budget_bytes);
    let objects: Vec<_> = trace.sizes.iter().enumerate().map(|(index, &size)| object(index, size)).collect();
    let mut hits = 0;
    for &index in &trace.requests {
        let (key, held) = &objects[index as usize];
        if (0..LOOKS_OF_A_MISS).any(|_| memory.held(key).is_some()) {
            hits += 1;
        } else {
            memory.hold(key, Arc::clone(held));
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
        let (key, held) = object(0, size);
        memory.hold(&key, held);
        memory.used_bytes()
    };
    let nothing = alone(0);
    let weight = |&size: &u64| nothing + size;
    let weights: Vec<_> = sizes.iter().map(weight).collect();
    assert!(alone(sizes[0]).abs_diff(weights[0]) <= 64, "memory weighs in units of 64 bytes");
    weights
}

/// A key, and what is held of it. No body: memory weighs what the facts say, and that saves gigabytes here.
fn object(index: usize, size: u64) -> (Key, Arc<Held>) {
    let key = Key::parse(&format!("objects/{index:08}"), &Prefix::default()).expect("a key");
    let facts = Facts { size, content_type: None, content_encoding: None, checksum: Checksum::of(b""), version_id: None };
    let version = Version { etag: "\"1\"".into(), last_modified: Timestamp::from_millis(0) };
    let entry = Entry { version, facts, body: Bytes::new() };
    let held = Held::new(&key, Some(Arc::new(entry)), Timestamp::from_millis(0), Duration::ZERO, now());
    (key, Arc::new(held))
}

#[expect(clippy::disallowed_methods, reason = "a monotonic clock has no other beginning; nothing here goes by it")]
fn now() -> Moment {
    Moment { wall: Timestamp::from_millis(0), monotonic: Instant::now() }
}
