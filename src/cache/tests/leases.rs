//! One fetch across instances: who waits, for whom, and for how long.

use tokio::time::Instant;

use super::fake_record::Asked;
use super::world::*;
use crate::key::Key;
use crate::tier::{Errand, Lease, Leased, Leases, SharedTier, Token};

/// A world in which somebody who is not there any more has announced `a` and has its lease.
async fn left_by_the_dead() -> (World, Instance, Lease) {
    let world = World::new();
    world.record.set("a", "1");
    let one = world.instance().await;
    let (key, token) = announced(&one).await;
    let Leased::Ours(lease) = one.tier.as_ref().unwrap().take(&key, &token, Errand::Ask).await.unwrap() else {
        panic!("nobody has it")
    };
    (world, one, lease)
}

async fn announced(instance: &Instance) -> (Key, Token) {
    let key = parsed("a");
    let token = instance.tier.as_ref().unwrap().announce(&key).await.unwrap();
    (key, token)
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_another_instance_asks_waits_and_finds_what_it_stored() {
    let world = World::new();
    world.record.set("a", "1");
    let (one, two) = (world.instance().await, world.instance().await);
    let (gate, first) = world.reading_held_back(&one, one.at(0)).await;
    let second = two.reading("a", two.at(0));
    tokio::time::sleep(std::time::Duration::from_secs(9)).await;
    assert!(!second.is_finished(), "the one that asks shows that it is alive, however long that takes");
    gate.release();
    assert_told(first.await.unwrap(), crate::cache::Served::Filled, "1");
    assert_told(second.await.unwrap(), DIRECTORY_HIT, "1");
    assert_eq!(world.record.asked(), Asked { requests: 1, conditional: 0, bodies: 1 });
}

/// Pitfall 17: everybody waits for a dead peer, each time.
/// Promise 16: "A dead or frozen instance is waited for once, and for 2 s."
#[tokio::test(start_paused = true)]
async fn a_dead_holder_costs_two_seconds_and_a_little_once() {
    let (world, one, _lease) = left_by_the_dead().await;
    let began = Instant::now();
    assert_told(one.read("a", 0).await, crate::cache::Served::Filled, "1");
    let waited = began.elapsed().as_millis();
    assert!((2_000..3_000).contains(&waited), "{waited} ms");
    one.doubt("a").await;
    let began = Instant::now();
    one.read("a", 0).await.unwrap();
    assert!(began.elapsed().as_millis() < 100, "its lease was taken over and released");
    drop(world);
}

#[tokio::test(start_paused = true)]
async fn of_many_who_wait_for_a_dead_holder_each_waits_once() {
    let (world, one, _lease) = left_by_the_dead().await;
    let others = [world.instance().await, world.instance().await, world.instance().await];
    let began = Instant::now();
    let readings: Vec<_> = others.iter().chain([&one]).map(|instance| instance.reading("a", instance.at(0))).collect();
    for reading in readings {
        assert_eq!(body(&reading.await.unwrap().unwrap()), "1");
    }
    assert!(began.elapsed().as_millis() < 3_500, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_asks_under_an_older_token_is_not_waited_for() {
    let (world, one, _lease) = left_by_the_dead().await;
    one.doubt("a").await;
    let began = Instant::now();
    one.read("a", 0).await.unwrap();
    assert!(began.elapsed().as_millis() < 100, "{:?}", began.elapsed());
    drop(world);
}

#[tokio::test(start_paused = true)]
async fn an_update_waits_for_nobody() {
    let (world, one) = World::read_by_one().await;
    let two = world.instance().await;
    let (gate, first) = world.reading_held_back(&one, one.at(70_000)).await;
    world.record.set("a", "2");
    assert_eq!(body(&two.update("a", 70_000).await.unwrap()), "2");
    gate.release();
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn when_the_holder_ends_without_a_state_the_others_go_on_together() {
    let world = World::new();
    let (one, two, three) = (world.instance().await, world.instance().await, world.instance().await);
    let (gate, first) = world.reading_held_back(&one, one.at(0)).await;
    let others = [two.reading("a", two.at(0)), three.reading("a", three.at(0))];
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let began = Instant::now();
    gate.release();
    assert_absent(&first.await.unwrap());
    for other in others {
        assert_absent(&other.await.unwrap());
    }
    assert!(began.elapsed().as_millis() < 1_000, "{:?}", began.elapsed());
    assert!(world.files().keys().all(|path| !path.ends_with("lease") && !path.ends_with("doubt")), "nothing is left behind");
}

#[tokio::test(start_paused = true)]
async fn a_wait_leaves_half_of_the_time_to_ask_in() {
    let (world, one, lease) = left_by_the_dead().await;
    let tier = std::sync::Arc::clone(one.tier.as_ref().unwrap());
    // Alive, and never done.
    let holder = tokio::spawn(async move {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            tier.put_lease(&parsed("a"), &Lease::under(lease.token, Errand::Ask)).await.unwrap();
        }
    });
    let now = one.at(0).now;
    let ask = crate::cache::Ask::new(now, now.monotonic + std::time::Duration::from_secs(10));
    let began = Instant::now();
    assert_eq!(body(&one.cache.read(&parsed("a"), ask).await.unwrap()), "1");
    let waited = began.elapsed().as_millis();
    assert!((4_000..6_000).contains(&waited), "{waited} ms");
    holder.abort();
    drop(world);
}

#[tokio::test]
async fn a_directory_that_gives_no_lease_keeps_nobody_from_asking() {
    let world = World::new();
    world.record.set("a", "1");
    let one = world.instance().await;
    let (key, _token) = announced(&one).await;
    let lease = world.files().keys().find(|path| path.ends_with("doubt")).unwrap().with_file_name("lease");
    std::fs::create_dir(lease).unwrap();
    assert_eq!(body(&one.cache.read(&key, one.at(0)).await.unwrap()), "1");
}
