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
        let name = DerivedName { kind: "heavy", key: key("a"), version: version(&number.to_string()) };
        memory.keep_derived(name, Arc::new(Heavy(100_000)));
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
    let name = DerivedName { kind: "heavy", key: key("a"), version: version("1") };
    memory.keep_derived(name.clone(), Arc::new(Heavy(7)));
    assert_eq!(memory.derived::<Heavy>(&name).unwrap().0, 7);
    assert!(memory.derived::<Heavy>(&DerivedName { version: version("2"), ..name.clone() }).is_none());
    assert!(memory.derived::<Heavy>(&DerivedName { kind: "light", ..name.clone() }).is_none());
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
