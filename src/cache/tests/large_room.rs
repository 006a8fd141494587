//! The memory that large bodies take on their way, and those that are shorter than the record said.

use super::fake_record::Hitch;
use super::large::*;
use super::world::{DIRECTORY_HIT, World, parsed};
use crate::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// "What does not fit waits, then gets 503."
/// Promise 21: "The bytes of bodies that are alive in a process, on their way in and out included, stay within
/// CACHE_API_MEMORY_BUDGET; what does not fit in time is answered 503 with Retry-After."
#[tokio::test(start_paused = true)]
async fn bodies_take_their_room_before_they_are_read_and_wait_for_it() {
    let world = world();
    let alone = world.alone();
    alone.read("a", 0).await.unwrap();
    let taken = alone.budget.room(BUDGET - (1 << 20)).await.unwrap();
    let entry = alone.read("a", 1).await.unwrap().entry;
    let deadline = alone.at(1).deadline;
    let key = parsed("a");
    let length = || alone.cache.derive_of_body("length", &key, &entry, deadline, |_| 0, |body| Ok(Length(body.len())));
    let error = length().await.err().unwrap();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    drop(taken);
    assert_eq!(length().await.unwrap().0, SIZE as usize);
}

/// What is not large is lifted whole: once for all who want it, and into its room.
#[tokio::test(start_paused = true)]
async fn a_body_from_the_shared_tier_takes_its_room_once_for_all_its_readers() {
    let world = world();
    world.record.set_long("b", "1", vec![7; 500_000]);
    world.instance().await.read("b", 0).await.unwrap();
    let one = Arc::new(world.instance().await);
    let readings: Vec<_> = (0..50).map(|_| one.reading("b", one.at(1))).collect();
    for reading in readings {
        assert_eq!(reading.await.unwrap().unwrap().entry.body, vec![7; 500_000]);
    }
    let lifts = one.calls().iter().filter(|call| **call == "lift").count();
    assert!((1..=2).contains(&lifts), "{lifts}; who looks into memory just before it is there may read it once more");
    assert_eq!(one.cache.head().await.memory_in_flight_bytes, 0);
    assert!((500_000..510_000).contains(&one.budget.taken_bytes()), "{} bytes", one.budget.taken_bytes());
    let other = world.instance().await;
    let taken = other.budget.room(BUDGET - 400_000).await.unwrap();
    let error = other.read("b", 2).await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    drop(taken);
    assert_eq!(other.read("b", 3).await.unwrap().served, DIRECTORY_HIT);
}

#[tokio::test]
async fn what_is_more_than_half_of_the_memory_is_computed_on_by_nobody() {
    let world = World::with_memory(2 * SIZE - 64);
    world.record.set_long("a", "1", bytes(1));
    let alone = world.alone();
    let entry = alone.read("a", 0).await.unwrap().entry;
    let key = parsed("a");
    let made = alone.cache.derive_of_body("length", &key, &entry, alone.at(0).deadline, |_| 0, |body| Ok(Length(body.len())));
    let error = made.await.err().unwrap();
    assert!(matches!(error, Error::TooLarge { size: SIZE, .. }), "{error}");
}

#[derive(Debug)]
struct Length(usize);

impl crate::tier::memory::Weighed for Length {
    fn weight_bytes(&self) -> u64 {
        8
    }
}

/// Promise 21: "what does not fit in time is answered 503 with Retry-After."
#[tokio::test(start_paused = true)]
async fn a_reader_whose_blocks_find_no_room_is_told_so() {
    let world = world();
    let one = world.instance().await;
    one.read("a", 0).await.unwrap();
    let taken = one.budget.room(BUDGET - 100_000).await.unwrap();
    let error = open(&one, 1, 0..SIZE).await.err().unwrap();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    drop(taken);
    reads_whole(&one, 2, bytes(1)).await;
}

/// A record that says how long an object is, and gives less of it without an error.
/// Promise 23: "An answer that turns out damaged or short while it is sent breaks off: no client takes it for a whole one."
#[tokio::test]
async fn a_body_that_is_shorter_than_was_told_breaks_off() {
    let world = world();
    for one in [world.alone(), world.instance().await] {
        world.record.come_with(Hitch::EndsAt(1 << 20));
        let (gathered, error) = gather(open(&one, 0, 0..SIZE).await.unwrap().1).await;
        assert!(gathered.len() <= 1 << 20 && bytes(1).starts_with(&gathered), "{} bytes", gathered.len());
        assert!(matches!(error, Some(Error::Corrupted { .. })), "{error:?}");
        assert_eq!(bodies(&world), [] as [PathBuf; 0]);
        let (key, entry) = (parsed("a"), one.read("a", 1).await.unwrap().entry);
        world.record.come_with(Hitch::EndsAt(1 << 20));
        let made = one.cache.derive_of_body("length", &key, &entry, one.at(1).deadline, |_| 0, |body| Ok(Length(body.len())));
        assert!(matches!(made.await, Err(Error::Corrupted { .. })), "nobody computes on a part");
    }
}
