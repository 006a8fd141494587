//! Bugs that systems like ours have shipped, as far as they are of the read path and no other test has them.

use super::world::{DIRECTORY_HIT, World, assert_absent, assert_told};
use crate::cache::Served;

/// Pitfall 5: a replacement is not published because the old entry was evicted meanwhile. Here it is not either, for the eviction
/// may have meant it; the next read publishes.
#[tokio::test]
async fn a_replacement_that_an_eviction_overtook_is_published_by_the_next_read() {
    let (world, one, two) = World::read_by_two().await;
    world.record.set("a", "2");
    let (gate, replacing) = world.reading_held_back(&one, one.at(60_000)).await;
    two.evict("a").await;
    gate.release();
    let replaced = replacing.await.unwrap().unwrap();
    assert!(!replaced.stored, "it asked before the eviction");
    assert_told(Ok(replaced), Served::Replaced, "2");
    assert!(one.read("a", 61_000).await.unwrap().stored);
    assert_told(world.instance().await.read("a", 61_000).await, DIRECTORY_HIT, "2");
    assert_told(two.read("a", 61_000).await, DIRECTORY_HIT, "2");
}

/// Pitfall 6: the first tier's version mismatch is taken as final although a deeper tier holds the version asked for.
#[tokio::test]
async fn another_version_in_memory_does_not_hide_the_one_in_the_directory() {
    let (world, one, two) = World::read_by_two().await;
    world.record.set("a", "2");
    // Within two seconds nobody knows which of two versions is the newer, and asking decides it.
    one.update("a", 3_000).await.unwrap();
    world.record.asked();
    assert_told(two.read("a", 4_000).await, DIRECTORY_HIT, "2");
    assert_eq!(world.record.asked().requests, 0, "the directory has it");
}

/// Pitfall 14: a cached negative look-up hides what another instance has just written. What this instance remembers as absent it
/// looks for again when NEGATIVE_MAX_AGE is over, and finds in the directory.
#[tokio::test]
async fn an_absence_that_is_remembered_hides_what_another_has_stored_no_longer_than_it_may() {
    let world = World::new();
    let (one, two) = (world.instance().await, world.instance().await);
    assert_absent(&two.read("a", 0).await);
    world.record.set("a", "1");
    one.read("a", 3_000).await.unwrap();
    assert_absent(&two.read("a", 4_999).await);
    world.record.asked();
    assert_told(two.read("a", 5_000).await, DIRECTORY_HIT, "1");
    assert_eq!(world.record.asked().requests, 0);
}
