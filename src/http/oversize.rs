//! What is said in place of an answer that its front door does not let through: where the bytes are, or which part would fit.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{Extensions, HeaderValue, StatusCode};

use crate::entry::Entry;
use crate::http::problem::Problem;
use crate::key::Key;
use crate::record::Presign;

/// How long a link to the record's bytes is good for: as long as following a redirect takes, and no longer.
const LINK_LIFETIME: Duration = Duration::from_secs(60);

/// Bodies up to this size fit every front door, as base64 and with their head: the narrowest lets 1 MB through. So nothing is
/// attached to them.
const SURELY_FITS_BYTES: u64 = 512 * 1024;

/// An answer and what goes through, both in bytes of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oversize {
    /// The body's length.
    pub bytes: u64,
    /// The longest body that surely goes through.
    pub bytes_max: u64,
}

/// What an answer is a part of; attached to it in case it does not fit.
#[derive(Clone)]
pub(super) struct Source {
    key: Key,
    /// Offset of the answer's first byte in the object, where a part was asked for.
    part_first: Option<u64>,
    version_id: Option<Box<str>>,
    presign: Option<Arc<dyn Presign>>,
}

impl Source {
    /// Attaches to `response` that its body is the object `key` from `part_first` on, or the whole of it.
    pub fn attach(
        response: &mut Response,
        key: &Key,
        entry: &Entry,
        part_first: Option<u64>,
        presign: Option<&Arc<dyn Presign>>,
    ) {
        if entry.facts.size <= SURELY_FITS_BYTES {
            return;
        }
        let version_id = entry.facts.version_id.clone();
        let source = Self { key: key.clone(), part_first, version_id, presign: presign.cloned() };
        response.extensions_mut().insert(source);
    }

    /// Takes away what [`Source::attach`] attached: the answer is no part of the object.
    #[cfg(feature = "frames")]
    pub fn detach(response: &mut Response) {
        response.extensions_mut().remove::<Self>();
    }

    /// A link to the whole object at the version that was to be answered; `None` where there is none to give.
    async fn link(&self) -> Option<HeaderValue> {
        let (None, Some(version_id), Some(presign)) = (self.part_first, &self.version_id, &self.presign) else { return None };
        match presign.presign(&self.key, version_id, LINK_LIFETIME).await {
            Ok(url) => {
                let mut link = HeaderValue::from_str(url.reveal()).ok()?;
                // Whoever prints the headers does not print it.
                link.set_sensitive(true);
                Some(link)
            }
            Err(error) => {
                tracing::warn!(%error, cause = error.cause_text(), "no link could be made");
                None
            }
        }
    }
}

/// Says what to do about an answer that does not fit; `attached` is what came with it.
pub async fn instead(oversize: Oversize, attached: &Extensions) -> Response {
    let Some(source) = attached.get::<Source>() else { return Problem::answer_too_large(oversize).into_response() };
    if let Some(link) = source.link().await {
        let headers = [(LOCATION, link), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        return (StatusCode::TEMPORARY_REDIRECT, headers).into_response();
    }
    Problem::object_too_large(oversize, &source.key, source.part_first.unwrap_or(0)).into_response()
}
