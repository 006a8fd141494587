//! The processes that functions run in: started on first need, kept, replaced when they end, as many at work as there are cores.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use monty_pool::{Checkout, Pool, PoolConfig, PoolError, ReplConfig, on_print_sync};
use monty_types::ResourceLimits;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use crate::function::view::DEPTH_MAX;

/// How many calls wait for each process that works. What waits longer is better asked again.
const WAITING_PER_WORKER: usize = 16;

/// How often a process that had ended before it was asked for anything is replaced: they may be killed by the hundred.
const TRIES_MAX: usize = 100;

/// How many calls a process serves before a new one takes its place: should it leak, not for long.
const CALLS_PER_WORKER: u32 = 10_000;

/// How deep Python functions call each other before `RecursionError`; Python's own number.
const RECURSION_MAX: usize = 1000;

/// How often a call may ask for something: each time costs a turn between two processes.
const HOST_CALLS_MAX: usize = 10_000;

/// What one call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long it may take, what it waits for included.
    pub time: Duration,
    /// What its values may take of the memory, in bytes.
    pub memory_bytes: u64,
}

/// The processes.
pub(super) struct Workers {
    /// This program, which is a worker under its hidden command.
    program: PathBuf,
    limits: Limits,
    pool: OnceCell<Pool>,
    at_work: Semaphore,
    /// Files are compiled one after the other, whoever else is at work: who waits for that may be one of them.
    compiling: Semaphore,
    workers: usize,
    waiting: AtomicUsize,
}

/// No worker is free, and as many calls wait as may.
pub(super) struct Full;

impl Workers {
    pub(super) fn new(program: PathBuf, limits: Limits) -> Self {
        let workers = available_parallelism().map_or(1, usize::from);
        let at_work = Semaphore::new(workers);
        let compiling = Semaphore::new(1);
        Self { program, limits, pool: OnceCell::new(), at_work, compiling, workers, waiting: AtomicUsize::new(0) }
    }

    pub(super) fn program(&self) -> &PathBuf {
        &self.program
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Waits until nobody else compiles.
    pub(super) async fn compile_turn(&self) -> SemaphorePermit<'_> {
        self.compiling.acquire().await.expect("nobody closes this semaphore")
    }

    /// Waits until fewer are at work than there are cores.
    ///
    /// # Errors
    /// As many wait as may.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, Full> {
        if let Ok(permit) = self.at_work.try_acquire() {
            return Ok(Turn { workers: self, permit: Some(permit) });
        }
        let _waiting = Waiting::among(&self.waiting, self.workers * WAITING_PER_WORKER).ok_or(Full)?;
        Ok(self.turn_within().await)
    }

    /// The same for a call that another one makes, which waits meanwhile: it was let in with that.
    pub(super) async fn turn_within(&self) -> Turn<'_> {
        let mut turn = Turn { workers: self, permit: None };
        turn.resume().await;
        turn
    }

    /// A process with a session as `snapshot` has it, or empty.
    ///
    /// A process that ended while it had nothing to do is replaced, and so is one that ends before it has begun with this.
    pub(super) async fn session(&self, snapshot: Option<&[u8]>) -> Result<Checkout, PoolError> {
        let pool = self.pool.get_or_try_init(|| Pool::new(self.config())).await?;
        let settings = ReplConfig { limits: Some(self.session_limits()), ..ReplConfig::default() };
        for _ in 1..TRIES_MAX {
            match begin(pool, &settings, snapshot).await {
                Err(PoolError::Crashed { .. }) => {}
                begun => return begun,
            }
        }
        begin(pool, &settings, snapshot).await
    }

    fn config(&self) -> PoolConfig {
        PoolConfig {
            min_processes: 0,
            // Who calls another function has its process wait meanwhile, and works no more than before.
            max_processes: self.workers * (DEPTH_MAX + 1) + 1,
            max_checkouts_per_worker: Some(CALLS_PER_WORKER),
            ..PoolConfig::subprocess(&self.program)
        }
    }

    fn session_limits(&self) -> ResourceLimits {
        ResourceLimits::default()
            .max_duration(self.limits.time)
            .max_memory(usize::try_from(self.limits.memory_bytes).unwrap_or(usize::MAX))
            .max_recursion_depth(RECURSION_MAX)
            .max_suspensions(HOST_CALLS_MAX)
    }
}

async fn begin(pool: &Pool, settings: &ReplConfig, snapshot: Option<&[u8]>) -> Result<Checkout, PoolError> {
    let mut session = pool.checkout(settings).await?;
    if let Some(snapshot) = snapshot {
        session.restore(snapshot.to_vec(), Vec::new(), &mut on_print_sync(|_, _| {})).await?;
    }
    Ok(session)
}

/// That a call is at work, but for the time that it waits for another call: that one may wait for a turn.
pub(super) struct Turn<'a> {
    workers: &'a Workers,
    permit: Option<SemaphorePermit<'a>>,
}

impl Turn<'_> {
    /// Lets another work.
    pub(super) fn pause(&mut self) {
        self.permit = None;
    }

    /// Goes on, when there is room.
    pub(super) async fn resume(&mut self) {
        self.permit = Some(self.workers.at_work.acquire().await.expect("nobody closes this semaphore"));
    }
}

/// A place in the queue, for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(waiting: &'a AtomicUsize, waiting_max: usize) -> Option<Self> {
        let place = waiting.fetch_add(1, Ordering::Relaxed);
        let guard = Self(waiting);
        (place < waiting_max).then_some(guard)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
