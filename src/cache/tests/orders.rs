//! What comes between two steps of a read: a doubt, an eviction, a file that goes. Each is what an order of steps, or a second look,
//! is for.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::poll;

use super::failing_tier::Whim;
use super::fake_record::{Asked, Gate, Mood};
use super::world::{Instance, Reading, World, body};
use crate::cache::Served;

/// A reading of `a` whose call of the shared tier after so many others is done, and its end told when the gate is released.
async fn reading_held_after(instance: &Instance, calls: usize, millis: u64) -> (Arc<Gate>, Reading) {
    let gate = Arc::<Gate>::default();
    instance.tier.as_ref().unwrap().then(calls, Whim::WaitAfter(Arc::clone(&gate)));
    let reading = instance.reading("a", instance.at(millis));
    gate.asked().await;
    (gate, reading)
}

/// The files of the shared directory whose names end so.
fn files(world: &World, end: &str) -> Vec<PathBuf> {
    world.files().into_keys().filter(|path| path.as_os_str().as_encoded_bytes().ends_with(end.as_bytes())).collect()
}

/// Removes the directories of all keys.
fn take_directories(world: &World) {
    for token in files(world, "/doubt") {
        fs::remove_dir_all(token.parent().unwrap()).unwrap();
    }
}

/// Ablation A2 of the model: the epoch is read before the token, so that a doubt that comes between the two moves what is remembered.
#[tokio::test]
async fn a_doubt_between_the_look_at_the_epoch_and_that_at_the_token_is_seen_after_memory_max_age() {
    let (world, one) = World::read_by_one().await;
    let two = world.instance().await;
    let (gate, reading) = reading_held_after(&two, 2, 100).await;
    assert_eq!(two.calls(), ["root_epoch", "shard_epoch", "look"]);
    world.record.set("a", "2");
    one.doubt("a").await;
    gate.release();
    assert_eq!(body(&reading.await.unwrap().unwrap()), "1", "it looked before the doubt");
    assert_eq!(body(&two.read("a", 1_100).await.unwrap()), "2");
}

/// Ablation A14: the root's epoch is read before the shard's, so that a doubt between the two moves the root once more.
#[tokio::test]
async fn a_doubt_between_the_looks_at_the_two_epochs_is_seen_after_memory_max_age() {
    let (world, one, two) = World::read_by_two().await;
    let (gate, reading) = reading_held_after(&two, 0, 1_100).await;
    world.record.set("a", "2");
    one.doubt("a").await;
    gate.release();
    assert_eq!(body(&reading.await.unwrap().unwrap()), "1", "it looked before the doubt");
    assert_eq!(body(&two.read("a", 2_100).await.unwrap()), "2");
}

/// Run N6 of the model: the key's directory went while it was filled, and a doubt then finds nobody who holds it.
#[tokio::test]
async fn what_could_not_be_stored_is_looked_for_again_though_no_epoch_has_moved() {
    // There is an epoch of the shard, and it does not move.
    let (world, two) = World::read_by_one().await;
    let one = world.instance().await;
    take_directories(&world);
    let (gate, filling) = world.reading_held_back(&one, one.at(0)).await;
    take_directories(&world);
    gate.release();
    assert!(!filling.await.unwrap().unwrap().stored, "there was nowhere to store it");
    world.record.set("a", "2");
    two.doubt("a").await;
    assert_eq!(body(&one.read("a", 1_000).await.unwrap()), "2");
}

/// Promise 6: "An instance that has served a version of a key serves no older one afterwards."
#[tokio::test]
async fn a_body_that_comes_from_the_directory_when_a_newer_one_was_served_is_not_served() {
    let (world, _one) = World::read_by_one().await;
    let two = world.instance().await;
    let (gate, reading) = reading_held_after(&two, 3, 100).await;
    assert_eq!(two.calls(), ["root_epoch", "shard_epoch", "look", "lift"]);
    world.record.set("a", "2");
    two.evict("a").await;
    assert_eq!(body(&two.read("a", 101).await.unwrap()), "2");
    gate.release();
    assert_eq!(body(&reading.await.unwrap().unwrap()), "2");
}

/// The same where a caller of a flight hears of its end only when another read has served a newer version.
#[tokio::test]
async fn who_hears_late_of_the_end_of_a_flight_is_not_served_backwards() {
    let world = World::new();
    let alone = world.alone();
    world.record.set("a", "1");
    let (gate, leading) = world.reading_held_back(&alone, alone.at(0)).await;
    let mut joined = Box::pin(alone.read("a", 0));
    assert!(poll!(&mut joined).is_pending(), "it has joined the flight");
    gate.release();
    assert_eq!(body(&leading.await.unwrap().unwrap()), "1");
    world.record.set("a", "2");
    assert_eq!(body(&alone.update("a", 1).await.unwrap()), "2");
    assert_eq!(body(&joined.await.unwrap()), "2");
}

/// Ablation A10: "unchanged" is of no use to who has no body, and would be the answer for ever.
#[tokio::test]
async fn a_key_whose_body_is_gone_is_asked_for_without_a_condition() {
    let (world, _one) = World::read_by_one().await;
    let bodies = files(&world, ".body");
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    fs::remove_file(&bodies[0]).unwrap();
    let two = world.instance().await;
    world.record.asked();
    for (millis, served) in [(0, Served::Filled), (60_000, Served::Confirmed(crate::tier::TierName::Memory))] {
        let read = two.read("a", millis).await.unwrap();
        assert_eq!((read.served, body(&read).as_str()), (served, "1"));
    }
    assert_eq!(world.record.asked(), Asked { requests: 2, conditional: 1, bodies: 1 });
}

/// Found by the random model: a read that looks at a stale body, and stands in with it for a record that has gone meanwhile, when
/// another read of this instance has served a newer one.
/// Promise 6: "An instance that has served a version of a key serves no older one afterwards."
#[tokio::test]
async fn a_body_that_was_looked_at_before_a_newer_one_was_served_does_not_stand_in() {
    let (world, one) = World::read_by_one().await;
    let two = world.instance().await;
    // Its last call before the record is asked brings the stale body.
    let (gate, reading) = reading_held_after(&two, 5, 61_000).await;
    assert_eq!(two.calls(), ["root_epoch", "shard_epoch", "look", "take", "look", "lift"]);
    world.record.set("a", "2");
    one.update("a", 61_000).await.unwrap();
    assert_eq!(body(&two.read("a", 61_000).await.unwrap()), "2");
    world.record.be(Mood::Down);
    gate.release();
    assert_eq!(body(&reading.await.unwrap().unwrap()), "2");
}

/// Run P15 of the model: a doubt comes between an instance's look at the token and its question. Another asks under the new token,
/// and stores what there is. Then that goes, and the first is told so. Found by the model.
/// Promise 5: "Nothing stands in for [...] what the record said is absent"
#[tokio::test]
async fn what_is_stored_under_a_newer_token_does_not_stand_in_once_somebody_was_told_that_it_is_gone() {
    for is_gone in [true, false] {
        let (world, two) = World::read_by_one().await;
        two.evict("a").await;
        let (one, three) = (world.instance().await, world.instance().await);
        // Its last look before the record is asked is done.
        let (gate, told) = reading_held_after(&one, 4, 0).await;
        assert_eq!(one.calls(), ["root_epoch", "shard_epoch", "look", "take", "look"]);
        assert_eq!(body(&two.update("a", 0).await.unwrap()), "1");
        if is_gone {
            world.record.remove("a");
        } else {
            world.record.be(Mood::Forbidding);
        }
        gate.release();
        let told = told.await.unwrap();
        world.record.be(Mood::Down);
        let stands_in = three.read("a", 61_000).await;
        // Either is right; one told that it is gone and another that it is there is not.
        assert_eq!(told.is_ok(), stands_in.is_ok(), "told {told:?}, and then {stands_in:?}");
    }
}
