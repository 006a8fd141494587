//! Runs a history in every order of its steps, or in many of them. A failure prints the schedule that led to it.

use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, Runner};

/// How many are tried of a history that has more orders than `make check` can wait for, unless TORTURE_ORDERS says otherwise.
const ORDERS: usize = 200;

/// Who has patience for so many of those has it for all of two actors, which are some thousands.
const PATIENT_ORDERS: usize = 10_000;

/// Between how many places the PCT scheduler lets others go first: nearly all races that were ever found take no more.
const PREEMPTIONS: usize = 4;

/// A shuttle thread's stack, in bytes: unoptimised, reading a state takes more than shuttle's default.
const STACK_BYTES: usize = 1 << 20;

/// Tries every order in which the threads that `history` spawns can take their steps, and answers how many there are.
pub fn every(history: impl Fn() + Send + Sync + 'static) -> usize {
    try_all(Actors { started: None, orders: DfsScheduler::new(None, false) }, history)
}

/// Whether there is the patience for every order of two actors.
pub fn is_patient() -> bool {
    orders() >= PATIENT_ORDERS
}

/// Tries many orders of `history`: half of them random ones, and half with few preemptions at random places.
pub fn many(history: impl Fn() + Clone + Send + Sync + 'static) -> usize {
    let orders = orders();
    try_all(RandomScheduler::new(orders / 2), history.clone()) + try_all(PctScheduler::new(PREEMPTIONS, orders / 2), history)
}

/// Tries every order in which the last thread that `history` spawns stops once, before any of its steps, until the others have
/// come to their end; answers how many there are.
pub fn every_stop(history: impl Fn() + Send + Sync + 'static) -> usize {
    try_all(Actors { started: None, orders: Stop::default() }, history)
}

/// Says how many were tried, for `make torture`. What is wrong or stuck in one of them has failed before.
pub fn told(tried: usize) {
    println!("torture: interleavings: {tried} orders, 0 wrong, 0 stuck");
}

/// Has whoever spawns the threads go first, and each thread come to its first step before any goes on: up to there an order is as good
/// as another.
struct Actors<S> {
    started: Option<usize>,
    orders: S,
}

impl<S: Scheduler> Scheduler for Actors<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.started = None;
        self.orders.new_execution()
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, is_yielding: bool) -> Option<TaskId> {
        let main = runnable.iter().map(|task| task.id()).find(|id| usize::from(*id) == 0);
        let unstarted = runnable.iter().map(|task| task.id()).find(|id| Some(usize::from(*id)) > self.started);
        let chosen = main.or(unstarted);
        self.started = self.started.max(chosen.map(usize::from));
        chosen.or_else(|| self.orders.next_task(runnable, current, is_yielding))
    }

    fn next_u64(&mut self) -> u64 {
        self.orders.next_u64()
    }
}

/// Has the last actor stop before its first step, then before its second, and so on for as long as it has any left.
#[derive(Default)]
struct Stop {
    /// How many steps it takes before it stops; `None` before the first order.
    after: Option<usize>,
    left: usize,
    last: Option<TaskId>,
}

impl Scheduler for Stop {
    fn new_execution(&mut self) -> Option<Schedule> {
        let after = match self.after {
            None => 0,
            Some(after) if self.left == 0 => after + 1,
            // It came to its end before.
            Some(_) => return None,
        };
        (self.after, self.left) = (Some(after), after);
        Some(Schedule::new(0))
    }

    fn next_task(&mut self, runnable: &[&Task], _: Option<TaskId>, _: bool) -> Option<TaskId> {
        let ids = || runnable.iter().map(|task| task.id());
        self.last = self.last.max(ids().max());
        if self.left > 0 && ids().max() == self.last {
            self.left -= 1;
            return self.last;
        }
        ids().min()
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}

fn try_all(scheduler: impl Scheduler + 'static, history: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(history)
}

#[expect(clippy::disallowed_methods, reason = "a test that is as long as one likes")]
fn orders() -> usize {
    std::env::var("TORTURE_ORDERS").map_or(ORDERS, |orders| orders.parse().expect("TORTURE_ORDERS is a number"))
}
