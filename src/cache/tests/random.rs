//! Random operations on two instances over one directory, many at a time, beside a model that knows which versions each may answer.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use super::failing_tier::Whim;
use super::fake_record::{Gate, Mood};
use super::world::{Instance, World, parsed};
use crate::cache::Ask;
use crate::error::Error;
use crate::freshness::Timestamp;
use crate::tier::SweepPlan;

use clock::Clock;
use damage::Damage;
use model::{Model, Wish};

mod clock;
mod damage;
mod model;

const KEYS: [&str; 2] = ["a", "b"];
const INSTANCES: usize = 2;

/// How many operations a run of the tests does, unless TORTURE_STEPS says otherwise.
const STEPS: usize = 30_000;
const STEPS_A_HISTORY: usize = 120;

/// How wrong a clock may be.
const CLOCK_MILLIS_MAX: i64 = 60_000;

/// Past this nobody waits for an answer that is held back: a real one has a deadline of half a minute.
const PATIENCE_MILLIS: u64 = 30_000;

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// Read, update, doubt or evict, on a task of its own.
    Ask {
        one: usize,
        key: usize,
        wish: Wish,
    },
    Change {
        key: usize,
    },
    Delete {
        key: usize,
    },
    /// The record is in this mood from now on.
    Feel {
        mood: Mood,
    },
    /// The record's next answer is made at once, and given when all that waits is let go.
    HoldBack,
    /// This becomes of one call of this instance's tier: the next after so many others.
    Meddle {
        one: usize,
        calls: usize,
        meddling: Meddling,
    },
    /// Every call of this instance's tier fails, or none any more.
    Break {
        one: usize,
        fails: bool,
    },
    /// Something becomes of one of the directory's files.
    Spoil {
        file: usize,
        damage: Damage,
    },
    Sweep {
        one: usize,
        sweep: Sweep,
    },
    /// The instance dies, and another comes in its place. What it was at goes on, as what a frozen one was at does.
    Restart {
        one: usize,
    },
    /// Its wall clock is set to be so much ahead.
    SetClock {
        one: usize,
        ahead_millis: i64,
    },
    /// One of those who wait goes on.
    LetGo {
        number: usize,
    },
    /// Everything gets as far as it can without anybody's help.
    Settle,
    Pass {
        millis: u64,
    },
}

#[derive(Clone, Copy, Debug)]
enum Meddling {
    Fail,
    FailAfter,
    WaitBefore,
    WaitAfter,
}

/// What a sweep takes away.
#[derive(Clone, Copy, Debug)]
enum Sweep {
    /// What nobody names, however young.
    Orphans,
    /// That, and the directories without a state, however young.
    Stateless,
    /// Everything.
    All,
}

/// The world, the instances in it and what they are at.
struct Run {
    world: World,
    now: Arc<AtomicU64>,
    model: Arc<Mutex<Model>>,
    instances: Vec<(Arc<Instance>, Arc<Clock>)>,
    tasks: JoinSet<()>,
    /// What each instance is at.
    at: Vec<Vec<AbortHandle>>,
    waiting: Vec<Arc<Gate>>,
}

impl Run {
    async fn new() -> Self {
        let mut run = Self {
            world: World::new(),
            now: Arc::default(),
            model: Arc::new(Mutex::new(Model::new(KEYS.len(), INSTANCES))),
            instances: Vec::new(),
            tasks: JoinSet::new(),
            at: (0..INSTANCES).map(|_| Vec::new()).collect(),
            waiting: Vec::new(),
        };
        for _ in 0..INSTANCES {
            let instance = run.start(0).await;
            run.instances.push(instance);
        }
        run
    }

    async fn start(&self, ahead_millis: i64) -> (Arc<Instance>, Arc<Clock>) {
        let clock = Arc::new(Clock::new(Arc::clone(&self.now), ahead_millis));
        let record = self.world.record.as_seen_by(Arc::clone(&clock) as _);
        (Arc::new(self.world.instance_asking(record).await), clock)
    }

    async fn go(&mut self, operation: Operation) {
        match operation {
            Operation::Ask { one, key, wish } => self.ask(one, key, wish),
            Operation::Change { key } => {
                let content = self.world.change(KEYS[key]);
                self.model().changed(key, Some(content));
            }
            Operation::Delete { key } => {
                self.world.record.remove(KEYS[key]);
                self.model().changed(key, None);
            }
            Operation::Feel { mood } => {
                self.world.record.be(mood);
                self.model().feels(mood);
            }
            Operation::HoldBack => self.waiting.push(self.world.record.hold_back()),
            Operation::Meddle { one, calls, meddling } => {
                let whim = self.whim(meddling);
                self.tier(one).then(calls, whim);
            }
            Operation::Break { one, fails } => self.tier(one).fail(fails),
            Operation::Spoil { file, damage } => damage::damage(self.world.directory(), file, damage),
            Operation::Sweep { one, sweep } => self.sweep(one, sweep),
            Operation::Restart { one } => self.restart(one).await,
            Operation::SetClock { one, ahead_millis } => {
                self.model().clock_set(one, CLOCK_MILLIS_MAX.unsigned_abs());
                self.instances[one].1.set(ahead_millis);
            }
            Operation::LetGo { number } => {
                if !self.waiting.is_empty() {
                    let number = number % self.waiting.len();
                    self.waiting.swap_remove(number).release();
                }
            }
            Operation::Settle => self.settle().await,
            Operation::Pass { millis } => self.pass(millis).await,
        }
        yield_now().await;
        self.look_for_panics();
    }

    fn ask(&mut self, one: usize, key: usize, wish: Wish) {
        let (instance, clock) = self.instances[one].clone();
        let model = Arc::clone(&self.model);
        let task = async move {
            let (begun, ask) = {
                let mut model = model.lock().unwrap();
                let wall_millis = model.now.cast_signed() + clock.ahead_millis();
                (model.begin(one, key, wish, &clock), instance.by_clocks(wall_millis, model.now))
            };
            let key = parsed(KEYS[key]);
            let answer = match wish {
                Wish::Read => instance.cache.read(&key, ask).await.map(|read| Some(Box::new(read))),
                Wish::Confirm | Wish::ReadUnkept | Wish::ReadStale => {
                    let ask = Ask { demand: wish.demand(), ..ask };
                    instance.cache.read(&key, ask).await.map(|read| Some(Box::new(read)))
                }
                Wish::Update => instance.cache.update(&key, ask).await.map(|read| Some(Box::new(read))),
                Wish::Doubt => instance.cache.doubt(&key).await.map(|_| None),
                Wish::Evict => instance.cache.evict(&key).await.map(|_| None),
            };
            model.lock().unwrap().end(begun, answer);
        };
        let handle = self.tasks.spawn(task);
        self.at[one].push(handle);
    }

    fn sweep(&mut self, one: usize, sweep: Sweep) {
        let instance = Arc::clone(&self.instances[one].0);
        // Files have the machine's times, whatever ours are: in a week by those, everything is old.
        let week = Timestamp::from_millis(real_now().as_millis() + 7 * 24 * 60 * 60 * 1_000);
        let now = if matches!(sweep, Sweep::Stateless) { week } else { real_now() };
        let room_bytes = if matches!(sweep, Sweep::All) { u64::MAX } else { 0 };
        let plan = SweepPlan { grace: Duration::ZERO, room_bytes, ..SweepPlan::new(now, Duration::from_secs(60)) };
        let task = async move {
            let swept = instance.cache.sweep(&plan).await;
            assert!(matches!(swept, Ok(_) | Err(Error::Tier { .. })), "{swept:?}");
        };
        let handle = self.tasks.spawn(task);
        self.at[one].push(handle);
    }

    async fn restart(&mut self, one: usize) {
        for task in self.at[one].drain(..) {
            task.abort();
        }
        self.model().died(one);
        self.instances[one] = self.start(self.instances[one].1.ahead_millis()).await;
    }

    async fn settle(&self) {
        // By a clock that goes on when nobody has anything to do.
        sleep(Duration::from_millis(1)).await;
    }

    async fn pass(&mut self, millis: u64) {
        if millis > PATIENCE_MILLIS {
            self.let_all_go();
            self.settle().await;
        }
        self.now.fetch_add(millis, SeqCst);
        self.model().now += millis;
        sleep(Duration::from_millis(millis.min(PATIENCE_MILLIS))).await;
    }

    fn let_all_go(&mut self) {
        for gate in self.waiting.drain(..) {
            gate.release();
        }
    }

    fn look_for_panics(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(error) = ended
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }

    /// All is well again: every read ends, and every instance answers what the record has. Nothing stays of what was broken.
    async fn heal(mut self) {
        self.world.record.be(Mood::Well);
        self.model().feels(Mood::Well);
        for one in 0..INSTANCES {
            self.tier(one).fail(false);
            self.tier(one).then_nothing();
        }
        self.let_all_go();
        self.world.record.hold_back().release();
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Err(error) = ended
                    && error.is_panic()
                {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
        };
        timeout(Duration::from_secs(60), all).await.expect("whatever was asked for ends");
        self.pass(200_000).await;
        for (one, key) in (0..INSTANCES).flat_map(|one| (0..KEYS.len()).map(move |key| (one, key))) {
            let (instance, clock) = &self.instances[one];
            let (now, current) = {
                let model = self.model();
                (model.now, model.current(key))
            };
            let ask = instance.by_clocks(now.cast_signed() + clock.ahead_millis(), now);
            let read = instance.cache.read(&parsed(KEYS[key]), ask).await;
            let answer = read.map(|read| super::world::body(&read)).map_err(|error| matches!(error, Error::NotFound { .. }));
            assert_eq!(answer, current.ok_or(true), "{one} of {}, when all is well again", KEYS[key]);
        }
        let plan = SweepPlan { grace: Duration::ZERO, ..SweepPlan::new(real_now(), Duration::from_secs(60)) };
        self.instances[0].0.cache.sweep(&plan).await.unwrap();
        let left = damage::files(self.world.directory());
        let with = |ending: &str| left.iter().filter(|path| path.to_str().unwrap().ends_with(ending)).count();
        assert!(with(".tmp") == 0 && with(".body") <= KEYS.len(), "a sweep leaves {left:?}");
    }

    fn whim(&mut self, meddling: Meddling) -> Whim {
        let mut gate = || {
            let gate = Arc::<Gate>::default();
            self.waiting.push(Arc::clone(&gate));
            gate
        };
        match meddling {
            Meddling::Fail => Whim::Fail,
            Meddling::FailAfter => Whim::FailAfter,
            Meddling::WaitBefore => Whim::WaitBefore(gate()),
            Meddling::WaitAfter => Whim::WaitAfter(gate()),
        }
    }

    fn tier(&self, one: usize) -> &super::failing_tier::FailingTier {
        self.instances[one].0.tier.as_ref().unwrap()
    }

    fn model(&self) -> std::sync::MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let (one, key) = (0..INSTANCES, 0..KEYS.len());
    let wish = prop_oneof![
        10 => Just(Wish::Read),
        1 => Just(Wish::Confirm),
        1 => Just(Wish::ReadUnkept),
        1 => Just(Wish::ReadStale),
        2 => Just(Wish::Update),
        2 => Just(Wish::Doubt),
        1 => Just(Wish::Evict),
    ];
    let mood =
        prop_oneof![3 => Just(Mood::Well), 1 => Just(Mood::Down), 1 => Just(Mood::Forbidding), 1 => Just(Mood::Throttling)];
    let meddling =
        prop_oneof![Just(Meddling::Fail), Just(Meddling::FailAfter), Just(Meddling::WaitBefore), Just(Meddling::WaitAfter),];
    let sweep = prop_oneof![Just(Sweep::Orphans), Just(Sweep::Stateless), Just(Sweep::All)];
    let damage = prop_oneof![
        Just(Damage::Half),
        Just(Damage::Garbage),
        any::<usize>().prop_map(Damage::Flip),
        Just(Damage::Empty),
        Just(Damage::Gone),
    ];
    let ahead_millis = prop_oneof![Just(0), -CLOCK_MILLIS_MAX..=CLOCK_MILLIS_MAX];
    let pass = prop_oneof![
        40 => 1..50_u64,
        30 => 900..1_100_u64,
        20 => 4_900..5_100_u64,
        20 => 59_000..62_000_u64,
        1 => 86_390_000..86_520_000_u64,
    ];
    let operation = prop_oneof![
        60 => (one.clone(), key.clone(), wish).prop_map(|(one, key, wish)| Operation::Ask { one, key, wish }),
        12 => key.clone().prop_map(|key| Operation::Change { key }),
        4 => key.prop_map(|key| Operation::Delete { key }),
        4 => mood.prop_map(|mood| Operation::Feel { mood }),
        5 => Just(Operation::HoldBack),
        8 => (one.clone(), 0..8_usize, meddling).prop_map(|(one, calls, meddling)| Operation::Meddle { one, calls, meddling }),
        3 => (one.clone(), prop::bool::weighted(0.3)).prop_map(|(one, fails)| Operation::Break { one, fails }),
        3 => (any::<usize>(), damage).prop_map(|(file, damage)| Operation::Spoil { file, damage }),
        2 => (one.clone(), sweep).prop_map(|(one, sweep)| Operation::Sweep { one, sweep }),
        2 => one.clone().prop_map(|one| Operation::Restart { one }),
        2 => (one, ahead_millis).prop_map(|(one, ahead_millis)| Operation::SetClock { one, ahead_millis }),
        10 => any::<usize>().prop_map(|number| Operation::LetGo { number }),
        25 => Just(Operation::Settle),
        18 => pass.prop_map(|millis| Operation::Pass { millis }),
    ];
    proptest::collection::vec(operation, 1..2 * STEPS_A_HISTORY)
}

/// Lets it all happen. Waiting takes no time where nothing else is going on.
fn run(operations: Vec<Operation>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut run = Run::new().await;
        for operation in operations {
            run.go(operation).await;
        }
        run.heal().await;
    });
}

#[expect(clippy::disallowed_methods, reason = "files have the machine's times")]
fn real_now() -> Timestamp {
    std::time::SystemTime::now().into()
}

#[expect(clippy::disallowed_methods, reason = "a test that is as long as one likes")]
fn steps() -> usize {
    std::env::var("TORTURE_STEPS").map_or(STEPS, |steps| steps.parse().expect("TORTURE_STEPS is a number"))
}

/// Absence has no version, so that an answer does not say which of two it was. What was remembered of the first is answered
/// after the second began; a content between the two is then no step back.
#[test]
fn an_absence_that_is_remembered_is_not_taken_for_a_later_one() {
    use Operation::{Change, Delete, Pass, Settle};
    let read = |one| Operation::Ask { one, key: 0, wish: Wish::Read };
    let (change, delete, pass) = (Change { key: 0 }, Delete { key: 0 }, |millis| Pass { millis });
    run(vec![read(0), Settle, change, pass(3_000), read(1), Settle, delete, read(0), Settle, pass(5_000), read(0), Settle]);
}

/// Invariants 2, 3, 4 and 8, whatever happens in whatever order.
/// Promise 6: "An instance that has served a version of a key serves no older one afterwards."
/// Promise 8: "A body is exactly one version, whole, and the headers that come with it describe that version."
#[test]
fn no_instance_answers_what_it_may_not() {
    let (done, faults) = (AtomicU64::new(0), AtomicU64::new(0));
    let cases = u32::try_from(steps().div_ceil(STEPS_A_HISTORY)).expect("fewer");
    let config = ProptestConfig { cases, source_file: Some(file!()), ..ProptestConfig::default() };
    proptest!(config, |(operations in operations())| {
        done.fetch_add(operations.len() as u64, SeqCst);
        faults.fetch_add(operations.iter().filter(|operation| operation.is_fault()).count() as u64, SeqCst);
        run(operations);
    });
    println!("torture: model: {} steps, {} faults, 0 wrong, 0 stuck", done.load(SeqCst), faults.load(SeqCst));
}

impl Operation {
    fn is_fault(&self) -> bool {
        match self {
            Self::Feel { mood } => !matches!(mood, Mood::Well),
            Self::HoldBack | Self::Meddle { .. } | Self::Spoil { .. } | Self::Restart { .. } | Self::SetClock { .. } => true,
            Self::Break { fails, .. } => *fails,
            _ => false,
        }
    }
}
