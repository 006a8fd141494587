//! A shared tier that fails when it is told to, and notes what it is asked.

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
use crate::tier::{DirectoryTier, Doubted, Epoch, Kept, Listed, Looked, Removed, SharedTier, State, Stored, Tier, TierName};
use crate::tier::{Health, Incoming, LargeBodies, Lease, Leased, Leases, SweepPlan, Swept, Token, Upkeep, Usage};

pub struct FailingTier {
    works: DirectoryTier,
    fails: Arc<AtomicBool>,
    fails_in: Mutex<Option<usize>>,
    calls: Mutex<Vec<&'static str>>,
    gate: Mutex<Option<Arc<Gate>>>,
}

impl FailingTier {
    /// Works as `works` does, until it is told to fail.
    pub fn new(works: DirectoryTier) -> Self {
        Self { works, fails: Arc::default(), fails_in: Mutex::default(), calls: Mutex::default(), gate: Mutex::default() }
    }

    pub fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    /// Has one call fail: the next after so many others.
    pub fn fail_once_after(&self, calls: usize) {
        *self.fails_in.lock().unwrap() = Some(calls);
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

    fn call(&self, action: &'static str) -> Result<&DirectoryTier> {
        self.calls.lock().unwrap().push(action);
        if self.fails.load(Ordering::SeqCst) || self.fails_now() {
            return Err(Error::Tier { action, cause: "told to fail".into() });
        }
        Ok(&self.works)
    }

    fn fails_now(&self) -> bool {
        let mut fails_in = self.fails_in.lock().unwrap();
        let fails = *fails_in == Some(0);
        *fails_in = fails_in.and_then(|calls| calls.checked_sub(1));
        fails
    }

    fn must_write(&self, key: &Key, verb: &'static str) -> Result<&DirectoryTier> {
        self.call(verb).map_err(|_| Error::NotWritten { key: key.clone(), verb, cause: "told to fail".into() })
    }
}

/// A body on its way into a tier that may fail meanwhile.
struct FailingIncoming {
    works: Box<dyn Incoming>,
    fails: Arc<AtomicBool>,
}

impl FailingIncoming {
    fn call(&self, action: &'static str) -> Result<&dyn Incoming> {
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
        self.call("get")?.get(key).await
    }

    async fn put(&self, key: &Key, kept: Kept) -> Result<()> {
        self.call("put")?.put(key, kept).await
    }

    async fn remove(&self, key: &Key) -> Result<Removed> {
        self.evict(key).await
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        self.call("list")?.list().await
    }
}

#[async_trait]
impl Leases for FailingTier {
    async fn take(&self, key: &Key, token: &Token) -> Result<Leased> {
        self.call("take")?.take(key, token).await
    }

    async fn leased(&self, key: &Key) -> Result<Option<Option<Lease>>> {
        self.call("leased")?.leased(key).await
    }

    async fn put_lease(&self, key: &Key, lease: &Lease) -> Result<()> {
        self.call("put_lease")?.put_lease(key, lease).await
    }

    async fn release(&self, key: &Key, lease: &Lease) {
        if let Ok(works) = self.call("release") {
            works.release(key, lease).await;
        }
    }
}

#[async_trait]
impl LargeBodies for FailingTier {
    async fn open(&self, key: &Key, state: &State, range: Range<u64>) -> Result<Option<Chunks>> {
        self.call("open")?.open(key, state, range).await
    }

    async fn receive(&self, key: &Key, size: u64) -> Result<Option<Box<dyn Incoming>>> {
        let incoming = self.call("receive")?.receive(key, size).await?;
        let fails = Arc::clone(&self.fails);
        Ok(incoming.map(|works| Box::new(FailingIncoming { works, fails }) as _))
    }
}

#[async_trait]
impl SharedTier for FailingTier {
    async fn root_epoch(&self) -> Result<Option<Epoch>> {
        let epoch = self.call("root_epoch")?.root_epoch().await;
        let gate = self.gate.lock().unwrap().take();
        if let Some(gate) = gate {
            gate.hold().await;
        }
        epoch
    }

    async fn shard_epoch(&self, shard: Shard) -> Result<Option<Epoch>> {
        self.call("shard_epoch")?.shard_epoch(shard).await
    }

    async fn look(&self, key: &Key, held: Option<&Token>) -> Result<Looked> {
        self.call("look")?.look(key, held).await
    }

    async fn lift(&self, key: &Key, state: &State) -> Result<Option<Entry>> {
        self.call("lift")?.lift(key, state).await
    }

    async fn announce(&self, key: &Key) -> Result<Token> {
        self.call("announce")?.announce(key).await
    }

    async fn store(&self, key: &Key, token: &Token, entry: &Entry, confirmed_at: Timestamp) -> Result<Stored> {
        self.call("store")?.store(key, token, entry, confirmed_at).await
    }

    async fn confirm(&self, key: &Key, token: &Token, state: &State, confirmed_at: Timestamp) -> Result<Stored> {
        self.call("confirm")?.confirm(key, token, state, confirmed_at).await
    }

    async fn forget(&self, key: &Key, token: &Token) -> Result<()> {
        self.call("forget")?.forget(key, token).await
    }

    async fn doubt(&self, key: &Key) -> Result<Doubted> {
        self.must_write(key, "doubted")?.doubt(key).await
    }

    async fn evict(&self, key: &Key) -> Result<Removed> {
        self.must_write(key, "evicted")?.evict(key).await
    }

    async fn touch(&self, key: &Key) {
        if let Ok(works) = self.call("touch") {
            works.touch(key).await;
        }
    }

    fn health(&self) -> Health {
        self.works.health()
    }

    async fn usage(&self) -> Result<Usage> {
        self.call("usage")?.usage().await
    }

    async fn sweep(&self, plan: &SweepPlan) -> Result<Option<Swept>> {
        self.call("sweep")?.sweep(plan).await
    }

    fn upkeep(&self) -> Upkeep {
        self.works.upkeep()
    }
}
