//! What happens to a key that is said to have changed.

use std::path::PathBuf;
use std::time::Duration;

use super::{Outcome, Refresher};
use crate::cache::Served;
use crate::cache::tests::fake_record::{Asked, Mood};
use crate::cache::tests::world::{DIRECTORY_HIT, Instance, MEMORY_HIT, World, assert_absent, assert_told, parsed};
use crate::key::KeyPatterns;

mod history;
mod warming;

const ASKED_NOTHING: Asked = Asked { requests: 0, conditional: 0, bodies: 0 };

/// A refresher on an instance of its own, as the Refresh function is.
fn refresher(instance: &Instance, keep_warm: &[&str]) -> Refresher {
    let keep_warm = KeyPatterns::parse(keep_warm.iter().copied()).unwrap();
    Refresher::new(instance.cache.clone(), keep_warm)
}

/// Says at `millis` that `keys` have changed, with all the time there is.
async fn changed(refresher: &Refresher, instance: &Instance, keys: &[&str], millis: u64) -> Vec<Outcome> {
    let keys = keys.iter().copied().map(parsed).collect();
    let ask = instance.at(millis);
    refresher.changed(keys, ask.deadline, || ask.now).await.into_values().collect()
}

/// "Confirm: [...] one conditional GET", and no body where nothing has changed.
/// Promise 19: "A doubt after which the record says that nothing has changed moves no body, and drops nothing that was
/// computed from it."
#[tokio::test]
async fn a_key_that_is_held_is_confirmed_by_one_conditional_request() {
    let world = World::new();
    let (one, refreshing) = (world.instance().await, world.instance().await);
    let refresher = refresher(&refreshing, &[]);
    world.record.set("a", "1");
    one.read("a", 0).await.unwrap();
    world.record.asked();
    assert_eq!(changed(&refresher, &refreshing, &["a"], 1).await, [Outcome::Confirmed]);
    assert_eq!(world.record.asked(), Asked { requests: 1, conditional: 1, bodies: 0 }, "it had not changed");
    world.record.set("a", "2");
    assert_eq!(changed(&refresher, &refreshing, &["a"], 2).await, [Outcome::Confirmed]);
    assert_eq!(world.record.asked(), Asked { requests: 1, conditional: 1, bodies: 1 });
}

/// Pitfall 24: one event reaches one instance. The other learns it from the directory by its next look, and asks nobody.
#[tokio::test]
async fn an_event_at_one_instance_changes_the_answers_of_the_other_after_its_next_look() {
    let world = World::new();
    let (one, refreshing) = (world.instance().await, world.instance().await);
    world.record.set("a", "1");
    one.read("a", 0).await.unwrap();
    world.record.set("a", "2");
    changed(&refresher(&refreshing, &[]), &refreshing, &["a"], 3_000).await;
    world.record.asked();
    assert_told(one.read("a", 999).await, MEMORY_HIT, "1");
    assert_told(one.read("a", 3_001).await, DIRECTORY_HIT, "2");
    assert_eq!(world.record.asked(), ASKED_NOTHING, "the confirmation was for all");
}

#[tokio::test]
async fn a_removed_object_is_evicted_for_all() {
    let world = World::new();
    let (one, refreshing) = (world.instance().await, world.instance().await);
    world.record.set("a", "1");
    one.read("a", 0).await.unwrap();
    world.record.remove("a");
    assert_eq!(changed(&refresher(&refreshing, &["**"]), &refreshing, &["a"], 1).await, [Outcome::Confirmed]);
    assert_absent(&one.read("a", 1_000).await);
    assert!(one.cache.list().await.is_empty());
}

/// "A key that nobody holds or is filling leaves nothing behind": not a file, and no epoch moves.
#[tokio::test]
async fn events_for_keys_that_nobody_reads_leave_the_directory_as_it_was() {
    let world = World::new();
    let (one, refreshing) = (world.instance().await, world.instance().await);
    world.record.set("read", "1");
    one.read("read", 0).await.unwrap();
    world.record.asked();
    let before = world.files();
    let keys: Vec<_> = (0..2_000).map(|number| format!("unread/{number}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let outcomes = changed(&refresher(&refreshing, &["read"]), &refreshing, &keys, 1).await;
    assert_eq!(outcomes, [Outcome::NotHeld; 2_000]);
    // A shard's directory stays; there are never more than 256.
    let is_shard = |path: &PathBuf| path.file_name().is_some_and(|name| name.len() == 2);
    let mut left = world.files();
    left.retain(|path, _| before.contains_key(path) || !is_shard(path));
    assert_eq!(left, before);
    assert_eq!(world.record.asked(), ASKED_NOTHING);
}

#[tokio::test]
async fn what_is_to_be_kept_warm_is_fetched_though_nobody_has_read_it() {
    let world = World::new();
    for (one, refreshing) in [(world.instance().await, world.instance().await), (world.alone(), world.alone())] {
        let is_shared = one.tier.is_some();
        let refresher = refresher(&refreshing, &["warm/*"]);
        world.record.set("warm/a", "1");
        world.record.set("cold/a", "1");
        world.record.asked();
        let outcomes = changed(&refresher, &refreshing, &["cold/a", "warm/a", "warm/none"], 0).await;
        assert_eq!(outcomes, [Outcome::NotHeld, Outcome::Created, Outcome::NotHeld]);
        assert_eq!(world.record.asked(), Asked { requests: 2, conditional: 0, bodies: 1 });
        let reader = if is_shared { &one } else { &refreshing };
        assert_told(reader.read("warm/a", 1).await, if is_shared { DIRECTORY_HIT } else { MEMORY_HIT }, "1");
        assert_eq!(changed(&refresher, &refreshing, &["warm/a"], 2).await, [Outcome::Confirmed]);
    }
}

/// What is left of an evicted key for a day, or stands there while somebody fills it, is a token: nothing to confirm.
#[tokio::test]
async fn a_key_that_is_doubted_without_being_held_is_not_fetched() {
    let world = World::new();
    let (one, refreshing) = (world.instance().await, world.instance().await);
    let refresher = refresher(&refreshing, &[]);
    world.record.set("a", "1");
    world.record.set("b", "1");
    one.read("a", 0).await.unwrap();
    one.evict("a").await;
    let gate = world.record.hold_back();
    let filling = one.reading("b", one.at(0));
    gate.asked().await;
    world.record.set("b", "2");
    world.record.asked();
    assert_eq!(changed(&refresher, &refreshing, &["a", "b"], 1).await, [Outcome::NotHeld; 2]);
    assert_eq!(world.record.asked(), ASKED_NOTHING);
    gate.release();
    assert!(!filling.await.unwrap().unwrap().stored, "the fill asked before the doubt");
    assert_told(one.read("b", 1_001).await, Served::Replaced, "2");
}

/// "A doubt that could not be written has failed: the event is delivered again".
#[tokio::test]
async fn a_doubt_that_could_not_be_written_has_failed() {
    let world = World::new();
    let (one, refreshing) = (world.instance().await, world.instance().await);
    let refresher = refresher(&refreshing, &["**"]);
    world.record.set("a", "1");
    one.read("a", 0).await.unwrap();
    world.record.asked();
    refreshing.tier.as_ref().unwrap().fail(true);
    assert_eq!(changed(&refresher, &refreshing, &["a"], 1).await, [Outcome::Failed]);
    assert_eq!(world.record.asked(), ASKED_NOTHING);
    refreshing.tier.as_ref().unwrap().fail(false);
    assert_eq!(changed(&refresher, &refreshing, &["a"], 2).await, [Outcome::Confirmed], "delivered again");
}

#[tokio::test]
async fn a_doubt_that_could_not_be_confirmed_has_not_failed_and_the_next_read_asks() {
    let world = World::new();
    for mood in [Mood::Down, Mood::Throttling] {
        let (one, refreshing) = (world.instance().await, world.instance().await);
        world.record.set("a", "1");
        one.update("a", 0).await.unwrap();
        world.record.set("a", "2");
        world.record.be(mood);
        assert_eq!(changed(&refresher(&refreshing, &[]), &refreshing, &["a"], 3_000).await, [Outcome::Unconfirmed]);
        world.record.be(Mood::Well);
        assert_told(one.read("a", 3_001).await, Served::Replaced, "2");
    }
}

/// Pitfall 28: what there is no time for is left for the next delivery, and said to be.
#[tokio::test]
async fn what_cannot_be_begun_in_time_has_failed() {
    let world = World::new();
    let instance = world.instance().await;
    let refresher = refresher(&instance, &["**"]);
    world.record.set("a", "1");
    let now = instance.at(0).now;
    for left in [Duration::ZERO, Duration::from_millis(900)] {
        let deadline = tokio::time::Instant::now().into_std() + left;
        let outcomes = refresher.changed([parsed("a")].into(), deadline, || now).await;
        assert_eq!(outcomes.into_values().collect::<Vec<_>>(), [Outcome::NotBegun]);
    }
    assert_eq!(instance.calls(), [""; 0]);
    assert_eq!(world.record.asked(), ASKED_NOTHING);
}

/// Pitfall 28, of a record that does not answer: the doubts are written, and the answer comes in time.
#[tokio::test]
async fn a_record_that_does_not_answer_keeps_no_doubt_from_being_written() {
    let world = World::new();
    let (one, refreshing) = (world.instance().await, world.instance().await);
    for key in ["a", "b"] {
        world.record.set(key, "1");
        one.read(key, 0).await.unwrap();
    }
    refreshing.calls();
    let _gate = world.record.hold_back();
    let deadline = tokio::time::Instant::now() + Duration::from_millis(1_300);
    let (keys, now) = ([parsed("a"), parsed("b")], refreshing.at(1).now);
    let outcomes = refresher(&refreshing, &[]).changed(keys.into(), deadline.into_std(), || now).await;
    let outcomes: Vec<_> = outcomes.into_values().collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Unconfirmed).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Confirmed).count(), 1, "{outcomes:?}");
    assert!(tokio::time::Instant::now() < deadline + Duration::from_millis(500), "too late");
    assert_eq!(refreshing.calls()[..2], ["doubted", "doubted"], "all are doubted before the first is confirmed");
}

#[tokio::test]
async fn memory_alone_is_doubted_and_asks_at_its_next_read() {
    let world = World::new();
    let alone = world.alone();
    world.record.set("a", "1");
    alone.read("a", 0).await.unwrap();
    world.record.set("a", "2");
    world.record.asked();
    assert_eq!(changed(&refresher(&alone, &[]), &alone, &["a"], 1).await, [Outcome::NotHeld]);
    assert_eq!(world.record.asked(), ASKED_NOTHING);
    assert_told(alone.read("a", 2).await, Served::Replaced, "2");
}

/// Two Refresh functions at once, told of the same keys: each doubt overtakes the other's confirmation, and nothing is lost by it.
#[tokio::test]
async fn two_refreshers_at_once_on_one_directory_leave_what_the_record_has() {
    let world = World::new();
    let (one, first, second) = (world.instance().await, world.instance().await, world.instance().await);
    let keys: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    for key in &keys {
        world.record.set(key, "1");
        one.read(key, 0).await.unwrap();
        world.record.set(key, "2");
    }
    let (of_first, of_second) = (refresher(&first, &[]), refresher(&second, &["1*"]));
    let both = tokio::join!(changed(&of_first, &first, &keys, 3_000), changed(&of_second, &second, &keys, 3_000));
    for outcome in both.0.into_iter().chain(both.1) {
        assert!(matches!(outcome, Outcome::Confirmed | Outcome::Unconfirmed), "{outcome:?}");
    }
    for key in &keys {
        for instance in [&one, &first, &second] {
            assert_eq!(instance.read(key, 4_000).await.unwrap().entry.body, b"2", "{key}");
        }
    }
}
