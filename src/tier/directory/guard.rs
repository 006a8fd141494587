//! What stands between a read and a bad directory: a thread of its own, a time limit, a bound on the threads, a breaker.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::freshness::{Breaker, Stopwatch};
use crate::sync::spawn_blocking;
use crate::tier::directory::past::{LastFailure, Tried};
use crate::tier::health::{Failure, LaneHealth, Lanes};

/// Calls of one lane that may be under way. A directory that hangs keeps the threads of its calls for good; tokio has 512,
/// and computing needs some.
const IN_FLIGHT_MAX: usize = 64;

/// Runs file operations on the blocking pool and keeps count of what becomes of them.
pub(super) struct Guard {
    lanes: [LaneState; 5],
    last_failure: LastFailure,
    since_start: Stopwatch,
    /// The share of every limit and pause that is waited.
    patience: f64,
}

/// Operations that fail together. A full disk can still be looked at, and slow bodies do not close the eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Epochs, tokens and states: small, on the way of every read that memory cannot answer.
    Look,
    /// Bodies on their way into memory.
    Lift,
    /// What is written on behalf of a read.
    Fill,
    /// Doubts and evictions. Never closed.
    Doubt,
    /// Walks through everything. Never closed.
    Walk,
}

/// What is to be done, and how long that may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub lane: Lane,
    /// In words, for errors: "read a state".
    pub action: &'static str,
    pub limit: Duration,
}

impl Default for Guard {
    fn default() -> Self {
        Self { lanes: Default::default(), last_failure: LastFailure::default(), since_start: Stopwatch::start(), patience: 1.0 }
    }
}

impl Guard {
    /// Waits `share` as long as it would for everything.
    pub fn hurried(self, share: f64) -> Self {
        Self { patience: share, ..self }
    }

    /// Runs `work`, unless its lane is closed. Work that overstays its limit goes on by itself; what it writes then is late,
    /// and shows it by its token.
    pub async fn run<T: Send + 'static>(&self, job: Job, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        let LaneState { breaker, in_flight, tried } = &self.lanes[job.lane as usize];
        let Some(_leave) = breaker.admit(self.now()) else {
            tried.not_tried();
            return Err(io::Error::other("it has failed repeatedly and is left alone for some seconds"));
        };
        let in_flight = Arc::clone(in_flight);
        let permitted = async {
            let permit = in_flight.acquire_owned().await.map_err(io::Error::other)?;
            on_blocking_pool(move || {
                let outcome = work();
                drop(permit);
                outcome
            })
            .await
        };
        let outcome = self.counted(job, permitted).await;
        match &outcome {
            Ok(_) => {
                if breaker.succeeded() {
                    tracing::info!(lane = ?job.lane, "the shared directory works again");
                }
            }
            Err(error) => {
                if breaker.failed(self.now()) {
                    tracing::warn!(lane = ?job.lane, action = job.action, %error, "the shared directory fails, reads go on without it");
                }
            }
        }
        outcome
    }

    /// Runs `work` whatever became of what was done before it: a doubt must be written or have failed.
    pub async fn always<T: Send + 'static>(
        &self,
        job: Job,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.counted(job, on_blocking_pool(work)).await
    }

    /// Runs `job` if its lane is open and not crowded, and waits for it no longer than `limit`. It counts as nothing.
    pub async fn aside(&self, lane: Lane, limit: Duration, job: impl FnOnce() + Send + 'static) {
        let LaneState { breaker, in_flight, .. } = &self.lanes[lane as usize];
        if breaker.open_since().is_some() {
            return;
        }
        if let Ok(permit) = Arc::clone(in_flight).try_acquire_owned() {
            let job = spawn_blocking(move || {
                job();
                drop(permit);
            });
            // What takes longer goes on by itself.
            let _late = timeout(limit.mul_f64(self.patience), job).await;
        }
    }

    /// What became of everything so far.
    pub fn lanes(&self) -> Lanes {
        let lane = |lane: Lane| self.lanes[lane as usize].health();
        Lanes {
            look: lane(Lane::Look),
            lift: lane(Lane::Lift),
            fill: lane(Lane::Fill),
            doubt: lane(Lane::Doubt),
            walk: lane(Lane::Walk),
        }
    }

    /// What failed last.
    pub fn last_failure(&self) -> Option<Failure> {
        self.last_failure.get()
    }

    async fn counted<T>(&self, job: Job, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let watch = Stopwatch::start();
        let limit = job.limit.mul_f64(self.patience);
        let outcome = timeout(limit, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        self.lanes[job.lane as usize].tried.ended(watch.elapsed(), outcome.is_err());
        if let Err(error) = &outcome {
            tracing::debug!(action = job.action, %error, "the shared directory failed");
            self.last_failure.set(job.action, error);
        }
        outcome
    }

    /// The time since the start, as the breakers see it.
    fn now(&self) -> Duration {
        self.since_start.elapsed().div_f64(self.patience)
    }
}

/// EFS takes milliseconds for what a disk does in micro-seconds, too long for an async worker.
async fn on_blocking_pool<T: Send + 'static>(job: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(job).await.map_err(io::Error::other)?
}

/// A lane is closed while its breaker is open.
struct LaneState {
    breaker: Breaker<Duration>,
    in_flight: Arc<Semaphore>,
    tried: Tried,
}

impl LaneState {
    fn health(&self) -> LaneHealth {
        LaneHealth { closed: self.breaker.open_since().is_some(), ..self.tried.health() }
    }
}

impl Default for LaneState {
    fn default() -> Self {
        Self { breaker: Breaker::default(), in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX)), tried: Tried::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn job(lane: Lane, limit: Duration) -> Job {
        Job { lane, action: "be tested", limit }
    }

    fn full() -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }

    #[tokio::test]
    async fn a_closed_lane_answers_at_once_and_leaves_the_others_and_doubts_alone() {
        let guard = Guard::default();
        for _ in 0..3 {
            guard.run(job(Lane::Fill, LONG), full).await.unwrap_err();
        }
        guard.run(job(Lane::Fill, LONG), || -> io::Result<()> { panic!("a closed lane runs nothing") }).await.unwrap_err();
        assert_eq!(guard.run(job(Lane::Look, LONG), || Ok(7)).await.unwrap(), 7);
        assert_eq!(guard.always(job(Lane::Doubt, LONG), || Ok(7)).await.unwrap(), 7);
        let Lanes { look, lift, fill, doubt, walk } = guard.lanes();
        let [once, never] = [LaneHealth { calls: 1, ..LaneHealth::default() }, LaneHealth::default()];
        assert_eq!([look, lift, doubt, walk].map(|lane| LaneHealth { mean_millis: 0, ..lane }), [once, never, once, never]);
        let closed = LaneHealth { calls: 3, failures: 3, not_tried: 1, closed: true, mean_millis: fill.mean_millis };
        assert_eq!(fill, closed, "what was not tried has not failed");
    }

    #[tokio::test]
    async fn a_doubt_that_fails_closes_nothing() {
        let guard = Guard::default();
        for _ in 0..5 {
            guard.always(job(Lane::Doubt, LONG), full).await.unwrap_err();
        }
        let doubt = guard.lanes().doubt;
        assert_eq!((doubt.calls, doubt.failures, doubt.not_tried, doubt.closed), (5, 5, 0, false));
    }

    #[tokio::test]
    async fn a_job_that_hangs_costs_its_limit_and_counts_as_a_failure() {
        let guard = Guard::default();
        let (release, hang) = mpsc::channel::<()>();
        let hang = move || hang.recv().map_err(io::Error::other);
        assert_eq!(guard.run(job(Lane::Look, SOON), hang).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let look = guard.lanes().look;
        assert_eq!((look.calls, look.failures), (1, 1));
        assert!(look.mean_millis >= 20, "{look:?}");
        let last = guard.last_failure().unwrap();
        assert_eq!((last.action, last.kind.as_str()), ("be tested", "timed out"));
        release.send(()).unwrap();
    }

    #[tokio::test]
    async fn who_is_in_a_hurry_waits_less_and_tries_again_sooner() {
        let guard = Guard::default().hurried(0.001);
        let (release, hang) = mpsc::channel::<()>();
        let hang = move || hang.recv().map_err(io::Error::other);
        assert_eq!(guard.run(job(Lane::Look, seconds(20)), hang).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        for _ in 0..2 {
            guard.run(job(Lane::Look, LONG), full).await.unwrap_err();
        }
        assert!(guard.lanes().look.closed);
        // A thousandth of five seconds.
        tokio::time::sleep(Duration::from_millis(10)).await;
        guard.run(job(Lane::Look, LONG), || Ok(())).await.unwrap();
        assert!(!guard.lanes().look.closed);
        release.send(()).unwrap();
    }

    #[tokio::test]
    async fn a_job_that_panics_has_failed_and_frees_its_place() {
        let guard = Guard::default();
        guard.run(job(Lane::Look, LONG), || -> io::Result<()> { panic!("for this test") }).await.unwrap_err();
        assert_eq!(guard.lanes[Lane::Look as usize].in_flight.available_permits(), IN_FLIGHT_MAX);
    }
}
