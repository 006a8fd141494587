//! One budget, and what counts against it.

use super::*;
use crate::entry::Media;
use crate::key::Prefix;

const MIB: u64 = 1 << 20;

#[derive(Debug)]
struct Heavy(u64);

impl Weighed for Heavy {
    fn weight_bytes(&self) -> u64 {
        self.0
    }
}

fn key(text: &str) -> Key {
    Key::parse(text, &Prefix::default()).unwrap()
}

fn version(etag: &str) -> Version {
    Version { etag: etag.into(), last_modified: Timestamp::default() }
}

fn keep(memory: &MemoryTier, name: DerivedName, value: Heavy) -> Arc<Derived<Heavy>> {
    memory.keep_derived(name, value, memory.budget().room_now(0).unwrap())
}

fn kept(body: &str) -> Kept {
    let entry = Entry::new(version("\"1\""), Media::default(), body.to_owned().into());
    Kept { entry: Arc::new(entry), confirmed_at: Timestamp::default() }
}

#[expect(clippy::disallowed_methods, reason = "a moment needs some instant; which one is nothing to these tests")]
fn some_moment() -> Moment {
    Moment { wall: Timestamp::default(), monotonic: std::time::Instant::now() }
}

/// Pitfall 10: a weight of the body alone lets many tiny entries exhaust memory.
#[tokio::test]
async fn a_tiny_entry_weighs_its_key_and_bookkeeping_too() {
    let memory = MemoryTier::new(MIB);
    let long = "k".repeat(1000);
    memory.put(&key(&long), kept("")).await.unwrap();
    assert!(memory.used_bytes() >= BOOKKEEPING_BYTES + 1000, "{} bytes", memory.used_bytes());
}

#[tokio::test]
async fn a_remembered_absence_weighs_something() {
    let memory = MemoryTier::new(MIB);
    let absent = Held::new(&key("a"), None, Timestamp::default(), Duration::ZERO, some_moment());
    memory.hold(&key("a"), Arc::new(absent));
    assert!(memory.used_bytes() >= BOOKKEEPING_BYTES, "{} bytes", memory.used_bytes());
    assert_eq!(memory.list().await.unwrap(), [], "it is not an entry");
    assert_eq!(memory.remove(&key("a")).await.unwrap(), Removed::NothingHeld);
}

#[tokio::test]
async fn the_budget_holds_under_many_tiny_entries() {
    let memory = MemoryTier::new(MIB);
    for number in 0..20_000 {
        memory.put(&key(&format!("tiny/{number}")), kept("x")).await.unwrap();
    }
    let (used, keys) = (memory.used_bytes(), memory.list().await.unwrap().len() as u64);
    assert!(used <= MIB, "{used} bytes");
    assert!(keys * BOOKKEEPING_BYTES <= MIB, "{keys} keys");
    assert!(keys > 1000, "{keys} keys: the budget is used");
}

#[tokio::test]
async fn bodies_and_derived_values_share_the_budget() {
    let memory = MemoryTier::new(MIB);
    memory.put(&key("a"), kept(&"x".repeat(100_000))).await.unwrap();
    for number in 0..100 {
        let name = DerivedName { kind: "heavy".into(), key: key("a"), version: version(&number.to_string()) };
        keep(&memory, name, Heavy(100_000));
        memory.put(&key(&number.to_string()), kept(&"x".repeat(50_000))).await.unwrap();
    }
    assert!(memory.used_bytes() <= MIB, "{} bytes", memory.used_bytes());
}

#[tokio::test]
async fn what_is_larger_than_the_budget_is_not_kept() {
    let memory = MemoryTier::new(MIB);
    memory.put(&key("a"), kept(&"x".repeat(2 << 20))).await.unwrap();
    assert_eq!(memory.used_bytes(), 0);
    assert!(memory.held(&key("a")).is_none());
}

#[test]
fn a_derived_value_is_found_under_its_whole_name_and_type() {
    let memory = MemoryTier::new(MIB);
    let name = DerivedName { kind: "heavy".into(), key: key("a"), version: version("1") };
    keep(&memory, name.clone(), Heavy(7));
    assert_eq!(memory.derived::<Heavy>(&name).unwrap().0, 7);
    assert!(memory.derived::<Heavy>(&DerivedName { version: version("2"), ..name.clone() }).is_none());
    assert!(memory.derived::<Heavy>(&DerivedName { kind: "light".into(), ..name.clone() }).is_none());
    assert!(memory.derived::<Heavy>(&DerivedName { key: key("b"), ..name }).is_none());
}

#[tokio::test]
async fn letting_go_leaves_what_took_its_place() {
    let memory = MemoryTier::new(MIB);
    memory.put(&key("a"), kept("first")).await.unwrap();
    let first = memory.held(&key("a")).unwrap();
    memory.put(&key("a"), kept("second")).await.unwrap();
    memory.let_go(&key("a"), &first);
    assert_eq!(memory.get(&key("a")).await.unwrap(), Some(kept("second")));
    memory.let_go(&key("a"), &memory.held(&key("a")).unwrap());
    assert_eq!(memory.get(&key("a")).await.unwrap(), None);
}

#[tokio::test]
async fn what_was_put_by_hand_is_vouched_for_by_nothing() {
    let memory = MemoryTier::new(MIB);
    memory.put(&key("a"), kept("body")).await.unwrap();
    let held = memory.held(&key("a")).unwrap();
    let Vouchers { epoch, asked } = held.vouchers();
    assert_eq!((epoch, asked, held.token, held.age(some_moment())), (None, None, None, Duration::MAX));
}

/// What memory counts and what the budget counts are the same bytes: else tiny entries would leave no room for others' bodies.
#[tokio::test]
async fn what_is_held_leaves_a_quarter_of_the_budget_to_others() {
    let memory = MemoryTier::new(MIB);
    for number in 0..20_000 {
        let body = memory.budget().room(1).await.unwrap().hold(vec![7]);
        let entry = Arc::new(Entry::new(version("\"1\""), Media::default(), body));
        memory.put(&key(&format!("tiny/{number}")), Kept { entry, confirmed_at: Timestamp::default() }).await.unwrap();
    }
    let used = memory.used_bytes();
    assert!(memory.list().await.unwrap().len() > 1000, "{used} bytes: its part is used");
    assert!(used <= memory.budget().held_max(), "{used} bytes");
    assert_eq!(memory.budget().taken_bytes(), used);
    assert_eq!(memory.in_flight_bytes(), 0);
}

#[tokio::test]
async fn a_body_that_was_evicted_takes_its_room_as_long_as_somebody_sends_it() {
    let memory = MemoryTier::new(MIB);
    let body = memory.budget().room(1000).await.unwrap().hold(vec![7; 1000]);
    let entry = Arc::new(Entry::new(version("\"1\""), Media::default(), body.clone()));
    memory.put(&key("a"), Kept { entry, confirmed_at: Timestamp::default() }).await.unwrap();
    assert_eq!(memory.in_flight_bytes(), 0);
    memory.remove(&key("a")).await.unwrap();
    assert_eq!((memory.used_bytes(), memory.in_flight_bytes()), (0, 1024));
    drop(body);
    assert_eq!(memory.in_flight_bytes(), 0);
}

#[tokio::test]
async fn memory_gives_way_to_what_is_more_than_is_always_free() {
    let memory = MemoryTier::new(MIB);
    for number in 0..100 {
        let body = memory.budget().room(10_000).await.unwrap().hold(vec![7; 10_000]);
        let entry = Arc::new(Entry::new(version("\"1\""), Media::default(), body));
        memory.put(&key(&number.to_string()), Kept { entry, confirmed_at: Timestamp::default() }).await.unwrap();
    }
    let before = memory.used_bytes();
    assert!(before > MIB / 2, "{before} bytes");
    drop(memory.budget().room(MIB / 8).await.unwrap());
    assert_eq!(memory.used_bytes(), before, "the quarter is enough for it");
    let room = memory.budget().room(MIB / 2).await.unwrap();
    let left = memory.used_bytes();
    assert!(left <= MIB / 2 && left > MIB / 8, "{left} bytes: no more than was wanted");
    drop(room);
}

#[tokio::test]
async fn what_finds_no_room_is_given_and_not_kept() {
    let memory = MemoryTier::new(MIB);
    let taken = memory.budget().room(MIB).await.unwrap();
    memory.put(&key("a"), kept("body")).await.unwrap();
    assert!(memory.held(&key("a")).is_none());
    let name = DerivedName { kind: "heavy".into(), key: key("a"), version: version("1") };
    let value = keep(&memory, name.clone(), Heavy(7));
    assert_eq!(value.0, 7);
    assert!(memory.derived::<Heavy>(&name).is_none());
    drop(taken);
}
