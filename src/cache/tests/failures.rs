//! A record that gives no answer, a directory that fails, callers that have no time.

use std::time::Duration;

use tokio::time::timeout;

use super::fake_record::Mood;
use super::world::{DIRECTORY_HIT, MEMORY_HIT, PATIENCE, World, assert_absent, assert_told, assert_unreachable, body};
use crate::cache::{Ask, Served};
use crate::error::Error;
use crate::tier::TierName;

const DAY: u64 = 24 * 60 * 60 * 1000;
const STALE: Served = Served::Stale(TierName::Memory);

/// "Stale-if-error may exceed both, and says so": until LOCAL_MAX_AGE + STALE_IF_ERROR, "then not".
/// Promise 4: "A stale version stands in only while the record is unreachable, times out, throttles or fails, or did when it was
/// last asked, less than a minute before; for CACHE_API_STALE_IF_ERROR at most, and the answer says so."
#[tokio::test]
async fn a_stale_entry_stands_in_for_a_failing_record_until_its_time_is_up() {
    let world = World::new();
    for one in [world.instance().await, world.alone()] {
        world.record.be(Mood::Well);
        world.record.set("a", "1");
        one.read("a", 0).await.unwrap();
        world.record.be(Mood::Down);
        let stale = one.read("a", 60_500).await.unwrap();
        assert_eq!((stale.overdue, stale.ttl), (Duration::from_millis(500), Duration::ZERO));
        assert_told(Ok(stale), STALE, "1");
        world.record.be(Mood::Throttling);
        assert_told(one.read("a", 60_000 + DAY).await, STALE, "1");
        world.record.be(Mood::Down);
        assert_unreachable(&one.read("a", 60_001 + DAY).await);
        one.evict("a").await;
    }
}

#[tokio::test]
async fn a_stale_entry_of_the_directory_stands_in_on_an_instance_that_never_read_it() {
    let world = World::new();
    world.record.set("a", "1");
    let (one, two) = (world.instance().await, world.instance().await);
    one.read("a", 0).await.unwrap();
    world.record.be(Mood::Down);
    assert_told(two.read("a", 60_000).await, Served::Stale(TierName::Directory), "1");
    assert_unreachable(&two.read("b", 60_000).await);
}

#[tokio::test]
async fn a_doubted_entry_stands_in() {
    let world = World::new();
    for one in [world.instance().await, world.alone()] {
        world.record.be(Mood::Well);
        world.record.set("a", "1");
        one.read("a", 0).await.unwrap();
        world.record.be(Mood::Down);
        assert_told(one.update("a", 1).await, STALE, "1");
        assert_told(one.read("a", 2).await, STALE, "1");
        one.evict("a").await;
    }
}

/// "after an eviction it may not"
/// Promise 5: "Nothing stands in for what was evicted"
#[tokio::test]
async fn what_was_evicted_never_stands_in_here_or_elsewhere() {
    let (world, [one, two, alone]) = World::read_by_all().await;
    one.evict("a").await;
    alone.evict("a").await;
    world.record.be(Mood::Down);
    for instance in [&one, &two, &alone] {
        assert_unreachable(&instance.read("a", 1_000).await);
        assert_unreachable(&instance.read("a", 60_000).await);
    }
}

/// Pitfall 17: who froze between its look at the token and its write finishes that when an eviction has long returned.
/// Promise 5: "Nothing stands in for what was evicted"
#[tokio::test]
async fn a_state_that_is_written_late_lets_nothing_stand_in_that_was_evicted() {
    let (world, one, two) = World::read_by_two().await;
    let (path, late) = world.files().into_iter().find(|(path, _)| path.ends_with("state.json")).unwrap();
    one.evict("a").await;
    std::fs::write(&path, &late).unwrap();
    let new = world.instance().await;
    world.record.be(Mood::Down);
    // The second still has the body in memory.
    for instance in [&one, &two, &new] {
        assert_unreachable(&instance.read("a", 1_000).await);
        assert_unreachable(&instance.read("a", 60_000).await);
    }
    // A doubt on top of it is another token, and no better one.
    one.doubt("a").await;
    assert_unreachable(&two.read("a", 61_000).await);
    // The record says what is current: then that counts, and is stored again.
    world.record.be(Mood::Well);
    assert_told(two.read("a", 62_000).await, Served::Confirmed(TierName::Memory), "1");
    assert_told(new.read("a", 62_000).await, Served::Filled, "1");
    assert_told(world.instance().await.read("a", 62_000).await, DIRECTORY_HIT, "1");
}

/// "never for absent or forbidden, which evict at once"
/// Promise 5: "Nothing stands in for [...] forbidden."
#[tokio::test]
async fn what_is_forbidden_is_evicted_at_once() {
    let (world, [one, two, alone]) = World::read_by_all().await;
    world.record.be(Mood::Forbidding);
    for instance in [&one, &alone] {
        let forbidden = instance.read("a", 60_000).await;
        assert!(matches!(forbidden, Err(Error::Forbidden { .. })), "{forbidden:?}");
        assert_eq!(instance.cache.list().await, []);
    }
    world.record.be(Mood::Down);
    for instance in [&one, &two, &alone] {
        assert_unreachable(&instance.read("a", 61_000).await);
    }
}

/// Promise 5: "Nothing stands in for [...] what the record said is absent"
#[tokio::test]
async fn what_was_absent_never_stands_in() {
    let (world, [one, two, alone]) = World::read_by_all().await;
    world.record.remove("a");
    assert_absent(&one.read("a", 60_000).await);
    assert_absent(&alone.read("a", 60_000).await);
    world.record.be(Mood::Down);
    for instance in [&one, &two, &alone] {
        assert_unreachable(&instance.read("a", 66_000).await);
    }
}

/// A doubt comes between a look at the token and the answer that there is no object: what is held is no newer for it.
/// Promise 5: "Nothing stands in for [...] what the record said is absent"
#[tokio::test(start_paused = true)]
async fn what_was_doubted_does_not_stand_in_once_it_was_absent() {
    let (world, one, two) = World::read_by_two().await;
    world.record.remove("a");
    let (gate, absent) = world.reading_held_back(&one, one.at(60_000)).await;
    two.doubt("a").await;
    gate.release();
    assert_absent(&absent.await.unwrap());
    world.record.be(Mood::Down);
    for instance in [&two, &world.instance().await] {
        assert_unreachable(&instance.read("a", 61_000).await);
    }
}

/// "A broken directory tier costs time [...] and never fails a read the record can answer."
/// Promise 14: "A directory that fails costs time, and never fails a read that the record can answer."
#[tokio::test]
async fn a_failing_directory_fails_no_read_that_the_record_can_answer() {
    let world = World::new();
    world.record.set("a", "1");
    let one = world.instance().await;
    let tier = one.tier.as_ref().unwrap();
    tier.fail(true);
    let filled = one.read("a", 0).await.unwrap();
    assert!(!filled.stored, "not where another instance could find it");
    assert_told(Ok(filled), Served::Filled, "1");
    assert_told(one.read("a", 999).await, MEMORY_HIT, "1");
    assert_told(one.read("a", 1_000).await, Served::Confirmed(TierName::Memory), "1");
    assert_absent(&one.read("b", 1_000).await);
    tier.fail(false);
    assert_eq!(body(&one.read("a", 2_000).await.unwrap()), "1");
    assert_eq!(body(&world.instance().await.read("a", 2_000).await.unwrap()), "1");
}

#[tokio::test]
async fn a_directory_that_begins_to_fail_costs_a_confirmation() {
    let (_world, one) = World::read_by_one().await;
    one.tier.as_ref().unwrap().fail(true);
    assert_told(one.read("a", 1_000).await, Served::Confirmed(TierName::Memory), "1");
}

/// "A doubt or eviction that could not be written has failed".
/// Promise 15: "A doubt or an eviction that could not be written has failed"
#[tokio::test]
async fn a_doubt_or_eviction_that_could_not_be_written_has_failed() {
    let (_world, one) = World::read_by_one().await;
    let key = super::world::parsed("a");
    one.tier.as_ref().unwrap().fail(true);
    let doubted = one.cache.doubt(&key).await;
    assert!(matches!(doubted, Err(Error::NotWritten { verb: "doubted", .. })), "{doubted:?}");
    let updated = one.update("a", 1).await;
    assert!(matches!(updated, Err(Error::NotWritten { verb: "doubted", .. })), "{updated:?}");
    for what in ["held in memory", "no longer held in memory"] {
        let evicted = one.cache.evict(&key).await;
        assert!(matches!(evicted, Err(Error::NotWritten { verb: "evicted", .. })), "{what}: {evicted:?}");
    }
}

#[tokio::test]
async fn a_doubt_that_could_not_be_written_still_holds_where_it_was_raised() {
    let (world, one) = World::read_by_one().await;
    world.record.set("a", "2");
    one.tier.as_ref().unwrap().fail(true);
    assert!(one.cache.doubt(&super::world::parsed("a")).await.is_err());
    assert_eq!(body(&one.read("a", 1).await.unwrap()), "2");
}

#[tokio::test(start_paused = true)]
async fn a_joiner_with_more_time_than_the_leader_of_its_flight_gets_its_answer() {
    let world = World::new();
    world.record.set("a", "1");
    let one = world.alone();
    let started = one.at(0);
    let short = Ask { deadline: started.now.monotonic + Duration::from_secs(1), ..started };
    let (_gate, leader) = world.reading_held_back(&one, short).await;
    let joiner = one.reading("a", started);
    let late = leader.await.unwrap();
    assert!(matches!(late, Err(Error::Deadline { .. })), "{late:?}");
    assert_told(joiner.await.unwrap(), Served::Filled, "1");
    assert_eq!(world.record.asked().requests, 2);
}

#[tokio::test(start_paused = true)]
async fn a_joiner_with_less_time_than_the_leader_is_told_so_and_the_flight_goes_on() {
    let world = World::new();
    world.record.set("a", "1");
    let one = world.alone();
    let started = one.at(0);
    let (gate, leader) = world.reading_held_back(&one, started).await;
    let joiner = one.reading("a", Ask { deadline: started.now.monotonic + Duration::from_secs(1), ..started });
    let late = joiner.await.unwrap();
    assert!(matches!(late, Err(Error::Deadline { .. })), "{late:?}");
    gate.release();
    assert_told(leader.await.unwrap(), Served::Filled, "1");
}

/// STALE_IF_ERROR: "while the record is [...] timing out".
#[tokio::test(start_paused = true)]
async fn a_stale_entry_stands_in_for_a_record_that_takes_all_the_time_there_is() {
    let world = World::new();
    world.record.set("a", "1");
    let one = world.alone();
    one.read("a", 0).await.unwrap();
    let ask = one.at(60_000);
    let _gate = world.record.hold_back();
    let deadline = ask.now.monotonic + Duration::from_secs(20);
    assert_told(one.reading("a", Ask { deadline, ..ask }).await.unwrap(), STALE, "1");
}

#[tokio::test]
async fn a_flight_whose_caller_is_gone_reaches_who_comes_later() {
    let world = World::new();
    world.record.set("a", "1");
    let one = world.alone();
    let (gate, gone) = world.reading_held_back(&one, one.at(0)).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    let later = one.reading("a", one.at(1));
    gate.release();
    assert_eq!(body(&later.await.unwrap().unwrap()), "1");
    assert_eq!(world.record.asked().requests, 1);
}

/// Found by the random model: a shared tier that fails hides a doubt, and a record that is slow keeps the flight from before it open.
#[tokio::test]
async fn while_the_tier_fails_nobody_joins_a_flight_that_asked_memory_max_age_before() {
    let (world, one, two) = World::read_by_two().await;
    two.tier.as_ref().unwrap().fail(true);
    let (gate, early) = world.reading_held_back(&two, two.at(70_000)).await;
    world.record.set("a", "2");
    one.doubt("a").await;
    // Who joins the early one, where it should not, waits for the gate.
    let late = timeout(PATIENCE, two.read("a", 71_001)).await.expect("it asks the record itself");
    assert_eq!(body(&late.unwrap()), "2");
    gate.release();
    assert_eq!(body(&early.await.unwrap().unwrap()), "2", "it was overtaken, and looks again");
}
