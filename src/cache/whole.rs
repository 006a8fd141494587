//! Large bodies as the cache's callers want them: a part, the whole in memory, the whole in the shared tier.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout_at;

use crate::cache::large::LargeBody;
use crate::cache::{Ask, Cache, Past, Read, Served};
use crate::entry::{Body, Chunks, Entry, Parts, Whence};
use crate::error::{Error, Result};
use crate::freshness::Keeping;
use crate::key::Key;
use crate::tier::TierName;

/// How often a body that changed is asked for again before that is said.
const CHANGES_MAX: usize = 3;

/// What of the budget a large body may take at most to be gathered in memory: half of it.
const GATHERED_SHARE: u64 = 2;

impl Cache {
    /// Opens the bytes of a large body that was read, from `range.start` up to and without `range.end`, and takes down in
    /// `read` where they come from.
    ///
    /// # Errors
    /// `Changed` where the record has another version by now: [`Cache::read_again`]. `Busy`, and as a record's `fetch`.
    pub async fn open(&self, read: &mut Read, parts: &Arc<dyn Parts>, range: Range<u64>, ask: Ask) -> Result<Chunks> {
        let part = match LargeBody::of(&read.entry) {
            Some(large) if ask.demand.keeping == Keeping::Dropped => large.open_unkept(range, ask.deadline).await?,
            _ => parts.open(range, ask.deadline).await?,
        };
        read.served = match (part.whence, read.served) {
            (Whence::Tier, Served::Hit(_)) => Served::Hit(TierName::Directory),
            (Whence::Tier, Served::Confirmed(_)) => Served::Confirmed(TierName::Directory),
            (Whence::Record | Whence::Shared, Served::Hit(_) | Served::Confirmed(_)) => Served::Filled,
            (_, served) => served,
        };
        read.collapsed |= part.whence == Whence::Shared;
        if part.whence != Whence::Tier {
            // It may be once all of it has come.
            read.stored = false;
        }
        Ok(part.bytes)
    }

    /// Reads once more what turned out to be no longer there: the record is asked.
    ///
    /// # Errors
    /// As [`Cache::read`].
    pub async fn read_again(self: &Arc<Self>, key: &Key, ask: Ask) -> Result<Read> {
        let answer = self.read_uncounted(key, ask, Past::Doubted).await;
        self.counters.count(&answer);
        answer
    }

    /// Sees to it that what was read is in the shared tier, also if it is large; `stored` says whether it is.
    ///
    /// # Errors
    /// As [`Cache::read`], and `Corrupted`.
    pub async fn complete(self: &Arc<Self>, key: &Key, mut read: Read, ask: Ask) -> Result<Read> {
        for changes in 0.. {
            let Some(large) = LargeBody::of(&read.entry) else { break };
            match large.fill(ask.deadline).await {
                Ok(stored) => {
                    read.stored = stored;
                    break;
                }
                Err(Error::Changed { .. }) if changes < CHANGES_MAX => {
                    read = self.read_again(key, ask).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    /// The whole body of `entry` in memory, for whoever computes on it; a large one for as long as it is used.
    ///
    /// # Errors
    /// `TooLarge`, `Busy`, `Deadline`, `Changed`, and as a record's `fetch`.
    pub async fn whole(&self, key: &Key, entry: &Entry, deadline: Instant) -> Result<Bytes> {
        let parts = match &entry.body {
            Body::Whole(bytes) => return Ok(bytes.clone()),
            Body::Large(parts) => Arc::clone(parts),
        };
        let (size, budget) = (entry.facts.size, self.memory.budget());
        let size_max = budget.bytes() / GATHERED_SHARE;
        if size > size_max {
            return Err(Error::TooLarge { key: key.clone(), size, size_max });
        }
        let room = budget.room(size).await.map_err(|_| Error::Busy { key: key.clone() })?;
        let gather = async {
            let mut chunks = parts.open(0..size, deadline).await?.bytes;
            let mut body = Vec::with_capacity(room.bytes());
            while let Some(chunk) = chunks.next().await {
                body.extend_from_slice(&chunk?);
            }
            Ok(room.hold(body))
        };
        let gathered = timeout_at(deadline.into(), gather).await;
        gathered.unwrap_or_else(|_| Err(Error::Deadline { key: key.clone() }))
    }
}
