//! The cache as a function sees it: it reads, and does nothing else. The only file of functions that holds a cache.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::timeout_at;

use crate::cache::{Ask, Cache, Names, Read};
#[cfg(feature = "frames")]
use crate::entry::Room;
use crate::entry::{Entry, NoRoom};
use crate::error::{Error, Result};
#[cfg(feature = "frames")]
use crate::frame::{Format, Frame, Slice, Source};
use crate::function::result::Call;
use crate::function::seen::{Inputs, Listing, Sight};
use crate::function::{Answer, Engine, Given, Seen};
use crate::key::{InvalidKey, Key, KeyPatterns};
use crate::tier::SharedResults;
use crate::tier::memory::{Derived, Kind, Weighed};

/// How many calls may stand in each other: a function that calls itself ends here.
pub(super) const DEPTH_MAX: usize = 16;

/// How many inputs of a result are asked for at a time.
const LOOKS_MAX: usize = 16;

/// What one call sees of the cache, as of one moment and until one deadline.
#[derive(Clone)]
pub struct View {
    engine: Arc<Engine>,
    ask: Ask,
    seen: Arc<Seen>,
    /// The calls that this one is within, the outermost first.
    within: Vec<Call>,
    depth: usize,
}

impl View {
    /// Shows the cache of `engine` as of `ask`, to a call that has read nothing yet.
    pub fn new(engine: Arc<Engine>, ask: Ask) -> Self {
        Self { engine, ask, seen: Arc::default(), within: Vec::new(), depth: 0 }
    }

    /// What was read through this and its clones.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// As of when, and until when.
    pub fn ask(&self) -> Ask {
        self.ask
    }

    /// Whether another function makes this call.
    #[cfg(feature = "python")]
    pub(super) fn is_within_another(&self) -> bool {
        self.depth > 0
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
    /// `NotFound`, `Changed` where the version that counts is no more, and what the record says.
    pub async fn read(&self, key: &Key) -> Result<Read> {
        let absent = || Error::NotFound { key: key.clone(), remembered_for: None };
        match self.seen.object(key) {
            Some(Sight::Read(read)) => return Ok(*read),
            Some(Sight::Absent) => return Err(absent()),
            Some(Sight::Known(_)) | None => {}
        }
        let sight = match self.cache().read(key, self.ask).await {
            Ok(read) => Sight::Read(Box::new(read)),
            Err(Error::NotFound { .. }) => Sight::Absent,
            Err(error) => return Err(error),
        };
        match self.seen.note(key, sight) {
            Sight::Read(read) => Ok(*read),
            Sight::Absent => Err(absent()),
            Sight::Known(_) => Err(Error::Changed { key: key.clone() }),
        }
    }

    /// Whether there is an object `key`; its body is not read.
    ///
    /// # Errors
    /// What the record says.
    pub async fn has(&self, key: &Key) -> Result<bool> {
        if let Some(sight) = self.seen.object(key) {
            return Ok(sight.version().is_some());
        }
        let version = self.cache().current(key, self.ask).await?;
        let sight = self.seen.note(key, version.map_or(Sight::Absent, Sight::Known));
        Ok(sight.version().is_some())
    }

    /// The objects of the record whose names begin with `below`, in order; the same each time.
    ///
    /// # Errors
    /// `NotListed`.
    pub async fn below(&self, below: &str) -> Result<Vec<Key>> {
        let names = self.names(below).await?;
        self.seen.note_listing(Listing::Below(below.to_owned()), Names::digest(names.keys()));
        Ok(names.keys().to_vec())
    }

    /// The objects of the record whose names match `patterns`, in order; the same each time.
    ///
    /// # Errors
    /// `NotListed`.
    pub async fn matching(&self, patterns: &KeyPatterns) -> Result<Vec<Key>> {
        let names = self.names(patterns.literal_prefix()).await?;
        let keys: Vec<Key> = names.keys().iter().filter(|key| patterns.matches(key.as_str())).cloned().collect();
        self.seen.note_listing(Listing::Matching(patterns.texts().to_vec()), Names::digest(&keys));
        Ok(keys)
    }

    /// The names of what is cached, in order.
    pub async fn keys(&self) -> Vec<String> {
        self.cache().list().await.into_iter().map(|line| line.key).collect()
    }

    /// The names of all functions, in order.
    ///
    /// # Errors
    /// `NotListed`.
    pub async fn functions(&self) -> Result<Vec<String>> {
        self.engine.registry().names(self).await
    }

    /// Calls another function. What it reads, this call has read.
    ///
    /// # Errors
    /// As [`Engine::call`]; `FunctionFailed` where calls go too deep.
    pub async fn call(&self, name: &str, given: &[(String, Given)]) -> Result<Answer> {
        if self.depth == DEPTH_MAX {
            let cause = format!("more than {DEPTH_MAX} calls within each other").into();
            return Err(Error::FunctionFailed { function: name.to_owned(), cause });
        }
        let callee = Self { seen: Arc::new(Seen::by(Arc::clone(&self.seen))), depth: self.depth + 1, ..self.clone() };
        Ok(self.engine.call_in(name, given, &callee).await?.answer)
    }

    /// Sees the same, within `call`.
    pub(super) fn within(&self, call: &Call) -> Self {
        let mut within = self.within.clone();
        within.push(call.clone());
        Self { within, ..self.clone() }
    }

    /// Whether this is within `call` already.
    pub(super) fn is_within(&self, call: &Call) -> bool {
        self.within.contains(call)
    }

    /// Whether all of `inputs` are current, as far as a read would tell. What this call has seen, it would see again.
    pub(super) async fn has_still(&self, inputs: &Inputs) -> bool {
        let mut looks = Vec::new();
        for (key, version) in &inputs.objects {
            if self.seen.object(key).is_none() {
                let current = self.cache().current(key, self.ask);
                looks.push(current.map(move |current| current.is_ok_and(|current| current == *version)).boxed());
            }
        }
        // One after the other, those that memory knows; side by side, those that are asked for.
        let mut looks = stream::iter(looks).buffer_unordered(LOOKS_MAX);
        while let Some(is_current) = looks.next().await {
            if !is_current {
                return false;
            }
        }
        for (listing, digest) in &inputs.listings {
            if !self.digest(listing).await.is_ok_and(|current| current == *digest) {
                return false;
            }
        }
        true
    }

    /// A value that is kept and is of no one version.
    pub(super) fn kept<T: Weighed>(&self, kind: Kind) -> Option<Arc<Derived<T>>> {
        self.cache().kept(kind)
    }

    /// Keeps a value that is of no one version; whether it is kept.
    pub(super) async fn keep<T: Weighed>(&self, kind: Kind, value: T) -> bool {
        self.cache().keep(kind, value).await.is_ok()
    }

    /// What keeps results for all instances.
    pub(super) fn shared_results(&self) -> Option<&Arc<dyn SharedResults>> {
        self.engine.shared_results()
    }

    /// Lets go of a value that is of no one version.
    pub(super) fn let_go(&self, kind: Kind) {
        self.cache().let_go(kind);
    }

    /// A value that is made of a file of the record by waiting for others: made once a version, kept under the memory budget.
    ///
    /// # Errors
    /// What `make` says, `Busy`, and `Deadline` where it takes too long.
    pub(super) async fn derive_elsewhere<T: Weighed>(
        &self,
        kind: &'static str,
        key: &Key,
        entry: &Entry,
        make: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<Arc<Derived<T>>> {
        self.in_time(key, self.cache().derive_elsewhere(kind, key, &entry.version, make)).await
    }

    /// The body of an object, brought into memory.
    ///
    /// # Errors
    /// `TooLarge`, and what the record says.
    pub async fn body(&self, key: &Key, entry: &Arc<Entry>) -> Result<Bytes> {
        self.cache().whole(key, entry, self.ask.deadline).await
    }

    /// Gives a value that was made for this call its room in the memory budget.
    ///
    /// # Errors
    /// There is none.
    pub async fn hold<T: Weighed>(&self, value: T) -> Result<Arc<Derived<T>>, NoRoom> {
        self.cache().hold(value).await
    }

    /// An entry in columns: parsed once a version, off the async workers.
    ///
    /// # Errors
    /// `UnknownFormat`, `Unparsable`, `TooLarge`, `Busy`, and `Deadline` where it takes too long.
    #[cfg(feature = "frames")]
    pub async fn frame(&self, key: &Key, entry: &Arc<Entry>) -> Result<Arc<Derived<Frame>>> {
        let format = Format::of(key, &entry.facts)?;
        let (owned, frame_bytes_max) = (key.clone(), self.engine.frame_bytes_max());
        let takes = {
            let key = key.clone();
            move |body: &Bytes| Source { key: &key, format, body, frame_bytes_max }.making_bytes(&Slice::default())
        };
        let parse = move |body: &Bytes| Source { key: &owned, format, body, frame_bytes_max }.frame();
        self.derive_of_body(Frame::KIND, key, entry, takes, parse).await
    }

    /// What was made of a version, where it is kept.
    #[cfg(feature = "frames")]
    pub(super) fn held<T: Weighed>(&self, kind: &'static str, key: &Key, entry: &Entry) -> Option<Arc<Derived<T>>> {
        self.cache().already_derived(kind, key, &entry.version)
    }

    /// Room for `bytes` that come and go, or for as many as one may take.
    ///
    /// # Errors
    /// There is none.
    #[cfg(feature = "frames")]
    pub(super) async fn room(&self, bytes: u64) -> Result<Room, NoRoom> {
        self.cache().room(bytes.min(self.making_max())).await
    }

    /// What one call may take of memory at most, in bytes.
    #[cfg(feature = "frames")]
    pub(super) fn making_max(&self) -> u64 {
        self.cache().making_max()
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

    /// The same of a value that is made of the body, which is brought into memory for it. `takes` says how many bytes of memory that
    /// takes besides.
    ///
    /// # Errors
    /// As [`View::derive`]; `TooLarge` for what does not fit into half of the memory budget.
    pub async fn derive_of_body<T: Weighed>(
        &self,
        kind: &'static str,
        key: &Key,
        entry: &Arc<Entry>,
        takes: impl FnOnce(&Bytes) -> u64 + Send + 'static,
        make: impl FnOnce(&Bytes) -> Result<T> + Send + 'static,
    ) -> Result<Arc<Derived<T>>> {
        self.in_time(key, self.cache().derive_of_body(kind, key, entry, self.ask.deadline, takes, make)).await
    }

    /// The digest of a listing as it is now.
    async fn digest(&self, listing: &Listing) -> Result<[u8; 32]> {
        match listing {
            Listing::Below(below) => Ok(Names::digest(self.names(below).await?.keys())),
            Listing::Matching(texts) => {
                let patterns = KeyPatterns::parse(texts.iter().map(String::as_str));
                // What was a pattern once is one.
                let Ok(patterns) = patterns else { return Ok([0; 32]) };
                let names = self.names(patterns.literal_prefix()).await?;
                Ok(Names::digest(names.keys().iter().filter(|key| patterns.matches(key.as_str()))))
            }
        }
    }

    async fn names(&self, below: &str) -> Result<Arc<Derived<Names>>> {
        if let Some(names) = self.seen.names(below) {
            return Ok(names);
        }
        let names = self.cache().names(below, self.ask).await?;
        Ok(self.seen.note_names(below, names))
    }

    #[cfg(feature = "frames")]
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    fn cache(&self) -> &Arc<Cache> {
        self.engine.cache()
    }

    async fn in_time<T>(&self, key: &Key, answer: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let in_time = timeout_at(self.ask.deadline.into(), answer).await;
        in_time.unwrap_or_else(|_| Err(Error::Deadline { key: key.clone() }))
    }
}
