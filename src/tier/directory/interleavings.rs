//! The protocol's file operations in every order: two actors at a time in all of them, three in many, and each dying after any of its
//! operations. Between any two operations somebody looks what there is to believe.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;
use tempfile::TempDir;

use super::fs::steps::{self, alone, die_after, step};
use super::layout::Disk;
use crate::entry::{Budget, Entry, Media, Version};
use crate::freshness::Timestamp;
use crate::key::{Key, Prefix, RecordId, Shard};
use crate::sync::orders;
use crate::tier::sweep::{Limits, SweepPlan};
use crate::tier::{Epoch, Errand, Leased, Looked, State, Stored, Token};

const ASKED: Timestamp = Timestamp::from_millis(1_700_000_100_000);

/// What the record says of a key that it does not have.
const ABSENT: u64 = 0;

/// A directory, a key in it, and what may be believed of that.
struct World {
    disk: Disk,
    key: Key,
    truth: Mutex<Truth>,
    _dir: TempDir,
}

struct Truth {
    /// The record's version.
    current: u64,
    /// The newest that it ever had.
    newest: u64,
    /// What the record had when the last doubt began that has returned: nothing older may be believed.
    least: u64,
    /// The same of the last eviction: nothing older may stand in either.
    least_held: u64,
    memories: Vec<Memory>,
}

/// What an instance has in memory.
struct Memory {
    version: u64,
    token: Token,
    /// The root's and the shard's epoch that were read before the token; `None` for what was not stored.
    vouched: Option<(Epoch, Epoch)>,
}

/// What an instance knows when it asks the record.
struct Grounds {
    token: Token,
    epochs: Option<(Epoch, Epoch)>,
    /// What is held and not believed.
    held: Option<Box<State>>,
}

/// What a look finds.
enum Sight {
    /// Something to believe.
    Found,
    /// Nothing to believe: this token, and what is held all the same.
    Nothing(Option<Token>, Option<Box<State>>),
}

/// Something that is done to the directory, in steps.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// A read that finds what it believes, or asks the record and stores what that says.
    Fill,
    /// The same, of which all that comes before the record is asked is one step.
    Store,
    /// A read of what is there.
    Read,
    /// The record has another version, and then the key is doubted.
    Doubt,
    /// The key is doubted, and the record has the version that it had.
    Suspect,
    /// The same, and the key is evicted.
    Evict,
    /// The record has no such object any more.
    Lose,
    /// A sweep that has no room for anything and to which everything is old.
    Sweep,
    /// A turn to ask the record.
    Lease,
    /// Every instance looks whether what it has in memory is still vouched for.
    Recall,
    /// The record has the object once more: that is stored, in one step, and evicted.
    Return,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let disk = Disk::new(dir.path(), &RecordId::of(&["test"]));
        std::fs::create_dir_all(&disk.base).unwrap();
        let truth = Truth { current: 1, newest: 1, least: 0, least_held: 0, memories: Vec::new() };
        Self { disk, key: Key::parse("a", &Prefix::default()).unwrap(), truth: Mutex::new(truth), _dir: dir }
    }

    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap()
    }

    fn shard(&self) -> Shard {
        self.disk.place(&self.key).shard
    }

    /// Whoever is dead by the end has failed, and says nothing.
    fn act(&self, act: Act) -> std::io::Result<()> {
        match act {
            Act::Fill => self.look()?.map_or(Ok(()), |grounds| self.ask(&grounds)),
            Act::Store => alone(|| self.look())?.map_or(Ok(()), |grounds| self.ask(&grounds)),
            Act::Read => self.epochs().and_then(|epochs| self.find(epochs)).map(|_| ()),
            Act::Doubt => self.change(|| self.disk.doubt(&self.key).map(|_| ())).map(|_| ()),
            Act::Suspect => {
                let version = self.truth().current;
                self.disk.doubt(&self.key)?;
                self.raise(version);
                Ok(())
            }
            Act::Evict => self.change(|| self.disk.evict(&self.key).map(|_| ())).map(|version| {
                let mut truth = self.truth();
                truth.least_held = truth.least_held.max(version);
            }),
            Act::Lose => {
                self.truth().current = ABSENT;
                Ok(())
            }
            Act::Sweep => self.disk.sweep(&everything(), &Limits { budget_bytes: Some(0), ..Limits::default() }).map(|_| ()),
            Act::Lease => self.take_turn(),
            Act::Recall => self.recall(),
            Act::Return => {
                step()?;
                self.renew();
                alone(|| self.act(Act::Fill))?;
                self.act(Act::Evict)
            }
        }
    }

    fn change(&self, doubt: impl FnOnce() -> std::io::Result<()>) -> std::io::Result<u64> {
        let version = self.renew();
        doubt()?;
        self.raise(version);
        Ok(version)
    }

    /// The record has another version.
    fn renew(&self) -> u64 {
        let mut truth = self.truth();
        truth.newest += 1;
        truth.current = truth.newest;
        truth.newest
    }

    fn raise(&self, version: u64) {
        let mut truth = self.truth();
        truth.least = truth.least.max(version);
    }

    fn epochs(&self) -> std::io::Result<Option<(Epoch, Epoch)>> {
        let root = self.disk.root_epoch()?;
        Ok(root.zip(self.disk.shard_epoch(self.shard())?))
    }

    /// Steps 2 to 4 of a read; `None` where something is believed.
    fn look(&self) -> std::io::Result<Option<Grounds>> {
        let epochs = self.epochs()?;
        let Sight::Nothing(token, held) = self.find(epochs)? else { return Ok(None) };
        Ok(Some(match token {
            Some(token) => Grounds { token, epochs, held },
            None => {
                let announced = self.disk.announce(&self.key)?;
                Grounds { token: announced, epochs, held: None }
            }
        }))
    }

    fn find(&self, epochs: Option<(Epoch, Epoch)>) -> std::io::Result<Sight> {
        let least = self.truth().least;
        let Looked::Other { token, state } = self.disk.look(&self.key, None)? else { panic!("nothing is held") };
        let (Some(under), Some(believed)) = (token, state.as_ref().filter(|state| token == Some(state.token))) else {
            return Ok(Sight::Nothing(token, state.map(Box::new)));
        };
        let Some(version) = self.lift(believed)? else { return Ok(Sight::Nothing(token, None)) };
        assert!(version >= least, "{version} was believed by a look that began when {least} was the oldest to be believed");
        self.remember(Memory { version, token: under, vouched: epochs });
        Ok(Sight::Found)
    }

    fn lift(&self, state: &State) -> std::io::Result<Option<u64>> {
        let room = Budget::unbounded().room_now(state.facts.size).expect("there is room without end");
        let Some(entry) = self.disk.lift(&self.key, state, room)? else { return Ok(None) };
        let body = std::str::from_utf8(entry.body.whole().unwrap()).unwrap();
        assert_eq!(*entry.version.etag, *body, "one version at a time");
        Ok(Some(body.parse().unwrap()))
    }

    /// Steps 5 and 6.
    fn ask(&self, grounds: &Grounds) -> std::io::Result<()> {
        step()?;
        let version = self.truth().current;
        if version == ABSENT {
            return self.disk.forget(&self.key, &grounds.token).map(|_| ());
        }
        let unchanged = grounds.held.as_ref().filter(|state| *state.version.etag == *version.to_string());
        let stored = match unchanged {
            Some(state) if self.lift(state)?.is_some() => self.disk.confirm(&self.key, &grounds.token, state, ASKED)?,
            _ => self.disk.store(&self.key, &grounds.token, &entry(version), ASKED)?,
        };
        let vouched = grounds.epochs.filter(|_| stored == Stored::Stored);
        self.remember(Memory { version, token: grounds.token, vouched });
        Ok(())
    }

    fn remember(&self, memory: Memory) {
        self.truth().memories.push(memory);
        alone(|| self.look_around());
    }

    /// Step 2 of a read of what is in memory: the root first, and the shard's that comes after it vouches from then on.
    fn recall(&self) -> std::io::Result<()> {
        let Some((root, shard)) = self.epochs()? else { return Ok(()) };
        for memory in &mut self.truth().memories {
            memory.vouched = memory.vouched.map(|(before, was)| (if was == shard { root } else { before }, was));
        }
        alone(|| self.look_around());
        Ok(())
    }

    fn take_turn(&self) -> std::io::Result<()> {
        let token = alone(|| self.disk.announce(&self.key))?;
        let Leased::Ours(lease) = self.disk.take_lease(&self.key, &token, Errand::Ask)? else { return Ok(()) };
        step()?;
        let there = alone(|| self.disk.lease(&self.key, &token, Errand::Ask))?;
        assert_eq!(there, Some(Some(lease)), "a lease is one instance's until that releases it");
        self.disk.release_lease(&self.key, &lease)
    }

    /// Whatever may be believed now may be.
    fn look_around(&self) {
        let epochs = (self.disk.root_epoch().unwrap(), self.disk.shard_epoch(self.shard()).unwrap());
        let Looked::Other { token, state } = self.disk.look(&self.key, None).unwrap() else { panic!("nothing is held") };
        let least = self.truth().least;
        for Memory { version, token: under, vouched } in &self.truth().memories {
            // An instance that finds the root where it was does not look at the shard.
            let unmoved = vouched.is_some_and(|(root, shard)| epochs.0 == Some(root) || epochs.1 == Some(shard));
            assert!(*version >= least || !(unmoved || token == Some(*under)), "{version} in memory is vouched for after {least}");
        }
        if let Some((token, state)) = token.zip(state)
            && let Some(version) = self.lift(&state).unwrap()
        {
            let least_held = self.truth().least_held;
            assert!(version >= least_held, "{version} could stand in after {least_held} was evicted");
            assert!(version >= least || !state.is_believed_under(&token), "{version} is believed after {least}");
        }
    }

    /// Whatever was left behind, the next who comes fills, and the next doubt is seen.
    fn go_on(&self) {
        self.act(Act::Doubt).unwrap();
        self.look_around();
        self.act(Act::Fill).unwrap();
        assert!(matches!(self.find(None).unwrap(), Sight::Found), "what was just stored is found");
    }
}

fn entry(version: u64) -> Entry {
    let etag = version.to_string();
    let body = etag.clone().into_bytes().into();
    Entry::new(Version { etag: etag.into(), last_modified: Timestamp::from_millis(0) }, Media::default(), body)
}

/// A sweep in a time when all that there is was left long ago.
fn everything() -> SweepPlan {
    let now = Timestamp::from(super::touch::now()).as_millis() + 10 * 24 * 60 * 60 * 1000;
    SweepPlan::new(Timestamp::from_millis(now), std::time::Duration::from_secs(60))
}

/// `first` are done one after the other; then all `acts` at the same time, of which the first dies after so many steps.
fn history(first: &[Act], acts: &[Act], dies_after: Option<usize>) {
    let world = Arc::new(World::new());
    alone(|| first.iter().for_each(|act| world.act(*act).unwrap()));
    let watched = Arc::clone(&world);
    steps::watch(move || watched.look_around());
    let actors: Vec<_> = acts
        .iter()
        .enumerate()
        .map(|(number, act)| {
            let (world, act, life) = (Arc::clone(&world), *act, dies_after.filter(|_| number == 0));
            thread::spawn(move || {
                if let Some(steps) = life {
                    die_after(steps);
                }
                let done = world.act(act);
                assert!(done.is_ok() || life.is_some(), "{act:?}: {done:?}");
            })
        })
        .collect();
    for actor in actors {
        actor.join().unwrap();
    }
    steps::unwatch();
    alone(|| {
        world.look_around();
        world.go_on();
    });
}

/// How many steps an actor takes that is by itself.
fn steps_of(first: &'static [Act], act: Act) -> usize {
    let steps = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&steps);
    orders::every(move || {
        history(first, &[act], None);
        counted.store(steps::taken(), Ordering::Relaxed);
    });
    steps.load(Ordering::Relaxed)
}

/// Tries every order of two actors.
fn every(first: &'static [Act], acts: [Act; 2]) {
    orders::told(orders::every(move || history(first, &acts, None)));
}

/// Tries every order of two actors that take many steps if there is the patience, else many.
fn every_with_patience(first: &'static [Act], acts: [Act; 2]) {
    let history = move || history(first, &acts, None);
    orders::told(if orders::is_patient() { orders::every(history) } else { orders::many(history) });
}

/// The same where the first of them dies: after each of its steps, or after any.
fn every_death(first: &'static [Act], acts: [Act; 2]) {
    let steps = steps_of(first, acts[0]);
    let dying = move |after| history(first, &acts, Some(after));
    orders::told(if orders::is_patient() {
        (0..steps).map(|after| orders::every(move || dying(after))).sum()
    } else {
        orders::many(move || dying(thread_rng().gen_range(0..steps)))
    });
}

/// Has the second stop before any of its steps until the first has come to its end, or has died after any of its own.
fn every_death_amid(first: &'static [Act], acts: [Act; 2]) {
    let steps = steps_of(first, acts[0]);
    let tried = (0..=steps).map(|after| orders::every_stop(move || history(first, &acts, Some(after)))).sum();
    orders::told(tried);
}

fn many(first: &'static [Act], acts: [Act; 3]) {
    orders::told(orders::many(move || history(first, &acts, None)));
}

const NOTHING: &[Act] = &[];
const HELD: &[Act] = &[Act::Fill];
const REMEMBERED: &[Act] = &[Act::Fill, Act::Read];
const DOUBTED: &[Act] = &[Act::Fill, Act::Doubt];
const EVICTED: &[Act] = &[Act::Fill, Act::Evict];
const SUSPECTED: &[Act] = &[Act::Fill, Act::Suspect];
const LOST: &[Act] = &[Act::Lose];
const DOUBTED_AND_LOST: &[Act] = &[Act::Fill, Act::Doubt, Act::Lose];

/// Promise 10: "A fill that asked the record before a doubt is believed by no read that looks after the doubt."
#[test]
fn a_fill_and_a_doubt() {
    every(DOUBTED, [Act::Store, Act::Doubt]);
    every_with_patience(NOTHING, [Act::Store, Act::Doubt]);
    every_with_patience(EVICTED, [Act::Store, Act::Doubt]);
}

#[test]
fn a_confirmation_and_a_doubt_or_an_eviction() {
    every(SUSPECTED, [Act::Store, Act::Doubt]);
    every_with_patience(SUSPECTED, [Act::Store, Act::Evict]);
}

#[test]
fn a_fill_and_an_eviction() {
    every_with_patience(NOTHING, [Act::Store, Act::Evict]);
}

/// Promise 11: "Killing any process at any instruction leaves a directory that every other process reads right."
#[test]
fn one_who_dies_and_another() {
    every_death(DOUBTED, [Act::Store, Act::Doubt]);
    every_death(NOTHING, [Act::Doubt, Act::Store]);
    every_death(HELD, [Act::Evict, Act::Read]);
    every_death(HELD, [Act::Sweep, Act::Read]);
    every_death(DOUBTED_AND_LOST, [Act::Store, Act::Doubt]);
    every_death(NOTHING, [Act::Lease, Act::Lease]);
}

#[test]
fn a_read_and_a_doubt() {
    every(HELD, [Act::Doubt, Act::Read]);
    every_with_patience(HELD, [Act::Evict, Act::Read]);
}

/// Promise 1: "After a doubt has returned, no instance answers with the older version for longer than CACHE_API_MEMORY_MAX_AGE".
#[test]
fn what_is_in_memory_and_a_doubt_or_a_sweep() {
    every(REMEMBERED, [Act::Doubt, Act::Recall]);
    every_with_patience(REMEMBERED, [Act::Evict, Act::Recall]);
    every_with_patience(REMEMBERED, [Act::Sweep, Act::Recall]);
}

#[test]
fn an_absence_and_a_doubt() {
    every(LOST, [Act::Store, Act::Doubt]);
    every_with_patience(DOUBTED_AND_LOST, [Act::Store, Act::Doubt]);
}

/// One is told that there is no such object, and stops. Another is given it, stores it, evicts it, and may die before the epochs.
#[test]
fn an_absence_and_who_evicts_what_came_after_it() {
    every_death_amid(LOST, [Act::Return, Act::Store]);
}

#[test]
fn a_sweep_and_a_doubt() {
    every_with_patience(HELD, [Act::Sweep, Act::Doubt]);
}

#[test]
fn a_sweep_and_a_read() {
    every_with_patience(HELD, [Act::Sweep, Act::Read]);
}

#[test]
fn two_turns() {
    every(NOTHING, [Act::Lease, Act::Lease]);
}

#[test]
fn a_fill_a_doubt_and_another() {
    many(NOTHING, [Act::Fill, Act::Doubt, Act::Fill]);
    many(DOUBTED, [Act::Fill, Act::Doubt, Act::Read]);
}

#[test]
fn an_absence_a_doubt_and_another() {
    many(LOST, [Act::Fill, Act::Doubt, Act::Fill]);
    many(DOUBTED_AND_LOST, [Act::Fill, Act::Doubt, Act::Fill]);
}

#[test]
fn a_sweep_a_fill_and_another() {
    many(HELD, [Act::Sweep, Act::Fill, Act::Doubt]);
    many(SUSPECTED, [Act::Sweep, Act::Fill, Act::Suspect]);
    many(EVICTED, [Act::Sweep, Act::Fill, Act::Evict]);
}

#[test]
fn three_turns() {
    many(NOTHING, [Act::Lease, Act::Lease, Act::Lease]);
}
