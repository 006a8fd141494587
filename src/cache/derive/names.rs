//! Which objects the record has: its listing, remembered for as long as an absence is.
//!
//! A listing says of every name that is not on it that there is no such object; so it is believed for no longer than that is of one
//! key, and no longer than this instance hears of a change.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::cache::derive::keep::of_no_key;
use crate::cache::derive::{Value, making_failed};
use crate::cache::{Ask, Cache};
use crate::entry::NoRoom;
use crate::error::{Error, Result, Unlisted};
use crate::freshness::{Demand, Keeping, Moment, Source};
use crate::key::Key;
use crate::tier::memory::{Derived, Kind, Weighed};

/// Most names of one listing. More are neither a table nor a list that anybody reads, and take hundreds of requests.
const NAMES_MAX: usize = 100_000;

/// The objects below a text, as the record listed them.
#[derive(Debug)]
pub struct Names {
    keys: Vec<Key>,
    asked: Moment,
}

impl Names {
    /// The objects, in the order of their keys' bytes.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// A digest of `keys`: another where there is one more, one less or another.
    pub fn digest<'a>(keys: impl IntoIterator<Item = &'a Key>) -> [u8; 32] {
        let mut hash = Sha256::new();
        for key in keys {
            // No key has a NUL.
            hash.update(key.as_str().as_bytes());
            hash.update([0]);
        }
        hash.finalize().into()
    }
}

impl Weighed for Names {
    fn weight_bytes(&self) -> u64 {
        // A key is a pointer, a length, and two counts beside its text.
        const KEY_BYTES: usize = 32;
        self.keys.iter().map(|key| (KEY_BYTES + key.as_str().len()) as u64).sum()
    }
}

impl Cache {
    /// The objects of the record whose names begin with `below`.
    ///
    /// Asks the record once for all who want it at the same time, and again after NEGATIVE_MAX_AGE or a doubt in this instance.
    ///
    /// # Errors
    /// `NotListed`, also where there are too many, no room for them, or the record was not to be asked.
    pub async fn names(self: &Arc<Self>, below: &str, ask: Ask) -> Result<Arc<Derived<Names>>> {
        let kind = self.names_kind(below);
        let kept = self.kept::<Names>(kind.clone()).filter(|names| self.may_serve_names(names, ask));
        if let Some(names) = kept {
            return Ok(names);
        }
        if !ask.demand.admits_asking() {
            return Err(Error::NotListed {
                why: Unlisted::NotAsked,
                cause: "the caller wants nothing that is not cached".into(),
            });
        }
        if ask.demand != Demand::default() {
            // What was asked before may not do, and what this brings may not be kept.
            return self.list_names(kind, below, ask).await;
        }
        let (cache, asked_for, below) = (Arc::clone(self), kind.clone(), below.to_owned());
        let place = self.makings.join(&of_no_key(kind), (), |_| async move {
            cache.list_names(asked_for, &below, ask).await.map(|names| names as Value)
        });
        let value = place.end.await.ok_or_else(|| making_failed("names", "the listing was cut short"))??;
        Ok(value.downcast().expect("a kind is always of one type"))
    }

    async fn list_names(&self, kind: Kind, below: &str, ask: Ask) -> Result<Arc<Derived<Names>>> {
        let (mut keys, mut mark) = (Vec::new(), None);
        loop {
            let page = self.list_record(below, mark.as_ref(), ask.deadline).await?;
            keys.extend(page.objects.into_iter().map(|object| object.key));
            if keys.len() > NAMES_MAX {
                return Err(Error::NotListed { why: Unlisted::TooMany, cause: format!("more than {NAMES_MAX} names").into() });
            }
            match page.next {
                Some(next) => mark = Some(next),
                None => break,
            }
        }
        keys.shrink_to_fit();
        let names = Names { keys, asked: ask.now };
        if ask.demand.keeping == Keeping::Dropped {
            return self.hold(names).await.map_err(no_room);
        }
        self.keep(kind, names).await.map_err(no_room)
    }

    fn may_serve_names(&self, names: &Names, ask: Ask) -> bool {
        let age = ask.now.since(names.asked);
        ask.demand.source != Source::Record && ask.demand.admits_absence(age, self.policy.negative_max_age)
    }

    /// What a listing is kept under: another name after each doubt and eviction of this instance, so that no read that begins after
    /// one has, or waits for, what was asked before it.
    fn names_kind(&self, below: &str) -> Kind {
        let counts = self.counters.counts();
        Kind { name: "names", of: Some(format!("{} {below}", counts.doubts + counts.evictions).into()) }
    }
}

fn no_room(_: NoRoom) -> Error {
    Error::NotListed { why: Unlisted::NoRoom, cause: "memory is full of what is under way".into() }
}
