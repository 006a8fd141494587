//! Where answers come from, and what they cost.

use std::path::PathBuf;
use std::time::Duration;

use super::fake_record::Asked;
use super::world::{DIRECTORY_HIT, MEMORY_HIT, World, assert_absent, assert_told, told};
use crate::cache::Served;
use crate::error::Error;
use crate::tier::TierName;

const FILLED: Asked = Asked { requests: 1, conditional: 0, bodies: 1 };
const CONFIRMED: Asked = Asked { requests: 1, conditional: 1, bodies: 0 };
const NOTHING: Asked = Asked { requests: 0, conditional: 0, bodies: 0 };

/// Part 5: "A cold read costs one request to the record, a warm one none"; step 1: "Nothing is read."
/// Promise 17: "A warm answer asks the record nothing"
#[tokio::test]
async fn what_was_filled_is_answered_from_memory_without_a_look_at_anything() {
    let world = World::new();
    world.record.set("a", "1");
    let one = world.instance().await;
    let filled = one.read("a", 0).await.unwrap();
    assert_eq!((filled.served, filled.stored, filled.collapsed), (Served::Filled, true, false));
    assert_eq!(world.record.asked(), FILLED);
    one.calls();
    let hit = one.read("a", 999).await.unwrap();
    assert_eq!((hit.age, hit.ttl), (Duration::from_millis(999), Duration::from_millis(59_001)));
    assert_told(Ok(hit), MEMORY_HIT, "1");
    assert_eq!((one.calls(), world.record.asked()), (vec![], NOTHING));
}

/// A door keeps a read's future on the heap: what only a miss goes through would cost every hit a KB more to make room for.
#[tokio::test]
async fn a_read_makes_no_room_for_what_only_a_miss_goes_through() {
    let (_world, one) = World::read_by_one().await;
    let key = super::world::parsed("a");
    let read = one.cache.read(&key, one.at(0));
    let bytes = size_of_val(&read);
    assert!(bytes <= 1024, "{bytes}");
    read.await.unwrap();
}

/// Part 6: "the epoch makes it one look a second".
/// Promise 17: "A warm answer asks the record nothing, and while nothing changes an instance looks at the directory once in
/// CACHE_API_MEMORY_MAX_AGE, however many keys it answers."
#[tokio::test]
async fn after_memory_max_age_one_look_at_the_root_vouches_for_every_key() {
    let world = World::new();
    let one = world.instance().await;
    let keys: Vec<_> = (0..20).map(|number| format!("key-{number}")).collect();
    for key in &keys {
        world.record.set(key, "1");
        one.read(key, 0).await.unwrap();
    }
    // A shard's epoch is made by its first fill, after the look: the first time round each key is looked at.
    for key in &keys {
        assert_told(one.read(key, 1_000).await, MEMORY_HIT, "1");
    }
    one.calls();
    world.record.asked();
    for key in &keys {
        assert_told(one.read(key, 2_000).await, MEMORY_HIT, "1");
    }
    assert_eq!((one.calls(), world.record.asked()), (vec!["root_epoch"], NOTHING));
}

#[tokio::test]
async fn a_second_instance_is_answered_from_the_directory_and_then_from_memory() {
    let world = World::new();
    world.record.set("a", "1");
    let (one, two) = (world.instance().await, world.instance().await);
    one.read("a", 0).await.unwrap();
    assert_told(two.read("a", 10).await, DIRECTORY_HIT, "1");
    assert_told(two.read("a", 20).await, MEMORY_HIT, "1");
    assert_eq!(world.record.asked(), FILLED);
}

/// Part 5: "a confirmation [costs] one that moves no body".
#[tokio::test]
async fn what_is_stale_is_confirmed_by_one_conditional_request() {
    let world = World::new();
    world.record.set("a", "1");
    let (one, two) = (world.instance().await, world.instance().await);
    one.read("a", 0).await.unwrap();
    world.record.asked();
    assert_told(one.read("a", 60_000).await, Served::Confirmed(TierName::Memory), "1");
    assert_eq!(world.record.asked(), CONFIRMED);
    assert_told(one.read("a", 60_100).await, MEMORY_HIT, "1");
    assert_told(two.read("a", 60_200).await, DIRECTORY_HIT, "1");
    assert_eq!(world.record.asked(), NOTHING, "the confirmation reached the directory");
}

#[tokio::test]
async fn what_is_stale_in_the_directory_alone_is_confirmed_too() {
    let world = World::new();
    world.record.set("a", "1");
    let (one, two) = (world.instance().await, world.instance().await);
    one.read("a", 0).await.unwrap();
    world.record.asked();
    assert_told(two.read("a", 60_000).await, Served::Confirmed(TierName::Directory), "1");
    assert_eq!(world.record.asked(), CONFIRMED);
}

#[tokio::test]
async fn what_has_changed_is_replaced_everywhere() {
    let (world, one, two) = World::read_by_two().await;
    world.record.set("a", "2");
    assert_told(one.read("a", 60_000).await, Served::Replaced, "2");
    assert_told(two.read("a", 60_000).await, DIRECTORY_HIT, "2");
}

/// "A remembered absence ends by NEGATIVE_MAX_AGE."
/// Promise 3: "That the record has no such object is remembered for CACHE_API_NEGATIVE_MAX_AGE, and no longer."
#[tokio::test]
async fn an_absence_is_remembered_for_negative_max_age_and_no_longer() {
    let world = World::new();
    let one = world.instance().await;
    let absent = one.read("a", 0).await;
    assert!(matches!(absent, Err(Error::NotFound { remembered_for: None, .. })), "{absent:?}");
    world.record.set("a", "1");
    let absent = one.read("a", 4_999).await;
    let remembered = Some(Duration::from_millis(4_999));
    assert!(matches!(absent, Err(Error::NotFound { remembered_for, .. }) if remembered_for == remembered), "{absent:?}");
    assert_eq!(world.record.asked().requests, 1);
    assert_told(one.read("a", 5_000).await, Served::Filled, "1");
}

#[tokio::test]
async fn what_the_record_no_longer_has_is_absent_for_every_instance() {
    let (world, one, two) = World::read_by_two().await;
    world.record.remove("a");
    assert_absent(&one.update("a", 100).await);
    assert_absent(&two.read("a", 1_000).await);
    assert_eq!(one.cache.list().await, []);
}

/// "Probes of absent keys create no file." But for the epochs of the 256 shards, and neither does it leave a directory of a key.
#[tokio::test]
async fn a_thousand_probes_of_absent_keys_leave_nothing_behind() {
    let world = World::new();
    let one = world.instance().await;
    let before = world.files();
    for probe in 0..1_000 {
        assert_absent(&one.read(&format!("absent/{probe}"), probe).await);
    }
    assert_eq!(world.record.asked().requests, 1_000);
    let is_shard = |path: &PathBuf| path.file_name().is_some_and(|name| name.len() == 2) || path.ends_with("epoch");
    let left: Vec<_> = world.files().into_keys().filter(|path| !before.contains_key(path) && !is_shard(path)).collect();
    assert_eq!(left, Vec::<PathBuf>::new());
}

/// "One fetch. Concurrent readers of a missing key cause one GET in an instance".
/// Promise 18: "Whoever reads one missing key at the same time causes one request to the record: in an instance always"
#[tokio::test]
async fn a_thousand_readers_of_a_missing_key_cause_one_fetch() {
    let world = World::new();
    world.record.set("a", "1");
    let one = world.instance().await;
    let gate = world.record.hold_back();
    let readers: Vec<_> = (0..1000).map(|_| one.reading("a", one.at(0))).collect();
    gate.asked().await;
    gate.release();
    let mut leaders = 0;
    for reader in readers {
        let read = reader.await.unwrap().unwrap();
        leaders += u32::from(read.served == Served::Filled && !read.collapsed);
        told(Ok(read));
    }
    assert_eq!((leaders, world.record.asked()), (1, FILLED));
}

/// "Without a shared tier nothing vouches for memory longer than the policy's `memory_max_age`."
#[tokio::test]
async fn memory_alone_answers_for_memory_max_age_and_then_confirms() {
    let world = World::new();
    world.record.set("a", "1");
    let one = world.alone();
    assert_told(one.read("a", 0).await, Served::Filled, "1");
    assert_told(one.read("a", 999).await, MEMORY_HIT, "1");
    world.record.asked();
    assert_told(one.read("a", 1_000).await, Served::Confirmed(TierName::Memory), "1");
    assert_eq!(world.record.asked(), CONFIRMED);
    assert_told(one.read("a", 1_999).await, MEMORY_HIT, "1");
    world.record.set("a", "2");
    assert_told(one.read("a", 2_000).await, Served::Replaced, "2");
}

/// "Every answer says where it came from": and the counters add up to what was answered.
#[tokio::test]
async fn every_answer_is_counted_once_by_where_it_came_from() {
    let (_world, _one, two) = World::read_by_two().await;
    two.read("a", 1).await.unwrap();
    two.update("a", 2).await.unwrap();
    assert_absent(&two.read("b", 3).await);
    two.evict("a").await;
    let counts = two.cache.head().await.counts;
    assert_eq!((counts.directory_hits, counts.memory_hits, counts.confirmations, counts.absent), (1, 1, 1, 1));
    assert_eq!((counts.hits(), counts.misses(), counts.doubts, counts.evictions), (2, 2, 1, 1));
}
