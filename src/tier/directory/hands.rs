//! What works on the directory for as long as it takes: the files, and the guard that every call goes through.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::tier::directory::guard::{Guard, Job, Lane};
use crate::tier::directory::layout::Disk;

/// The directory and its guard, for what outlives a call.
#[derive(Clone)]
pub(super) struct Hands {
    pub disk: Arc<Disk>,
    pub guard: Arc<Guard>,
}

impl Hands {
    /// Runs `job` on the directory, unless `lane` is closed.
    ///
    /// # Errors
    /// `Tier`.
    pub async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        action: &'static str,
        limit: Duration,
        job: impl FnOnce(&Disk) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let disk = Arc::clone(&self.disk);
        let ran = self.guard.run(Job { lane, action, limit }, move || job(&disk)).await;
        ran.map_err(|error| Error::Tier { action, cause: error.into() })
    }
}
