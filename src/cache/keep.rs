//! Values that are made by waiting and not by computing, or belong to no version: kept under the same budget.

use std::future::Future;
use std::sync::Arc;

use crate::cache::Cache;
use crate::cache::derive::{Value, making_failed};
use crate::entry::{NoRoom, Version};
use crate::error::{Error, Result};
use crate::key::Key;
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
        if let Some(value) = self.memory.derived::<T>(&name) {
            return Ok(value);
        }
        let (cache, kept_under) = (Arc::clone(self), name.clone());
        let place = self.makings.join(&name, (), |_| async move {
            // Who started this may have looked before an earlier one ended.
            if let Some(value) = cache.memory.derived::<T>(&kept_under) {
                return Ok(value as Value);
            }
            let value = make.await?;
            Ok(cache.keep(kept_under, value).await? as Value)
        });
        let value = place.end.await.ok_or_else(|| making_failed(name.kind.name, "the making was cut short"))??;
        Ok(value.downcast().expect("a kind is always of one type"))
    }

    /// Gives `value` its room in memory for as long as anybody has it; nobody finds it here.
    ///
    /// # Errors
    /// As [`Budget::room`](crate::entry::Budget::room).
    pub async fn hold<T: Weighed>(&self, value: T) -> std::result::Result<Arc<Derived<T>>, NoRoom> {
        let room = self.room(value.weight_bytes()).await?;
        Ok(Arc::new(Derived::within(value, room)))
    }

    /// Keeps `value` in place of what was kept under `name`.
    ///
    /// # Errors
    /// `Busy`.
    pub(super) async fn keep<T: Weighed>(&self, name: DerivedName, value: T) -> Result<Arc<Derived<T>>> {
        let busy = |_| Error::Busy { key: name.key.clone() };
        let room = self.room(value.weight_bytes()).await.map_err(busy)?;
        Ok(self.memory.keep_derived(name, value, room))
    }
}
