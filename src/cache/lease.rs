//! One fetch across instances: whose turn it is to ask the record, or to bring a large body. It saves requests, and nothing else
//! rests on it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, interval};

use crate::key::Key;
use crate::sync::sleep_until;
use crate::tier::{Errand, Lease, Leased, SharedTier, Token};

/// The first pause between two looks at somebody else's lease; each is twice as long as the one before.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// The longest pause: a waiter is so late at most, and looks so seldom that hundreds of them do not slow the holder.
const PAUSE_MAX: Duration = Duration::from_millis(320);

/// A lease that has stayed the same for so long is that of a dead or frozen instance.
const DEAD_AFTER: Duration = Duration::from_secs(2);

/// How often a holder shows that it is alive: often enough that one slow call does not make it look dead.
const RENEWED_EVERY: Duration = Duration::from_millis(700);

/// Those who want to be at an errand of a key under a token, one at a time.
#[derive(Clone)]
pub(super) struct Queue {
    pub(super) shared: Arc<dyn SharedTier>,
    pub(super) key: Key,
    pub(super) token: Token,
    pub(super) errand: Errand,
}

/// What was last seen of somebody else's lease, and since when it has been the same. Who waits next may go on from here.
#[derive(Default)]
pub(super) struct Watch(Option<(Option<Lease>, Instant)>);

/// Whose turn it is.
pub(super) enum Whose {
    /// The caller's.
    Ours(Turn),
    /// Whoever had it has ended, and another of those who waited has it now.
    Anothers,
    /// Still that of whoever had it, who is alive, when there was no more time to wait.
    Theirs,
    /// The shared tier does not say.
    Unknown,
}

/// A turn. It ends when this goes, whichever way.
pub(super) struct Turn {
    queue: Queue,
    lease: Lease,
    is_over: bool,
}

impl Queue {
    /// Takes the lease, or waits for whoever has it: until it is released or stays the same for 2 s, and at most until `until`;
    /// `None` waits for nobody. Whatever comes of it, the caller looks at the key again.
    pub(super) async fn turn(&self, watch: &mut Watch, until: Option<Instant>) -> Whose {
        let mut theirs = match self.shared.take(&self.key, &self.token, self.errand).await {
            Ok(Leased::Ours(lease)) => return Whose::Ours(self.begin(lease)),
            Ok(Leased::Theirs(theirs)) => theirs,
            Err(_) => return Whose::Unknown,
        };
        let mut pause = PAUSE_MIN;
        loop {
            // Who asked under another token asked before the doubt that we know of, or knows of one that we shall find.
            let is_for_us = theirs.is_none_or(|theirs| theirs.token == self.token);
            let is_dead = watch.unchanged(theirs) >= DEAD_AFTER;
            let Some(until) = until.filter(|_| is_for_us && !is_dead) else { return self.take_over().await };
            let now = Instant::now();
            if now >= until {
                return Whose::Theirs;
            }
            sleep_until(until.min(now + pause)).await;
            pause = (pause * 2).min(PAUSE_MAX);
            match self.shared.leased(&self.key, &self.token, self.errand).await {
                Ok(Some(now)) => theirs = now,
                Ok(None) => {
                    *watch = Watch::default();
                    return self.after_another().await;
                }
                Err(_) => return Whose::Unknown,
            }
        }
    }

    async fn take_over(&self) -> Whose {
        let lease = Lease::under(self.token, self.errand);
        match self.shared.put_lease(&self.key, &lease).await {
            Ok(()) => Whose::Ours(self.begin(lease)),
            Err(_) => Whose::Unknown,
        }
    }

    /// The lease was released. Where there is nothing to find now, those who waited go on, and whoever is first has the lease.
    async fn after_another(&self) -> Whose {
        match self.shared.take(&self.key, &self.token, self.errand).await {
            Ok(Leased::Ours(lease)) => Whose::Ours(self.begin(lease)),
            Ok(Leased::Theirs(_)) => Whose::Anothers,
            Err(_) => Whose::Unknown,
        }
    }

    fn begin(&self, lease: Lease) -> Turn {
        Turn { queue: self.clone(), lease, is_over: false }
    }
}

impl Watch {
    /// How long the lease has been seen to be this one.
    fn unchanged(&mut self, seen: Option<Lease>) -> Duration {
        match self.0 {
            Some((before, since)) if before == seen => since.elapsed(),
            _ => {
                self.0 = Some((seen, Instant::now()));
                Duration::ZERO
            }
        }
    }
}

impl Turn {
    /// Does `work`, and shows that this instance is alive while it lasts.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut alive = interval(RENEWED_EVERY);
        alive.reset();
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = alive.tick() => {}
            }
            // Both to their end: a lease that came to be after its release would be nobody's.
            let lease = Lease::under(self.queue.token, self.queue.errand);
            let mut put = pin!(self.queue.shared.put_lease(&self.queue.key, &lease));
            let done = tokio::select! {
                done = &mut work => (Some(done), put.await),
                put = &mut put => (None, put),
            };
            if done.1.is_ok() {
                self.lease = lease;
            }
            if let Some(done) = done.0 {
                return done;
            }
        }
    }

    /// Lets others have their turn.
    pub(super) async fn end(mut self) {
        self.queue.shared.release(&self.queue.key, &self.lease).await;
        self.is_over = true;
    }
}

/// Whoever was at it was cut short.
impl Drop for Turn {
    fn drop(&mut self) {
        // Where there is no runtime any more the lease ends by itself.
        if let Some(runtime) = Handle::try_current().ok().filter(|_| !self.is_over) {
            let (queue, lease) = (self.queue.clone(), self.lease);
            runtime.spawn(async move { queue.shared.release(&queue.key, &lease).await });
        }
    }
}
