//! The directory tier: a directory that all instances share, and no lock in it. DESIGN part 6 is its protocol.
//!
//! This file is the async side: which thread, how long, what an error becomes. Beneath it everything is plain blocking code:
//! `layout` names, `file` and `nonce` publish, `look`, `fill` and `doubt` are the protocol, `view` is for others.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;

use crate::entry::{Budget, Chunks, Entry};
use crate::error::{Error, Result};
use crate::freshness::Timestamp;
use crate::key::RecordId;
use crate::key::{Key, Shard};
use crate::tier::blocks::block_bytes;
use crate::tier::{
    Doubted, Epoch, EpochMark, Errand, Forgotten, Health, Incoming, Kept, LargeBodies, Lease, Leased, Leases, Limits, Line,
    Listed, Looked, Removed, SharedTier, State, Stored, SweepPlan, Swept, Tier, TierName, Token, Upkeep, Usage, Wanted,
};

mod doubt;
mod file;
mod fill;
mod fs;
mod guard;
mod hands;
mod incoming;
mod layout;
mod lease;
mod listing;
mod look;
mod nonce;
mod parts;
mod past;
mod results;
mod room;
pub mod survey;
mod sweep;
mod token;
mod touch;
mod view;

use guard::{Guard, Job, Lane};
use hands::Hands;
use incoming::Draft;
use layout::Disk;
use room::{Room, Verdict};
use touch::Touches;

/// Longest that a small file is waited for. EFS gives one in some milliseconds; past a second the record is nearer.
const LOOK_LIMIT: Duration = Duration::from_secs(1);

/// Longest that publishing is waited for, besides the bytes: some ten operations, each of which may be slow and none hang.
const FILL_LIMIT: Duration = Duration::from_secs(3);

/// What a body must come or go at to be worth it, in bytes a second: the record gives ten times that to one connection.
const BODY_BYTES_PER_SECOND_MIN: u64 = 8 * 1024 * 1024;

/// Longest that a doubt or eviction is waited for. Nothing stands in for one, so that it gets more time than a read would give.
const DOUBT_LIMIT: Duration = Duration::from_secs(10);

/// Longest that a note of a key's use is waited for, once an hour and key. One that comes after the answer, or after a freeze,
/// changes a time of last use and nothing else.
const TOUCH_LIMIT: Duration = Duration::from_millis(50);

/// Longest that walking the directory is waited for: what a client behind API Gateway would wait (29 s), with a margin.
const WALK_LIMIT: Duration = Duration::from_secs(25);

/// Keeps entries in a directory that other instances, and other programs, use at the same time.
pub struct DirectoryTier {
    hands: Hands,
    touches: Touches,
    room: Arc<Room>,
    budget: Arc<Budget>,
}

/// Why a path can never be the shared directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Nothing was given.
    #[error("LOCAL_DATA_DIR is empty")]
    Empty,
    /// A file, or a path that leads through one.
    #[error("LOCAL_DATA_DIR is not a directory, or leads through something that is not")]
    NotADirectory,
    /// A symbolic link to nothing.
    #[error("LOCAL_DATA_DIR is a symbolic link to something that does not exist")]
    DanglingLink,
}

impl DirectoryTier {
    /// Opens the part of `root` that belongs to `record`, and makes it where it is missing. A directory that cannot be written
    /// now (read-only, full, hanging) opens too, and fails in use.
    ///
    /// # Errors
    /// `Tier`, caused by an [`Unusable`], where `root` can never be such a directory.
    pub async fn open(root: &Path, record: &RecordId) -> Result<Self> {
        let disk = Arc::new(Disk::new(root, record));
        let tier = Self {
            hands: Hands { disk: Arc::clone(&disk), guard: Arc::new(Guard::default()) },
            touches: Touches::default(),
            room: Arc::new(Room::within(Limits::default())),
            budget: Budget::unbounded(),
        };
        let opening = Job { lane: Lane::Fill, action: "open", limit: FILL_LIMIT };
        match tier.hands.guard.run(opening, move || prepare(&disk)).await {
            Ok(Ok(())) => {}
            Ok(Err(unusable)) => return Err(Error::Tier { action: "open", cause: unusable.into() }),
            Err(error) => tracing::warn!(%error, "the shared directory cannot be used now, reads go on without it"),
        }
        Ok(tier)
    }

    /// Keeps within `limits`, and not within what the disk allows.
    #[must_use]
    pub fn within(mut self, limits: Limits) -> Self {
        self.room = Arc::new(Room::within(limits));
        self
    }

    /// Has bodies take their room in `budget` before they are read.
    #[must_use]
    pub fn sharing(mut self, budget: Arc<Budget>) -> Self {
        self.budget = budget;
        self
    }

    /// Bytes of the file system that the directory is on; `None` where it does not say.
    pub async fn disk_bytes(&self) -> Option<u64> {
        self.run(Lane::Look, "measure its disk", LOOK_LIMIT, Disk::disk_bytes).await.ok()
    }

    /// Waits `share` as long as it would for everything, and leaves the directory alone for `share` as long: a test has less time
    /// than a reader.
    #[must_use]
    pub fn hurried(mut self, share: f64) -> Self {
        self.hands.guard = Arc::new(Guard::default().hurried(share));
        self
    }

    /// Whether a body of this length fits, after a sweep where it must be. While another fill makes room, it does not.
    async fn has_room_for(&self, body_bytes: u64) -> bool {
        let bytes = sweep::walk::weight(body_bytes);
        let mut verdict = self.room.judge(bytes);
        if verdict == Verdict::MeasureFirst {
            // What cannot be measured is stored: then the file system says whether there is room.
            let Ok(_mine) = self.room.upkeep.try_lock() else { return true };
            let Ok(()) = self.measure().await else { return true };
            verdict = self.room.judge(bytes);
        }
        if verdict == Verdict::SweepFirst
            && let Ok(_mine) = self.room.upkeep.try_lock()
        {
            let plan = SweepPlan { room_bytes: bytes, ..SweepPlan::new(touch::now().into(), room::SWEEP_TIME_MAX) };
            let swept = self.sweep(&plan).await;
            verdict = self.room.judge(bytes);
            // Where another process is at it, there may be room in a moment.
            if verdict != Verdict::Fits && !matches!(swept, Ok(None)) {
                self.room.rest();
            }
        }
        if verdict != Verdict::Fits {
            self.room.refused();
        }
        verdict == Verdict::Fits
    }

    async fn measure(&self) -> Result<()> {
        let (plan, limits) = (SweepPlan::new(touch::now().into(), room::MEASURE_TIME_MAX), Arc::clone(&self.room.limits));
        let job = move |disk: &Disk| {
            let held = disk.survey(&plan, plan.time_max)?.bytes() + disk.results_bytes(plan.time_max)?;
            Ok((disk.budget_bytes(&limits, held), held))
        };
        let (budget_bytes, held) = self.run(Lane::Fill, "measure what is held", FILL_LIMIT, job).await?;
        self.room.measured(budget_bytes, held);
        Ok(())
    }

    async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        action: &'static str,
        limit: Duration,
        job: impl FnOnce(&Disk) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.hands.run(lane, action, limit, job).await
    }

    async fn always<T: Send + 'static>(
        &self,
        lane: Lane,
        action: &'static str,
        limit: Duration,
        job: impl FnOnce(&Disk) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let disk = Arc::clone(&self.hands.disk);
        self.hands.guard.always(Job { lane, action, limit }, move || job(&disk)).await
    }
}

#[async_trait]
impl Tier for DirectoryTier {
    fn name(&self) -> TierName {
        TierName::Directory
    }

    async fn get(&self, key: &Key) -> Result<Option<Kept>> {
        let Looked::Other { token: Some(token), state: Some(state) } = self.look(key, None).await? else { return Ok(None) };
        if !state.is_believed_under(&token) {
            return Ok(None);
        }
        let entry = self.lift(key, &state).await?;
        Ok(entry.map(|entry| Kept { entry: Arc::new(entry), confirmed_at: state.confirmed_at }))
    }

    /// A doubt meanwhile is no failure: then it is not kept.
    async fn put(&self, key: &Key, kept: Kept) -> Result<()> {
        let token = self.announce(key).await?;
        self.store(key, &token, &kept.entry, kept.confirmed_at).await.map(|_| ())
    }

    async fn remove(&self, key: &Key) -> Result<Removed> {
        self.evict(key).await
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        let listed = self.always(Lane::Walk, "list", WALK_LIMIT, Disk::list).await;
        listed.map_err(|error| Error::Tier { action: "list", cause: error.into() })
    }

    async fn page(&self, wanted: Wanted) -> Result<Vec<Line>> {
        let listed = self.always(Lane::Walk, "list", WALK_LIMIT, move |disk| disk.page(wanted)).await;
        listed.map_err(|error| Error::Tier { action: "list", cause: error.into() })
    }
}

#[async_trait]
impl Leases for DirectoryTier {
    async fn take(&self, key: &Key, token: &Token, errand: Errand) -> Result<Leased> {
        let (key, token) = (key.clone(), *token);
        self.run(Lane::Fill, "take a lease", LOOK_LIMIT, move |disk| disk.take_lease(&key, &token, errand)).await
    }

    async fn leased(&self, key: &Key, token: &Token, errand: Errand) -> Result<Option<Option<Lease>>> {
        let (key, token) = (key.clone(), *token);
        self.run(Lane::Look, "read a lease", LOOK_LIMIT, move |disk| disk.lease(&key, &token, errand)).await
    }

    async fn put_lease(&self, key: &Key, lease: &Lease) -> Result<()> {
        let (key, lease) = (key.clone(), *lease);
        self.run(Lane::Fill, "put a lease", LOOK_LIMIT, move |disk| disk.put_lease(&key, &lease)).await
    }

    async fn release(&self, key: &Key, lease: &Lease) {
        let (key, lease) = (key.clone(), *lease);
        let released = self.run(Lane::Fill, "release a lease", LOOK_LIMIT, move |disk| disk.release_lease(&key, &lease)).await;
        if let Err(error) = released {
            tracing::debug!(%error, cause = error.cause_text(), "a lease stays until it is taken over");
        }
    }
}

#[async_trait]
impl LargeBodies for DirectoryTier {
    async fn open(&self, key: &Key, state: &State, range: Range<u64>) -> Result<Option<Chunks>> {
        parts::open(&self.hands, &self.budget, key, state, range).await
    }

    async fn receive(&self, key: &Key, size: u64) -> Result<Option<Box<dyn Incoming>>> {
        if block_bytes(size).is_none() || !self.has_room_for(size).await {
            return Ok(None);
        }
        let draft = Draft::begin(&self.hands, &self.room, key, size).await?;
        Ok(draft.map(|draft| Box::new(draft) as _))
    }
}

#[async_trait]
impl SharedTier for DirectoryTier {
    async fn root_epoch(&self) -> Result<Option<Epoch>> {
        self.run(Lane::Look, "read its epoch", LOOK_LIMIT, Disk::root_epoch).await
    }

    async fn shard_epoch(&self, shard: Shard) -> Result<Option<Epoch>> {
        self.run(Lane::Look, "read a shard's epoch", LOOK_LIMIT, move |disk| disk.shard_epoch(shard)).await
    }

    async fn look(&self, key: &Key, held: Option<&Token>) -> Result<Looked> {
        let (key, held) = (key.clone(), held.copied());
        self.run(Lane::Look, "read a state", LOOK_LIMIT, move |disk| disk.look(&key, held.as_ref())).await
    }

    async fn lift(&self, key: &Key, state: &State) -> Result<Option<Entry>> {
        let room = self.budget.room(state.facts.size).await.map_err(|_| Error::Busy { key: key.clone() })?;
        let (key, state) = (key.clone(), state.clone());
        let limit = LOOK_LIMIT + time_for(state.facts.size);
        self.run(Lane::Lift, "read a body", limit, move |disk| disk.lift(&key, &state, room)).await
    }

    async fn announce(&self, key: &Key) -> Result<Token> {
        let key = key.clone();
        self.run(Lane::Fill, "announce a fill", FILL_LIMIT, move |disk| disk.announce(&key)).await
    }

    async fn store(&self, key: &Key, token: &Token, entry: &Entry, confirmed_at: Timestamp) -> Result<Stored> {
        if !self.has_room_for(entry.facts.size).await {
            return Ok(Stored::NoRoom);
        }
        let limit = FILL_LIMIT + time_for(entry.facts.size);
        let (key, token, entry) = (key.clone(), *token, entry.clone());
        let stored =
            self.run(Lane::Fill, "store a body", limit, move |disk| disk.store(&key, &token, &entry, confirmed_at)).await;
        if stored.as_ref().is_err_and(is_full) {
            // Others have filled the disk since it was measured: the next store makes room.
            self.room.forget();
        }
        stored
    }

    async fn confirm(&self, key: &Key, token: &Token, state: &State, confirmed_at: Timestamp) -> Result<Stored> {
        let (key, token, state) = (key.clone(), *token, state.clone());
        let job = move |disk: &Disk| disk.confirm(&key, &token, &state, confirmed_at);
        self.run(Lane::Fill, "confirm a state", FILL_LIMIT, job).await
    }

    async fn forget(&self, key: &Key, token: &Token) -> Result<Forgotten> {
        let (key, token) = (key.clone(), *token);
        self.run(Lane::Fill, "forget a key", FILL_LIMIT, move |disk| disk.forget(&key, &token)).await
    }

    async fn doubt(&self, key: &Key) -> Result<Doubted> {
        let asked = key.clone();
        let doubted = self.always(Lane::Doubt, "doubt", DOUBT_LIMIT, move |disk| disk.doubt(&asked)).await;
        doubted.map_err(|error| Error::NotWritten { key: key.clone(), verb: "doubted", cause: error.into() })
    }

    async fn evict(&self, key: &Key) -> Result<Removed> {
        let asked = key.clone();
        let evicted = self.always(Lane::Doubt, "evict", DOUBT_LIMIT, move |disk| disk.evict(&asked)).await;
        evicted.map_err(|error| Error::NotWritten { key: key.clone(), verb: "evicted", cause: error.into() })
    }

    /// Waits, since Lambda freezes the process after the answer, but not long: memory does not stand by while a directory
    /// that hangs takes a note.
    async fn touch(&self, key: &Key) {
        if self.touches.is_due(key) {
            let (disk, key) = (Arc::clone(&self.hands.disk), key.clone());
            let note = move || {
                if let Err(error) = disk.touch(&key) {
                    tracing::debug!(%key, %error, "a use was not noted");
                }
            };
            self.hands.guard.aside(Lane::Fill, TOUCH_LIMIT, note).await;
        }
    }

    fn health(&self) -> Health {
        let lanes = self.hands.guard.lanes();
        let all = [lanes.look, lanes.lift, lanes.fill, lanes.doubt, lanes.walk];
        Health {
            failures: all.iter().map(|lane| lane.failures).sum(),
            damaged: self.hands.disk.damaged.load(Ordering::Relaxed),
            breaker_open: all.iter().any(|lane| lane.closed),
            lanes,
            last_failure: self.hands.guard.last_failure(),
        }
    }

    async fn usage(&self) -> Result<Usage> {
        let counted = self.always(Lane::Walk, "count", WALK_LIMIT, Disk::usage).await;
        counted.map_err(|error| Error::Tier { action: "count", cause: error.into() })
    }

    async fn sweep(&self, plan: &SweepPlan) -> Result<Option<Swept>> {
        let (plan, limits) = (*plan, Arc::clone(&self.room.limits));
        // It ends by itself; past this it hangs.
        let limit = plan.time_max + DOUBT_LIMIT;
        let job = move |disk: &Disk| {
            let swept = disk.sweep(&plan, &limits)?;
            Ok((disk.budget_bytes(&limits, swept.map_or(0, |swept| swept.bytes)), swept))
        };
        let swept = self.always(Lane::Walk, "sweep", limit, job).await;
        let (budget_bytes, swept) = swept.map_err(|error| Error::Tier { action: "sweep", cause: error.into() })?;
        if let Some(swept) = swept {
            self.room.swept(budget_bytes, swept);
        }
        Ok(swept)
    }

    fn upkeep(&self) -> Upkeep {
        self.room.upkeep()
    }
}

/// Whether the disk had no room.
fn is_full(error: &Error) -> bool {
    let Error::Tier { cause, .. } = error else { return false };
    let cause = cause.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(cause, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
}

fn time_for(body_bytes: u64) -> Duration {
    Duration::from_secs(body_bytes / BODY_BYTES_PER_SECOND_MIN)
}

/// Makes what is missing: failing that now is one thing, a root that can never be a directory another.
fn prepare(disk: &Disk) -> io::Result<Result<(), Unusable>> {
    if let Err(unusable) = judge(&disk.root) {
        return Ok(Err(unusable));
    }
    match std::fs::create_dir_all(&disk.base) {
        // The path leads through a file, or ours does: no time and no permission will change that.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists) => {
            return Ok(Err(Unusable::NotADirectory));
        }
        made => made?,
    }
    nonce::have::<EpochMark>(&disk.root_epoch_path())?;
    Ok(Ok(()))
}

fn judge(root: &Path) -> Result<(), Unusable> {
    if root.as_os_str().is_empty() {
        return Err(Unusable::Empty);
    }
    match std::fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(Unusable::NotADirectory),
        // There is a name, and nothing behind it.
        Err(error) if error.kind() == io::ErrorKind::NotFound && root.is_symlink() => Err(Unusable::DanglingLink),
        Err(_) => Ok(()),
    }
}

#[cfg(all(test, feature = "interleavings"))]
mod interleavings;
#[cfg(test)]
mod tests;
