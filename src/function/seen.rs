//! What a call has read, recorded as it was read.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cache::Read;
use crate::entry::Version;
use crate::key::Key;

/// What one call has read, those that it made others make included. It reads one version of a key throughout: what was read once
/// is what is read again.
#[derive(Debug, Default)]
pub struct Seen {
    objects: Mutex<BTreeMap<Key, Option<Read>>>,
}

impl Seen {
    /// What was read of `key`; `Some(None)` where there was no such object.
    pub(super) fn object(&self, key: &Key) -> Option<Option<Read>> {
        self.objects().get(key).cloned()
    }

    /// Notes what was read of `key`, and answers what counts: somebody else may have read it meanwhile.
    pub(super) fn note(&self, key: &Key, read: Option<Read>) -> Option<Read> {
        self.objects().entry(key.clone()).or_insert(read).clone()
    }

    /// The versions of all objects that were read, by key; `None` for those that there were not.
    pub fn versions(&self) -> Vec<(Key, Option<Version>)> {
        let objects = self.objects();
        let versions = objects.iter().map(|(key, read)| (key.clone(), read.as_ref().map(|read| read.entry.version.clone())));
        versions.collect()
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<Key, Option<Read>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
