//! One fetch across instances: whose turn it is to ask the record. It saves requests, and nothing else rests on it.

use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::time::{interval, sleep, timeout_at};

use crate::cache::Past;
use crate::key::Key;
use crate::tier::{Lease, Leased, SharedTier, Token};

/// The first pause between two looks at somebody else's lease; each is twice as long as the one before.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// The longest pause: a waiter is so late at most, and looks so seldom that hundreds of them do not slow the holder.
const PAUSE_MAX: Duration = Duration::from_millis(320);

/// A lease that has stayed the same for so long is that of a dead or frozen instance.
const DEAD_AFTER: Duration = Duration::from_secs(2);

/// How often a holder shows that it is alive: often enough that one slow call does not make it look dead.
const RENEWED_EVERY: Duration = Duration::from_millis(700);

/// A turn to ask the record for a key under a token.
pub(super) struct Turn<'a> {
    shared: &'a dyn SharedTier,
    key: &'a Key,
    lease: Lease,
}

/// Takes the lease, or waits for whoever has it. `None` where others go on as well, or nobody can say: then the caller asks
/// all the same. Either way the caller looks again before it asks.
///
/// Waits until the lease is released or stays the same for 2 s; at most until `until`.
pub(super) async fn turn<'a>(
    shared: &'a dyn SharedTier,
    key: &'a Key,
    token: &Token,
    past: Past,
    until: Instant,
) -> Option<Turn<'a>> {
    let ours = |lease| Turn { shared, key, lease };
    let mut theirs = match shared.take(key, token).await.ok()? {
        Leased::Ours(lease) => return Some(ours(lease)),
        Leased::Theirs(theirs) => theirs,
    };
    let (mut pause, mut unchanged) = (PAUSE_MIN, Duration::ZERO);
    loop {
        // Who asked under another token asked before the doubt that we know of, or knows of one that we shall find.
        let asks_for_us = past == Past::Welcome && theirs.is_none_or(|theirs| theirs.token == *token);
        if !asks_for_us || unchanged >= DEAD_AFTER {
            let lease = Lease::under(*token);
            return shared.put_lease(key, &lease).await.is_ok().then(|| ours(lease));
        }
        timeout_at(until.into(), sleep(pause)).await.ok()?;
        unchanged += pause;
        pause = (pause * 2).min(PAUSE_MAX);
        match shared.leased(key).await.ok()? {
            Some(now) if now == theirs => {}
            Some(now) => (theirs, unchanged) = (now, Duration::ZERO),
            // Released. If there is no state now, those who waited ask together, and whoever is first has the lease.
            None => {
                return match shared.take(key, token).await.ok()? {
                    Leased::Ours(lease) => Some(ours(lease)),
                    Leased::Theirs(_) => None,
                };
            }
        }
    }
}

impl Turn<'_> {
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
            let lease = Lease::under(self.lease.token);
            let mut put = pin!(self.shared.put_lease(self.key, &lease));
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
    pub(super) async fn end(self) {
        self.shared.release(self.key, &self.lease).await;
    }
}
