//! What functions and queries run on: one for a process.

use std::sync::Arc;

use crate::cache::{Ask, Cache};
use crate::error::{Error, Result};
#[cfg(feature = "frames")]
use crate::function::Queries;
use crate::function::result::{Called, Results};
#[cfg(feature = "frames")]
use crate::function::worker::Workers;
use crate::function::{Arguments, Given, Registry, View};
use crate::record::FunctionDeploy;
use crate::tier::SharedResults;

/// How often a call is made anew because what it reads changes while it runs.
const CHANGES_MAX: usize = 3;

/// Runs functions on a cache.
pub struct Engine {
    cache: Arc<Cache>,
    registry: Registry,
    results: Results,
    #[cfg_attr(not(feature = "frames"), expect(dead_code, reason = "only frames are bounded by it"))]
    frame_bytes_max: u64,
    #[cfg(feature = "frames")]
    queries: Queries,
    deploys: Option<Arc<dyn FunctionDeploy>>,
    shared_results: Option<Arc<dyn SharedResults>>,
}

/// What an engine has besides its cache; nothing where it has it not.
#[derive(Default)]
pub struct Outside {
    /// Takes the files of functions.
    pub deploys: Option<Arc<dyn FunctionDeploy>>,
    /// Keeps results for all instances.
    pub results: Option<Arc<dyn SharedResults>>,
    /// Run the queries that cannot be bounded beforehand.
    #[cfg(feature = "frames")]
    pub workers: Option<Workers>,
}

impl Engine {
    /// Runs `registry`'s functions on `cache`. A frame larger than `frame_bytes_max` is refused; the memory budget is a good bound.
    pub fn new(cache: Arc<Cache>, registry: Registry, frame_bytes_max: u64) -> Arc<Self> {
        Self::with(cache, registry, frame_bytes_max, Outside::default())
    }

    /// The same, with more than a cache.
    pub fn with(cache: Arc<Cache>, registry: Registry, frame_bytes_max: u64, outside: Outside) -> Arc<Self> {
        Arc::new(Self {
            cache,
            registry,
            results: Results::default(),
            frame_bytes_max,
            #[cfg(feature = "frames")]
            queries: Queries::new(outside.workers),
            deploys: outside.deploys,
            shared_results: outside.results,
        })
    }

    /// The functions there are.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Calls a function with arguments as they came, in any order.
    ///
    /// # Errors
    /// `UnknownFunction`, `BadFunction`, `InvalidArgument`, and what the function says; `Changed` where what it reads changes again
    /// and again while it runs.
    pub async fn call(self: &Arc<Self>, name: &str, given: &[(String, Given)], ask: Ask) -> Result<Called> {
        let mut changes = 0;
        loop {
            // Nothing of what was read before is read again.
            let view = View::new(Arc::clone(self), ask);
            match self.call_in(name, given, &view).await {
                Err(Error::Changed { .. }) if changes < CHANGES_MAX => changes += 1,
                called => return called,
            }
        }
    }

    /// The same as part of what `view` sees. The one place where calls are checked.
    pub(super) async fn call_in(&self, name: &str, given: &[(String, Given)], view: &View) -> Result<Called> {
        let function = self.registry.find(name, view).await?;
        let arguments = Arguments::parse(function.spec(), given, |text| view.key(text))?;
        // In a box, for a function may call another.
        Box::pin(self.results.answer(&function, arguments, view)).await
    }

    pub(super) fn deploys(&self) -> Option<&Arc<dyn FunctionDeploy>> {
        self.deploys.as_ref()
    }

    pub(super) fn shared_results(&self) -> Option<&Arc<dyn SharedResults>> {
        self.shared_results.as_ref()
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
