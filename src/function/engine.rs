//! What functions and queries run on: one for a process.

use std::sync::Arc;

use crate::cache::{Ask, Cache};
use crate::error::Result;
#[cfg(feature = "frames")]
use crate::function::Queries;
#[cfg(feature = "frames")]
use crate::function::worker::Workers;
use crate::function::{Answer, Given, Registry, View};

/// Runs functions on a cache.
pub struct Engine {
    cache: Arc<Cache>,
    registry: Registry,
    #[cfg_attr(not(feature = "frames"), expect(dead_code, reason = "only frames are bounded by it"))]
    frame_bytes_max: u64,
    #[cfg(feature = "frames")]
    queries: Queries,
}

impl Engine {
    /// Runs `registry`'s functions on `cache`. A frame larger than `frame_bytes_max` is refused; the memory budget is a good bound.
    pub fn new(cache: Arc<Cache>, registry: Registry, frame_bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            cache,
            registry,
            frame_bytes_max,
            #[cfg(feature = "frames")]
            queries: Queries::new(None),
        })
    }

    /// The same, which runs what cannot be bounded beforehand in `workers`.
    #[cfg(feature = "frames")]
    pub fn with_workers(cache: Arc<Cache>, registry: Registry, frame_bytes_max: u64, workers: Workers) -> Arc<Self> {
        Arc::new(Self { cache, registry, frame_bytes_max, queries: Queries::new(Some(workers)) })
    }

    /// The functions there are.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Calls a function with arguments as they came, in any order.
    ///
    /// # Errors
    /// `UnknownFunction`, `InvalidArgument`, and what the function says.
    pub async fn call(self: &Arc<Self>, name: &str, given: &[(String, Given)], ask: Ask) -> Result<Answer> {
        self.registry.call(name, given, &View::new(Arc::clone(self), ask)).await
    }

    pub(super) fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    #[cfg(feature = "frames")]
    pub(super) fn queries(&self) -> &Queries {
        &self.queries
    }

    #[cfg(feature = "frames")]
    pub(super) fn frame_bytes_max(&self) -> u64 {
        self.frame_bytes_max
    }
}
