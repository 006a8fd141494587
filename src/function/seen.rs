//! What a call has read, recorded as it was read.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::cache::{Names, Read};
use crate::entry::Version;
use crate::key::Key;
use crate::tier::memory::Derived;

/// What one call has read. It reads one version of a key throughout, and so do the calls that it makes: what was read once is what is
/// read again.
#[derive(Debug, Default)]
pub struct Seen {
    /// The call that made this one; it has read whatever this one has.
    caller: Option<Arc<Seen>>,
    sights: Mutex<Sights>,
    /// Whether chance or the time of day had a part in it.
    is_by_chance: AtomicBool,
}

#[derive(Debug, Default)]
struct Sights {
    objects: BTreeMap<Key, Sight>,
    /// Whole listings, by what the names begin with.
    names: HashMap<String, Arc<Derived<Names>>>,
    /// What was taken of listings.
    listings: BTreeMap<Listing, [u8; 32]>,
}

/// What a call knows of an object.
#[derive(Clone, Debug)]
pub enum Sight {
    /// It was read.
    Read(Box<Read>),
    /// It has this version, by which something kept was judged; its body was not read.
    Known(Version),
    /// There is none.
    Absent,
}

/// A part of the record's listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Listing {
    /// The names that begin with this.
    Below(String),
    /// The names that match one of these globs.
    Matching(Vec<String>),
}

/// All that an answer rests on: it is true as long as every one of these is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Objects that were read, by key; `None` for those that there were not.
    pub objects: Vec<(Key, Option<Version>)>,
    /// What was listed, with the digests of the names.
    pub listings: Vec<(Listing, [u8; 32])>,
}

impl Inputs {
    /// What it takes of memory.
    pub(super) fn weight_bytes(&self) -> u64 {
        // Pointers, lengths, counts and a digest beside the texts.
        const INPUT_BYTES: usize = 128;
        let object = |(key, version): &(Key, Option<Version>)| {
            INPUT_BYTES + key.as_str().len() + version.as_ref().map_or(0, |version| version.etag.len())
        };
        let listing = |(listing, _): &(Listing, [u8; 32])| INPUT_BYTES + listing.texts().map(str::len).sum::<usize>();
        let bytes = self.objects.iter().map(object).sum::<usize>() + self.listings.iter().map(listing).sum::<usize>();
        bytes as u64
    }
}

impl Listing {
    fn texts(&self) -> impl Iterator<Item = &str> {
        let texts = match self {
            Self::Below(below) => std::slice::from_ref(below),
            Self::Matching(patterns) => patterns,
        };
        texts.iter().map(String::as_str)
    }
}

impl Sight {
    /// The version, or that there is none.
    pub fn version(&self) -> Option<&Version> {
        match self {
            Self::Read(read) => Some(&read.entry.version),
            Self::Known(version) => Some(version),
            Self::Absent => None,
        }
    }
}

impl Seen {
    /// What a call reads that `caller` makes.
    pub(super) fn by(caller: Arc<Self>) -> Self {
        Self { caller: Some(caller), ..Self::default() }
    }

    /// Notes that chance or the time of day has a part in what is answered, here and at whoever made the call.
    pub fn note_chance(&self) {
        self.is_by_chance.store(true, Ordering::Relaxed);
        if let Some(caller) = &self.caller {
            caller.note_chance();
        }
    }

    /// Whether chance or the time of day has a part in what is answered: then it is true of this call alone.
    pub(super) fn is_by_chance(&self) -> bool {
        self.is_by_chance.load(Ordering::Relaxed)
    }

    /// What is known of `key`, here or at the caller's.
    pub(super) fn object(&self, key: &Key) -> Option<Sight> {
        let own = self.sights().objects.get(key).cloned();
        own.or_else(|| {
            let sight = self.caller.as_ref()?.object(key)?;
            self.sights().objects.insert(key.clone(), sight.clone());
            Some(sight)
        })
    }

    /// Notes what was seen of `key`, and answers what counts: somebody else may have seen it meanwhile.
    pub(super) fn note(&self, key: &Key, sight: Sight) -> Sight {
        let sight = match &self.caller {
            Some(caller) => caller.note(key, sight),
            None => sight,
        };
        let mut sights = self.sights();
        match sights.objects.get_mut(key) {
            // The body of what is known is of more use than that it is known.
            Some(known @ Sight::Known(_)) if matches!(sight, Sight::Read(_)) && known.version() == sight.version() => {
                *known = sight.clone();
                sight
            }
            Some(known) => known.clone(),
            None => {
                sights.objects.insert(key.clone(), sight.clone());
                sight
            }
        }
    }

    /// The listing below `below` that this call or its caller has read.
    pub(super) fn names(&self, below: &str) -> Option<Arc<Derived<Names>>> {
        let own = self.sights().names.get(below).cloned();
        own.or_else(|| self.caller.as_ref()?.names(below))
    }

    /// Notes a listing, and answers the one that counts.
    pub(super) fn note_names(&self, below: &str, names: Arc<Derived<Names>>) -> Arc<Derived<Names>> {
        let names = match &self.caller {
            Some(caller) => caller.note_names(below, names),
            None => names,
        };
        Arc::clone(self.sights().names.entry(below.to_owned()).or_insert(names))
    }

    /// Notes what was taken of a listing.
    pub(super) fn note_listing(&self, listing: Listing, digest: [u8; 32]) {
        if let Some(caller) = &self.caller {
            caller.note_listing(listing.clone(), digest);
        }
        self.sights().listings.insert(listing, digest);
    }

    /// Whether what rests on `inputs` fits what was seen: no key had another version, no listing other names.
    pub(super) fn agrees_with(&self, inputs: &Inputs) -> bool {
        let is_here = {
            let sights = self.sights();
            let has = |key, version: &Option<Version>| {
                sights.objects.get(key).is_none_or(|sight: &Sight| sight.version() == version.as_ref())
            };
            let lists = |listing, digest| sights.listings.get(listing).is_none_or(|seen| seen == digest);
            inputs.objects.iter().all(|(key, version)| has(key, version))
                && inputs.listings.iter().all(|(listing, digest)| lists(listing, digest))
        };
        is_here && self.caller.as_ref().is_none_or(|caller| caller.agrees_with(inputs))
    }

    /// Takes over what something rests on that is handed on.
    pub(super) fn take_over(&self, inputs: &Inputs) {
        for (key, version) in &inputs.objects {
            self.note(key, version.clone().map_or(Sight::Absent, Sight::Known));
        }
        for (listing, digest) in &inputs.listings {
            self.note_listing(listing.clone(), *digest);
        }
    }

    /// All that was read so far.
    pub fn inputs(&self) -> Inputs {
        let sights = self.sights();
        Inputs {
            objects: sights.objects.iter().map(|(key, sight)| (key.clone(), sight.version().cloned())).collect(),
            listings: sights.listings.iter().map(|(listing, digest)| (listing.clone(), *digest)).collect(),
        }
    }

    fn sights(&self) -> MutexGuard<'_, Sights> {
        self.sights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
