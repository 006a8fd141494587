//! One fetch of a large body across instances: who brings it, who waits, for whom, and for how long.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::fake_record::{Gate, Hitch};
use super::large::*;
use super::world::{DIRECTORY_HIT, Instance, World, parsed};
use crate::cache::{Ask, Read, Served};
use crate::entry::{Chunks, Whence};
use crate::error::{Error, Result};
use crate::tier::{Errand, Leased, Leases, SharedTier};

/// A world with two instances that know what `a` is, and have none of its bytes.
async fn two_that_know_it() -> (World, Arc<Instance>, Arc<Instance>) {
    let world = world();
    let (one, two) = (Arc::new(world.instance().await), Arc::new(world.instance().await));
    for instance in [&one, &two] {
        instance.read("a", 0).await.unwrap();
    }
    (world, one, two)
}

/// All of `a` as the first instance brings it, whose last megabyte comes when the gate is released.
async fn brought_slowly(world: &World, one: &Instance) -> (Arc<Gate>, Chunks) {
    let gate = Arc::<Gate>::default();
    world.record.come_with(Hitch::Held(1 << 20, Arc::clone(&gate)));
    let (_, chunks) = open(one, 1, 0..SIZE).await.unwrap();
    gate.asked().await;
    (gate, chunks)
}

/// Opens all of `a` on a task of its own.
fn opening(instance: &Arc<Instance>) -> JoinHandle<Result<(Read, Chunks)>> {
    let instance = Arc::clone(instance);
    tokio::spawn(async move { open(&instance, 1, 0..SIZE).await })
}

/// Has `a` stored, on a task of its own.
fn completing(instance: &Arc<Instance>, ask: Ask) -> JoinHandle<Result<Read>> {
    let instance = Arc::clone(instance);
    tokio::spawn(async move {
        let read = instance.cache.read(&parsed("a"), ask).await?;
        instance.cache.complete(&parsed("a"), read, ask).await
    })
}

fn within(instance: &Instance, left: Duration) -> Ask {
    let ask = instance.at(1);
    Ask { deadline: Instant::now().into_std() + left, ..ask }
}

/// Promise 18: "Whoever reads one missing key at the same time causes one request to the record: in an instance always, across
/// instances while none of them dies": of a large body, one that brings its bytes.
#[tokio::test]
async fn instances_that_are_asked_for_all_of_a_large_body_at_once_fetch_its_bytes_once() {
    let world = world();
    let mut readings = Vec::new();
    for number in 0..6 {
        let instance = Arc::new(world.instance().await);
        readings.push(tokio::spawn(async move {
            if number % 2 == 0 {
                reads_whole(&instance, 0, bytes(1)).await;
            } else {
                let read = instance.read("a", 0).await.unwrap();
                assert!(instance.cache.complete(&parsed("a"), read, instance.at(0)).await.unwrap().stored);
                assert_eq!(reads_whole(&instance, 0, bytes(1)).await, DIRECTORY_HIT);
            }
        }));
    }
    for reading in readings {
        reading.await.unwrap();
    }
    assert_eq!(world.record.opened(), one_part(0..SIZE));
    assert_eq!((bodies(&world).len(), files_named(&world, ".tmp")), (1, vec![]), "and no lease stays");
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_another_instance_brings_it_waits_and_has_it_from_the_shared_tier() {
    let (world, one, two) = two_that_know_it().await;
    let (gate, first) = brought_slowly(&world, &one).await;
    let second = opening(&two);
    sleep(Duration::from_secs(2)).await;
    assert!(!second.is_finished());
    gate.release();
    assert_bytes(gather(first).await, &bytes(1));
    assert_bytes(gather(second.await.unwrap().unwrap().1).await, &bytes(1));
    assert_eq!(world.record.opened(), one_part(0..SIZE));
}

/// A live holder of a large body may take minutes: its first byte is not waited for so long.
#[tokio::test(start_paused = true)]
async fn a_reader_waits_for_a_living_instance_for_seconds_and_then_has_the_bytes_without_storing_them() {
    let (world, one, two) = two_that_know_it().await;
    let (gate, first) = brought_slowly(&world, &one).await;
    let began = Instant::now();
    let readings: Vec<_> = (0..10).map(|_| opening(&two)).collect();
    for reading in readings {
        let (read, chunks) = reading.await.unwrap().unwrap();
        assert!(began.elapsed().as_millis() < 2_600, "together, and not one after the other: {:?}", began.elapsed());
        assert_eq!((read.served, read.stored), (Served::Filled, false));
        assert_bytes(gather(chunks).await, &bytes(1));
    }
    assert_eq!(world.record.opened().len(), 1 + 10);
    let temporaries = files_named(&world, ".tmp");
    assert_eq!(temporaries.len(), 2, "a body and a lease of the first, nothing of the second: {temporaries:?}");
    gate.release();
    assert_bytes(gather(first).await, &bytes(1));
    assert_eq!(reads_whole(&two, 2, bytes(1)).await, DIRECTORY_HIT);
}

#[tokio::test(start_paused = true)]
async fn who_has_little_time_waits_for_half_of_it() {
    let (world, one, two) = two_that_know_it().await;
    let (_gate, _first) = brought_slowly(&world, &one).await;
    let began = Instant::now();
    let read = two.read("a", 1).await.unwrap();
    let part = parts(&read).open(0..SIZE, within(&two, Duration::from_secs(2)).deadline).await.unwrap();
    assert_eq!((part.whence, began.elapsed().as_millis() / 100), (Whence::Record, 10));
}

/// What only wants it stored waits as long as there is time.
#[tokio::test(start_paused = true)]
async fn who_wants_it_stored_waits_for_a_living_instance_until_its_deadline() {
    let (world, one, two) = two_that_know_it().await;
    let (gate, first) = brought_slowly(&world, &one).await;
    let patient = completing(&two, two.at(1));
    let three = Arc::new(world.instance().await);
    let error = completing(&three, within(&three, Duration::from_secs(30))).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
    sleep(Duration::from_secs(90)).await;
    assert!(!patient.is_finished());
    gate.release();
    assert_bytes(gather(first).await, &bytes(1));
    assert!(patient.await.unwrap().unwrap().stored);
    assert_eq!(world.record.opened(), one_part(0..SIZE));
}

/// Pitfall 17: a dead peer's lease is in the way.
/// Promise 16: "A dead or frozen instance is waited for once, and for 2 s."
#[tokio::test(start_paused = true)]
async fn a_dead_or_frozen_instance_that_brought_it_is_waited_for_two_seconds_once() {
    let (world, one, two) = two_that_know_it().await;
    let (tier, key) = (one.tier.as_ref().unwrap(), parsed("a"));
    let token = tier.announce(&key).await.unwrap();
    assert!(matches!(tier.take(&key, &token, Errand::Fill).await.unwrap(), Leased::Ours(_)));
    let began = Instant::now();
    assert_eq!(two.read("a", 61_000).await.unwrap().served, Served::Confirmed(crate::tier::TierName::Memory));
    assert!(began.elapsed().as_millis() < 100, "who asks waits for nobody who fills");
    let readings: Vec<_> = (0..10).map(|_| opening(&two)).collect();
    for reading in readings {
        assert_bytes(gather(reading.await.unwrap().unwrap().1).await, &bytes(1));
    }
    let waited = began.elapsed().as_millis();
    assert!((2_000..2_700).contains(&waited), "{waited} ms");
    assert_eq!(world.record.opened(), one_part(0..SIZE));
    assert_eq!((bodies(&world).len(), files_named(&world, ".tmp")), (1, vec![]), "its lease was taken over and released");
}

/// One that dies while it is waited for is seen to be dead by whoever comes next, however short each has watched it.
#[tokio::test(start_paused = true)]
async fn readers_who_come_one_after_the_other_watch_a_lease_together() {
    let (world, _one, two) = two_that_know_it().await;
    let (tier, key) = (two.tier.as_ref().unwrap(), parsed("a"));
    let token = tier.announce(&key).await.unwrap();
    assert!(matches!(tier.take(&key, &token, Errand::Fill).await.unwrap(), Leased::Ours(_)));
    let began = Instant::now();
    let key = parsed("a");
    for tries in 0.. {
        let read = two.read("a", 1).await.unwrap();
        let part = parts(&read).open(0..SIZE, within(&two, Duration::from_secs(1)).deadline).await.unwrap();
        assert!(tries < 6, "after {:?}", began.elapsed());
        assert_bytes(gather(part.bytes).await, &bytes(1));
        if two.cache.held_version(&key).await.is_some() {
            break;
        }
    }
    assert!(began.elapsed().as_millis() < 2_600, "{:?}", began.elapsed());
    assert_eq!(bodies(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn when_the_readers_of_the_one_that_brings_it_have_gone_another_goes_on() {
    let (world, one, two) = two_that_know_it().await;
    let (_gate, first) = brought_slowly(&world, &one).await;
    let second = opening(&two);
    sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    drop(first);
    let (_, chunks) = second.await.unwrap().unwrap();
    assert!(began.elapsed().as_millis() < 500, "{:?}: its lease is released", began.elapsed());
    assert_bytes(gather(chunks).await, &bytes(1));
    assert_eq!((world.record.opened().len(), bodies(&world).len()), (2, 1));
    until_there_is_no(&world, ".tmp").await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_did_not_come_whole_leaves_its_turn_to_another() {
    let (world, one, two) = two_that_know_it().await;
    world.record.come_with(Hitch::BrokenOff(1 << 20));
    let (_, first) = open(&one, 1, 0..SIZE).await.unwrap();
    assert!(gather(first).await.1.is_some());
    let began = Instant::now();
    reads_whole(&two, 2, bytes(1)).await;
    assert!(began.elapsed().as_millis() < 100, "{:?}", began.elapsed());
    assert_eq!(bodies(&world).len(), 1);
}

/// "A fill that asked before a doubt is believed by no read that looks after the doubt": nor waited for.
#[tokio::test(start_paused = true)]
async fn after_a_doubt_nobody_waits_for_who_brings_it_under_the_token_before() {
    let (world, one, two) = two_that_know_it().await;
    let (gate, first) = brought_slowly(&world, &one).await;
    let waiting = opening(&two);
    sleep(Duration::from_secs(1)).await;
    two.doubt("a").await;
    let began = Instant::now();
    let three = world.instance().await;
    reads_whole(&three, 2, bytes(1)).await;
    assert!(began.elapsed().as_millis() < 100, "{:?}", began.elapsed());
    assert_eq!(bodies(&world).len(), 1);
    // Who waited finds it there, or has it from the record; and what the first brings is not stored.
    assert_bytes(gather(waiting.await.unwrap().unwrap().1).await, &bytes(1));
    gate.release();
    assert_bytes(gather(first).await, &bytes(1));
    assert_eq!(bodies(&world).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_gives_no_lease_keeps_nobody_from_bringing_it() {
    let (world, one, _two) = two_that_know_it().await;
    let token = one.tier.as_ref().unwrap().announce(&parsed("a")).await.unwrap();
    let place = files_named(&world, "doubt").remove(0);
    std::fs::create_dir(place.with_file_name(format!("{token}.tmp"))).unwrap();
    reads_whole(&one, 1, bytes(1)).await;
    assert_eq!(bodies(&world).len(), 1);
}
