//! Step 5: what a flight does. Looks once more, asks the record, keeps what it said, hands it over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cache::clock::AskedAt;
use crate::cache::flight::Doubt;
use crate::cache::floor::Order;
use crate::cache::large::{Asked, LargeBody, Source, Stage};
use crate::cache::lease::{Queue, Watch, Whose};
use crate::cache::look::Grounds;
use crate::cache::{Ask, Cache, Past, Served, Timings};
use crate::entry::{Entry, Seen};
use crate::error::Error;
use crate::freshness::{Demand, Keeping, Stopwatch, Timestamp};
use crate::key::Key;
use crate::record::Fetched;
use crate::tier::memory::{Held, Vouchers};
use crate::tier::{Errand, Forgotten, Looked, SharedTier, State, Stored, Tier, TierName, Token};

/// Time kept for standing in once the record has given up: a file is opened for it at most, and the callers have to wake.
const STAND_IN_TIME_MAX: Duration = Duration::from_millis(500);

/// How a flight ended, for all of its callers.
#[derive(Clone)]
pub(super) enum Landed {
    /// There is an answer.
    Filled(Filled),
    /// Another read served a newer version meanwhile, or another instance has stored one of a key that the record did not give: look
    /// again.
    Overtaken,
    /// There is none.
    Failed(Error),
}

/// What a flight brings.
#[derive(Clone)]
pub(super) struct Filled {
    pub(super) held: Arc<Held>,
    pub(super) seen: Seen,
    pub(super) served: Served,
    pub(super) stored: bool,
    /// Whether the policy would have answered what was held.
    pub(super) demanded: bool,
    /// Why the record gave no answer, where a stale entry stands in.
    pub(super) failure: Option<Error>,
    /// Where in this instance's order the record was asked.
    pub(super) asked: Order,
    pub(super) timings: Timings,
}

/// What a flight starts under.
pub(super) struct Under {
    pub(super) grounds: Grounds,
    pub(super) past: Past,
    pub(super) doubt: Doubt,
}

/// A body in hand: the record is asked whether it is still current, and it may stand in if the record is not there.
struct InHand {
    entry: Arc<Entry>,
    confirmed_at: Timestamp,
    /// How long ago that was, by the clock that says more.
    age: Duration,
    tier: TierName,
    /// What the shared tier says of this version; `None` where memory alone has it.
    state: Option<State>,
    may_stand_in: bool,
}

/// A flight under way.
pub(super) struct Fill<'a> {
    cache: &'a Cache,
    key: &'a Key,
    ask: Ask,
    under: Under,
    /// Where in this instance's order the record is asked.
    asked: Order,
    /// When the record is asked, by its own time.
    asked_at: AskedAt,
    /// Whether the policy would have answered what is held.
    demanded: bool,
    timings: Timings,
}

impl<'a> Fill<'a> {
    pub(super) fn new(cache: &'a Cache, key: &'a Key, under: Under, ask: Ask) -> Self {
        let asked_at = cache.clock.asking(ask.now);
        Self { cache, key, ask, under, asked: Order::default(), asked_at, demanded: false, timings: Timings::default() }
    }

    pub(super) async fn fly(self) -> Landed {
        // Nobody has anything of waiting for what is not kept.
        let (Some(shared), Some(token), Keeping::Kept) = (&self.cache.shared, self.under.grounds.token, self.keeping()) else {
            return self.ask().await;
        };
        let queue = Queue { shared: Arc::clone(shared), key: self.key.clone(), token, errand: Errand::Ask };
        // Who has just doubted the key would not be answered by whoever asked before.
        let until = (self.under.past == Past::Welcome).then(|| self.wait_until().into());
        let Whose::Ours(mut turn) = queue.turn(&mut Watch::default(), until).await else { return self.ask().await };
        let landed = turn.during(self.ask()).await;
        turn.end().await;
        landed
    }

    /// Steps 3 and 4 once more, then the record.
    async fn ask(mut self) -> Landed {
        // Before what is held is looked at, which may stand in: what another read serves from now on overtakes that too.
        self.asked = self.cache.floors().order();
        let in_hand = match self.look_again().await {
            Again::Found(held, tier) => return self.found(held, tier),
            Again::Ask(in_hand) => in_hand,
            Again::Failed(error) => return Landed::Failed(error),
        };
        let known = in_hand.as_ref().map(|in_hand| &in_hand.entry.version);
        let stopwatch = Stopwatch::start();
        let answer = self.cache.record.fetch(self.key, known, self.give_up_at()).await;
        self.timings.record = Some(stopwatch.elapsed());
        self.cache.guard.answered(&answer, self.ask.now);
        let fetched = answer.map(|answer| {
            if let Some(bounds) = answer.clock {
                self.asked_at = self.cache.clock.correct(bounds, self.ask.now, self.asked_at);
            }
            answer.fetched
        });
        match (fetched, in_hand) {
            (Ok(Fetched::Changed(entry)), in_hand) => {
                let served = if in_hand.is_some() { Served::Replaced } else { Served::Filled };
                self.keep(Arc::new(entry), None, served).await
            }
            (Ok(Fetched::Large(head)), in_hand) => {
                let served = if in_hand.is_some() { Served::Replaced } else { Served::Filled };
                let entry = Source::new(self.cache, self.key, head, self.asked(), Stage::InRecord).entry();
                self.keep(Arc::new(entry), None, served).await
            }
            (Ok(Fetched::Unchanged), Some(in_hand)) => {
                self.keep(in_hand.entry, in_hand.state, Served::Confirmed(in_hand.tier)).await
            }
            (Ok(Fetched::Unchanged), None) => {
                let what = "the record calls unchanged what was not known".to_owned();
                Landed::Failed(Error::Corrupted { key: self.key.clone(), what })
            }
            (Ok(Fetched::Missing), _) => match self.forget().await {
                Forgotten::Gone => self.hand_over(None, Served::Filled, false),
                Forgotten::Overtaken => Landed::Overtaken,
            },
            (Err(error), in_hand) => self.stand_in(error, in_hand).await,
        }
    }

    /// Until when another instance may be waited for: half of the time there is.
    fn wait_until(&self) -> Instant {
        let left = self.ask.deadline.saturating_duration_since(self.ask.now.monotonic);
        self.ask.now.monotonic.checked_add(left / 2).unwrap_or(self.ask.deadline)
    }

    /// When the record must have answered: before the callers go, so that a stale entry can still stand in.
    fn give_up_at(&self) -> Instant {
        let left = self.ask.deadline.saturating_duration_since(self.ask.now.monotonic);
        self.ask.deadline.checked_sub(STAND_IN_TIME_MAX.min(left / 10)).unwrap_or(self.ask.deadline)
    }

    /// Steps 1, 3 and 4 once more: whoever started this may have looked before an earlier flight landed. And a body to ask about.
    async fn look_again(&mut self) -> Again {
        let memory = self.cache.memory.held(self.key);
        if let Some(held) = &memory {
            if self.under.past == Past::Welcome && self.cache.may_serve(held, self.ask) {
                return Again::Found(Arc::clone(held), TierName::Memory);
            }
            let by_policy = Ask { demand: Demand::default(), ..self.ask };
            self.demanded = self.ask.demand.is_strict() && held.entry.is_some() && self.cache.may_serve(held, by_policy);
        }
        let memory = memory.map(|held| (self.cache.age_of(&held, self.ask.now), held));
        let (Some(shared), Some(token)) = (&self.cache.shared, self.under.grounds.token) else {
            // Memory alone: what it holds was not evicted here, and there is nowhere else. Where there should be a shared
            // tier and is none, nobody knows whether it was evicted.
            return Again::Ask(in_memory(memory, self.cache.shared.is_none()));
        };
        let stopwatch = Stopwatch::start();
        let again = self.look_at_state(shared, token, memory).await;
        self.timings.add_directory(stopwatch.elapsed());
        again
    }

    async fn look_at_state(&mut self, shared: &Arc<dyn SharedTier>, token: Token, memory: Option<Aged>) -> Again {
        let Ok(Looked::Other { token: Some(current), state }) = shared.look(self.key, None).await else {
            return Again::Ask(in_memory(memory, false));
        };
        // A token that has moved since, moved before the record is asked: it is the one to store under.
        self.under.grounds.token = Some(current);
        let Some(state) = state else {
            // No state under the token of what memory holds: it could not be stored. Under another: it was evicted.
            let not_evicted = current == token && memory.as_ref().is_some_and(|(_, held)| held.token == Some(current));
            return Again::Ask(in_memory(memory, not_evicted));
        };
        if self.under.past == Past::Welcome {
            let lifted = self.cache.lift(shared, self.key, &state, self.under.grounds, self.ask);
            match lifted.await {
                Ok(Some((held, tier))) => return Again::Found(held, tier),
                Ok(None) => {}
                Err(error) => return Again::Failed(error),
            }
        }
        let seen = Seen::Present(state.version.clone());
        let age = self.cache.age_of_state(self.key, &state, self.ask.now);
        let is_fresh = state.is_believed_under(&current) && age < self.cache.policy.local_max_age;
        self.demanded |= self.ask.demand.is_strict() && is_fresh;
        let may_stand_in = self.cache.floors().admits(self.key, &seen, state.confirmed_at);
        match self.cache.body_of(shared, self.key, &state).await {
            Ok(Some((entry, tier))) => {
                let confirmed_at = state.confirmed_at;
                Again::Ask(Some(InHand { entry, confirmed_at, age, tier, state: Some(state), may_stand_in }))
            }
            Ok(None) => Again::Ask(in_memory(memory, false)),
            Err(error) => Again::Failed(error),
        }
    }

    /// Keeps what the record said is current: as a confirmation of `state`, or as a body.
    async fn keep(mut self, entry: Arc<Entry>, state: Option<State>, served: Served) -> Landed {
        if self.keeping() == Keeping::Dropped {
            return self.hand_over(Some(entry), served, false);
        }
        if let Some(large) = LargeBody::of(&entry).filter(|_| state.is_none()) {
            // It is stored when somebody reads all of it.
            large.confirmed(self.asked());
            return self.hand_over(Some(entry), served, false);
        }
        let Some((shared, token)) = self.cache.shared.as_ref().zip(self.under.grounds.token) else {
            return self.hand_over(Some(entry), served, false);
        };
        let stopwatch = Stopwatch::start();
        let stored = match &state {
            Some(state) => shared.confirm(self.key, &token, state, self.asked_at.earliest).await,
            None => shared.store(self.key, &token, &entry, self.asked_at.earliest).await,
        };
        self.timings.add_directory(stopwatch.elapsed());
        self.hand_over(Some(entry), served, matches!(stored, Ok(Stored::Stored)))
    }

    fn keeping(&self) -> Keeping {
        self.ask.demand.keeping
    }

    /// What the record's answer may be stored under.
    fn asked(&self) -> Asked {
        Asked { token: self.under.grounds.token.filter(|_| self.keeping() == Keeping::Kept), at: self.asked_at.earliest }
    }

    /// Step 6: never an older version than another read has served since the record was asked.
    fn hand_over(self, entry: Option<Arc<Entry>>, served: Served, in_shared: bool) -> Landed {
        let seen = seen(entry.as_ref());
        let is_large = entry.as_ref().is_some_and(|entry| entry.body.whole().is_none());
        // What could not be stored is held without an epoch, so that the next read looks again.
        let vouchers = Vouchers { epoch: self.under.grounds.epoch.filter(|_| in_shared), asked: Some(self.ask.now) };
        let held = Held::new(self.key, entry, self.asked_at.earliest, Duration::ZERO, self.ask.now)
            .vouched(self.under.grounds.token, vouchers);
        let held = Arc::new(held);
        // A doubt of this instance waits for the lock, or its flag is raised by now: no read that begins after it finds this.
        let keeps = {
            let mut floors = self.cache.floors();
            if floors.overtook(self.key, &seen, self.asked) {
                return Landed::Overtaken;
            }
            floors.raise(self.key, seen.clone(), self.asked_at.latest);
            let keeps = self.keeping() == Keeping::Kept && !self.under.doubt.is_raised();
            if keeps {
                self.cache.memory.hold(self.key, Arc::clone(&held));
            } else {
                self.cache.let_go_of_others(self.key, held.entry.as_ref());
            }
            keeps
        };
        let in_memory = self.cache.shared.is_none() && keeps && !is_large;
        let (asked, demanded, timings) = (self.asked, self.demanded, self.timings);
        Landed::Filled(Filled { held, seen, served, stored: in_shared || in_memory, demanded, failure: None, asked, timings })
    }

    /// The record gave no answer: a stale entry within its time, else the error.
    async fn stand_in(self, error: Error, in_hand: Option<InHand>) -> Landed {
        if let Error::Forbidden { .. } = error {
            if self.forget().await == Forgotten::Overtaken {
                return Landed::Overtaken;
            }
            let _removed = self.cache.memory.remove(self.key).await;
            return Landed::Failed(error);
        }
        let longest = self.cache.stale_max_age();
        let stands_in = in_hand.filter(|in_hand| in_hand.may_stand_in && error.lets_stale_stand_in() && in_hand.age <= longest);
        let stands_in = match stands_in {
            Some(in_hand) if self.was_not_evicted(&in_hand).await => in_hand,
            _ => return Landed::Failed(error),
        };
        let InHand { entry, confirmed_at, age, tier, .. } = stands_in;
        tracing::warn!(key = %self.key, %error, cause = error.cause_text(), "the record gave no answer, a stale entry stands in");
        let seen = seen(Some(&entry));
        {
            let mut floors = self.cache.floors();
            if floors.overtook(self.key, &seen, self.asked) {
                return Landed::Overtaken;
            }
            floors.raise(self.key, seen.clone(), confirmed_at);
            self.cache.let_go_of_others(self.key, Some(&entry));
        }
        let held = Arc::new(Held::new(self.key, Some(entry), confirmed_at, age, self.ask.now));
        let (asked, demanded, timings) = (self.asked, self.demanded, self.timings);
        let served = Served::Stale(tier);
        Landed::Filled(Filled { held, seen, served, stored: true, demanded, failure: Some(error), asked, timings })
    }

    /// Whether what is in hand was doubted at most. A state under another token than the current one may also have been written
    /// late, after an eviction; that has taken its body away, whatever memory still holds.
    async fn was_not_evicted(&self, in_hand: &InHand) -> bool {
        let (Some(shared), Some(token), Some(state)) = (&self.cache.shared, &self.under.grounds.token, &in_hand.state) else {
            return true;
        };
        state.is_believed_under(token) || matches!(shared.open(self.key, state, 0..0).await, Ok(Some(_)))
    }

    /// Takes away what the shared tier holds of a key that the record does not give. Where something stays, which may stand in later,
    /// nobody is told so: the read starts over.
    async fn forget(&self) -> Forgotten {
        let (Some(shared), Some(token)) = (&self.cache.shared, &self.under.grounds.token) else { return Forgotten::Gone };
        // A failure leaves what was there, fresh for its time and no longer; the tier has counted it.
        shared.forget(self.key, token).await.unwrap_or(Forgotten::Gone)
    }

    fn found(self, held: Arc<Held>, tier: TierName) -> Landed {
        let seen = seen(held.entry.as_ref());
        let asked = self.cache.floors().order();
        let served = Served::Hit(tier);
        Landed::Filled(Filled { held, seen, served, stored: true, demanded: false, failure: None, asked, timings: self.timings })
    }
}

/// What memory holds, and how old it is.
type Aged = (Duration, Arc<Held>);

/// What a flight finds when it looks once more.
enum Again {
    /// Another flight or instance has filled it meanwhile.
    Found(Arc<Held>, TierName),
    /// The record is to be asked, about this body if there is one.
    Ask(Option<InHand>),
    /// There is no room for the body in memory.
    Failed(Error),
}

fn seen(entry: Option<&Arc<Entry>>) -> Seen {
    entry.map_or(Seen::Absent, |entry| Seen::Present(entry.version.clone()))
}

fn in_memory(held: Option<Aged>, may_stand_in: bool) -> Option<InHand> {
    let (age, held) = held?;
    let entry = held.entry.clone()?;
    Some(InHand { entry, confirmed_at: held.confirmed_at, age, tier: TierName::Memory, state: None, may_stand_in })
}
