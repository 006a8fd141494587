//! A shared tier that fails or dawdles when it is told to, and notes what it is asked.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;

use super::fake_record::Gate;
use crate::entry::{Checksum, Chunks, Entry};
use crate::error::{Error, Result};
use crate::freshness::Timestamp;
use crate::key::{Key, Shard};
use crate::tier::large::Publication;
use crate::tier::{
    DirectoryTier, Doubted, Epoch, Forgotten, Kept, Listed, Looked, Removed, SharedTier, State, Stored, Tier, TierName,
};
use crate::tier::{
    Errand, Health, Incoming, LargeBodies, Lease, Leased, Leases, Line, SweepPlan, Swept, Token, Upkeep, Usage, Wanted,
};

pub struct FailingTier {
    works: DirectoryTier,
    fails: Arc<AtomicBool>,
    next: Mutex<Option<(usize, Whim)>>,
    calls: Arc<Mutex<Vec<&'static str>>>,
    gate: Mutex<Option<Arc<Gate>>>,
}

/// What becomes of one call.
#[derive(Clone)]
pub enum Whim {
    /// It fails, and nothing is done.
    Fail,
    /// It is done, and fails all the same.
    FailAfter,
    /// It is done when the gate is released: too late, perhaps.
    WaitBefore(Arc<Gate>),
    /// It is done, and its end told when the gate is released.
    WaitAfter(Arc<Gate>),
}

impl FailingTier {
    /// Works as `works` does, until it is told to fail.
    pub fn new(works: DirectoryTier) -> Self {
        Self { works, fails: Arc::default(), next: Mutex::default(), calls: Arc::default(), gate: Mutex::default() }
    }

    pub fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    /// Has this become of one call: the next after so many others.
    pub fn then(&self, calls: usize, whim: Whim) {
        *self.next.lock().unwrap() = Some((calls, whim));
    }

    /// Takes back what was to become of a later call.
    pub fn then_nothing(&self) {
        *self.next.lock().unwrap() = None;
    }

    /// Has the next look at the root's epoch made at once and told when the gate is released.
    pub fn hold_back_root_epoch(&self) -> Arc<Gate> {
        let gate = Arc::<Gate>::default();
        *self.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    /// What was called since this was called last.
    pub fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    async fn call<T>(&self, action: &'static str, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.calls.lock().unwrap().push(action);
        let failed = || Err(Error::Tier { action, cause: "told to fail".into() });
        if self.fails.load(Ordering::SeqCst) {
            return failed();
        }
        match self.whim() {
            None => work.await,
            Some(Whim::Fail) => failed(),
            Some(Whim::FailAfter) => work.await.and_then(|_| failed()),
            Some(Whim::WaitBefore(gate)) => {
                gate.hold().await;
                work.await
            }
            Some(Whim::WaitAfter(gate)) => {
                let done = work.await;
                gate.hold().await;
                done
            }
        }
    }

    fn whim(&self) -> Option<Whim> {
        let mut next = self.next.lock().unwrap();
        match &mut *next {
            Some((0, _)) => next.take().map(|(_, whim)| whim),
            Some((calls, _)) => {
                *calls -= 1;
                None
            }
            None => None,
        }
    }

    async fn write<T>(&self, key: &Key, verb: &'static str, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.call(verb, work).await.map_err(|cause| match cause {
            Error::NotWritten { .. } => cause,
            _ => Error::NotWritten { key: key.clone(), verb, cause: "told to fail".into() },
        })
    }
}

/// A body on its way into a tier that may fail meanwhile.
struct FailingIncoming {
    works: Box<dyn Incoming>,
    fails: Arc<AtomicBool>,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl FailingIncoming {
    fn call(&self, action: &'static str) -> Result<&dyn Incoming> {
        self.calls.lock().unwrap().push(action);
        match self.fails.load(Ordering::SeqCst) {
            true => Err(Error::Tier { action, cause: "told to fail".into() }),
            false => Ok(&*self.works),
        }
    }
}

#[async_trait]
impl Incoming for FailingIncoming {
    async fn append(&self, parts: Vec<Bytes>) -> Result<()> {
        self.call("append")?.append(parts).await
    }

    async fn read_back(&self, range: Range<u64>) -> Result<Vec<u8>> {
        self.call("read_back")?.read_back(range).await
    }

    fn checksum(&self) -> Checksum {
        self.works.checksum()
    }

    async fn publish(&self, publication: Publication) -> Result<Option<State>> {
        self.call("publish")?.publish(publication).await
    }
}

#[async_trait]
impl Tier for FailingTier {
    fn name(&self) -> TierName {
        TierName::Directory
    }

    async fn get(&self, key: &Key) -> Result<Option<Kept>> {
        self.call("get", self.works.get(key)).await
    }

    async fn put(&self, key: &Key, kept: Kept) -> Result<()> {
        self.call("put", self.works.put(key, kept)).await
    }

    async fn remove(&self, key: &Key) -> Result<Removed> {
        self.evict(key).await
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        self.call("list", self.works.list()).await
    }

    async fn page(&self, wanted: Wanted) -> Result<Vec<Line>> {
        self.call("list", self.works.page(wanted)).await
    }
}

#[async_trait]
impl Leases for FailingTier {
    async fn take(&self, key: &Key, token: &Token, errand: Errand) -> Result<Leased> {
        self.call("take", self.works.take(key, token, errand)).await
    }

    async fn leased(&self, key: &Key, token: &Token, errand: Errand) -> Result<Option<Option<Lease>>> {
        self.call("leased", self.works.leased(key, token, errand)).await
    }

    async fn put_lease(&self, key: &Key, lease: &Lease) -> Result<()> {
        self.call("put_lease", self.works.put_lease(key, lease)).await
    }

    async fn release(&self, key: &Key, lease: &Lease) {
        let work = async {
            self.works.release(key, lease).await;
            Ok(())
        };
        let _told = self.call("release", work).await;
    }
}

#[async_trait]
impl LargeBodies for FailingTier {
    async fn open(&self, key: &Key, state: &State, range: Range<u64>) -> Result<Option<Chunks>> {
        self.call("open", self.works.open(key, state, range)).await
    }

    async fn receive(&self, key: &Key, size: u64) -> Result<Option<Box<dyn Incoming>>> {
        let incoming = self.call("receive", self.works.receive(key, size)).await?;
        let (fails, calls) = (Arc::clone(&self.fails), Arc::clone(&self.calls));
        Ok(incoming.map(|works| Box::new(FailingIncoming { works, fails, calls }) as _))
    }
}

#[async_trait]
impl SharedTier for FailingTier {
    async fn root_epoch(&self) -> Result<Option<Epoch>> {
        let epoch = self.call("root_epoch", self.works.root_epoch()).await;
        let gate = self.gate.lock().unwrap().take();
        if let Some(gate) = gate {
            gate.hold().await;
        }
        epoch
    }

    async fn shard_epoch(&self, shard: Shard) -> Result<Option<Epoch>> {
        self.call("shard_epoch", self.works.shard_epoch(shard)).await
    }

    async fn look(&self, key: &Key, held: Option<&Token>) -> Result<Looked> {
        self.call("look", self.works.look(key, held)).await
    }

    async fn lift(&self, key: &Key, state: &State) -> Result<Option<Entry>> {
        self.call("lift", self.works.lift(key, state)).await
    }

    async fn announce(&self, key: &Key) -> Result<Token> {
        self.call("announce", self.works.announce(key)).await
    }

    async fn store(&self, key: &Key, token: &Token, entry: &Entry, confirmed_at: Timestamp) -> Result<Stored> {
        self.call("store", self.works.store(key, token, entry, confirmed_at)).await
    }

    async fn confirm(&self, key: &Key, token: &Token, state: &State, confirmed_at: Timestamp) -> Result<Stored> {
        self.call("confirm", self.works.confirm(key, token, state, confirmed_at)).await
    }

    async fn forget(&self, key: &Key, token: &Token) -> Result<Forgotten> {
        self.call("forget", self.works.forget(key, token)).await
    }

    async fn doubt(&self, key: &Key) -> Result<Doubted> {
        self.write(key, "doubted", self.works.doubt(key)).await
    }

    async fn evict(&self, key: &Key) -> Result<Removed> {
        self.write(key, "evicted", self.works.evict(key)).await
    }

    async fn touch(&self, key: &Key) {
        let work = async {
            self.works.touch(key).await;
            Ok(())
        };
        let _told = self.call("touch", work).await;
    }

    fn health(&self) -> Health {
        self.works.health()
    }

    async fn usage(&self) -> Result<Usage> {
        self.call("usage", self.works.usage()).await
    }

    async fn sweep(&self, plan: &SweepPlan) -> Result<Option<Swept>> {
        self.call("sweep", self.works.sweep(plan)).await
    }

    fn upkeep(&self) -> Upkeep {
        self.works.upkeep()
    }
}
