//! Values made of bodies: made once, kept by version.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::world::{Instance, World, parsed};
use crate::entry::Version;
use crate::error::{Error, Result};
use crate::tier::memory::{Derived, Weighed};

#[derive(Debug, PartialEq, Eq)]
struct Length(u64);

impl Weighed for Length {
    fn weight_bytes(&self) -> u64 {
        8
    }
}

/// The length of `a`'s body, each making counted.
async fn length(one: &Instance, version: &Version, made: &Arc<AtomicU32>) -> Result<Arc<Derived<Length>>> {
    let made = Arc::clone(made);
    let make = move || Ok(Length(u64::from(made.fetch_add(1, Ordering::SeqCst))));
    one.cache.derive("length", &parsed("a"), version, make).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_value_is_made_once_for_all_who_ask_at_the_same_time() {
    let world = World::new();
    world.record.set("a", "1");
    let one = Arc::new(world.alone());
    let version = one.read("a", 0).await.unwrap().entry.version.clone();
    let made = Arc::default();
    let askers: Vec<_> = (0..100)
        .map(|_| {
            let (one, version, made) = (Arc::clone(&one), version.clone(), Arc::clone(&made));
            tokio::spawn(async move { length(&one, &version, &made).await.unwrap() })
        })
        .collect();
    for asker in askers {
        assert_eq!(**asker.await.unwrap(), Length(0));
    }
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

/// Promise 19: "A doubt after which the record says that nothing has changed moves no body, and drops nothing that was
/// computed from it."
/// Pitfall 8: a refresh drops every dependent result at once. And pitfall 7, as far as there are values made of bodies: they are
/// kept by the version they were made of.
#[tokio::test]
async fn a_value_outlives_a_doubt_that_ends_in_the_same_version_and_no_other() {
    let world = World::new();
    world.record.set("a", "1");
    let one = world.instance().await;
    let made = Arc::default();
    let first = one.read("a", 0).await.unwrap().entry.version.clone();
    assert_eq!(**length(&one, &first, &made).await.unwrap(), Length(0));
    let confirmed = one.update("a", 1).await.unwrap().entry.version.clone();
    assert_eq!(**length(&one, &confirmed, &made).await.unwrap(), Length(0), "the one that was made before");
    world.record.set("a", "2");
    let second = one.update("a", 2).await.unwrap().entry.version.clone();
    assert_eq!(**length(&one, &second, &made).await.unwrap(), Length(1));
}

/// Part 8: "Errors are not kept."
#[tokio::test]
async fn a_making_that_fails_or_panics_is_tried_again() {
    let world = World::new();
    world.record.set("a", "1");
    let one = world.alone();
    let version = one.read("a", 0).await.unwrap().entry.version.clone();
    let key = parsed("a");
    let derive = async |make: fn() -> Result<Length>| {
        let derived = one.cache.derive("length", &key, &version, make).await;
        derived.map(|length| length.0).map_err(|error| error.to_string())
    };
    assert_eq!(
        derive(|| Err(Error::Deadline { key: parsed("a") })).await,
        Err("`a` could not be read in the time there was".into())
    );
    assert_eq!(derive(|| panic!("as it should")).await, Err("function `length` failed".into()));
    assert_eq!(derive(|| Ok(Length(7))).await, Ok(7));
}

/// "Frames being parsed take room too."
#[tokio::test(start_paused = true)]
async fn what_is_made_of_a_body_takes_room_while_it_is_made_and_what_it_weighs_after() {
    let world = World::new();
    world.record.set_long("a", "1", vec![7; 10_000]);
    let one = world.alone();
    let entry = one.read("a", 0).await.unwrap().entry;
    let (key, deadline, budget) = (parsed("a"), one.at(0).deadline, Arc::clone(&one.budget));
    let before = budget.taken_bytes();
    let taken = |kind| {
        let budget = Arc::clone(&budget);
        one.cache.derive_of_body(kind, &key, &entry, deadline, |_| 80_000, move |_| Ok(Length(budget.taken_bytes())))
    };
    let made = taken("first").await.unwrap();
    assert!(made.0 >= before + 80_000, "{} bytes were taken, of which {before} before", made.0);
    let after = budget.taken_bytes();
    assert!(after > before && after < before + 2_000, "{after} bytes are taken, {before} before");
    let others = budget.room(budget.free_bytes() - 70_000).await.unwrap();
    let error = taken("second").await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    drop(others);
}
