//! The bytes of a body: in memory, or, where they are too many for that, wherever they are.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::error::Result;

/// Bytes as they come, in order. After an error nothing more comes, and what came is not the whole.
pub type Chunks = BoxStream<'static, Result<Bytes>>;

/// A body at one version.
#[derive(Clone)]
pub enum Body {
    /// In memory and verified.
    Whole(Bytes),
    /// Too large to be held whole: opened part by part.
    Large(Arc<dyn Parts>),
}

/// What gives the bytes of a body that is too large for memory, always of the one version.
#[async_trait]
pub trait Parts: Any + Send + Sync {
    /// Opens the bytes from `range.start` up to and without `range.end`, which lie within the body. The first have come, or
    /// are certain to be of this version, when this returns; `deadline` is for that and not for the rest.
    ///
    /// # Errors
    /// `Changed` where this version is nowhere to be had any more; else as a record's `fetch`.
    async fn open(&self, range: Range<u64>, deadline: Instant) -> Result<Part>;

    /// How many bytes of memory this takes by itself, open parts not counted.
    fn weight_bytes(&self) -> u64;
}

/// A part of a body that is too large for memory.
pub struct Part {
    /// Its bytes.
    pub bytes: Chunks,
    /// Where they come from, at first.
    pub whence: Whence,
}

/// Where bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// A tier has them.
    Tier,
    /// They come from the record, for this reader first of all.
    Record,
    /// They come from the record, and others read them too.
    Shared,
}

/// The longest body that may get through the front door which asks; of a longer answer only the length is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling(pub u64);

impl Body {
    /// The bytes, where they are in memory.
    pub fn whole(&self) -> Option<&Bytes> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            Self::Large(_) => None,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => bytes.fmt(f),
            Self::Large(_) => f.write_str("Large"),
        }
    }
}

/// Large bodies are the same if they come from the same place.
impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one == other,
            (Self::Large(one), Self::Large(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Body {}

/// Whether these are the bytes; a body that is not in memory is like none.
impl<T: AsRef<[u8]>> PartialEq<T> for Body {
    fn eq(&self, other: &T) -> bool {
        self.whole().is_some_and(|bytes| bytes == other.as_ref())
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self::Whole(bytes.into())
    }
}
