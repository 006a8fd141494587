//! What is fetched before anybody asks.

use super::*;
use crate::error::{Error, Unlisted};
use crate::refresh::warm::Warmed;

async fn warm(refresher: &Refresher, instance: &Instance, patterns: Option<&[&str]>, millis: u64) -> Warmed {
    let patterns = patterns.map(|patterns| KeyPatterns::parse(patterns.iter().copied()).unwrap());
    let ask = instance.at(millis);
    refresher.warm(patterns.as_ref(), ask.deadline, || ask.now).await.unwrap()
}

const DONE: Warmed = Warmed { listed: 0, matched: 0, created: 0, refreshed: 0, already: 0, failed: 0, left: 0, listed_all: true };

#[tokio::test]
async fn what_matches_is_fetched_once_and_costs_no_request_afterwards() {
    let world = World::new();
    let (one, refreshing) = (world.instance().await, world.instance().await);
    // The fake record gives two objects a page.
    for name in ["a/1", "a/2", "a/3", "a/x/4", "b/1"] {
        world.record.set(name, "1");
    }
    let refresher = refresher(&refreshing, &["a/*"]);
    let expected = Warmed { listed: 4, matched: 3, created: 3, ..DONE };
    assert_eq!(warm(&refresher, &refreshing, None, 0).await, expected);
    assert_eq!(world.record.asked(), Asked { requests: 3, conditional: 0, bodies: 3 });
    // However old it is: its next reader confirms it.
    let expected = Warmed { listed: 4, matched: 3, already: 3, ..DONE };
    assert_eq!(warm(&refresher, &refreshing, None, 1_000_000).await, expected);
    assert_eq!(warm(&refresher, &refreshing, Some(&["b/1"]), 1).await, Warmed { listed: 1, matched: 1, created: 1, ..DONE });
    assert_eq!(world.record.asked(), Asked { requests: 1, conditional: 0, bodies: 1 });
    assert_told(one.read("a/1", 2).await, DIRECTORY_HIT, "1");
}

/// "A lost event is mended": the listing shows that what is held is another version.
#[tokio::test]
async fn what_changed_without_an_event_is_refreshed_for_all() {
    let world = World::new();
    let (one, refreshing) = (world.instance().await, world.instance().await);
    world.record.set("a", "1");
    one.read("a", 0).await.unwrap();
    world.record.set("a", "2");
    let refresher = refresher(&refreshing, &["**"]);
    assert_eq!(warm(&refresher, &refreshing, None, 3_000).await, Warmed { listed: 1, matched: 1, refreshed: 1, ..DONE });
    assert_told(one.read("a", 3_001).await, DIRECTORY_HIT, "2");
}

#[tokio::test]
async fn without_patterns_nothing_is_listed() {
    let world = World::new();
    let instance = world.instance().await;
    world.record.be(Mood::Down);
    assert_eq!(warm(&refresher(&instance, &[]), &instance, None, 0).await, DONE);
}

#[tokio::test]
async fn a_record_that_cannot_be_listed_is_said() {
    let world = World::new();
    let instance = world.instance().await;
    world.record.be(Mood::Forbidding);
    let ask = instance.at(0);
    let error = refresher(&instance, &["**"]).warm(None, ask.deadline, || ask.now).await.unwrap_err();
    assert!(matches!(error, Error::NotListed { why: Unlisted::Forbidden, .. }), "{error:?}");
}

/// "Stops in time, and says how many were left"; the next call goes on.
#[tokio::test(start_paused = true)]
async fn what_there_is_no_time_for_is_left_for_the_next_call() {
    let world = World::new();
    let instance = world.instance().await;
    for name in ["a", "b", "c"] {
        world.record.set(name, "1");
    }
    let refresher = refresher(&instance, &["**"]);
    let ask = instance.at(0);
    let none = refresher.warm(None, ask.now.monotonic, || ask.now).await.unwrap();
    assert_eq!((none.created, none.left, none.matched), (0, none.matched, none.matched), "{none:?}");
    assert!(none.left > 0);
    assert_eq!(warm(&refresher, &instance, None, 1).await.created, 3);
}
