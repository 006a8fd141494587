//! The cache as a function sees it: it reads, and does nothing else. The only file of functions that holds a cache.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::timeout_at;

use crate::cache::{Ask, Cache, Read};
use crate::entry::Entry;
use crate::error::{Error, Result};
#[cfg(feature = "frames")]
use crate::frame::{Format, Frame, Source};
use crate::function::{Engine, Seen};
use crate::key::{InvalidKey, Key};
use crate::tier::memory::{Derived, Weighed};

/// What one call sees of the cache, as of one moment and until one deadline.
#[derive(Clone)]
pub struct View {
    engine: Arc<Engine>,
    ask: Ask,
    seen: Arc<Seen>,
}

impl View {
    /// Shows the cache of `engine` as of `ask`, to a call that has read nothing yet.
    pub fn new(engine: Arc<Engine>, ask: Ask) -> Self {
        Self { engine, ask, seen: Arc::default() }
    }

    /// What was read through this and its clones.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Parses the name of an object.
    ///
    /// # Errors
    /// The rule of a key that `text` breaks.
    pub fn key(&self, text: &str) -> Result<Key, InvalidKey> {
        self.cache().key(text)
    }

    /// Reads an object through the cache; the same version of it each time.
    ///
    /// # Errors
    /// `NotFound`, and what the record says.
    pub async fn read(&self, key: &Key) -> Result<Read> {
        let absent = || Error::NotFound { key: key.clone(), remembered_for: None };
        if let Some(seen) = self.seen.object(key) {
            return seen.ok_or_else(absent);
        }
        let read = match self.cache().read(key, self.ask).await {
            Ok(read) => Some(read),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        self.seen.note(key, read).ok_or_else(absent)
    }

    /// The names of what is cached, in order.
    pub async fn keys(&self) -> Vec<String> {
        self.cache().list().await.into_iter().map(|line| line.key).collect()
    }

    /// An entry in columns: parsed once a version, off the async workers.
    ///
    /// # Errors
    /// `UnknownFormat`, `Unparsable`, `TooLarge`, `Busy`, and `Deadline` where it takes too long.
    #[cfg(feature = "frames")]
    pub async fn frame(&self, key: &Key, entry: &Arc<Entry>) -> Result<Arc<Derived<Frame>>> {
        let format = Format::of(key, &entry.facts)?;
        let (owned, frame_bytes_max) = (key.clone(), self.engine.frame_bytes_max());
        let parse = move |body: &Bytes| Source { key: &owned, format, body, frame_bytes_max }.frame();
        self.derive_of_body(Frame::KIND, key, entry, parse).await
    }

    /// A value that belongs to a version: made once, off the async workers, kept under the memory budget.
    ///
    /// `kind` names what is made ("table_stats"); a kind is always of one type.
    ///
    /// # Errors
    /// What `make` says, `Busy`, and `Deadline` where it takes too long.
    pub async fn derive<T: Weighed>(
        &self,
        kind: &'static str,
        key: &Key,
        entry: &Entry,
        make: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<Arc<Derived<T>>> {
        self.in_time(key, self.cache().derive(kind, key, &entry.version, make)).await
    }

    /// The same of a value that is made of the body, which is brought into memory for it.
    ///
    /// # Errors
    /// As [`View::derive`]; `TooLarge` for what does not fit into half of the memory budget.
    pub async fn derive_of_body<T: Weighed>(
        &self,
        kind: &'static str,
        key: &Key,
        entry: &Arc<Entry>,
        make: impl FnOnce(&Bytes) -> Result<T> + Send + 'static,
    ) -> Result<Arc<Derived<T>>> {
        self.in_time(key, self.cache().derive_of_body(kind, key, entry, self.ask.deadline, make)).await
    }

    fn cache(&self) -> &Arc<Cache> {
        self.engine.cache()
    }

    async fn in_time<T>(&self, key: &Key, answer: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let in_time = timeout_at(self.ask.deadline.into(), answer).await;
        in_time.unwrap_or_else(|_| Err(Error::Deadline { key: key.clone() }))
    }
}
