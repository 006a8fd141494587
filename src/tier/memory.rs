//! The memory tier: one budget in bytes for bodies, remembered absences and whatever is derived from bodies.

use std::any::Any;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use moka::sync::Cache;

use crate::entry::{Body, Budget, Entry, Facts, Room, Version};
use crate::error::Result;
use crate::freshness::{Moment, Timestamp};
use crate::key::{Key, Shard};
use crate::sync::{Mutex, spawn_blocking};
use crate::tier::{Epoch, Kept, Line, Lines, Listed, Removed, Tier, TierName, Token, Wanted};

/// Bytes a kept value costs besides its own: moka's nodes and counters, our structures, the allocator's rounding.
const BOOKKEEPING_BYTES: u64 = 512;

/// How often a use is told to the shared tier: the sweep needs no finer order, and each telling is a metered operation.
const TOUCHED_EVERY: Duration = Duration::from_secs(60 * 60);

/// moka weighs in `u32`; in units of this many bytes that reaches 256 GiB.
const UNIT_BYTES: u64 = 64;

/// Keeps bodies, and any value that can say its weight, in its part of one budget. The least useful go first (W-TinyLFU).
pub struct MemoryTier {
    values: Arc<Values>,
    budget: Arc<Budget>,
}

type Values = Cache<Name, Value>;

/// Says how many bytes of memory a value takes.
pub trait Weighed: Send + Sync + 'static {
    /// Bytes on the heap, bookkeeping included.
    fn weight_bytes(&self) -> u64;
}

/// A value that was derived, and the room it takes in memory as long as anybody has it.
#[derive(Debug)]
pub struct Derived<T> {
    value: T,
    _room: Room,
}

/// What a derived value is: "frame", or one of many answers. Values of one name are of one type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// What it is.
    pub name: &'static str,
    /// Which of them: the request that it answers, to the letter; `None` where a version has one.
    pub of: Option<Arc<str>>,
}

/// Names a value that was derived from one version of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DerivedName {
    /// What it is.
    pub kind: Kind,
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
    /// What this takes besides the body, which has its own.
    room: OnceLock<Room>,
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
    /// Makes a memory with a budget of its own, of `budget_bytes`.
    pub fn new(budget_bytes: u64) -> Self {
        Self::within(Budget::new(budget_bytes))
    }

    /// Makes a memory that keeps at most its part of `budget`, and gives way where others wait too long for theirs.
    pub fn within(budget: Arc<Budget>) -> Self {
        let values = Cache::builder().max_capacity(units(budget.held_max()).into()).weigher(weight_units).build();
        let values = Arc::new(values);
        let held = Arc::downgrade(&values);
        budget.relieved_by(move |bytes| give_way(&held, bytes));
        Self { values, budget }
    }

    /// The budget that this keeps its part of.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// What is held of `key`, absence included.
    pub fn held(&self, key: &Key) -> Option<Arc<Held>> {
        match self.values.get(&Name::Body(key.clone())) {
            Some(Value::Body(held)) => Some(held),
            Some(Value::Derived(..)) | None => None,
        }
    }

    /// Holds `held` in place of what was there. Where there is no room, nothing is held of `key`.
    pub fn hold(&self, key: &Key, held: Arc<Held>) {
        let name = Name::Body(key.clone());
        match self.room(BOOKKEEPING_BYTES + name.bytes() + held.own_bytes()) {
            Some(room) => {
                let _before = held.room.set(room);
                self.values.insert(name, Value::Body(held));
            }
            None => self.values.invalidate(&name),
        }
    }

    /// Lets go of `key`, if it is still `held` that is there; whatever took its place stays.
    pub fn let_go(&self, key: &Key, held: &Arc<Held>) {
        if self.held(key).is_some_and(|there| Arc::ptr_eq(&there, held)) {
            self.values.invalidate(&Name::Body(key.clone()));
        }
    }

    /// The derived value under `name`, if it is kept and of this type.
    pub fn derived<T: Weighed>(&self, name: &DerivedName) -> Option<Arc<Derived<T>>> {
        match self.values.get(&Name::Derived(name.clone())) {
            Some(Value::Derived(value, _)) => value.downcast().ok(),
            Some(Value::Body(_)) | None => None,
        }
    }

    /// Keeps `value`, which was made in `room`; where it and its bookkeeping find no room it is given and not kept.
    pub fn keep_derived<T: Weighed>(&self, name: DerivedName, value: T, room: Room) -> Arc<Derived<T>> {
        let name = Name::Derived(name);
        let (weight, bookkeeping) = (value.weight_bytes(), BOOKKEEPING_BYTES + name.bytes());
        match room.resized(weight + bookkeeping, &self.budget) {
            Ok(room) => {
                let value = Arc::new(Derived { value, _room: room });
                self.values.insert(name, Value::Derived(Arc::clone(&value) as _, weight));
                value
            }
            Err(room) => Arc::new(Derived { value, _room: room }),
        }
    }

    /// The most that bodies and all that is made of them may take, in bytes.
    pub fn budget_bytes(&self) -> u64 {
        self.budget.bytes()
    }

    /// What is kept now, in bytes, bookkeeping included.
    pub fn used_bytes(&self) -> u64 {
        self.values.run_pending_tasks();
        self.values.weighted_size() * UNIT_BYTES
    }

    /// Bytes that are taken and not kept here: on their way in or out, or being made into something.
    pub fn in_flight_bytes(&self) -> u64 {
        self.budget.taken_bytes().saturating_sub(self.used_bytes())
    }

    /// Room that is there, or that what was let go of and not dropped yet has.
    fn room(&self, bytes: u64) -> Option<Room> {
        let room = self.budget.room_now(bytes);
        let room = room.or_else(|_| {
            self.values.run_pending_tasks();
            self.budget.room_now(bytes)
        });
        room.ok()
    }
}

/// The bodies that are held, in no order.
fn lines(values: &Values) -> impl Iterator<Item = Listed> {
    values.iter().filter_map(|(name, value)| match (&*name, value) {
        (Name::Body(key), Value::Body(held)) => held.entry.as_ref().map(|entry| Listed {
            key: key.as_str().to_owned(),
            version: entry.version.clone(),
            size: entry.facts.size,
            confirmed_at: held.confirmed_at,
        }),
        _ => None,
    })
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
            room: OnceLock::new(),
        }
    }

    /// What the entry takes besides a body that is in memory.
    fn own_bytes(&self) -> u64 {
        self.entry.as_ref().map_or(0, |entry| {
            let Facts { content_type, content_encoding, version_id, .. } = &entry.facts;
            let words = [content_type.as_deref(), content_encoding.as_deref(), version_id.as_deref()];
            let words = entry.version.etag.len() + words.into_iter().flatten().map(str::len).sum::<usize>();
            let parts = if let Body::Large(parts) = &entry.body { parts.weight_bytes() } else { 0 };
            words as u64 + parts
        })
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
        Ok(lines(&self.values).collect())
    }

    async fn page(&self, wanted: Wanted) -> Result<Vec<Line>> {
        let values = Arc::clone(&self.values);
        // Going through 10^5 keys takes milliseconds, too long for an async worker.
        let looking = spawn_blocking(move || {
            let mut page = Lines::new(wanted);
            lines(&values).for_each(|listed| page.add(listed));
            page.into_lines()
        });
        Ok(looking.await.expect("nothing in it panics, and nobody cancels it"))
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

impl From<&'static str> for Kind {
    fn from(name: &'static str) -> Self {
        Self { name, of: None }
    }
}

impl<T> Derived<T> {
    /// Says that `value` takes `room`; nobody finds it in memory.
    pub fn within(value: T, room: Room) -> Self {
        Self { value, _room: room }
    }
}

impl<T> Deref for Derived<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl Name {
    fn bytes(&self) -> u64 {
        let bytes = match self {
            Self::Body(key) => key.as_str().len(),
            Self::Derived(name) => {
                let of = name.kind.of.as_deref().map_or(0, str::len);
                name.key.as_str().len() + name.version.etag.len() + of
            }
        };
        bytes as u64
    }
}

/// Drops what was let go of, and `bytes` of the rest, whatever comes first: moka does not say what is of least use.
fn give_way(values: &Weak<Values>, bytes: u64) {
    let Some(values) = values.upgrade() else { return };
    values.run_pending_tasks();
    let mut missing = bytes;
    for (name, value) in values.iter() {
        if missing == 0 {
            return;
        }
        values.invalidate(&*name);
        missing = missing.saturating_sub(u64::from(weight_units(&name, &value)) * UNIT_BYTES);
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

/// In units, counted as the budget counts them: a body has its own room.
///
/// Source: pitfall 10; a weight without key and bookkeeping lets many tiny entries exhaust memory.
fn weight_units(name: &Name, value: &Value) -> u32 {
    let bookkeeping = BOOKKEEPING_BYTES + name.bytes();
    match value {
        Value::Body(held) => {
            let body = held.entry.as_ref().and_then(|entry| entry.body.whole()).map_or(0, |bytes| bytes.len() as u64);
            units(bookkeeping + held.own_bytes()).saturating_add(units(body))
        }
        Value::Derived(_, weight_bytes) => units(bookkeeping + weight_bytes),
    }
}

#[cfg(test)]
mod tests;
