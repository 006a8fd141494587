//! What this instance has seen of the shared tier's epochs, and when.

use std::sync::PoisonError;
use std::time::Duration;

use crate::freshness::Moment;
use crate::key::Shard;
use crate::sync::RwLock;
use crate::tier::{Epoch, SharedTier};

const SHARDS: usize = 256;

/// The epochs seen. A root that has not moved vouches for every shard's epoch read under it.
pub struct Epochs {
    max_age: Duration,
    root: RwLock<Seen>,
    shards: Vec<RwLock<Option<Leaf>>>,
    looking: tokio::sync::Mutex<()>,
}

/// What was seen of the root.
#[derive(Clone, Copy, Default)]
struct Seen {
    root: Option<Root>,
    /// How often that was forgotten: a look that began before is not remembered after.
    forgotten: u64,
}

#[derive(Clone, Copy)]
struct Root {
    epoch: Epoch,
    /// Taken before it was read.
    looked_at: Moment,
}

#[derive(Clone, Copy)]
struct Leaf {
    epoch: Epoch,
    /// The root's epoch, read before this one.
    root: Epoch,
}

impl Epochs {
    /// Nothing is seen yet; what is seen counts for `max_age`.
    pub fn new(max_age: Duration) -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Self { max_age, root: RwLock::default(), shards, looking: tokio::sync::Mutex::default() }
    }

    /// The epoch of `shard`, if it was looked at less than the max age ago.
    pub fn current(&self, shard: Shard, now: Moment) -> Option<Epoch> {
        let root = self.current_root(now)?;
        get(&self.shards[usize::from(shard.0)]).filter(|leaf| leaf.root == root).map(|leaf| leaf.epoch)
    }

    /// Looks: the root's epoch first, then, where that has moved, the shard's. `None` where nothing vouches.
    ///
    /// The order is a rule (ablation A14): the shard's epoch may be remembered only under a root that was read before it.
    pub async fn look(&self, shared: &dyn SharedTier, shard: Shard, now: Moment) -> Option<Epoch> {
        let root = self.look_at_root(shared, now).await?;
        let seen = &self.shards[usize::from(shard.0)];
        if let Some(leaf) = get(seen).filter(|leaf| leaf.root == root) {
            return Some(leaf.epoch);
        }
        let epoch = shared.shard_epoch(shard).await.ok().flatten()?;
        set(seen, Leaf { epoch, root });
        Some(epoch)
    }

    /// Forgets when it looked, so that the next read looks again. After a doubt of this instance's own.
    pub fn forget(&self) {
        let mut seen = self.root.write().unwrap_or_else(PoisonError::into_inner);
        *seen = Seen { root: None, forgotten: seen.forgotten + 1 };
    }

    async fn look_at_root(&self, shared: &dyn SharedTier, now: Moment) -> Option<Epoch> {
        // One look for the instance: who waited here finds what was read meanwhile.
        let _one = self.looking.lock().await;
        if let Some(epoch) = self.current_root(now) {
            return Some(epoch);
        }
        let forgotten = self.seen().forgotten;
        let epoch = shared.root_epoch().await.ok().flatten()?;
        let mut seen = self.root.write().unwrap_or_else(PoisonError::into_inner);
        if seen.forgotten == forgotten {
            seen.root = Some(Root { epoch, looked_at: now });
        }
        Some(epoch)
    }

    fn seen(&self) -> Seen {
        *self.root.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn current_root(&self, now: Moment) -> Option<Epoch> {
        self.seen().root.filter(|root| now.since(root.looked_at) < self.max_age).map(|root| root.epoch)
    }
}

fn get<T: Copy>(seen: &RwLock<Option<T>>) -> Option<T> {
    *seen.read().unwrap_or_else(PoisonError::into_inner)
}

fn set<T>(seen: &RwLock<Option<T>>, value: T) {
    *seen.write().unwrap_or_else(PoisonError::into_inner) = Some(value);
}
