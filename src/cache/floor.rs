//! Never backwards: what this instance last served of each key. Outlives the body in memory.

use std::num::NonZeroUsize;

use lru::LruCache;

use crate::entry::Seen;
use crate::freshness::Timestamp;
use crate::key::{Key, KeyHash};

/// How many floors are remembered: some 16 MB. A key past them is asked for once more than need be.
const FLOORS_MAX: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");

/// This instance's own order of events; times tie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order(u64);

/// What was last served of each key. A bounded table: dropping a floor raises the watermark, the floor of every key without one.
pub struct Floors {
    floors: LruCache<KeyHash, Floor>,
    watermark: Watermark,
    order: Order,
}

struct Floor {
    seen: Seen,
    confirmed_at: Timestamp,
    raised: Order,
}

#[derive(Clone, Copy, Default)]
struct Watermark {
    confirmed_at: Option<Timestamp>,
    raised: Order,
}

impl Floors {
    /// Where in this instance's order we are: everything raised from now on is later.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Whether what another instance saw may be served here: it is the version last served, or surely newer.
    pub fn admits(&mut self, key: &Key, seen: &Seen, confirmed_at: Timestamp) -> bool {
        match self.floors.get(&key.hash()) {
            Some(floor) => floor.seen == *seen || confirmed_at.is_surely_after(floor.confirmed_at),
            None => self.watermark.confirmed_at.is_none_or(|watermark| confirmed_at.is_surely_after(watermark)),
        }
    }

    /// Whether another read has served another version of `key` since `asked`.
    pub fn overtook(&mut self, key: &Key, seen: &Seen, asked: Order) -> bool {
        match self.floors.get(&key.hash()) {
            Some(floor) => floor.raised > asked && floor.seen != *seen,
            None => self.watermark.raised > asked,
        }
    }

    /// Takes note of what is about to be served.
    pub fn raise(&mut self, key: &Key, seen: Seen, confirmed_at: Timestamp) {
        self.order.0 += 1;
        let hash = key.hash();
        let confirmed_at = self.floors.peek(&hash).map_or(confirmed_at, |floor| floor.confirmed_at.max(confirmed_at));
        let floor = Floor { seen, confirmed_at, raised: self.order };
        if let Some((dropped, floor)) = self.floors.push(hash, floor).filter(|(dropped, _)| *dropped != hash) {
            tracing::trace!(?dropped, "dropped a floor");
            let confirmed_at = self.watermark.confirmed_at.max(Some(floor.confirmed_at));
            self.watermark = Watermark { confirmed_at, raised: self.watermark.raised.max(floor.raised) };
        }
    }
}

impl Default for Floors {
    fn default() -> Self {
        Self { floors: LruCache::new(FLOORS_MAX), watermark: Watermark::default(), order: Order::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Version;
    use crate::key::Prefix;

    fn key(text: &str) -> Key {
        Key::parse(text, &Prefix::default()).unwrap()
    }

    fn version(etag: &str) -> Seen {
        Seen::Present(Version { etag: etag.into(), last_modified: Timestamp::default() })
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn the_same_version_or_a_surely_newer_one_is_admitted() {
        let mut floors = Floors::default();
        assert!(floors.admits(&key("a"), &version("1"), at(10)));
        floors.raise(&key("a"), version("2"), at(10));
        assert!(floors.admits(&key("a"), &version("2"), at(5)));
        assert!(!floors.admits(&key("a"), &version("1"), at(12)));
        assert!(floors.admits(&key("a"), &version("3"), at(13)));
        assert!(!floors.admits(&key("a"), &Seen::Absent, at(10)));
    }

    #[test]
    fn what_another_read_served_since_overtakes() {
        let mut floors = Floors::default();
        let asked = floors.order();
        floors.raise(&key("a"), version("2"), at(10));
        assert!(floors.overtook(&key("a"), &version("1"), asked));
        assert!(!floors.overtook(&key("a"), &version("2"), asked));
        let asked = floors.order();
        assert!(!floors.overtook(&key("a"), &version("1"), asked));
        assert!(!floors.overtook(&key("b"), &version("1"), asked));
    }

    #[test]
    fn a_dropped_floor_becomes_the_floor_of_every_key_without_one() {
        let mut floors = Floors { floors: LruCache::new(NonZeroUsize::MIN), ..Floors::default() };
        let asked = floors.order();
        floors.raise(&key("a"), version("2"), at(10));
        floors.raise(&key("b"), version("1"), at(1));
        assert!(!floors.admits(&key("a"), &version("1"), at(10)));
        assert!(floors.admits(&key("a"), &version("1"), at(13)));
        assert!(floors.overtook(&key("a"), &version("1"), asked));
    }
}
