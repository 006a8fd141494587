//! An object as it is stored, in a coding where that helps and is asked for.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::header::RANGE;

use crate::cache::Read;
use crate::entry::{Body, Entry};
use crate::error::{Error, Result};
use crate::http::coding::{self, Coded};
use crate::http::etag;
use crate::http::negotiate::{Chosen, Coding, vary};
use crate::http::representation::{Call, Ranges, Representation};
use crate::tier::memory::Derived;

/// Answers a GET or HEAD with the stored bytes; `format` says whether Accept could have chosen others.
///
/// # Errors
/// As [`crate::cache::Cache::open`].
pub(super) async fn answer(call: Call<'_>, read: &mut Read, format: Chosen) -> Result<Response> {
    let entry = Arc::clone(&read.entry);
    let may_be_coded = may_be_coded(&entry);
    let mut form = Representation::stored(&entry, read.age, call.ask.now.wall);
    form.vary = vary(format, may_be_coded);
    let packed = if may_be_coded == Chosen::ByRequest { packed(call, &entry).await? } else { None };
    let Some((coding, packed)) = packed else { return form.answer(call, read, &entry.body, entry.facts.size).await };
    let tag = etag::derived(&entry.version, "", Some(coding));
    form.validators.etag = &tag;
    form.content_encoding = Some(coding.name());
    form.ranges = Ranges::Refused;
    let size = packed.len() as u64;
    form.answer(call, read, &Body::Whole(packed), size).await
}

/// Whether Accept-Encoding has a say in what is sent.
fn may_be_coded(entry: &Entry) -> Chosen {
    let facts = &entry.facts;
    let is_plain = facts.content_encoding.is_none() && entry.body.whole().is_some();
    let media_type = facts.content_type.as_deref().unwrap_or_default();
    if is_plain && coding::may_help(media_type, facts.size) { Chosen::ByRequest } else { Chosen::Always }
}

/// The body in the coding that is wanted; `None` for none, and where it is not worth it. Who asks for a part is sent the bytes.
async fn packed(call: Call<'_>, entry: &Arc<Entry>) -> Result<Option<(Coding, Bytes)>> {
    let headers = &call.request.headers;
    let (Some(coding), Some(body)) = (Coding::of(headers), entry.body.whole()) else { return Ok(None) };
    if headers.contains_key(RANGE) {
        return Ok(None);
    }
    let (cache, body) = (&call.api.cache, body.clone());
    let making = cache.derive_in(entry.facts.size, coding.name(), call.key, &entry.version, move || Coded::of(coding, &body));
    match making.await {
        Ok(coded) => Ok(in_memory(coded).map(|bytes| (coding, bytes))),
        // No room to pack it, and the bytes are there.
        Err(Error::Busy { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The packed bytes, which keep their room taken as long as they are on their way; `None` where it was not worth it.
pub(super) fn in_memory(coded: Arc<Derived<Coded>>) -> Option<Bytes> {
    matches!(**coded, Coded::Packed(_)).then(|| Bytes::from_owner(Packed(coded)))
}

struct Packed(Arc<Derived<Coded>>);

impl AsRef<[u8]> for Packed {
    fn as_ref(&self) -> &[u8] {
        match &**self.0 {
            Coded::Packed(bytes) => bytes,
            Coded::AsItIs => &[],
        }
    }
}
