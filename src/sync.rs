//! Locks, flags and tasks of the core. Under the feature `interleavings` they are shuttle's, and tests try in which order what several
//! threads do may happen.

#[cfg(feature = "interleavings")]
use std::convert::Infallible;

#[cfg(not(feature = "interleavings"))]
pub use std::sync::{Mutex, MutexGuard, RwLock, atomic::AtomicBool};

#[cfg(not(feature = "interleavings"))]
pub use tokio::{spawn, task::spawn_blocking, time::sleep_until};

#[cfg(feature = "interleavings")]
pub use shuttle::{
    future::spawn,
    sync::{Mutex, MutexGuard, RwLock, atomic::AtomicBool},
};

/// Lets others go first: among shuttle's tasks no time passes.
#[cfg(feature = "interleavings")]
pub async fn sleep_until(_: tokio::time::Instant) {
    shuttle::future::yield_now().await;
}

/// Does the work here: shuttle's tasks are all on one thread.
#[cfg(feature = "interleavings")]
pub async fn spawn_blocking<T>(work: impl FnOnce() -> T) -> Result<T, Infallible> {
    Ok(work())
}

#[cfg(all(test, feature = "interleavings"))]
pub mod orders;
