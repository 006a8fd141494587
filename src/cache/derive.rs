//! Values derived from bodies: made once, kept under the same budget.

use std::future::ready;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::cache::Cache;
use crate::entry::{Entry, NoRoom, Room, Version};
use crate::error::{Cause, Error, Result};
use crate::key::Key;
use crate::tier::memory::{Derived, DerivedName, Kind, Weighed};

mod keep;
mod names;

pub use names::Names;

/// A derived value of whatever type.
pub(super) type Value = Arc<dyn std::any::Any + Send + Sync>;

impl Cache {
    /// Waits for room for `bytes` that are made of what memory holds, and are on their way out.
    ///
    /// # Errors
    /// As [`Budget::room`](crate::entry::Budget::room).
    pub async fn room(&self, bytes: u64) -> std::result::Result<Room, NoRoom> {
        self.memory.budget().room(bytes).await
    }

    /// A value that belongs to one version of a key: made once, off the async workers, shared and kept under the memory budget.
    ///
    /// `kind` names what is made ("table_stats"); a kind is always of one type.
    ///
    /// # Errors
    /// What `make` says, and `Busy`; errors are not kept.
    pub async fn derive<T: Weighed>(
        self: &Arc<Self>,
        kind: impl Into<Kind>,
        key: &Key,
        version: &Version,
        make: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<Arc<Derived<T>>> {
        self.derive_in(0, kind, key, version, make).await
    }

    /// The same of a value that takes `room_bytes` of memory while it is made; as much as there may be for one, where that is more.
    ///
    /// # Errors
    /// As [`Cache::derive`].
    pub async fn derive_in<T: Weighed>(
        self: &Arc<Self>,
        room_bytes: u64,
        kind: impl Into<Kind>,
        key: &Key,
        version: &Version,
        make: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<Arc<Derived<T>>> {
        let name = DerivedName { kind: kind.into(), key: key.clone(), version: version.clone() };
        let room_bytes = room_bytes.min(self.making_max());
        self.derived(name, ready(Ok((Bytes::new(), room_bytes))), |_| make()).await
    }

    /// A value that was derived, where it is kept.
    pub fn already_derived<T: Weighed>(&self, kind: impl Into<Kind>, key: &Key, version: &Version) -> Option<Arc<Derived<T>>> {
        self.memory.derived(&DerivedName { kind: kind.into(), key: key.clone(), version: version.clone() })
    }

    /// What making one value may take of memory at most, in bytes: half of the budget.
    pub fn making_max(&self) -> u64 {
        self.memory.budget().bytes() / 2
    }

    /// The same of a value that is made of the body of `entry`, which is in memory meanwhile. `takes` says how many bytes of memory
    /// making takes besides the body, as far as it tells.
    ///
    /// # Errors
    /// As [`Cache::derive`]; `TooLarge`, and what the record says where the body is not in memory.
    pub async fn derive_of_body<T: Weighed>(
        self: &Arc<Self>,
        kind: impl Into<Kind>,
        key: &Key,
        entry: &Arc<Entry>,
        deadline: Instant,
        takes: impl FnOnce(&Bytes) -> u64 + Send + 'static,
        make: impl FnOnce(&Bytes) -> Result<T> + Send + 'static,
    ) -> Result<Arc<Derived<T>>> {
        let name = DerivedName { kind: kind.into(), key: key.clone(), version: entry.version.clone() };
        let (cache, key, entry, kind) = (Arc::clone(self), key.clone(), Arc::clone(entry), name.kind.name);
        let prepare = async move {
            let body = cache.whole(&key, &entry, deadline).await?;
            let looking = tokio::task::spawn_blocking(move || (takes(&body), body)).await;
            let (room_bytes, body) = looking.map_err(|cause| making_failed(kind, cause))?;
            // What would take more has all that one may.
            let room_max = cache.memory.budget().held_max().saturating_sub(entry.facts.size);
            Ok((body, room_bytes.min(room_max)))
        };
        self.derived(name, prepare, make).await
    }

    /// `prepare` brings the body that is needed, and says how many bytes making takes besides.
    async fn derived<T: Weighed>(
        self: &Arc<Self>,
        name: DerivedName,
        prepare: impl Future<Output = Result<(Bytes, u64)>> + Send + 'static,
        make: impl FnOnce(&Bytes) -> Result<T> + Send + 'static,
    ) -> Result<Arc<Derived<T>>> {
        let (cache, kind, key) = (Arc::clone(self), name.kind.name, name.key.clone());
        self.made_once(name, async move {
            let (body, room_bytes) = prepare.await?;
            let _permit = cache.makers.acquire().await.expect("nobody closes this semaphore");
            let room = cache.memory.budget().room(room_bytes).await.map_err(|_| Error::Busy { key })?;
            let making = tokio::task::spawn_blocking(move || make(&body)).await;
            let value = making.map_err(|cause| making_failed(kind, cause))??;
            Ok((value, room))
        })
        .await
    }

    /// The value that is kept under `name`; else what `make` makes, once for all who want it at the same time, and its room.
    async fn made_once<T: Weighed>(
        self: &Arc<Self>,
        name: DerivedName,
        make: impl Future<Output = Result<(T, Room)>> + Send + 'static,
    ) -> Result<Arc<Derived<T>>> {
        if let Some(value) = self.memory.derived::<T>(&name) {
            return Ok(value);
        }
        let (cache, kept_under) = (Arc::clone(self), name.clone());
        let place = self.makings.join(&name, (), |_| async move {
            // Who started this may have looked before an earlier one ended.
            if let Some(value) = cache.memory.derived::<T>(&kept_under) {
                return Ok(value as Value);
            }
            let (value, room) = make.await?;
            Ok(cache.memory.keep_derived(kept_under, value, room) as Value)
        });
        let value = place.end.await.ok_or_else(|| making_failed(name.kind.name, "the making was cut short"))??;
        Ok(value.downcast().expect("a kind is always of one type"))
    }
}

fn making_failed(kind: &'static str, cause: impl Into<Cause>) -> Error {
    Error::FunctionFailed { function: kind.to_owned(), cause: cause.into() }
}
