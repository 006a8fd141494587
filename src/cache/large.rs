//! Large bodies: bytes that are too many for memory, given part by part from where they are. ARCHITECTURE.md, "Large bodies".

use std::any::Any;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use tokio::time::{Instant, timeout_at};

use crate::cache::Cache;
use crate::cache::lease::Watch;
use crate::cache::spool::Spool;
use crate::entry::{Body, Budget, Checksum, Chunks, Entry, Facts, Part, Parts, Version, Whence};
use crate::error::{Error, Result};
use crate::freshness::{Keeping, Timestamp};
use crate::key::Key;
use crate::record::{Head, Record};
use crate::tier::blocks::block_bytes;
use crate::tier::large::Publication;
use crate::tier::{Incoming, Looked, SharedTier, State, Token};

mod begin;
mod chunks;

use begin::wait_until;

/// What a large body takes of memory by itself, in bytes, besides the checksums of its blocks.
const WEIGHT_BYTES: u64 = 1024;

/// The body of a key at one version, wherever its bytes are.
pub(super) struct LargeBody(Arc<Source>);

/// What is needed to get at the bytes.
pub(super) struct Source {
    key: Key,
    version: Version,
    facts: Facts,
    record: Arc<dyn Record>,
    shared: Option<Arc<dyn SharedTier>>,
    budget: Arc<Budget>,
    asked: Mutex<Asked>,
    stage: Mutex<Stage>,
    /// Held by whoever begins to fill, or waits for another instance that fills.
    beginning: tokio::sync::Mutex<Watch>,
}

/// What the body may be stored under.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// The key's token; `None` where there is no shared tier, or none that works.
    pub(super) token: Option<Token>,
    /// When the record was asked, by its own time.
    pub(super) at: Timestamp,
}

/// Where the bytes are.
pub(super) enum Stage {
    /// In the record, as far as is known.
    InRecord,
    /// On their way into the shared tier, as long as somebody reads them.
    Filling(Weak<Spool>),
    /// In the shared tier.
    Stored(State),
}

impl LargeBody {
    /// The large body of `entry`; `None` where it is not large.
    pub(super) fn of(entry: &Entry) -> Option<&Self> {
        match &entry.body {
            Body::Large(parts) => (&**parts as &dyn Any).downcast_ref(),
            Body::Whole(_) => None,
        }
    }

    /// Takes note that the record has just said that this is still the version.
    pub(super) fn confirmed(&self, asked: Asked) {
        *lock(&self.0.asked) = asked;
    }

    /// As [`Parts::open`], for a reader who leaves nothing behind: no fill begins.
    pub(super) async fn open_unkept(&self, range: Range<u64>, deadline: std::time::Instant) -> Result<Part> {
        self.opened(range, Keeping::Dropped, deadline).await
    }

    async fn opened(&self, range: Range<u64>, keeping: Keeping, deadline: std::time::Instant) -> Result<Part> {
        let part = timeout_at(deadline.into(), self.0.open(range, keeping, deadline)).await;
        part.unwrap_or_else(|_| Err(Error::Deadline { key: self.0.key.clone() }))
    }

    /// Whether the shared tier has it.
    pub(super) fn is_stored(&self) -> bool {
        matches!(*self.0.stage(), Stage::Stored(_))
    }

    /// Whether the shared tier has it as `state` says, as far as is known here.
    pub(super) fn is_stored_as(&self, state: &State) -> bool {
        matches!(&*self.0.stage(), Stage::Stored(stored) if stored.body == state.body)
    }

    /// Brings it into the shared tier, if it is not there; answers whether it is.
    ///
    /// # Errors
    /// As [`Parts::open`], and `Corrupted`.
    pub(super) async fn fill(&self, deadline: std::time::Instant) -> Result<bool> {
        let fill = async {
            let look = self.0.look().await;
            // It waits for whoever brings it as long as there is time: it wants the body there, and no byte of it.
            match self.0.spool(&(0..self.0.facts.size), look, deadline, deadline.into()).await? {
                Some((spool, _)) => spool.end().await,
                // Another instance is still bringing it.
                None if !self.is_stored() && Instant::now() >= deadline.into() => {
                    Err(Error::Deadline { key: self.0.key.clone() })
                }
                None => Ok(()),
            }
        };
        let filled = timeout_at(deadline.into(), fill).await;
        match filled.map_err(|_| Error::Deadline { key: self.0.key.clone() })? {
            Ok(()) | Err(Error::Tier { .. }) => Ok(self.is_stored()),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Parts for LargeBody {
    async fn open(&self, range: Range<u64>, deadline: std::time::Instant) -> Result<Part> {
        self.opened(range, Keeping::Kept, deadline).await
    }

    fn weight_bytes(&self) -> u64 {
        let size = self.0.facts.size;
        let blocks = block_bytes(size).map_or(0, |bytes| size / bytes);
        WEIGHT_BYTES + blocks * size_of::<Checksum>() as u64
    }
}

/// Whether a body may be brought into the shared tier.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// It may: nothing has happened to the key since the record was asked.
    Unmoved,
    /// What came could not be stored.
    Moved,
}

impl Source {
    /// The body of `key` at `version`, at `stage`.
    pub(super) fn new(cache: &Cache, key: &Key, head: Head, asked: Asked, stage: Stage) -> Self {
        Self {
            key: key.clone(),
            version: head.version,
            facts: head.facts,
            record: Arc::clone(&cache.record),
            shared: cache.shared.clone(),
            budget: Arc::clone(cache.memory.budget()),
            asked: Mutex::new(asked),
            stage: Mutex::new(stage),
            beginning: tokio::sync::Mutex::default(),
        }
    }

    /// The entry of which it is the body.
    pub(super) fn entry(self) -> Entry {
        let (version, facts) = (self.version.clone(), self.facts.clone());
        Entry { version, facts, body: Body::Large(Arc::new(LargeBody(Arc::new(self)))) }
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn size(&self) -> u64 {
        self.facts.size
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Says where the bytes are from now on.
    pub(super) fn be(&self, stage: Stage) {
        *self.stage() = stage;
    }

    /// Publishes what has come whole. What cannot be stored is served all the same.
    pub(super) async fn publish(&self, incoming: &dyn Incoming) -> Option<State> {
        let Asked { token, at } = *lock(&self.asked);
        let facts = Facts { checksum: Some(incoming.checksum()), ..self.facts.clone() };
        let publication = Publication { version: self.version.clone(), facts, token: token?, confirmed_at: at };
        // The tier has counted a failure.
        incoming.publish(publication).await.ok().flatten()
    }

    /// Whether these are the bytes that the record meant, as far as it said.
    pub(super) fn judge(&self, bytes: u64, checksum: Checksum) -> Result<()> {
        if bytes != self.facts.size {
            return Err(self.ended_at(bytes));
        }
        match self.facts.checksum {
            Some(meant) if meant != checksum => {
                Err(Error::Corrupted { key: self.key.clone(), what: "its body does not fit its checksum".to_owned() })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn ended_at(&self, bytes: u64) -> Error {
        Error::Corrupted { key: self.key.clone(), what: format!("its body ended at {bytes} of {} bytes", self.facts.size) }
    }

    async fn open(self: &Arc<Self>, range: Range<u64>, keeping: Keeping, deadline: std::time::Instant) -> Result<Part> {
        let look = match (self.look().await, keeping) {
            (look, Keeping::Kept) => look,
            (_, Keeping::Dropped) => Look::Moved,
        };
        let was_stored = self.is_stored();
        let mut part = self.stored_part(&range).await?;
        if part.is_none() {
            part = self.spooled_part(&range, look, deadline).await?;
        }
        if part.is_none() && !was_stored && self.is_stored() {
            // While this waited to begin a fill, another came to its end, here or elsewhere.
            part = self.stored_part(&range).await?;
        }
        let part = match part {
            Some(part) => Part { bytes: self.resumed(part.bytes, range.clone()), ..part },
            None => Part { bytes: self.asked_of_record(range.clone(), deadline).await?, whence: Whence::Record },
        };
        Ok(if range == (0..self.facts.size) { Part { bytes: self.verified(part.bytes), ..part } } else { part })
    }

    /// Looks whether the shared tier has it by now, if nobody here has it or brings it.
    async fn look(&self) -> Look {
        let (Some(shared), Some(token)) = (&self.shared, lock(&self.asked).token) else { return Look::Moved };
        if !matches!(*self.stage(), Stage::InRecord) && (self.filling().is_some() || self.is_stored()) {
            return Look::Unmoved;
        }
        let Ok(Looked::Other { token: current, state }) = shared.look(&self.key, None).await else { return Look::Moved };
        if let Some(state) = state.filter(|state| state.version == self.version && state.facts.size == self.facts.size)
            && let Ok(Some(_is_there)) = shared.open(&self.key, &state, 0..0).await
        {
            self.be(Stage::Stored(state));
        }
        if current == Some(token) { Look::Unmoved } else { Look::Moved }
    }

    /// The part from the shared tier; `None` where that does not have it, or not undamaged.
    async fn stored_part(&self, range: &Range<u64>) -> Result<Option<Part>> {
        let state = match &*self.stage() {
            Stage::Stored(state) => state.clone(),
            Stage::InRecord | Stage::Filling(_) => return Ok(None),
        };
        let Some(shared) = &self.shared else { return Ok(None) };
        match shared.open(&self.key, &state, range.clone()).await {
            Ok(Some(bytes)) => return Ok(Some(Part { bytes, whence: Whence::Tier })),
            Ok(None) => {}
            Err(Error::Tier { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        let mut stage = self.stage();
        if matches!(&*stage, Stage::Stored(stored) if stored.body == state.body) {
            *stage = Stage::InRecord;
        }
        Ok(None)
    }

    /// The part from a spool; `None` where there is none for it.
    async fn spooled_part(
        self: &Arc<Self>,
        range: &Range<u64>,
        look: Look,
        deadline: std::time::Instant,
    ) -> Result<Option<Part>> {
        let Some((spool, whence)) = self.spool(range, look, deadline, wait_until(deadline)).await? else { return Ok(None) };
        Ok(Some(Part { bytes: spool.read(self, range.clone()).await?, whence }))
    }

    async fn asked_of_record(&self, range: Range<u64>, deadline: std::time::Instant) -> Result<Chunks> {
        self.record.open(&self.key, &self.version, range, deadline).await
    }

    fn filling(&self) -> Option<Arc<Spool>> {
        match &*self.stage() {
            Stage::Filling(spool) => spool.upgrade(),
            Stage::InRecord | Stage::Stored(_) => None,
        }
    }

    fn is_stored(&self) -> bool {
        matches!(*self.stage(), Stage::Stored(_))
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        lock(&self.stage)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
