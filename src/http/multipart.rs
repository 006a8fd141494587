//! Several parts of a body in one answer. Source: RFC 9110, sections 14.6 and 15.3.7.2; RFC 2046, section 5.1.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::HeaderValue;

use crate::entry::{Chunks, Parts};
use crate::error::Result;
use crate::freshness::Deadline;
use crate::http::give_up_at;

/// An answer of several parts: what stands around them, and where they are.
pub(super) struct Multipart {
    boundary: String,
    parts: Vec<Framed>,
    end: Bytes,
}

/// A part, and what stands before it.
struct Framed {
    head: Bytes,
    range: Range<u64>,
}

impl Multipart {
    /// Frames these `ranges`, at least one, of a body of `size` bytes.
    pub fn new(ranges: &[Range<u64>], media_type: &HeaderValue, size: u64) -> Self {
        // By chance alone would it stand in the body, and nobody who made the body knew it.
        let boundary = format!("{:032x}", rand::random::<u128>());
        let media_type = media_type.to_str().unwrap_or_default();
        let framed = ranges.iter().map(|range| {
            let (first, last) = (range.start, range.end - 1);
            let form = format!("Content-Type: {media_type}\r\nContent-Range: bytes {first}-{last}/{size}");
            let head = format!("\r\n--{boundary}\r\n{form}\r\n\r\n");
            Framed { head: head.into(), range: range.clone() }
        });
        Self { parts: framed.collect(), end: format!("\r\n--{boundary}--\r\n").into(), boundary }
    }

    /// What kind of body it is.
    pub fn content_type(&self) -> HeaderValue {
        let text = format!("multipart/byteranges; boundary={}", self.boundary);
        HeaderValue::from_str(&text).expect("hex digits")
    }

    /// How many bytes all of it has.
    pub fn length(&self) -> u64 {
        let parts = self.parts.iter().map(|part| part.head.len() as u64 + (part.range.end - part.range.start));
        parts.sum::<u64>() + self.end.len() as u64
    }

    /// The first part.
    pub fn first(&self) -> Range<u64> {
        self.parts[0].range.clone()
    }

    /// The answer, of a body that is in memory.
    pub fn of(self, body: &Bytes) -> Chunks {
        let body = body.clone();
        let parts = self.parts.into_iter().flat_map(move |Framed { head, range }| {
            // In memory, so that its offsets are of the memory's size.
            [head, body.slice(range.start as usize..range.end as usize)]
        });
        stream::iter(parts.chain([self.end]).map(Ok)).boxed()
    }

    /// The answer, of a large body whose first part is open. The others are opened in turn, each within the time of a request, or
    /// up to the deadline that was `given`.
    pub fn opened(self, first: Chunks, body: Arc<dyn Parts>, given: Option<Deadline>) -> Chunks {
        let mut parts = self.parts.into_iter();
        let first_head = parts.next().map(|part| part.head);
        let opened = stream::iter(first_head.map(Ok)).chain(first);
        let rest = stream::iter(parts).then(move |part| part.open(Arc::clone(&body), given));
        opened.chain(rest.try_flatten()).chain(stream::iter([Ok(self.end)])).boxed()
    }
}

impl Framed {
    async fn open(self, body: Arc<dyn Parts>, given: Option<Deadline>) -> Result<Chunks> {
        let part = body.open(self.range, give_up_at(given)).await?;
        Ok(stream::iter([Ok(self.head)]).chain(part.bytes).boxed())
    }
}
