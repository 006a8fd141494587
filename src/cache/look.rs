//! Steps 2 to 4: what the shared tier says of a key.

use std::sync::Arc;
use std::time::Duration;

use crate::cache::large::{Asked, LargeBody, Source, Stage};
use crate::cache::{Ask, Cache, Timings};
use crate::entry::{Entry, Seen};
use crate::error::{Error, Result};
use crate::freshness::{Keeping, Moment, Stopwatch};
use crate::key::Key;
use crate::record::Head;
use crate::tier::memory::{Held, Vouchers};
use crate::tier::{Epoch, Looked, SharedTier, State, TierName, Token};

mod current;

/// What the shared tier says of a key.
pub(super) enum Sight {
    /// This may be served; its body is from this tier.
    Hit(Arc<Held>, TierName),
    /// Nothing may be served without asking the record, on these grounds.
    Ask(Grounds),
    /// There is no room for the body in memory.
    Failed(Error),
}

/// What a belief rests on; the epoch was read before the token, and the token before the state or the record.
#[derive(Clone, Copy, Default)]
pub(super) struct Grounds {
    /// The key's token; `None` where there is no shared tier, or none that works.
    pub(super) token: Option<Token>,
    /// The shard's epoch; `None` where nothing vouches.
    pub(super) epoch: Option<Epoch>,
}

impl Cache {
    /// Steps 2 to 4.
    pub(super) async fn look(&self, key: &Key, held: Option<Arc<Held>>, ask: Ask, timings: &mut Timings) -> Sight {
        let Some(shared) = &self.shared else { return Sight::Ask(Grounds::default()) };
        let stopwatch = Stopwatch::start();
        let epoch = self.epochs.look(&**shared, key.hash().shard(), ask.now).await;
        let fresh = held.filter(|held| held.entry.is_some() && self.is_fresh(held, ask));
        let sight = match fresh {
            Some(held) if epoch.is_some() && held.vouchers().epoch == epoch => Sight::Hit(held, TierName::Memory),
            fresh => self.look_at_key(shared, key, fresh, epoch, ask).await,
        };
        timings.add_directory(stopwatch.elapsed());
        sight
    }

    /// Steps 3 and 4.
    async fn look_at_key(
        &self,
        shared: &Arc<dyn SharedTier>,
        key: &Key,
        fresh: Option<Arc<Held>>,
        epoch: Option<Epoch>,
        ask: Ask,
    ) -> Sight {
        let held_token = fresh.as_ref().and_then(|held| held.token);
        match (shared.look(key, held_token.as_ref()).await, fresh) {
            (Ok(Looked::Same), Some(held)) => {
                held.vouch(epoch);
                Sight::Hit(held, TierName::Memory)
            }
            (Ok(Looked::Other { token: Some(token), state }), _) => {
                let grounds = Grounds { token: Some(token), epoch };
                let lifted = match state {
                    Some(state) => self.lift(shared, key, &state, grounds, ask).await,
                    None => Ok(None),
                };
                match lifted {
                    Ok(Some((held, tier))) => Sight::Hit(held, tier),
                    Ok(None) => Sight::Ask(grounds),
                    Err(error) => Sight::Failed(error),
                }
            }
            // Who leaves nothing behind, or asks nobody, fills nothing that there is to announce.
            (Ok(Looked::Other { token: None, .. }), _)
                if !ask.demand.admits_asking() || ask.demand.keeping == Keeping::Dropped =>
            {
                Sight::Ask(Grounds { token: None, epoch })
            }
            (Ok(Looked::Other { token: None, .. } | Looked::Same), _) => {
                Sight::Ask(Grounds { token: shared.announce(key).await.ok(), epoch })
            }
            (Err(_), _) => Sight::Ask(Grounds::default()),
        }
    }

    /// Step 4: takes what the shared tier believes into memory, if this instance may believe it too.
    ///
    /// # Errors
    /// `Busy`.
    pub(super) async fn lift(
        &self,
        shared: &Arc<dyn SharedTier>,
        key: &Key,
        state: &State,
        grounds: Grounds,
        ask: Ask,
    ) -> Result<Option<(Arc<Held>, TierName)>> {
        let seen = Seen::Present(state.version.clone());
        let age = self.age_of_state(key, state, ask.now);
        let believed = grounds.token.is_some_and(|token| state.is_believed_under(&token))
            && ask.demand.admits(age, self.policy.local_max_age)
            && self.floors().admits(key, &seen, state.confirmed_at);
        if !believed {
            return Ok(None);
        }
        let Some((entry, tier)) = self.body_of(shared, key, state).await? else { return Ok(None) };
        let vouchers = Vouchers { epoch: grounds.epoch, asked: None };
        let held = Arc::new(Held::new(key, Some(entry), state.confirmed_at, age, ask.now).vouched(grounds.token, vouchers));
        let mut floors = self.floors();
        // Another read may have served a newer one while the body came.
        if !floors.admits(key, &seen, state.confirmed_at) {
            return Ok(None);
        }
        floors.raise(key, seen, state.confirmed_at);
        self.memory.hold(key, Arc::clone(&held));
        Ok(Some((held, tier)))
    }

    /// How old `state` is, also by this instance's monotonic clock where it held the same or a later confirmation in memory.
    pub(super) fn age_of_state(&self, key: &Key, state: &State, now: Moment) -> Duration {
        let held = self.memory.held(key).filter(|held| held.entry.is_some() && held.confirmed_at >= state.confirmed_at);
        self.age(state.confirmed_at, now).max(held.map_or(Duration::ZERO, |held| held.age(now)))
    }

    /// The body that `state` names: memory's, if it is that version, else the shared tier's. A large one stays there.
    ///
    /// # Errors
    /// `Busy`.
    pub(super) async fn body_of(
        &self,
        shared: &Arc<dyn SharedTier>,
        key: &Key,
        state: &State,
    ) -> Result<Option<(Arc<Entry>, TierName)>> {
        let in_memory = self.memory.held(key).and_then(|held| held.entry.clone());
        let is_it = |entry: &Arc<Entry>| {
            entry.version == state.version
                && LargeBody::of(entry).map_or(entry.facts == state.facts, |large| large.is_stored_as(state))
        };
        if let Some(entry) = in_memory.filter(is_it) {
            return Ok(Some((entry, TierName::Memory)));
        }
        let entry = if state.facts.size > self.memory.budget().whole_max() {
            let is_there = shared.open(key, state, 0..0).await.ok().flatten().is_some();
            is_there.then(|| Arc::new(self.stored(key, state)))
        } else {
            self.lifted(shared, key, state).await?
        };
        Ok(entry.map(|entry| (entry, TierName::Directory)))
    }

    /// The entry of a large body that the shared tier has.
    fn stored(&self, key: &Key, state: &State) -> Entry {
        let head = Head { version: state.version.clone(), facts: state.facts.clone() };
        let asked = Asked { token: Some(state.token), at: state.confirmed_at };
        Source::new(self, key, head, asked, Stage::Stored(state.clone())).entry()
    }

    /// Reads a body from the shared tier, once for all who want it at the same time.
    async fn lifted(&self, shared: &Arc<dyn SharedTier>, key: &Key, state: &State) -> Result<Option<Arc<Entry>>> {
        let name = (key.clone(), state.body.clone());
        let lift = self.lifts.join(&name, (), |_| {
            let (shared, key, state) = (Arc::clone(shared), key.clone(), state.clone());
            async move { shared.lift(&key, &state).await.map(|entry| entry.map(Arc::new)) }
        });
        match lift.end.await {
            Some(Err(busy @ Error::Busy { .. })) => Err(busy),
            Some(Ok(entry)) => Ok(entry),
            Some(Err(_)) | None => Ok(None),
        }
    }
}
