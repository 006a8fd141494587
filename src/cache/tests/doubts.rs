//! Doubts and evictions, fills that they overtake, and versions that must not come back.

use super::fake_record::Asked;
use super::world::{MEMORY_HIT, World, assert_told, body};
use crate::cache::Served;
use crate::tier::{Removed, TierName};

/// "After a doubt has returned, no instance serves the old version without confirming for longer than MEMORY_MAX_AGE".
/// Promise 1: "After a doubt has returned, no instance answers with the older version for longer than
/// CACHE_API_MEMORY_MAX_AGE without asking the record, whatever the clocks say."
#[tokio::test]
async fn a_doubt_on_one_instance_is_seen_by_the_other_after_memory_max_age() {
    let (world, one, two) = World::read_by_two().await;
    world.record.set("a", "2");
    one.doubt("a").await;
    assert_told(two.read("a", 999).await, MEMORY_HIT, "1");
    assert_told(two.read("a", 1_000).await, Served::Replaced, "2");
    // Confirmed within 2 s of what it served itself, which is no proof that it is newer: it asks.
    assert_told(one.read("a", 1_000).await, Served::Confirmed(TierName::Directory), "2");
}

#[tokio::test]
async fn a_doubt_is_seen_at_once_by_the_instance_that_raised_it() {
    let world = World::new();
    world.record.set("a", "1");
    for one in [world.instance().await, world.alone()] {
        one.read("a", 0).await.unwrap();
        one.doubt("a").await;
        assert_told(one.read("a", 1).await, Served::Confirmed(TierName::Memory), "1");
        assert_told(one.read("a", 2).await, MEMORY_HIT, "1");
        one.evict("a").await;
    }
}

#[tokio::test]
async fn a_look_that_began_before_a_doubt_is_not_remembered_after_it() {
    let world = World::new();
    world.record.set("a", "1");
    world.record.set("b", "1");
    let one = world.instance().await;
    one.read("a", 0).await.unwrap();
    let gate = one.tier.as_ref().unwrap().hold_back_root_epoch();
    let looking = one.reading("b", one.at(1_000));
    gate.asked().await;
    one.doubt("a").await;
    gate.release();
    looking.await.unwrap().unwrap();
    one.calls();
    one.read("a", 1_000).await.unwrap();
    assert_eq!(one.calls().first(), Some(&"root_epoch"), "the look under way had seen the epoch from before the doubt");
}

#[tokio::test]
async fn an_update_asks_the_record_once_and_answers_the_new_version() {
    let world = World::new();
    for one in [world.instance().await, world.alone()] {
        world.record.set("a", "1");
        one.read("a", 0).await.unwrap();
        world.record.set("a", "2");
        world.record.asked();
        assert_told(one.update("a", 1).await, Served::Replaced, "2");
        assert_eq!(world.record.asked(), Asked { requests: 1, conditional: 1, bodies: 1 });
        assert_told(one.read("a", 2).await, MEMORY_HIT, "2");
        one.evict("a").await;
    }
}

#[tokio::test]
async fn an_absence_is_doubted_too() {
    let world = World::new();
    for one in [world.instance().await, world.alone()] {
        assert!(one.read("a", 0).await.is_err());
        world.record.set("a", "1");
        one.doubt("a").await;
        assert_told(one.read("a", 1).await, Served::Filled, "1");
        world.record.remove("a");
        one.evict("a").await;
    }
}

#[tokio::test]
async fn an_eviction_drops_a_key_from_every_tier_and_says_where_nothing_was_held() {
    let world = World::new();
    world.record.set("a", "1");
    for (one, other) in [(world.instance().await, Some(world.instance().await)), (world.alone(), None)] {
        assert_eq!(one.evict("a").await, Removed::NothingHeld);
        one.read("a", 0).await.unwrap();
        assert_eq!(one.cache.list().await.len(), 1);
        assert_eq!(one.evict("a").await, Removed::Removed);
        assert_eq!(one.cache.list().await, []);
        assert_eq!(one.evict("a").await, Removed::NothingHeld);
        world.record.asked();
        assert_told(one.read("a", 1).await, Served::Filled, "1");
        assert_eq!(world.record.asked(), Asked { requests: 1, conditional: 0, bodies: 1 }, "there was no body to ask about");
        if let Some(other) = other {
            assert_eq!(other.evict("a").await, Removed::Removed, "held in the directory alone");
        }
    }
}

/// "A fill [...] that asked before a doubt or eviction may be handed to its caller [...], but is believed by no read that looks
/// after it. A read that begins after a doubt in its own instance joins no older flight."
/// Promise 10: "A fill that asked the record before a doubt is believed by no read that looks after the doubt."
#[tokio::test]
async fn a_fill_that_asked_before_a_doubt_is_believed_by_no_read_after_it() {
    let world = World::new();
    for one in [world.instance().await, world.alone()] {
        world.record.set("a", "1");
        let (gate, filling) = world.reading_held_back(&one, one.at(0)).await;
        world.record.set("a", "2");
        one.doubt("a").await;
        gate.release();
        let filled = filling.await.unwrap().unwrap();
        assert_eq!((body(&filled).as_str(), filled.stored), ("1", false), "handed over, not kept");
        assert_eq!(body(&one.read("a", 1).await.unwrap()), "2");
        one.evict("a").await;
    }
}

/// Promise 7: "A read that begins after a doubt in its own instance is answered by what the record says after the doubt."
#[tokio::test]
async fn a_read_after_a_doubt_joins_no_older_flight() {
    let world = World::new();
    for one in [world.instance().await, world.alone()] {
        world.record.set("a", "1");
        let (gate, filling) = world.reading_held_back(&one, one.at(0)).await;
        world.record.set("a", "2");
        one.doubt("a").await;
        assert_told(one.read("a", 1).await, Served::Filled, "2");
        gate.release();
        let late = filling.await.unwrap().unwrap();
        assert_eq!(body(&late), "2", "never backwards: another read has served 2 since this one asked");
        assert_eq!(body(&one.read("a", 2).await.unwrap()), "2");
        one.evict("a").await;
    }
}

/// The same where two flights are under way: the newer took the older one's place in the table.
#[tokio::test]
async fn a_doubt_reaches_a_flight_whose_place_was_taken_by_a_newer_one() {
    let world = World::new();
    world.record.set("a", "1");
    let (one, two) = (world.instance().await, world.instance().await);
    let (first_gate, first) = world.reading_held_back(&one, one.at(0)).await;
    two.doubt("a").await;
    let (second_gate, second) = world.reading_held_back(&one, one.at(1)).await;
    world.record.set("a", "2");
    one.doubt("a").await;
    first_gate.release();
    assert_eq!(body(&first.await.unwrap().unwrap()), "1");
    let after = one.reading("a", one.at(2)).await.unwrap().unwrap();
    assert_eq!(body(&after), "2", "the first flight asked before the doubt");
    second_gate.release();
    assert_eq!(body(&second.await.unwrap().unwrap()), "2");
}

#[tokio::test]
async fn a_fill_that_asked_before_an_eviction_leaves_nothing() {
    let world = World::new();
    world.record.set("a", "1");
    for one in [world.instance().await, world.alone()] {
        let (gate, filling) = world.reading_held_back(&one, one.at(0)).await;
        one.evict("a").await;
        gate.release();
        filling.await.unwrap().unwrap();
        assert_eq!(one.cache.list().await, []);
    }
}

/// "An instance that has served a version [...] does not serve an older one afterwards, be it [...] from the directory".
/// Promise 6: "An instance that has served a version of a key serves no older one afterwards."
#[tokio::test]
async fn an_older_state_of_another_instance_is_not_lifted() {
    let world = World::new();
    world.record.set("a", "1");
    let (one, two) = (world.instance().await, world.instance().await);
    one.read("a", 0).await.unwrap();
    world.record.set("a", "2");
    // Two fills 2 while the directory fails for it alone, so that the directory still says 1.
    two.tier.as_ref().unwrap().fail(true);
    assert_told(two.read("a", 100).await, Served::Filled, "2");
    two.tier.as_ref().unwrap().fail(false);
    assert_eq!(body(&two.read("a", 1_100).await.unwrap()), "2");
}
