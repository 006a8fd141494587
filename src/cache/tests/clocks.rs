//! "Elapsed time is the larger of the monotonic and the wall clock's: the first may stop in a freeze", the second be set back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use super::fake_record::{Asker, Mood};
use super::world::assert_unreachable;
use super::world::{WALL_MILLIS, World, body, parsed};
use crate::freshness::Timestamp;
use crate::tier::SharedTier;

const MINUTE: i64 = 60 * 1000;
const HOUR: i64 = 60 * MINUTE;

/// Reads at 0 s, changes the object, reads by the given clocks.
async fn body_after_a_change(world: &World, one: &super::world::Instance, wall_millis: i64, monotonic_millis: u64) -> String {
    world.record.set("a", "1");
    one.read("a", 0).await.unwrap();
    world.record.set("a", "2");
    let read = one.reading("a", one.by_clocks(wall_millis, monotonic_millis)).await.unwrap().unwrap();
    body(&read)
}

/// "Without doubts never longer than LOCAL_MAX_AGE + MEMORY_MAX_AGE".
/// Promise 2: "Without doubts, no version is answered for longer than CACHE_API_LOCAL_MAX_AGE + CACHE_API_MEMORY_MAX_AGE
/// after the record last said that it is the current one."
#[tokio::test]
async fn a_clock_set_back_by_an_hour_makes_nothing_young() {
    let world = World::new();
    assert_eq!(body_after_a_change(&world, &world.instance().await, 61_000 - HOUR, 61_000).await, "2");
}

#[tokio::test]
async fn a_clock_set_back_by_an_hour_makes_nothing_young_in_memory_alone() {
    let world = World::new();
    assert_eq!(body_after_a_change(&world, &world.alone(), 1_000 - HOUR, 1_000).await, "2");
}

#[tokio::test]
async fn a_monotonic_clock_that_stood_still_makes_nothing_young() {
    let world = World::new();
    assert_eq!(body_after_a_change(&world, &world.instance().await, 61_000, 0).await, "2");
    let world = World::new();
    assert_eq!(body_after_a_change(&world, &world.alone(), 1_000, 0).await, "2");
}

/// "After a doubt has returned, no instance serves the old version [...] for longer than MEMORY_MAX_AGE, whatever the clocks say."
/// Promise 1: "After a doubt has returned, no instance answers with the older version for longer than
/// CACHE_API_MEMORY_MAX_AGE without asking the record, whatever the clocks say."
#[tokio::test]
async fn a_doubt_is_seen_after_memory_max_age_whatever_the_clocks_say() {
    let clocks = [(1_000 - HOUR, 1_000), (1_000 - MINUTE, 1_000), (1_000, 0), (1_000 + MINUTE, 1_000), (1_000 + HOUR, 1_000)];
    for (wall_millis, monotonic_millis) in clocks {
        let (world, one, two) = World::read_by_two().await;
        world.record.set("a", "2");
        one.doubt("a").await;
        let read = two.reading("a", two.by_clocks(wall_millis, monotonic_millis)).await.unwrap().unwrap();
        assert_eq!(body(&read), "2", "wall {wall_millis} ms, monotonic {monotonic_millis} ms");
    }
}

#[tokio::test]
async fn a_clock_set_back_by_an_hour_gives_a_stale_entry_no_more_time() {
    let world = World::new();
    let past = 60_001 + 24 * HOUR;
    for one in [world.instance().await, world.alone()] {
        world.record.be(Mood::Well);
        world.record.set("a", "1");
        one.read("a", 0).await.unwrap();
        world.record.be(Mood::Down);
        let read = one.reading("a", one.by_clocks(past - HOUR, past.unsigned_abs())).await.unwrap();
        assert_unreachable(&read);
        one.evict("a").await;
    }
}

/// "Times are [...] kept in the record's time (our clock corrected by the record's `Date`)", from the first answer on.
#[tokio::test]
async fn an_instance_whose_clock_is_fast_lets_nobody_believe_longer() {
    for ahead in [MINUTE, HOUR] {
        let world = World::new();
        world.record.set("a", "1");
        let (fast, right) = (world.instance().await, world.instance().await);
        world.record.show_clock(Some(-ahead));
        fast.reading("a", fast.by_clocks(ahead, 0)).await.unwrap().unwrap();
        world.record.show_clock(Some(0));
        world.record.set("a", "2");
        assert_eq!(body(&right.read("a", 61_000).await.unwrap()), "2", "{ahead}");
        let later = fast.reading("a", fast.by_clocks(ahead + 62_000, 62_000)).await.unwrap().unwrap();
        assert_eq!(body(&later), "2", "{ahead}");
    }
}

#[tokio::test]
async fn an_instance_whose_clock_is_slow_keeps_what_it_fills() {
    for behind in [MINUTE, HOUR] {
        let world = World::new();
        world.record.set("a", "1");
        let slow = world.instance().await;
        world.record.show_clock(Some(behind));
        slow.reading("a", slow.by_clocks(-behind, 0)).await.unwrap().unwrap();
        let hit = slow.reading("a", slow.by_clocks(10 - behind, 10)).await.unwrap().unwrap();
        assert_eq!((body(&hit).as_str(), hit.served), ("1", super::world::MEMORY_HIT), "{behind}");
    }
}

/// A wall clock that somebody sets, beside a record whose time stands still.
#[derive(Default)]
struct SetClock {
    ahead_millis: AtomicI64,
}

impl Asker for SetClock {
    fn clocks(&self) -> (Timestamp, Timestamp) {
        let wall_millis = WALL_MILLIS.checked_add_signed(self.ahead_millis.load(SeqCst)).unwrap();
        (Timestamp::from_millis(WALL_MILLIS), Timestamp::from_millis(wall_millis))
    }

    fn learns(&self, _date: Timestamp, _asked: Timestamp) {}
}

/// A read begins when its clock shows the one, asks the record when it shows the next, and has the answer when it shows the last.
/// Found by the random model.
#[tokio::test]
async fn a_clock_that_is_set_back_amid_a_fill_lets_nobody_believe_longer() {
    for [begun, asked, answered] in [[0, -30_000, -30_000], [30_000, 0, 0], [0, 0, -30_000], [0, -30_000, 0]] {
        let world = World::new();
        world.record.set("a", "1");
        let clock = Arc::new(SetClock { ahead_millis: AtomicI64::new(asked) });
        let record = world.record.as_seen_by(Arc::clone(&clock) as _);
        let set = world.instance_asking(record).await;
        let gate = world.record.hold_back();
        let read = set.reading("a", set.by_clocks(begun, 0));
        gate.asked().await;
        clock.ahead_millis.store(answered, SeqCst);
        gate.release();
        assert_eq!(body(&read.await.unwrap().unwrap()), "1");
        world.record.set("a", "2");
        let right = world.instance().await;
        assert_eq!(body(&right.read("a", 61_000).await.unwrap()), "2", "{begun}, {asked}, {answered}");
    }
}

/// A clock that was 30 s behind is put right between the beginning of a read and its request. Another instance, which froze, asked
/// in between, before the object changed; it writes what it was told when it wakes.
/// Promise 6: "An instance that has served a version of a key serves no older one afterwards."
#[tokio::test]
async fn a_clock_that_is_put_right_amid_a_fill_lets_in_nothing_older() {
    let world = World::new();
    world.record.set("a", "1");
    let record = world.record.as_seen_by(Arc::<SetClock>::default() as _);
    let set = world.instance_asking(record).await;
    let frozen = world.instance().await;
    let older = world.alone().read("a", 0).await.unwrap().entry;
    world.record.set("a", "2");
    assert_eq!(body(&set.reading("a", set.by_clocks(-30_000, 0)).await.unwrap().unwrap()), "2");
    let asked_at = Timestamp::from_millis(WALL_MILLIS - 20_000);
    let token = set.cache.memory.held(&parsed("a")).and_then(|held| held.token).unwrap();
    frozen.tier.as_ref().unwrap().store(&parsed("a"), &token, &older, asked_at).await.unwrap();
    // What memory has is stale by now, and that is not.
    let later = set.reading("a", set.by_clocks(31_000, 31_000)).await.unwrap().unwrap();
    assert_eq!(body(&later), "2");
}
