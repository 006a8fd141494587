//! What several threads do to one cache, in many orders of every lock they take, every flag they look at and every file they touch.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use shuttle::future::block_on;
use shuttle::thread;

use super::world::{Instance, World, body, parsed};
use crate::cache::Ask;
use crate::cache::flight::Flights;
use crate::freshness::{Demand, Keeping, Source};
use crate::sync::orders;

/// What an answer may be.
#[derive(Default)]
struct Truth {
    /// The record's version.
    newest: AtomicU64,
    /// What the record had when the last doubt began that has returned.
    least: AtomicU64,
    /// The newest version that an instance has answered.
    served: Mutex<[u64; 2]>,
}

struct Kit {
    world: World,
    instances: [Instance; 2],
    truth: Truth,
}

impl Kit {
    /// An instance by itself, or two on a shared directory.
    fn new(shared: bool) -> Arc<Self> {
        let world = World::new();
        let instance = || if shared { block_on(world.instance()) } else { world.alone() };
        let instances = [instance(), instance()];
        let kit = Arc::new(Self { world, instances, truth: Truth::default() });
        kit.change();
        kit
    }

    /// Reads at this time. What the last doubt was about is seen: it was raised here, or memory was last looked at long ago.
    fn read(&self, one: usize, millis: u64) {
        let (least, served) = (self.truth.least.load(SeqCst), self.truth.served.lock().unwrap()[one]);
        let read = block_on(self.instances[one].read("a", millis)).unwrap();
        self.answered(one, body(&read).parse().unwrap(), least.max(served));
    }

    fn answered(&self, one: usize, version: u64, least: u64) {
        assert!(version >= least, "instance {one} answered {version} when {least} was the oldest it might");
        let mut served = self.truth.served.lock().unwrap();
        served[one] = served[one].max(version);
    }

    /// The record has another version.
    fn change(&self) -> u64 {
        let version = self.truth.newest.fetch_add(1, SeqCst) + 1;
        self.world.record.set("a", &version.to_string());
        version
    }

    fn doubt(&self, one: usize) {
        let version = self.change();
        block_on(self.instances[one].doubt("a"));
        self.truth.least.fetch_max(version, SeqCst);
    }

    /// Reads what the record says now, which is another version, and keeps nothing of it.
    fn look_up(&self, one: usize) {
        let (version, instance) = (self.change(), &self.instances[one]);
        let demand = Demand { source: Source::Record, keeping: Keeping::Dropped, ..Demand::default() };
        let read = block_on(instance.cache.read(&parsed("a"), Ask { demand, ..instance.at(0) })).unwrap();
        self.answered(one, body(&read).parse().unwrap(), version);
    }

    fn evict(&self, one: usize) {
        let version = self.change();
        block_on(self.instances[one].evict("a"));
        self.truth.least.fetch_max(version, SeqCst);
    }

    fn update(&self, one: usize) {
        let version = self.change();
        let read = block_on(self.instances[one].update("a", 0)).unwrap();
        self.truth.least.fetch_max(version, SeqCst);
        self.answered(one, body(&read).parse().unwrap(), version);
    }
}

/// Does all `acts` at the same time.
fn at_once<const N: usize>(kit: &Arc<Kit>, acts: [fn(&Kit); N]) {
    let actors = acts.map(|act| {
        let kit = Arc::clone(kit);
        thread::spawn(move || act(&kit))
    });
    for actor in actors {
        actor.join().unwrap();
    }
}

/// Tries many orders of `history`, in the context of timers that never fire.
fn many(history: fn()) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _context = runtime.enter();
    orders::told(orders::many(history));
}

/// Promise 6: "An instance that has served a version of a key serves no older one afterwards." Promise 7: "A read that begins after a
/// doubt in its own instance is answered by what the record says after the doubt."
#[test]
fn two_readers_and_a_doubt_in_one_instance() {
    many(|| {
        let kit = Kit::new(false);
        let twice = |kit: &Kit| (0..2).for_each(|_| kit.read(0, 0));
        at_once(&kit, [twice, twice, |kit| kit.doubt(0)]);
        kit.read(0, 1);
    });
}

#[test]
fn a_reader_an_update_and_an_eviction_in_one_instance() {
    many(|| {
        let kit = Kit::new(false);
        at_once(&kit, [|kit| (0..2).for_each(|_| kit.read(0, 0)), |kit| kit.update(0), |kit| kit.evict(0)]);
        kit.read(0, 1);
    });
}

/// Promise 1: "After a doubt has returned, no instance answers with the older version for longer than CACHE_API_MEMORY_MAX_AGE".
#[test]
fn a_reader_and_the_doubts_of_another_instance() {
    many(|| {
        let kit = Kit::new(true);
        at_once(&kit, [|kit| (0..3).for_each(|turn| kit.read(0, turn * 1_000)), |kit| kit.doubt(1), |kit| kit.doubt(1)]);
        kit.read(0, 3_000);
    });
}

#[test]
fn a_reader_and_the_evictions_of_another_instance() {
    many(|| {
        let kit = Kit::new(true);
        at_once(&kit, [|kit| (0..3).for_each(|turn| kit.read(0, turn * 1_000)), |kit| kit.evict(1), |kit| kit.doubt(1)]);
        kit.read(0, 3_000);
    });
}

#[test]
fn two_readers_of_an_instance_on_the_directory_and_its_own_doubt() {
    many(|| {
        let kit = Kit::new(true);
        let twice = |kit: &Kit| (0..2).for_each(|_| kit.read(0, 0));
        at_once(&kit, [twice, twice, |kit| kit.doubt(0)]);
        kit.read(0, 1);
    });
}

/// What was served last is held nowhere; what was asked for before is stored after it.
/// Promise 6: "An instance that has served a version of a key serves no older one afterwards."
#[test]
fn a_reader_and_one_who_keeps_nothing_of_what_the_record_says() {
    many(|| {
        let kit = Kit::new(true);
        at_once(&kit, [|kit| kit.read(0, 0), |kit| kit.look_up(0)]);
        kit.read(0, 1);
    });
}

/// One flight a key, and none joined that began before a doubt: in every order.
#[test]
fn a_flight_and_a_doubt() {
    orders::told(orders::every(|| {
        let flights = Arc::new(Flights::<&str, (), u64>::default());
        let record = Arc::new(AtomicU64::new(1));
        let join = |flights: &Flights<&'static str, (), u64>, record: &Arc<AtomicU64>| {
            let record = Arc::clone(record);
            block_on(flights.join(&"a", (), |_| async move { record.load(SeqCst) }).end).unwrap()
        };
        let reader = {
            let (flights, record) = (Arc::clone(&flights), Arc::clone(&record));
            thread::spawn(move || join(&flights, &record))
        };
        record.store(2, SeqCst);
        flights.doubt(&"a");
        assert_eq!(join(&flights, &record), 2, "a read after a doubt joins no older flight");
        reader.join().unwrap();
    }));
}
