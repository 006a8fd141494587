//! The memory tier: one budget in bytes for bodies, remembered absences and whatever is derived from bodies.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use moka::sync::Cache;

use crate::entry::{Entry, Facts, Version};
use crate::error::Result;
use crate::freshness::{Moment, Timestamp};
use crate::key::{Key, Shard};
use crate::tier::{Epoch, Kept, Listed, Removed, Tier, TierName, Token};

/// Bytes a kept value costs besides its own: moka's nodes and counters, our structures, the allocator's rounding.
const BOOKKEEPING_BYTES: u64 = 512;

/// How often a use is told to the shared tier: the sweep needs no finer order, and each telling is a metered operation.
const TOUCHED_EVERY: Duration = Duration::from_secs(60 * 60);

/// moka weighs in `u32`; in units of this many bytes that reaches 256 GiB.
const UNIT_BYTES: u64 = 64;

/// Keeps bodies, and any value that can say its weight, under one budget. The least useful go first (W-TinyLFU).
pub struct MemoryTier {
    values: Cache<Name, Value>,
    budget_bytes: u64,
}

/// Says how many bytes of memory a value takes.
pub trait Weighed: Send + Sync + 'static {
    /// Bytes on the heap, bookkeeping included.
    fn weight_bytes(&self) -> u64;
}

/// Names a value that was derived from one version of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DerivedName {
    /// What it is: "frame".
    pub kind: &'static str,
    /// The key whose body it was made of.
    pub key: Key,
    /// The version it was made of.
    pub version: Version,
}

/// What memory holds of a key, and what vouches for it.
#[derive(Debug)]
pub struct Held {
    /// The entry; `None` where the record had no such object.
    pub entry: Option<Arc<Entry>>,
    /// When the record was asked, in the record's time.
    pub confirmed_at: Timestamp,
    /// The token it was asked under; `None` where there is no shared tier or it could not be written.
    pub token: Option<Token>,
    /// The key's shard, so that a hit computes no hash.
    pub shard: Shard,
    aged: Option<(Duration, Moment)>,
    vouchers: Mutex<Vouchers>,
    touched: Mutex<Option<Moment>>,
}

/// What lets memory answer without a look at anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vouchers {
    /// The shard's epoch that was read before the key's token was.
    pub epoch: Option<Epoch>,
    /// When this instance itself asked the record.
    pub asked: Option<Moment>,
}

impl MemoryTier {
    /// Makes a memory that keeps at most `budget_bytes`.
    pub fn new(budget_bytes: u64) -> Self {
        let values = Cache::builder()
            .max_capacity(units(budget_bytes).into())
            .weigher(|name, value| units(weight_bytes(name, value)))
            .build();
        Self { values, budget_bytes }
    }

    /// What is held of `key`, absence included.
    pub fn held(&self, key: &Key) -> Option<Arc<Held>> {
        match self.values.get(&Name::Body(key.clone())) {
            Some(Value::Body(held)) => Some(held),
            Some(Value::Derived(..)) | None => None,
        }
    }

    /// Holds `held` in place of what was there.
    pub fn hold(&self, key: &Key, held: Arc<Held>) {
        self.values.insert(Name::Body(key.clone()), Value::Body(held));
    }

    /// Lets go of `key`, if it is still `held` that is there; whatever took its place stays.
    pub fn let_go(&self, key: &Key, held: &Arc<Held>) {
        if self.held(key).is_some_and(|there| Arc::ptr_eq(&there, held)) {
            self.values.invalidate(&Name::Body(key.clone()));
        }
    }

    /// The derived value under `name`, if it is kept and of this type.
    pub fn derived<T: Weighed>(&self, name: &DerivedName) -> Option<Arc<T>> {
        match self.values.get(&Name::Derived(name.clone())) {
            Some(Value::Derived(value, _)) => value.downcast().ok(),
            Some(Value::Body(_)) | None => None,
        }
    }

    /// Keeps a derived value.
    pub fn keep_derived<T: Weighed>(&self, name: DerivedName, value: Arc<T>) {
        let weight_bytes = value.weight_bytes();
        self.values.insert(Name::Derived(name), Value::Derived(value, weight_bytes));
    }

    /// The most this memory keeps, in bytes.
    pub fn budget_bytes(&self) -> u64 {
        self.budget_bytes
    }

    /// What is kept now, in bytes, bookkeeping included.
    pub fn used_bytes(&self) -> u64 {
        self.values.run_pending_tasks();
        self.values.weighted_size() * UNIT_BYTES
    }

    fn lines(&self) -> Vec<Listed> {
        let line = |name: Arc<Name>, value| match (&*name, value) {
            (Name::Body(key), Value::Body(held)) => held.entry.as_ref().map(|entry| Listed {
                key: key.as_str().to_owned(),
                version: entry.version.clone(),
                size: entry.facts.size,
                confirmed_at: held.confirmed_at,
            }),
            _ => None,
        };
        self.values.iter().filter_map(|(name, value)| line(name, value)).collect()
    }
}

impl Held {
    /// Holds what the record said at `confirmed_at` by its own time, which is `age` ago at `now`.
    pub fn new(key: &Key, entry: Option<Arc<Entry>>, confirmed_at: Timestamp, age: Duration, now: Moment) -> Self {
        Self::aged(key, entry, confirmed_at, Some((age, now)))
    }

    fn aged(key: &Key, entry: Option<Arc<Entry>>, confirmed_at: Timestamp, aged: Option<(Duration, Moment)>) -> Self {
        Self {
            entry,
            confirmed_at,
            token: None,
            shard: key.hash().shard(),
            aged,
            vouchers: Mutex::default(),
            touched: Mutex::default(),
        }
    }

    /// The same under `token`, vouched for by `vouchers`.
    pub fn vouched(self, token: Option<Token>, vouchers: Vouchers) -> Self {
        Self { token, vouchers: Mutex::new(vouchers), ..self }
    }

    /// How long ago the record was asked; without end where that is not known.
    pub fn age(&self, now: Moment) -> Duration {
        self.aged.map_or(Duration::MAX, |(age, held_at)| age.saturating_add(now.since(held_at)))
    }

    /// What vouches for it.
    pub fn vouchers(&self) -> Vouchers {
        *self.vouchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note that the token was looked at after `epoch` and had not moved.
    pub fn vouch(&self, epoch: Option<Epoch>) {
        self.vouchers.lock().unwrap_or_else(PoisonError::into_inner).epoch = epoch;
    }

    /// Whether the shared tier is to hear that this was used: once in `TOUCHED_EVERY`, to whoever asks first.
    pub fn is_touch_due(&self, now: Moment) -> bool {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = touched.is_none_or(|touched| now.since(touched) >= TOUCHED_EVERY);
        if is_due {
            *touched = Some(now);
        }
        is_due
    }

    /// Nothing vouches for it any more; the next read looks.
    pub fn doubt(&self) {
        *self.vouchers.lock().unwrap_or_else(PoisonError::into_inner) = Vouchers::default();
    }
}

#[async_trait]
impl Tier for MemoryTier {
    fn name(&self) -> TierName {
        TierName::Memory
    }

    async fn get(&self, key: &Key) -> Result<Option<Kept>> {
        let kept = |held: Arc<Held>| held.entry.clone().map(|entry| Kept { entry, confirmed_at: held.confirmed_at });
        Ok(self.held(key).and_then(kept))
    }

    async fn put(&self, key: &Key, kept: Kept) -> Result<()> {
        // Nothing vouches for it and nobody said how old it is: the next read looks. The cache itself holds with `hold`.
        let Kept { entry, confirmed_at } = kept;
        let held = Held::aged(key, Some(entry), confirmed_at, None);
        self.hold(key, Arc::new(held));
        Ok(())
    }

    async fn remove(&self, key: &Key) -> Result<Removed> {
        let removed = self.values.remove(&Name::Body(key.clone()));
        Ok(match removed {
            Some(Value::Body(held)) if held.entry.is_some() => Removed::Removed,
            _ => Removed::NothingHeld,
        })
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        Ok(self.lines())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Body(Key),
    Derived(DerivedName),
}

#[derive(Clone)]
enum Value {
    Body(Arc<Held>),
    Derived(Arc<dyn Any + Send + Sync>, u64),
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

/// Source: pitfall 10; a weight without key and bookkeeping lets many tiny entries exhaust memory.
fn weight_bytes(name: &Name, value: &Value) -> u64 {
    let name_bytes = match name {
        Name::Body(key) => key.as_str().len(),
        Name::Derived(name) => name.key.as_str().len() + name.version.etag.len(),
    };
    let value_bytes = match value {
        Value::Body(held) => held.entry.as_ref().map_or(0, |entry| {
            let Facts { content_type, content_encoding, version_id, .. } = &entry.facts;
            let words = [content_type.as_deref(), content_encoding.as_deref(), version_id.as_deref()];
            let words = words.into_iter().flatten().map(str::len).sum::<usize>();
            entry.body.bytes_in_memory() + (entry.version.etag.len() + words) as u64
        }),
        Value::Derived(_, weight_bytes) => *weight_bytes,
    };
    BOOKKEEPING_BYTES + name_bytes as u64 + value_bytes
}

#[cfg(test)]
mod tests;
