//! What callers demand of the freshness of their answers, each promise quoted from docs/SEMANTICS.md.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;

use super::fake_record::{Asked, Mood};
use super::world::{
    DIRECTORY_HIT, Instance, MEMORY_HIT, PATIENCE, World, assert_absent, assert_told, assert_unreachable, body, parsed,
};
use crate::cache::{Ask, Read, Served};
use crate::entry::Body;
use crate::error::{Error, Result};
use crate::freshness::{Demand, Keeping, Source};
use crate::tier::TierName;

const NOTHING: Asked = Asked { requests: 0, conditional: 0, bodies: 0 };
const CONFIRMED: Asked = Asked { requests: 1, conditional: 1, bodies: 0 };
const IN_MEMORY: Served = Served::Confirmed(TierName::Memory);

fn no_cache() -> Demand {
    Demand { source: Source::Record, ..Demand::default() }
}

fn no_store() -> Demand {
    Demand { keeping: Keeping::Dropped, ..Demand::default() }
}

fn only_if_cached() -> Demand {
    Demand { source: Source::Tiers, ..Demand::default() }
}

fn max_stale(secs: u32) -> Demand {
    Demand { overdue_secs_max: secs, ..Demand::default() }
}

impl Instance {
    fn demanding(&self, millis: u64, demand: Demand) -> Ask {
        Ask { demand, ..self.at(millis) }
    }

    async fn demand(&self, key: &str, millis: u64, demand: Demand) -> Result<Read> {
        self.cache.read(&parsed(key), self.demanding(millis, demand)).await
    }
}

#[track_caller]
fn assert_not_cached(read: &Result<Read>) {
    assert!(matches!(read, Err(Error::NotCached { .. })), "{read:?}");
}

/// Promise 24: "Whoever asks with `no-cache` is answered by what the record says after the request came, or with an error"
#[tokio::test]
async fn no_cache_joins_nothing_that_is_older_than_itself() {
    let world = World::new();
    for one in [world.instance().await, world.alone()] {
        world.record.set("a", "1");
        let (gate, filling) = world.reading_held_back(&one, one.at(0)).await;
        world.record.set("a", "2");
        // Who joins the reading, where it should not, waits for the gate.
        let told = timeout(PATIENCE, one.demand("a", 1, no_cache())).await.expect("it asks the record itself");
        assert_told(told, Served::Filled, "2");
        gate.release();
        assert_eq!(body(&filling.await.unwrap().unwrap()), "2", "never backwards");
        one.evict("a").await;
    }
}

/// Promise 24: "or with an error: nothing that is held stands in."
#[tokio::test]
async fn nothing_stands_in_for_what_the_record_says_now() {
    let world = World::new();
    for one in [world.instance().await, world.alone()] {
        world.record.be(Mood::Well);
        world.record.set("a", "1");
        one.read("a", 0).await.unwrap();
        world.record.asked();
        assert_told(one.demand("a", 1, no_cache()).await, IN_MEMORY, "1");
        assert_eq!(world.record.asked(), CONFIRMED, "one request that moves no body");
        world.record.be(Mood::Down);
        assert_unreachable(&one.demand("a", 2, no_cache()).await);
        let young = Demand { age_secs_max: Some(0), ..Demand::default() };
        assert_told(one.demand("a", 100, young).await, Served::Stale(TierName::Memory), "1");
        assert_told(one.read("a", 100).await, MEMORY_HIT, "1");
        one.evict("a").await;
    }
}

/// Promise 25: "What is held and is older than a request's `max-age`, or fresh for less than its `min-fresh`, is not answered before
/// the record was asked, unless it stands in for a record that gives no answer."
#[tokio::test]
async fn what_is_too_old_for_its_reader_is_confirmed() {
    let younger = |secs| Demand { age_secs_max: Some(secs), ..Demand::default() };
    let for_another = |secs| Demand { ttl_secs_min: secs, ..Demand::default() };
    let (world, one, two) = World::read_by_two().await;
    world.record.asked();
    for (demand, within, beyond) in [(younger(10), 10_000, 10_001), (for_another(50), 10_000, 10_001)] {
        one.update("a", 0).await.unwrap();
        two.read("a", 0).await.unwrap();
        world.record.asked();
        for instance in [&one, &two] {
            assert_eq!(instance.demand("a", within, demand).await.unwrap().served, MEMORY_HIT, "{demand:?}");
            assert_eq!(world.record.asked(), NOTHING);
        }
        let confirmed = one.demand("a", beyond, demand).await.unwrap();
        assert_eq!((confirmed.served, confirmed.demanded, confirmed.age), (IN_MEMORY, true, Duration::ZERO), "{demand:?}");
        assert_eq!(world.record.asked(), CONFIRMED);
        // Which does for everybody else.
        assert_eq!(two.demand("a", beyond + 2_000, demand).await.unwrap().served, MEMORY_HIT);
        assert_eq!(world.record.asked(), NOTHING);
    }
    // What nothing can be is asked for, and answered as it is.
    let impossible = one.demand("a", 20_000, for_another(61)).await.unwrap();
    assert_eq!((impossible.served, impossible.ttl), (IN_MEMORY, Duration::from_secs(60)));
}

#[tokio::test]
async fn who_demands_more_shares_no_answer_that_is_less() {
    let world = World::new();
    world.record.set("a", "1");
    // Without a directory there is nothing to look at: who asks has joined a flight, or started one, by its first wait.
    let one = world.alone();
    let (gate, first) = world.reading_held_back(&one, one.at(0)).await;
    let young = Demand { age_secs_max: Some(1), ..Demand::default() };
    let joining = one.reading("a", one.demanding(1_000, young));
    tokio::task::yield_now().await;
    let too_late = one.demand("a", 1_001, young).await.unwrap();
    assert_eq!((too_late.served, too_late.collapsed, too_late.age), (Served::Filled, false, Duration::ZERO));
    gate.release();
    assert_eq!(body(&first.await.unwrap().unwrap()), "1");
    let joined = joining.await.unwrap().unwrap();
    assert_eq!((joined.served, joined.collapsed, joined.age), (Served::Filled, true, Duration::from_secs(1)));
}

/// Promise 29: "If the record, asked because a request demands it, has another version than is held, that is a doubt"
#[tokio::test]
async fn what_one_finds_on_demand_all_others_learn() {
    let (world, one, two) = World::read_by_two().await;
    world.record.set("a", "2");
    world.record.asked();
    let replaced = one.demand("a", 10_000, no_cache()).await.unwrap();
    assert_eq!((replaced.demanded, replaced.stored), (true, true));
    assert_told(Ok(replaced), Served::Replaced, "2");
    let asked = Asked { requests: 2, conditional: 2, bodies: 1 };
    assert_eq!(world.record.asked(), asked, "asked once, and confirmed once under the new token");
    assert_told(two.read("a", 11_000).await, DIRECTORY_HIT, "2");
    assert_told(one.read("a", 11_000).await, MEMORY_HIT, "2");
    assert_eq!(world.record.asked(), NOTHING);
    // What is found gone is gone for all.
    world.record.remove("a");
    assert_absent(&one.demand("a", 20_000, no_cache()).await);
    assert_absent(&two.read("a", 21_000).await);
}

/// Promise 26: "What is stale is answered without asking only to whoever sends `max-stale`, for as long as that says, and the answer
/// says so"
#[tokio::test]
async fn who_takes_it_stale_gets_it_stale_for_so_long() {
    let (world, one, two) = World::read_by_two().await;
    world.record.asked();
    for (instance, tier) in [(&one, MEMORY_HIT), (&two, MEMORY_HIT), (&world.instance().await, DIRECTORY_HIT)] {
        let stale = instance.demand("a", 80_000, max_stale(20)).await.unwrap();
        assert_eq!((stale.ttl, stale.overdue), (Duration::ZERO, Duration::from_secs(20)));
        assert_told(Ok(stale), tier, "1");
    }
    assert_eq!(world.record.asked(), NOTHING);
    assert_told(one.demand("a", 80_001, max_stale(20)).await, IN_MEMORY, "1");
    assert_eq!(world.record.asked(), CONFIRMED);
    assert_told(one.demand("a", 10_000_000, max_stale(u32::MAX)).await, MEMORY_HIT, "1");
    assert_told(one.read("a", 10_000_000).await, IN_MEMORY, "1");
}

/// Promise 26: "and never after a doubt."
#[tokio::test]
async fn nobody_gets_stale_what_was_doubted() {
    let (world, [one, two, alone]) = World::read_by_all().await;
    world.record.set("a", "2");
    one.doubt("a").await;
    alone.doubt("a").await;
    for (instance, millis) in [(&one, 100), (&alone, 100), (&two, 1_000)] {
        assert_eq!(body(&instance.demand("a", millis, max_stale(u32::MAX)).await.unwrap()), "2");
    }
    one.evict("a").await;
    world.record.be(Mood::Down);
    for instance in [&one, &two] {
        assert_unreachable(&instance.demand("a", 2_500, max_stale(u32::MAX)).await);
    }
}

/// Promise 27: "An answer to `no-store` leaves nothing of the object behind that was not held before."
#[tokio::test]
async fn what_is_not_to_be_stored_is_nowhere() {
    let world = World::new();
    world.record.set("a", "1");
    for one in [world.instance().await, world.alone()] {
        let before = world.files();
        for _ in 0..2 {
            let read = one.demand("a", 0, no_store()).await.unwrap();
            assert!(!read.stored);
            assert_told(Ok(read), Served::Filled, "1");
        }
        assert_absent(&one.demand("absent", 0, no_store()).await);
        assert_eq!((world.files(), one.cache.list().await), (before, vec![]));
        assert_not_cached(&one.demand("absent", 0, only_if_cached()).await);
    }
}

#[tokio::test]
async fn what_is_held_is_answered_to_who_stores_nothing_and_never_backwards() {
    let world = World::new();
    for one in [world.instance().await, world.alone()] {
        world.record.set("a", "1");
        one.read("a", 0).await.unwrap();
        assert_told(one.demand("a", 1, no_store()).await, MEMORY_HIT, "1");
        world.record.set("a", "2");
        let before = world.files();
        let newer = Demand { source: Source::Record, ..no_store() };
        assert_told(one.demand("a", 2, newer).await, Served::Replaced, "2");
        let after = world.files();
        assert_eq!(after, before, "the directory has 1 still");
        assert_eq!(body(&one.read("a", 3).await.unwrap()), "2", "who has served 2 serves no 1");
        one.evict("a").await;
    }
}

#[tokio::test]
async fn who_would_have_it_stored_does_not_share_what_is_not() {
    let world = World::new();
    world.record.set("a", "1");
    for one in [world.instance().await, world.alone()] {
        let (gate, unkept) = world.reading_held_back(&one, one.demanding(0, no_store())).await;
        let kept = one.read("a", 0).await.unwrap();
        assert_eq!((kept.stored, kept.collapsed), (true, false));
        gate.release();
        assert_told(unkept.await.unwrap(), Served::Filled, "1");
        assert_told(one.read("a", 1).await, MEMORY_HIT, "1");
        one.evict("a").await;
    }
}

#[tokio::test]
async fn of_a_large_body_that_is_not_to_be_stored_nothing_is() {
    let world = World::with_memory(8 << 20);
    let long = vec![7; 3 << 20];
    world.record.set_long("a", "1", long.clone());
    let one = world.instance().await;
    let before = world.files();
    // Once it is not known before, and once it is.
    for is_known in [false, true] {
        if is_known {
            one.read("a", 0).await.unwrap();
        }
        let before = if is_known { world.files() } else { before.clone() };
        let ask = one.demanding(0, no_store());
        let mut read = one.cache.read(&parsed("a"), ask).await.unwrap();
        let Body::Large(parts) = read.entry.body.clone() else { panic!("it is in memory") };
        let mut chunks = one.cache.open(&mut read, &parts, 0..long.len() as u64, ask).await.unwrap();
        let mut gathered = Vec::new();
        while let Some(chunk) = chunks.next().await {
            gathered.extend_from_slice(&chunk.unwrap());
        }
        assert!(gathered == long, "the body");
        assert_eq!(world.files(), before);
    }
}

/// Promise 28: "A request with `only-if-cached` asks the record nothing"
#[tokio::test]
async fn who_asks_the_tiers_alone_asks_nobody_else() {
    let world = World::new();
    world.record.set("a", "1");
    let (one, two) = (world.instance().await, world.instance().await);
    let empty = world.files();
    for instance in [&one, &two, &world.alone()] {
        assert_not_cached(&instance.demand("a", 0, only_if_cached()).await);
    }
    assert_eq!((world.record.asked(), world.files()), (NOTHING, empty), "nothing is left behind");
    one.read("a", 0).await.unwrap();
    world.record.asked();
    assert_told(two.demand("a", 1, only_if_cached()).await, DIRECTORY_HIT, "1");
    for instance in [&one, &two] {
        assert_told(instance.demand("a", 59_999, only_if_cached()).await, MEMORY_HIT, "1");
        assert_not_cached(&instance.demand("a", 60_000, only_if_cached()).await);
        let patient = Demand { overdue_secs_max: 1, ..only_if_cached() };
        assert_told(instance.demand("a", 61_000, patient).await, MEMORY_HIT, "1");
        let nobody = Demand { source: Source::Nobody, ..Demand::default() };
        assert_not_cached(&instance.demand("a", 1, nobody).await);
    }
    two.doubt("a").await;
    assert_not_cached(&two.demand("a", 2, only_if_cached()).await);
    assert_eq!(world.record.asked(), NOTHING);
    // An absence that is remembered is held as well.
    assert_absent(&one.read("absent", 100).await);
    assert_absent(&one.demand("absent", 200, only_if_cached()).await);
    assert_eq!(one.cache.head().await.counts.not_cached, 3);
}

/// What stands in is not kept, and what memory has is older: who takes it stale gets it no more. Found by the random model.
/// Promise 6: "An instance that has served a version of a key serves no older one afterwards."
#[tokio::test]
async fn what_is_older_than_what_stood_in_is_not_answered_to_whoever_takes_it_stale() {
    let (world, one, two) = World::read_by_two().await;
    world.record.set("a", "2");
    assert_eq!(body(&one.read("a", 61_000).await.unwrap()), "2");
    world.record.be(Mood::Throttling);
    assert_eq!(body(&two.read("a", 125_000).await.unwrap()), "2");
    assert_eq!(body(&two.demand("a", 125_000, max_stale(1_000)).await.unwrap()), "2");
}
