//! A record that gives no answers costs some reads its time, and not every read.

use std::time::Duration;

use tokio::time::Instant;

use super::fake_record::Mood;
use super::world::*;
use crate::cache::{Ask, Read, RecordHealth, Served};
use crate::error::Result;
use crate::freshness::Timestamp;
use crate::tier::TierName;

const STALE: Served = Served::Stale(TierName::Memory);
const CONFIRMED: Served = Served::Confirmed(TierName::Memory);

/// What three reads have found out is known at this time.
const KNOWN: u64 = 100_000;

/// Instances, one with a shared directory and one without, that hold `a`, and whose record has failed three times since.
async fn instances(mood: Mood) -> (World, [Instance; 2]) {
    let world = World::new();
    for name in ["a", "b", "c", "d"] {
        world.record.set(name, "1");
    }
    let instances = [world.instance().await, world.alone()];
    for one in &instances {
        for name in ["a", "b", "c", "d"] {
            one.read(name, 0).await.unwrap();
        }
    }
    world.record.be(mood);
    for one in &instances {
        for name in ["b", "c", "d"] {
            assert_told(hurried(one, name, KNOWN).await, STALE, "1");
        }
    }
    world.record.asked();
    (world, instances)
}

/// A read that has 20 seconds.
async fn hurried(one: &Instance, key: &str, millis: u64) -> Result<Read> {
    one.reading(key, in_a_hurry(one, millis)).await.unwrap()
}

fn in_a_hurry(one: &Instance, millis: u64) -> Ask {
    let ask = one.at(millis);
    Ask { deadline: ask.now.monotonic + Duration::from_secs(20), ..ask }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_hangs_is_waited_for_by_one_read_at_a_time_and_the_others_have_what_is_stale_at_once() {
    let (world, [one, _]) = instances(Mood::Hanging).await;
    one_at_a_time_waits(&world, &one).await;
}

#[tokio::test(start_paused = true)]
async fn a_record_that_hangs_is_waited_for_by_one_read_at_a_time_without_a_shared_directory_too() {
    let (world, [_, alone]) = instances(Mood::Hanging).await;
    one_at_a_time_waits(&world, &alone).await;
}

async fn one_at_a_time_waits(world: &World, one: &Instance) {
    let began = Instant::now();
    for millis in [1, 2_000, 4_999] {
        for name in ["a", "b", "c", "d"] {
            assert_told(one.read(name, KNOWN + millis).await, STALE, "1");
        }
    }
    assert!(began.elapsed().as_millis() < 100, "{:?}", began.elapsed());
    assert_eq!(world.record.asked().requests, 0);
    let trying = one.reading("a", in_a_hurry(one, KNOWN + 5_000));
    tokio::time::sleep(Duration::from_millis(10)).await;
    let began = Instant::now();
    for name in ["a", "b"] {
        assert_told(one.read(name, KNOWN + 30_000).await, STALE, "1");
    }
    assert!(began.elapsed().as_millis() < 100 && !trying.is_finished(), "{:?}: not for the same key either", began.elapsed());
    assert_eq!(world.record.asked().requests, 1);
    assert_told(trying.await.unwrap(), STALE, "1");
}

/// Promise 4: "A stale version stands in only while the record is unreachable, times out, throttles or fails, or did when it was
/// last asked, less than a minute before"
#[tokio::test]
async fn what_answers_again_is_asked_again_after_five_seconds_or_by_whoever_has_nothing_in_hand() {
    for mood in [Mood::Down, Mood::Throttling] {
        let (world, instances) = instances(mood).await;
        world.record.be(Mood::Well);
        world.record.set("a", "2");
        for one in &instances {
            assert_told(one.read("a", KNOWN + 4_999).await, STALE, "1");
            assert_eq!(world.record.asked().requests, 0);
            assert!(matches!(told(one.read("a", KNOWN + 5_000).await), (Served::Replaced | DIRECTORY_HIT, body) if body == "2"));
            assert_eq!(world.record.asked().requests, 1);
            assert_told(one.read("b", KNOWN + 5_000).await, CONFIRMED, "1");
            world.record.asked();
        }
        let (world, instances) = self::instances(mood).await;
        world.record.be(Mood::Well);
        for one in &instances {
            assert_absent(&one.read("nothing", KNOWN + 1).await);
            assert_told(one.read("b", KNOWN + 1).await, CONFIRMED, "1");
        }
        assert_eq!(world.record.asked().requests, 4);
    }
}

#[tokio::test]
async fn who_has_nothing_in_hand_asks() {
    let (world, instances) = instances(Mood::Down).await;
    for one in &instances {
        assert_unreachable(&one.read("e", KNOWN + 1).await);
        one.evict("b").await;
        assert_unreachable(&one.read("b", KNOWN + 1).await);
        assert_eq!(world.record.asked().requests, 2);
        assert_told(one.read("c", KNOWN + 1).await, STALE, "1");
        assert_eq!(world.record.asked().requests, 0);
    }
}

/// Promise 7: "A read that begins after a doubt in its own instance is answered by what the record says after the doubt."
#[tokio::test]
async fn what_was_doubted_is_asked_about_each_time() {
    let (world, instances) = instances(Mood::Down).await;
    for one in &instances {
        assert_told(one.update("a", KNOWN + 1).await, STALE, "1");
        one.doubt("b").await;
        assert_told(one.read("b", KNOWN + 2).await, STALE, "1");
        assert_told(one.read("b", KNOWN + 3).await, STALE, "1");
        assert_eq!(world.record.asked().requests, 3);
    }
    world.record.be(Mood::Well);
    world.record.set("b", "2");
    assert_told(instances[1].read("b", KNOWN + 4).await, Served::Replaced, "2");
}

/// Promise 1: "After a doubt has returned, no instance answers with the older version [...] without asking the record"
#[tokio::test]
async fn what_another_instance_has_doubted_is_asked_about() {
    let (world, [one, _]) = instances(Mood::Down).await;
    world.instance().await.doubt("a").await;
    assert_told(one.read("a", KNOWN + 1).await, STALE, "1");
    assert_eq!(world.record.asked().requests, 1);
    one.tier.as_ref().unwrap().fail(true);
    assert_unreachable(&one.read("c", KNOWN + 2).await);
    assert_eq!(world.record.asked().requests, 1, "and so is what nobody says anything of");
}

#[tokio::test]
async fn after_a_minute_in_which_nobody_asked_everybody_does() {
    let (world, instances) = instances(Mood::Down).await;
    for one in &instances {
        let (gate, trying) = world.reading_held_back(one, one.at(KNOWN + 59_999)).await;
        assert_told(one.read("b", KNOWN + 59_999).await, STALE, "1");
        world.record.be(Mood::Well);
        assert_told(one.read("b", KNOWN + 60_000).await, CONFIRMED, "1");
        gate.release();
        trying.await.unwrap().unwrap();
        world.record.be(Mood::Down);
    }
}

#[tokio::test]
async fn nothing_stands_in_past_its_time_without_asking_either() {
    let world = World::new();
    for name in ["a", "b", "c", "d"] {
        world.record.set(name, "1");
    }
    const LAST: u64 = 60_000 + 24 * 60 * 60 * 1000;
    let one = world.instance().await;
    one.read("a", 0).await.unwrap();
    world.record.be(Mood::Down);
    for name in ["b", "c", "d"] {
        assert_unreachable(&one.read(name, LAST).await);
    }
    world.record.asked();
    assert_told(one.read("a", LAST).await, STALE, "1");
    assert_eq!(world.record.asked().requests, 0);
    assert_unreachable(&one.read("a", LAST + 1).await);
    assert_eq!(world.record.asked().requests, 1);
}

#[tokio::test]
async fn it_is_told_how_the_record_does() {
    let (world, [one, _]) = instances(Mood::Down).await;
    one.read("a", KNOWN + 1).await.unwrap();
    let health = one.cache.head().await.record_health;
    let open_since_millis = Some(Timestamp::from_millis(WALL_MILLIS + KNOWN));
    assert_eq!(health, RecordHealth { failures: 3, breaker_open: true, open_since_millis, opened: 1, spared: 1 });
    world.record.be(Mood::Well);
    one.read("a", KNOWN + 5_000).await.unwrap();
    let health = one.cache.head().await.record_health;
    assert_eq!(health, RecordHealth { failures: 3, opened: 1, spared: 1, ..RecordHealth::default() });
    // What says no has answered.
    world.record.be(Mood::Forbidding);
    for name in ["b", "c", "d"] {
        one.read(name, KNOWN + 6_000).await.unwrap_err();
    }
    assert_eq!(one.cache.head().await.record_health, health);
}
