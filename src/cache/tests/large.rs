//! Bodies that are too large for memory.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use futures_util::{FutureExt, StreamExt};

use super::fake_record::{Gate, Hitch, Mood};
use super::world::{DIRECTORY_HIT, Instance, MEMORY_HIT, World, parsed};
use crate::cache::{Read, Served};
use crate::entry::{Body, Chunks, Parts};
use crate::error::{Error, Result};
use crate::tier::Doubted;

/// The memory of an instance: what has more than 1 MiB is large.
pub const BUDGET: u64 = 8 << 20;

/// Two blocks and a bit.
pub const SIZE: u64 = (2 << 20) + 7_000;

pub fn bytes(seed: usize) -> Vec<u8> {
    static BYTES: [OnceLock<Vec<u8>>; 3] = [const { OnceLock::new() }; 3];
    let made = || (0..SIZE as usize).map(|at| ((at * (31 + seed) + at / 999) % 251) as u8).collect();
    BYTES[seed - 1].get_or_init(made).clone()
}

/// A world whose record has the large `a`.
pub fn world() -> World {
    let world = World::with_memory(BUDGET);
    world.record.set_long("a", "1", bytes(1));
    world
}

pub fn parts(read: &Read) -> Arc<dyn Parts> {
    match &read.entry.body {
        Body::Large(parts) => Arc::clone(parts),
        Body::Whole(_) => panic!("it is in memory"),
    }
}

/// Reads the head of `a`, and opens a part of it.
pub async fn open(one: &Instance, millis: u64, range: std::ops::Range<u64>) -> Result<(Read, Chunks)> {
    let mut read = one.read("a", millis).await?;
    let parts = parts(&read);
    let chunks = one.cache.open(&mut read, &parts, range, one.at(millis)).await?;
    Ok((read, chunks))
}

pub async fn gather(mut chunks: Chunks) -> (Vec<u8>, Option<Error>) {
    let mut gathered = Vec::new();
    while let Some(chunk) = chunks.next().await {
        match chunk {
            Ok(chunk) => gathered.extend_from_slice(&chunk),
            Err(error) => return (gathered, Some(error)),
        }
    }
    (gathered, None)
}

#[track_caller]
pub fn assert_bytes((gathered, error): (Vec<u8>, Option<Error>), expected: &[u8]) {
    assert!(error.is_none(), "{error:?}");
    assert!(gathered == expected, "{} bytes, not the {} that were meant", gathered.len(), expected.len());
}

/// What was opened, if that was one part.
pub fn one_part(part: Range<u64>) -> Vec<Range<u64>> {
    std::iter::once(part).collect()
}

/// Reads all of `a`, and answers where it came from.
pub async fn reads_whole(one: &Instance, millis: u64, expected: Vec<u8>) -> Served {
    let (read, chunks) = open(one, millis, 0..SIZE).await.unwrap();
    assert_bytes(gather(chunks).await, &expected);
    read.served
}

/// The bodies that are held, those in the trash not counted.
pub fn bodies(world: &World) -> Vec<PathBuf> {
    files_named(world, ".body").into_iter().filter(|path| !path.to_str().unwrap().contains("/trash/")).collect()
}

pub fn files_named(world: &World, end: &str) -> Vec<PathBuf> {
    world.files().into_keys().filter(|path| path.to_str().unwrap().ends_with(end)).collect()
}

/// What was removed goes on a thread of its own.
pub async fn until_there_is_no(world: &World, end: &str) {
    for _ in 0..200 {
        if files_named(world, end).is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("there still is {:?}", files_named(world, end));
}

/// "The first byte before the last is fetched", and one GET for all who read it meanwhile.
#[tokio::test]
async fn all_readers_of_a_large_body_share_one_fill_and_have_its_beginning_before_its_end_is_there() {
    let world = world();
    let one = world.instance().await;
    let gate = Arc::<Gate>::default();
    world.record.come_with(Hitch::Held(2 << 20, Arc::clone(&gate)));
    let (first, mut bytes_of_first) = open(&one, 0, 0..SIZE).await.unwrap();
    let beginning = bytes_of_first.next().await.unwrap().unwrap();
    assert!(!beginning.is_empty());
    gate.asked().await;
    let (second, bytes_of_second) = open(&one, 1, 0..SIZE).await.unwrap();
    let (near, bytes_of_near) = open(&one, 2, SIZE - 10..SIZE).await.unwrap();
    assert_eq!(
        [&first, &second, &near].map(|read| (read.served, read.collapsed, read.stored)),
        [(Served::Filled, false, false), (Served::Filled, true, false), (Served::Filled, true, false)]
    );
    gate.release();
    let (mut rest, error) = gather(bytes_of_first).await;
    rest.splice(0..0, beginning);
    assert_bytes((rest, error), &bytes(1));
    assert_bytes(gather(bytes_of_second).await, &bytes(1));
    assert_bytes(gather(bytes_of_near).await, &bytes(1)[SIZE as usize - 10..]);
    assert_eq!(world.record.opened(), one_part(0..SIZE));
    assert_eq!(world.record.asked().requests, 1);
    // And from then on nobody asks the record.
    assert_eq!(reads_whole(&one, 3, bytes(1)).await, DIRECTORY_HIT);
    assert_eq!(reads_whole(&world.instance().await, 4, bytes(1)).await, DIRECTORY_HIT);
    assert_eq!((world.record.opened(), world.record.asked().requests), (vec![], 0));
    until_there_is_no(&world, ".tmp").await;
    assert_eq!(one.budget.taken_bytes(), one.cache.head().await.memory_bytes, "no room stays taken for what was read");
}

#[tokio::test]
async fn who_keeps_pace_with_a_large_body_has_it_from_memory_and_who_does_not_from_the_file() {
    let world = world();
    let one = world.instance().await;
    let gate = Arc::<Gate>::default();
    world.record.come_with(Hitch::Held(300_000, Arc::clone(&gate)));
    let (_, mut keeping_pace) = open(&one, 0, 0..SIZE).await.unwrap();
    let (_, lagging) = open(&one, 0, 0..SIZE).await.unwrap();
    let mut come = Vec::new();
    while come.len() < 300_000 {
        come.extend_from_slice(&keeping_pace.next().await.unwrap().unwrap());
    }
    let read_back = || one.calls().into_iter().filter(|call| *call == "read_back").count();
    assert_eq!(read_back(), 0);
    gate.release();
    let (rest, error) = gather(keeping_pace).await;
    come.extend(rest);
    assert_bytes((come, error), &bytes(1));
    read_back();
    assert_bytes(gather(lagging).await, &bytes(1));
    assert_eq!(read_back(), 9, "pieces of 256 KiB");
}

/// "Whoever reads a body that then fails its checksum is cut off, and nothing is published."
/// Promise 23: "An answer that turns out damaged or short while it is sent breaks off: no client takes it for a whole one."
#[tokio::test]
async fn a_body_that_fails_its_checksum_is_cut_off_and_not_published() {
    let world = world();
    for (one, stores) in [(world.instance().await, true), (world.alone(), false)] {
        world.record.come_with(Hitch::Damaged(12));
        let (_, chunks) = open(&one, 0, 0..SIZE).await.unwrap();
        let near = if stores { Some(open(&one, 0, SIZE - 1..SIZE).await.unwrap().1) } else { None };
        let (gathered, error) = gather(chunks).await;
        assert!(matches!(error, Some(Error::Corrupted { .. })), "{error:?}");
        assert!((gathered.len() as u64) < SIZE, "never all of it");
        if let Some(near) = near {
            assert!(matches!(gather(near).await, (nothing, Some(Error::Corrupted { .. })) if nothing.is_empty()));
        }
        assert_eq!(bodies(&world), [] as [PathBuf; 0]);
        until_there_is_no(&world, ".tmp").await;
        assert_eq!(reads_whole(&one, 1, bytes(1)).await, Served::Filled, "the next reader has it from the record");
        assert_eq!(bodies(&world).len(), usize::from(stores));
        world.instance().await.evict("a").await;
    }
}

/// The same where all has come and its end has not: whoever had every byte would take it for whole.
#[tokio::test]
async fn the_last_byte_of_a_body_waits_for_the_verdict_on_all_of_it() {
    let world = world();
    let one = world.instance().await;
    let gate = Arc::<Gate>::default();
    world.record.come_with(Hitch::Held(SIZE, Arc::clone(&gate)));
    let (_, mut chunks) = open(&one, 0, 0..SIZE).await.unwrap();
    let mut come = Vec::new();
    while (come.len() as u64) < SIZE - 1 {
        come.extend_from_slice(&chunks.next().await.unwrap().unwrap());
    }
    assert_eq!(come.len() as u64, SIZE - 1);
    gate.release();
    let (rest, error) = gather(chunks).await;
    come.extend(rest);
    assert_bytes((come, error), &bytes(1));
}

#[tokio::test]
async fn a_body_that_breaks_off_breaks_off_for_its_readers_and_is_not_published() {
    let world = world();
    let one = world.instance().await;
    world.record.come_with(Hitch::BrokenOff(1 << 20));
    let (_, chunks) = open(&one, 0, 0..SIZE).await.unwrap();
    let (gathered, error) = gather(chunks).await;
    assert!(matches!(error, Some(Error::Unreachable { .. })), "{error:?}");
    assert_eq!(gathered, bytes(1)[..gathered.len()]);
    assert_eq!(bodies(&world), [] as [PathBuf; 0]);
    until_there_is_no(&world, ".tmp").await;
}

/// "A small range of a large object that is not cached is fetched as that range, pinned to its version, and does not fill."
/// Promise 22: "A part of an object that is too large for memory and is not held is fetched as that part, and fills nothing."
#[tokio::test]
async fn a_part_of_what_is_not_stored_is_fetched_as_that_part_and_fills_nothing() {
    let world = world();
    let one = world.instance().await;
    let (read, chunks) = open(&one, 0, 5..12).await.unwrap();
    assert_bytes(gather(chunks).await, &bytes(1)[5..12]);
    assert_eq!((read.served, read.stored), (Served::Filled, false));
    assert_eq!(world.record.opened(), one_part(5..12));
    assert_eq!(bodies(&world), [] as [PathBuf; 0]);
    // The head is known: the next part costs one request and no confirmation.
    let (read, chunks) = open(&one, 10, 7..9).await.unwrap();
    assert_bytes(gather(chunks).await, &bytes(1)[7..9]);
    assert_eq!((read.served, world.record.asked().requests, world.record.opened().len()), (Served::Filled, 1, 1));
}

/// "No wrong byte is ever served": a body that was changed on disk is given from the record, from the damage on.
#[tokio::test]
async fn damage_in_a_stored_body_is_never_served() {
    for damaged_at in [3, (1 << 20) + 3, SIZE as usize - 1] {
        let world = world();
        let one = world.instance().await;
        reads_whole(&one, 0, bytes(1)).await;
        world.record.opened();
        let body = bodies(&world).remove(0);
        let mut damaged = bytes(1);
        damaged[damaged_at] ^= 1;
        fs::remove_file(&body).unwrap();
        fs::write(&body, damaged).unwrap();
        let at = damaged_at as u64;
        let (_, chunks) = open(&one, 1, at..at + 1).await.unwrap();
        assert_bytes(gather(chunks).await, &bytes(1)[damaged_at..=damaged_at]);
        assert_eq!(world.record.opened(), one_part(at..at + 1));
        let elsewhere = if at < 1 << 20 { SIZE - 9 } else { 2 };
        let (read, chunks) = open(&one, 1, elsewhere..elsewhere + 1).await.unwrap();
        assert_eq!(read.served, DIRECTORY_HIT, "other blocks are whole");
        assert_bytes(gather(chunks).await, &bytes(1)[elsewhere as usize..=elsewhere as usize]);
        reads_whole(&one, 2, bytes(1)).await;
        assert!(!world.record.opened().is_empty());
    }
}

#[tokio::test]
async fn a_body_that_went_is_read_from_the_record_and_stored_again() {
    let world = world();
    let one = world.instance().await;
    reads_whole(&one, 0, bytes(1)).await;
    fs::remove_file(bodies(&world).remove(0)).unwrap();
    assert_eq!(reads_whole(&one, 1, bytes(1)).await, Served::Filled);
    assert_eq!(reads_whole(&one, 2, bytes(1)).await, DIRECTORY_HIT);
    // And by who has never seen it, where it is said to be there.
    fs::remove_file(bodies(&world).remove(0)).unwrap();
    let other = world.instance().await;
    let read = other.read("a", 3).await.unwrap();
    assert!(other.cache.complete(&parsed("a"), read, other.at(3)).await.unwrap().stored);
    assert_eq!(bodies(&world).len(), 1);
}

#[tokio::test]
async fn a_body_that_is_evicted_while_it_is_read_is_read_to_its_end() {
    let world = world();
    let one = world.instance().await;
    reads_whole(&one, 0, bytes(1)).await;
    world.record.opened();
    let (_, chunks) = open(&one, 1, 0..SIZE).await.unwrap();
    one.evict("a").await;
    assert_bytes(gather(chunks).await, &bytes(1));
    assert_eq!(world.record.opened(), [] as [std::ops::Range<u64>; 0]);
    let gate = Arc::<Gate>::default();
    world.record.come_with(Hitch::Held(1 << 20, Arc::clone(&gate)));
    let (_, chunks) = open(&one, 2, 0..SIZE).await.unwrap();
    gate.asked().await;
    one.evict("a").await;
    gate.release();
    assert_bytes(gather(chunks).await, &bytes(1));
    assert_eq!(bodies(&world), [] as [PathBuf; 0], "an eviction meanwhile: it is not stored");
}

/// "A fill that asked before a doubt may be handed to its caller, and is believed by no read that looks after the doubt."
#[tokio::test]
async fn a_fill_that_is_doubted_meanwhile_is_read_to_its_end_and_not_stored() {
    let world = world();
    let one = world.instance().await;
    let gate = Arc::<Gate>::default();
    world.record.come_with(Hitch::Held(1 << 20, Arc::clone(&gate)));
    let (_, chunks) = open(&one, 0, 0..SIZE).await.unwrap();
    gate.asked().await;
    assert_eq!(one.cache.doubt(&parsed("a")).await.unwrap(), Doubted::Written);
    gate.release();
    assert_bytes(gather(chunks).await, &bytes(1));
    assert_eq!(bodies(&world), [] as [PathBuf; 0]);
    // Confirmed, it may be stored.
    assert_eq!(world.record.asked().requests, 1);
    reads_whole(&one, 1, bytes(1)).await;
    assert_eq!((world.record.asked().conditional, bodies(&world).len()), (1, 1));
}

#[tokio::test]
async fn a_fill_that_is_confirmed_meanwhile_is_stored_under_the_newer_token() {
    let world = world();
    let one = world.instance().await;
    let gate = Arc::<Gate>::default();
    world.record.come_with(Hitch::Held(1 << 20, Arc::clone(&gate)));
    let (_, chunks) = open(&one, 0, 0..SIZE).await.unwrap();
    gate.asked().await;
    one.doubt("a").await;
    assert_eq!(one.read("a", 1).await.unwrap().served, Served::Confirmed(crate::tier::TierName::Memory));
    gate.release();
    assert_bytes(gather(chunks).await, &bytes(1));
    world.record.opened();
    assert_eq!(reads_whole(&world.instance().await, 2, bytes(1)).await, DIRECTORY_HIT);
}

#[tokio::test]
async fn a_fill_ends_when_nobody_reads_it_any_more_and_leaves_nothing() {
    let world = world();
    let one = world.instance().await;
    let gate = Arc::<Gate>::default();
    world.record.come_with(Hitch::Held(1 << 20, Arc::clone(&gate)));
    let (_, mut chunks) = open(&one, 0, 0..SIZE).await.unwrap();
    chunks.next().await.unwrap().unwrap();
    gate.asked().await;
    assert_eq!(files_named(&world, ".tmp").len(), 2, "the body, and the lease of who brings it");
    drop(chunks);
    until_there_is_no(&world, ".tmp").await;
    assert_eq!(bodies(&world), [] as [PathBuf; 0]);
    assert_eq!(reads_whole(&one, 1, bytes(1)).await, Served::Filled);
}

#[tokio::test]
async fn what_did_not_come_whole_takes_no_room_in_the_shared_tier() {
    let world = world().with_room(SIZE + SIZE / 2);
    let one = world.instance().await;
    for millis in 0..3 {
        world.record.come_with(Hitch::BrokenOff(1 << 20));
        gather(open(&one, millis, 0..SIZE).await.unwrap().1).await;
    }
    until_there_is_no(&world, ".tmp").await;
    reads_whole(&one, 4, bytes(1)).await;
    assert_eq!(bodies(&world).len(), 1);
    let upkeep = one.cache.head().await.directory_upkeep.unwrap();
    assert!(upkeep.last_sweep.is_none(), "no sweep had to find that out: {upkeep:?}");
}

/// What could not be stored in the end is not written to the tier at all.
#[tokio::test]
async fn nothing_is_filled_under_a_token_that_has_moved() {
    let world = world();
    let (one, two) = (world.instance().await, world.instance().await);
    let mut read = one.read("a", 0).await.unwrap();
    two.doubt("a").await;
    one.calls();
    let parts = parts(&read);
    let chunks = one.cache.open(&mut read, &parts, 0..SIZE, one.at(1)).await.unwrap();
    assert_bytes(gather(chunks).await, &bytes(1));
    assert_eq!(one.calls(), ["look"]);
}

#[tokio::test]
async fn without_a_shared_tier_every_reader_has_it_from_the_record() {
    let world = world();
    let alone = world.alone();
    for millis in 0..3 {
        assert_eq!(reads_whole(&alone, millis, bytes(1)).await, Served::Filled);
    }
    assert_eq!((world.record.opened().len(), world.record.asked().requests), (3, 1));
    assert!(!alone.cache.complete(&parsed("a"), alone.read("a", 4).await.unwrap(), alone.at(4)).await.unwrap().stored);
}

#[tokio::test]
async fn what_does_not_fit_into_the_shared_tier_goes_through_and_is_not_stored() {
    let world = world().with_room(1 << 20);
    let one = world.instance().await;
    assert_eq!(reads_whole(&one, 0, bytes(1)).await, Served::Filled);
    assert_eq!(reads_whole(&one, 1, bytes(1)).await, Served::Filled);
    assert_eq!(bodies(&world), [] as [PathBuf; 0]);
}

/// "A broken directory tier costs time and never fails a read that the record can answer."
#[tokio::test]
async fn a_tier_that_fails_amid_a_body_fails_no_read() {
    let world = world();
    let one = world.instance().await;
    let gate = Arc::<Gate>::default();
    world.record.come_with(Hitch::Held(1 << 20, Arc::clone(&gate)));
    let (_, chunks) = open(&one, 0, 0..SIZE).await.unwrap();
    gate.asked().await;
    one.tier.as_ref().unwrap().fail(true);
    gate.release();
    assert_bytes(gather(chunks).await, &bytes(1));
    one.tier.as_ref().unwrap().fail(false);
    assert_eq!(bodies(&world), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn an_object_that_has_changed_since_its_head_was_read_is_read_again() {
    let world = world();
    let one = world.instance().await;
    one.read("a", 0).await.unwrap();
    world.record.set_long("a", "2", bytes(2));
    let error = open(&one, 1, 0..SIZE).await.err().unwrap();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    let again = one.cache.read_again(&parsed("a"), one.at(1)).await.unwrap();
    assert_eq!(&*again.entry.version.etag, "\"2\"");
    reads_whole(&one, 2, bytes(2)).await;
    // Bringing it into the tier does that by itself.
    one.evict("a").await;
    let read = one.read("a", 3).await.unwrap();
    world.record.set_long("a", "3", bytes(3));
    let brought = one.cache.complete(&parsed("a"), read, one.at(3)).await.unwrap();
    assert_eq!((&*brought.entry.version.etag, brought.stored), ("\"3\"", true));
    world.record.opened();
    assert_eq!(reads_whole(&world.instance().await, 4, bytes(3)).await, DIRECTORY_HIT);
    assert_eq!(world.record.opened(), [] as [std::ops::Range<u64>; 0]);
}

/// "Later reads past MEMORY_MAX_AGE confirm it with a conditional GET that moves no body."
#[tokio::test]
async fn a_confirmation_moves_no_byte_of_a_large_body() {
    let world = world();
    let one = world.instance().await;
    let first = one.read("a", 0).await.unwrap();
    let confirmed = one.read("a", 61_000).await.unwrap();
    assert_eq!(confirmed.served, Served::Confirmed(crate::tier::TierName::Memory));
    assert!(Arc::ptr_eq(&first.entry, &confirmed.entry), "with whatever is under way");
    reads_whole(&one, 61_001, bytes(1)).await;
    world.record.asked();
    world.record.opened();
    let read = one.read("a", 130_000).await.unwrap();
    assert!(matches!(read.served, Served::Confirmed(_)), "{:?}", read.served);
    assert_eq!((world.record.asked().conditional, world.record.opened().len()), (1, 0));
    assert!(read.stored);
    assert_eq!(one.read("a", 130_001).await.unwrap().served, MEMORY_HIT);
}

#[tokio::test]
async fn what_another_instance_has_stored_meanwhile_is_not_fetched_again() {
    let world = world();
    let (one, two) = (world.instance().await, world.instance().await);
    one.read("a", 0).await.unwrap();
    reads_whole(&two, 1, bytes(1)).await;
    world.record.opened();
    assert_eq!(reads_whole(&one, 2, bytes(1)).await, DIRECTORY_HIT);
    assert_eq!(world.record.opened(), [] as [std::ops::Range<u64>; 0]);
}

/// "A stale entry stands in": of a large body that is stored every byte does.
#[tokio::test]
async fn a_stored_large_body_stands_in_for_a_record_that_is_down() {
    let world = world();
    let one = world.instance().await;
    reads_whole(&one, 0, bytes(1)).await;
    world.record.be(Mood::Down);
    let served = reads_whole(&one, 100_000, bytes(1)).await;
    assert!(matches!(served, Served::Stale(_)), "{served:?}");
}

/// A reader that has not been polled again does not hold the others up.
#[tokio::test]
async fn a_slow_reader_holds_up_nobody() {
    let world = world();
    let one = world.instance().await;
    let (_, mut slow) = open(&one, 0, 0..SIZE).await.unwrap();
    slow.next().await.unwrap().unwrap();
    reads_whole(&one, 1, bytes(1)).await;
    let next = slow.next().now_or_never();
    drop(next);
}
