//! Values that are made by waiting and not by computing, or belong to no version: kept under the same budget.

use std::future::Future;
use std::sync::Arc;

use crate::cache::Cache;
use crate::entry::{NoRoom, Version};
use crate::error::{Error, Result};
use crate::freshness::Timestamp;
use crate::key::{Key, Prefix};
use crate::tier::memory::{Derived, DerivedName, Kind, Weighed};

impl Cache {
    /// As [`Cache::derive`], of a value that others make: waiting for them holds neither a thread nor one of the places for those
    /// who compute.
    ///
    /// # Errors
    /// What `make` says, and `Busy`; errors are not kept.
    pub async fn derive_elsewhere<T: Weighed>(
        self: &Arc<Self>,
        kind: impl Into<Kind>,
        key: &Key,
        version: &Version,
        make: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<Arc<Derived<T>>> {
        let name = DerivedName { kind: kind.into(), key: key.clone(), version: version.clone() };
        let (cache, key) = (Arc::clone(self), key.clone());
        self.made_once(name, async move {
            let value = make.await?;
            let room = cache.room(value.weight_bytes()).await.map_err(|_| Error::Busy { key })?;
            Ok((value, room))
        })
        .await
    }

    /// Gives `value` its room in memory for as long as anybody has it; nobody finds it here.
    ///
    /// # Errors
    /// As [`Budget::room`](crate::entry::Budget::room).
    pub async fn hold<T: Weighed>(&self, value: T) -> std::result::Result<Arc<Derived<T>>, NoRoom> {
        let room = self.room(value.weight_bytes()).await?;
        Ok(Arc::new(Derived::within(value, room)))
    }

    /// The value of this kind that is kept, and is of no one version.
    pub fn kept<T: Weighed>(&self, kind: impl Into<Kind>) -> Option<Arc<Derived<T>>> {
        self.memory.derived(&of_no_key(kind.into()))
    }

    /// Keeps a value that is of no one version in place of the one of its kind that was kept; as long as memory has no better use
    /// for the room.
    ///
    /// # Errors
    /// As [`Cache::hold`]; then none is kept.
    pub async fn keep<T: Weighed>(&self, kind: impl Into<Kind>, value: T) -> std::result::Result<Arc<Derived<T>>, NoRoom> {
        let name = of_no_key(kind.into());
        match self.room(value.weight_bytes()).await {
            Ok(room) => Ok(self.memory.keep_derived(name, value, room)),
            Err(none) => {
                self.memory.let_go_of_derived(name);
                Err(none)
            }
        }
    }

    /// Lets go of the value of this kind that is of no one version.
    pub fn let_go(&self, kind: impl Into<Kind>) {
        self.memory.let_go_of_derived(of_no_key(kind.into()));
    }
}

/// The name of what is of no key. Memory has names of derived values with keys only; no such kind is of a key as well.
pub(super) fn of_no_key(kind: Kind) -> DerivedName {
    let key = Key::parse("none", &Prefix::default()).expect("four letters");
    DerivedName { kind, key, version: Version { etag: "".into(), last_modified: Timestamp::default() } }
}
