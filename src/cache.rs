//! The cache: the read path's control flow, doubts and evictions. Knows no HTTP, no AWS, no files, and no clock.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use crate::entry::{Entry, Version};
use crate::error::{Error, Result};
use crate::freshness::{Demand, Keeping, Moment, Policy, Source, Timestamp};
use crate::key::{InvalidKey, Key};
use crate::record::{Mark, Page, Record};
use crate::sync::{Mutex, MutexGuard};
use crate::tier::memory::{DerivedName, Held};
use crate::tier::{
    Doubted, Health, Listed, Looked, MemoryTier, Removed, SharedTier, SweepPlan, Swept, Tier, TierName, Token, Upkeep, Usage,
};

mod answer;
mod clock;
mod counters;
mod derive;
mod epochs;
mod fill;
mod flight;
mod floor;
mod guard;
mod large;
mod lease;
mod look;
mod page;
mod spool;
mod whole;

pub use answer::{Ask, Read, Served, Timings};
pub use counters::Counts;
pub use derive::Names;
pub(crate) use flight::Flights;
pub use guard::RecordHealth;
pub use page::{CacheLine, CachePage, RecordLine, RecordPage};

use clock::RecordClock;
use counters::Counters;
use epochs::Epochs;
use fill::{Fill, Filled, Landed, Under};
use floor::Floors;
use guard::{Admission, Guard};
use look::{Grounds, Sight};

/// Answers from memory, else from the shared tier, else from the record.
pub struct Cache {
    memory: MemoryTier,
    shared: Option<Arc<dyn SharedTier>>,
    record: Arc<dyn Record>,
    policy: Policy,
    epochs: Epochs,
    floors: Mutex<Floors>,
    fills: Flights<Key, Request, Landed>,
    lifts: Flights<(Key, String), (), Result<Option<Arc<Entry>>>>,
    makings: Flights<DerivedName, (), Result<derive::Value>>,
    /// Lets as many derived values be made at a time as there are cores.
    makers: Arc<Semaphore>,
    clock: RecordClock,
    guard: Guard,
    counters: Counters,
}

impl Cache {
    /// Puts a cache together. Without a shared tier nothing vouches for memory longer than the policy's `memory_max_age`.
    pub fn new(memory: MemoryTier, shared: Option<Arc<dyn SharedTier>>, record: Arc<dyn Record>, policy: Policy) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Arc::new(Self {
            memory,
            shared,
            record,
            policy,
            epochs: Epochs::new(policy.memory_max_age),
            floors: Mutex::default(),
            fills: Flights::default(),
            lifts: Flights::default(),
            makings: Flights::default(),
            makers: Arc::new(Semaphore::new(cores)),
            clock: RecordClock::default(),
            guard: Guard::default(),
            counters: Counters::default(),
        })
    }

    /// Parses the name of an object of this cache's record.
    ///
    /// # Errors
    /// The rule of a key that `text` breaks.
    pub fn key(&self, text: &str) -> Result<Key, InvalidKey> {
        Key::parse(text, self.record.prefix())
    }

    /// Reads `key` from where it is nearest and may be believed. The six steps are DESIGN part 5's.
    ///
    /// # Errors
    /// `NotFound`, `NotCached`, and what the record's `fetch` says where no stale entry may stand in.
    pub async fn read(self: &Arc<Self>, key: &Key, ask: Ask) -> Result<Read> {
        let past = if ask.demand.admits_held() { Past::Welcome } else { Past::Doubted };
        let mut answer = self.read_uncounted(key, ask, past).await;
        if let Ok(read) = &answer
            && read.belies_others()
            && self.shared.is_some()
            && ask.demand.keeping == Keeping::Kept
        {
            answer = Box::pin(self.tell_others(key, read.clone(), ask)).await;
        }
        self.counters.count(&answer);
        answer
    }

    /// Doubts `key`, then asks the record for it.
    ///
    /// # Errors
    /// `NotWritten` where the doubt failed; else as [`Cache::read`].
    pub async fn update(self: &Arc<Self>, key: &Key, ask: Ask) -> Result<Read> {
        self.doubt(key).await?;
        let answer = self.read_uncounted(key, ask, Past::Doubted).await;
        self.counters.count(&answer);
        answer
    }

    /// Sees to it that the next read of `key`, on any instance, asks the record.
    ///
    /// # Errors
    /// `NotWritten`; then other instances may not know.
    pub async fn doubt(&self, key: &Key) -> Result<Doubted> {
        self.counters.count_doubt();
        let written = match &self.shared {
            Some(shared) => shared.doubt(key).await,
            None => Ok(Doubted::NobodyHeld),
        };
        self.doubt_here(key);
        self.epochs.forget();
        written
    }

    /// Whether there is a body of `key` to confirm, be it believed or not: in the shared tier, or in memory where that is all.
    ///
    /// A shared tier that does not say is taken to have one.
    pub async fn holds(&self, key: &Key) -> bool {
        match &self.shared {
            Some(shared) => !matches!(shared.look(key, None).await, Ok(Looked::Same | Looked::Other { state: None, .. })),
            None => self.memory.held(key).is_some_and(|held| held.entry.is_some()),
        }
    }

    /// The version that is held of `key`, be it believed or not: in the shared tier, or in memory where that is all; `None`
    /// where nothing is, or the tier does not say.
    pub async fn held_version(&self, key: &Key) -> Option<Version> {
        match &self.shared {
            Some(shared) => match shared.look(key, None).await {
                Ok(Looked::Other { state, .. }) => state.map(|state| state.version),
                Ok(Looked::Same) | Err(_) => None,
            },
            None => self.memory.held(key).and_then(|held| held.entry.as_ref().map(|entry| entry.version.clone())),
        }
    }

    /// What the record has below `below`: the first page, or the one after `mark`.
    ///
    /// # Errors
    /// `NotListed`.
    pub async fn list_record(&self, below: &str, mark: Option<&Mark>, deadline: Instant) -> Result<Page> {
        self.record.list(below, mark, deadline).await
    }

    /// Drops `key` from every tier. Never from the record.
    ///
    /// # Errors
    /// `NotWritten`; then other instances may still have it.
    pub async fn evict(&self, key: &Key) -> Result<Removed> {
        self.counters.count_eviction();
        let shared = match &self.shared {
            Some(shared) => shared.evict(key).await,
            None => Ok(Removed::NothingHeld),
        };
        self.doubt_here(key);
        self.epochs.forget();
        let memory = self.memory.remove(key).await?;
        // Failed, whatever was in memory: other instances may still have it.
        let shared = shared?;
        Ok(if memory == Removed::Removed { memory } else { shared })
    }

    /// What is cached, by key: in any tier, each key once, as it was last confirmed.
    pub async fn list(&self) -> Vec<Listed> {
        let mut lines = self.memory.list().await.unwrap_or_default();
        if let Some(shared) = &self.shared {
            lines.extend(shared.list().await.unwrap_or_default());
        }
        let mut by_key = BTreeMap::<String, Listed>::new();
        for line in lines {
            let newest = by_key.entry(line.key.clone()).or_insert_with(|| line.clone());
            if line.confirmed_at > newest.confirmed_at {
                *newest = line;
            }
        }
        by_key.into_values().collect()
    }

    /// What the cache holds and has answered.
    pub async fn head(&self) -> Head {
        let directory = match &self.shared {
            Some(shared) => shared.usage().await.unwrap_or_default(),
            None => Usage::default(),
        };
        Head {
            keys: self.list().await.len() as u64,
            memory_bytes: self.memory.used_bytes(),
            memory_in_flight_bytes: self.memory.in_flight_bytes(),
            memory_budget_bytes: self.memory.budget_bytes(),
            directory_keys: directory.keys,
            directory_bytes: directory.bytes,
            directory_health: self.shared.as_ref().map(|shared| shared.health()),
            directory_upkeep: self.shared.as_ref().map(|shared| shared.upkeep()),
            record_health: self.guard.health(),
            counts: self.counters.counts(),
        }
    }

    /// Takes away what the shared tier holds in vain or beyond its budget; `None` where somebody else is at it, or there is no
    /// such tier.
    ///
    /// # Errors
    /// `Tier`.
    pub async fn sweep(&self, plan: &SweepPlan) -> Result<Option<Swept>> {
        match &self.shared {
            Some(shared) => shared.sweep(plan).await,
            None => Ok(None),
        }
    }

    /// Tells the flight of `key`, and what memory holds of it. Under the lock that a fill holds while it looks for this and gives memory
    /// what it got: of each fill either the flight is told before, or what it left in memory is.
    fn doubt_here(&self, key: &Key) {
        let _no_fill_ends = self.floors();
        self.fills.doubt(key);
        if let Some(held) = self.memory.held(key) {
            held.doubt();
        }
    }

    async fn read_uncounted(self: &Arc<Self>, key: &Key, ask: Ask, past: Past) -> Result<Read> {
        let mut timings = Timings::default();
        let mut leave = None;
        loop {
            let held = self.memory.held(key);
            if past == Past::Welcome
                && let Some(held) = held.as_ref().filter(|held| self.may_serve(held, ask))
            {
                return self.hit(key, held, TierName::Memory, ask, timings).await;
            }
            // In a box, so that a hit, which most reads are, makes no room for it.
            let grounds = match Box::pin(self.look(key, held, ask, &mut timings)).await {
                Sight::Hit(held, tier) if past == Past::Welcome => return self.hit(key, &held, tier, ask, timings).await,
                Sight::Hit(held, _) => Grounds { token: held.token, epoch: held.vouchers().epoch },
                Sight::Ask(grounds) => grounds,
                Sight::Failed(error) => return Err(error),
            };
            if !ask.demand.admits_asking() {
                return Err(Error::NotCached { key: key.clone() });
            }
            if past == Past::Welcome && leave.is_none() {
                match self.guard.admit(ask.now) {
                    Admission::Asks(to_ask) => leave = to_ask,
                    Admission::Spared => {
                        if let Some((held, tier)) = Box::pin(self.spare(key, ask.now)).await {
                            return self.answer(
                                key,
                                &held,
                                Served::Stale(tier),
                                ask,
                                Handed { collapsed: false, demanded: false, stored: true, timings },
                            );
                        }
                    }
                }
            }
            let request = Request { token: grounds.token, ask };
            let place = self.fills.join_if(
                key,
                request,
                |earlier, later| self.does_for(earlier, later),
                |doubt| {
                    let (cache, key) = (Arc::clone(self), key.clone());
                    async move { Fill::new(&cache, &key, Under { grounds, past, doubt }, ask).fly().await }
                },
            );
            let landed = timeout_at(ask.deadline.into(), place.end).await.map_err(|_| Error::Deadline { key: key.clone() })?;
            let landed = landed.ok_or_else(|| Error::Unreachable { key: key.clone(), cause: "the fill was cut short".into() })?;
            match landed {
                // Whoever started the flight may have been content with less.
                Landed::Filled(filled) if matches!(filled.served, Served::Hit(_)) && !self.does(&filled.held, ask) => {}
                Landed::Filled(filled) if !self.is_overtaken(key, &filled) => {
                    return self.handed_over(key, &filled, !place.leads, ask, timings);
                }
                Landed::Filled(_) | Landed::Overtaken => {}
                // That was the time of whoever started the flight; ours is not up.
                Landed::Failed(Error::Deadline { .. }) if !place.leads => {}
                Landed::Failed(error) => return Err(error),
            }
        }
    }

    /// What the record said in place of what others believe to be fresh: the key is doubted, so that they learn it, and confirmed
    /// under the new token. That moves no body. A doubt that cannot be written has been counted, and costs no answer.
    async fn tell_others(self: &Arc<Self>, key: &Key, read: Read, ask: Ask) -> Result<Read> {
        if self.doubt(key).await.is_err() {
            return Ok(read);
        }
        let confirmed = self.read_uncounted(key, Ask { demand: Demand::default(), ..ask }, Past::Doubted).await?;
        if confirmed.entry.version != read.entry.version {
            return Ok(confirmed);
        }
        Ok(Read { stored: confirmed.stored, ..read })
    }

    /// Whether the answer to an earlier request does for a later one: nothing has happened to the key in between. Where the shared
    /// tier does not say so, another instance may have doubted the key, and it is as with memory that nothing vouches for.
    fn does_for(&self, earlier: &Request, later: &Request) -> bool {
        let age = later.ask.now.since(earlier.ask.now);
        let is_blind = self.shared.is_some() && later.token.is_none();
        let is_unmoved = earlier.token == later.token && !(is_blind && age > self.policy.memory_max_age);
        let demand = later.ask.demand;
        let is_new_enough = match demand.source {
            // What was asked before is not what the record says now.
            Source::Record => false,
            _ => !demand.is_strict() || demand.admits(age, self.policy.local_max_age),
        };
        let is_kept = earlier.ask.demand.keeping == Keeping::Kept || demand.keeping == Keeping::Dropped;
        is_unmoved && is_new_enough && is_kept
    }

    /// Step 1: whether memory may answer without a look at anything.
    fn may_serve(&self, held: &Held, ask: Ask) -> bool {
        if held.entry.is_none() {
            return self.does(held, ask);
        }
        let vouchers = held.vouchers();
        let vouched_for = vouchers.asked.is_some_and(|asked| ask.now.since(asked) < self.policy.memory_max_age)
            || vouchers.epoch.is_some_and(|epoch| self.epochs.current(held.shard, ask.now) == Some(epoch));
        vouched_for && self.is_fresh(held, ask)
    }

    /// Whether what is held is as fresh as is demanded, be it vouched for or not.
    fn does(&self, held: &Held, ask: Ask) -> bool {
        match held.entry {
            Some(_) => self.is_fresh(held, ask),
            None => held
                .vouchers()
                .asked
                .is_some_and(|asked| ask.demand.admits_absence(ask.now.since(asked), self.policy.negative_max_age)),
        }
    }

    fn is_fresh(&self, held: &Held, ask: Ask) -> bool {
        ask.demand.admits(self.age_of(held, ask.now), self.policy.local_max_age)
    }

    fn age_of(&self, held: &Held, now: Moment) -> Duration {
        self.age(held.confirmed_at, now).max(held.age(now))
    }

    async fn hit(&self, key: &Key, held: &Held, tier: TierName, ask: Ask, timings: Timings) -> Result<Read> {
        if let Some(shared) = self.shared.as_ref().filter(|_| held.entry.is_some() && held.is_touch_due(ask.now)) {
            shared.touch(key).await;
        }
        let served = Served::Hit(tier);
        self.answer(key, held, served, ask, Handed { collapsed: false, demanded: false, stored: true, timings })
    }

    /// Step 6 for each caller of a flight.
    fn handed_over(&self, key: &Key, filled: &Filled, collapsed: bool, ask: Ask, mut timings: Timings) -> Result<Read> {
        timings.record = filled.timings.record;
        if let Some(took) = filled.timings.directory {
            timings.add_directory(took);
        }
        // Nothing may stand in for what the record says now.
        if let Some(failure) = filled.failure.as_ref().filter(|_| ask.demand.source == Source::Record) {
            return Err(failure.clone());
        }
        let handed = Handed { collapsed, demanded: filled.demanded, stored: filled.stored, timings };
        self.answer(key, &filled.held, filled.served, ask, handed)
    }

    fn answer(&self, key: &Key, held: &Held, served: Served, ask: Ask, handed: Handed) -> Result<Read> {
        let age = self.age_of(held, ask.now);
        let Some(entry) = held.entry.clone() else {
            let remembered_for = matches!(served, Served::Hit(_)).then_some(age);
            return Err(Error::NotFound { key: key.clone(), remembered_for });
        };
        let Handed { collapsed, demanded, stored, timings } = handed;
        let ttl = self.policy.local_max_age.saturating_sub(age);
        let overdue = age.saturating_sub(self.policy.local_max_age);
        Ok(Read { entry, served, collapsed, demanded, stored, age, ttl, overdue, timings })
    }

    fn is_overtaken(&self, key: &Key, filled: &Filled) -> bool {
        self.floors().overtook(key, &filled.seen, filled.asked)
    }

    fn age(&self, confirmed_at: Timestamp, now: Moment) -> Duration {
        self.clock.time(now).since(confirmed_at)
    }

    /// For what is served and not kept: another version that memory has is an older one, which may be answered no more. Under the
    /// lock under which the floor was raised.
    fn let_go_of_others(&self, key: &Key, entry: Option<&Arc<Entry>>) {
        if let Some(other) = self.memory.held(key)
            && other.entry.as_ref().map(|entry| &entry.version) != entry.map(|entry| &entry.version)
        {
            self.memory.let_go(key, &other);
        }
    }

    fn floors(&self) -> MutexGuard<'_, Floors> {
        self.floors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the cache holds and has answered; bytes with bookkeeping in memory, of bodies alone in the directory.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Head {
    /// Keys held in any tier.
    pub keys: u64,
    /// Bytes in use in memory.
    pub memory_bytes: u64,
    /// Bytes of bodies that are on their way in or out and not kept, and of what is being made of bodies.
    pub memory_in_flight_bytes: u64,
    /// The most memory may use.
    pub memory_budget_bytes: u64,
    /// Keys held in the shared directory.
    pub directory_keys: u64,
    /// Bytes of the bodies in the shared directory, superseded ones too.
    pub directory_bytes: u64,
    /// How the shared directory does; `None` without one.
    pub directory_health: Option<Health>,
    /// How the shared directory keeps within its budget; `None` without one.
    pub directory_upkeep: Option<Upkeep>,
    /// How the record does.
    pub record_health: RecordHealth,
    /// What has been answered.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What a flight is for.
#[derive(Clone, Copy)]
struct Request {
    token: Option<Token>,
    ask: Ask,
}

/// Whether what is known from before the read may answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Past {
    /// It may, if it is fresh.
    Welcome,
    /// It was just doubted, or is not wanted: the record is asked.
    Doubted,
}

/// How an entry got to a caller.
struct Handed {
    collapsed: bool,
    demanded: bool,
    stored: bool,
    timings: Timings,
}

#[cfg(test)]
pub(crate) mod tests;
