//! Who brings a large body into the shared tier: one spool a process, and one process at a time.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::cache::large::{Look, Source, Stage, lock};
use crate::cache::lease::{Queue, Turn, Watch, Whose};
use crate::cache::spool::Spool;
use crate::entry::Whence;
use crate::error::Result;
use crate::tier::blocks::block_bytes;
use crate::tier::{Errand, SharedTier};

/// A part that begins so many bytes or fewer after what has come of a body is waited for. Further on it is asked for by itself:
/// at 50 MB/s that would be a third of a second.
const NEAR_BYTES: u64 = 16 << 20;

/// How long a reader waits before its first byte for another instance that brings the body: a little longer than it takes to
/// see that one is dead, so that somebody takes over from it. What takes longer to come takes minutes, perhaps.
const OTHERS_TIME_MAX: Duration = Duration::from_millis(2_500);

/// Until when a reader that has until `deadline` waits for another instance: half of its time at most.
pub(super) fn wait_until(deadline: std::time::Instant) -> Instant {
    let now = Instant::now();
    let left = Instant::from_std(deadline).saturating_duration_since(now);
    now + OTHERS_TIME_MAX.min(left / 2)
}

impl Source {
    /// The spool that a part is to be read from: one that is under way and near, or a new one where the whole is asked for.
    /// `None` where there is none for it, also because at `until` another instance still brings the body.
    pub(super) async fn spool(
        self: &Arc<Self>,
        range: &Range<u64>,
        look: Look,
        deadline: std::time::Instant,
        until: Instant,
    ) -> Result<Option<(Arc<Spool>, Whence)>> {
        let near = |spool: &Arc<Spool>| range.start <= spool.come().saturating_add(NEAR_BYTES);
        if let Some(spool) = self.filling().filter(near) {
            return Ok(Some((spool, Whence::Shared)));
        }
        // Blocks that nobody could verify within the budget are of no use.
        let is_storable = block_bytes(self.facts.size).is_some_and(|bytes| bytes <= self.budget.whole_max());
        let is_wanted = is_storable && !self.is_stored() && *range == (0..self.facts.size);
        let (Some(shared), Look::Unmoved, true) = (&self.shared, look, is_wanted) else { return Ok(None) };
        let Ok(mut watch) = timeout_at(until, self.beginning.lock()).await else { return Ok(None) };
        if let Some(spool) = self.filling() {
            return Ok(Some((spool, Whence::Shared)));
        }
        if self.is_stored() {
            return Ok(None);
        }
        let May::Fill(turn) = self.turn(shared, &mut watch, until).await else { return Ok(None) };
        let Ok(Some(incoming)) = shared.receive(&self.key, self.facts.size).await else { return Ok(None) };
        let chunks = self.asked_of_record(range.clone(), deadline).await?;
        let spool = Spool::begin(Arc::clone(self), incoming.into(), chunks, turn);
        self.be(Stage::Filling(Arc::downgrade(&spool)));
        Ok(Some((spool, Whence::Record)))
    }

    /// Whether the body may be brought by this process now. Waits for another that brings it, at most until `until`.
    async fn turn(&self, shared: &Arc<dyn SharedTier>, watch: &mut Watch, until: Instant) -> May {
        let Some(token) = lock(&self.asked).token else { return May::Not };
        let queue = Queue { shared: Arc::clone(shared), key: self.key.clone(), token, errand: Errand::Fill };
        loop {
            let whose = queue.turn(watch, Some(until)).await;
            // Whoever had it may have stored it, and the key may have been doubted meanwhile.
            if self.look().await == Look::Moved || self.is_stored() {
                return May::Not;
            }
            match whose {
                Whose::Ours(turn) => return May::Fill(Some(turn)),
                Whose::Unknown => return May::Fill(None),
                Whose::Theirs => return May::Not,
                Whose::Anothers => {}
            }
        }
    }
}

/// Whether a body may be brought.
enum May {
    /// It may, in this turn; without one where the shared tier does not say whose it is.
    Fill(Option<Turn>),
    /// It need not, or is not to be.
    Not,
}
