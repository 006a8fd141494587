//! Values derived from bodies: made once, kept under the same budget.

use std::sync::Arc;

use crate::cache::Cache;
use crate::entry::Version;
use crate::error::{Cause, Error, Result};
use crate::key::Key;
use crate::tier::memory::{DerivedName, Weighed};

/// A derived value of whatever type.
pub(super) type Value = Arc<dyn std::any::Any + Send + Sync>;

impl Cache {
    /// A value made of one version of a key: made once, off the async workers, shared and kept under the memory budget.
    ///
    /// `kind` names what is made ("frame"); a kind is always of one type.
    ///
    /// # Errors
    /// What `make` says; errors are not kept.
    pub async fn derive<T: Weighed>(
        self: &Arc<Self>,
        kind: &'static str,
        key: &Key,
        version: &Version,
        make: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<Arc<T>> {
        let name = DerivedName { kind, key: key.clone(), version: version.clone() };
        if let Some(value) = self.memory.derived::<T>(&name) {
            return Ok(value);
        }
        let (cache, kept_under) = (Arc::clone(self), name.clone());
        let place = self.makings.join(&name, (), |_| async move {
            // Who started this may have looked before an earlier one ended.
            if let Some(value) = cache.memory.derived::<T>(&kept_under) {
                return Ok(value as Value);
            }
            let _permit = cache.makers.acquire().await.expect("nobody closes this semaphore");
            let making = tokio::task::spawn_blocking(make).await;
            let value = Arc::new(making.map_err(|cause| making_failed(kind, cause))??);
            cache.memory.keep_derived(kept_under, Arc::clone(&value));
            Ok(value as Value)
        });
        let value = place.end.await.ok_or_else(|| making_failed(kind, "the making was cut short"))??;
        Ok(value.downcast().expect("a kind is always of one type"))
    }
}

fn making_failed(kind: &'static str, cause: impl Into<Cause>) -> Error {
    Error::FunctionFailed { function: kind.to_owned(), cause: cause.into() }
}
