//! What a client may be sent of an object. Conditions and ranges are applied here, of whatever form, and nowhere else.
//!
//! The stored bytes are one representation; each form that is made of them is another, with a tag of its own. Who adds one says
//! what it is before a byte of it is made ([`Representation`]), has the conditions judged ([`Call::judge`]), and makes the bytes
//! only where they are [`Condition::Met`], for [`Representation::send`]. What comes instead of bytes is [`refuse`]'s. On any answer
//! [`Representation::described`] then says which representation it is of. [`Representation::answer`] does all of it, for a body that is
//! there already.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LAST_MODIFIED, RANGE, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts as Head;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::cache::{Ask, Read};
use crate::entry::{Body as Bytes, Ceiling, Entry};
use crate::error::Error;
use crate::freshness::{Deadline, Timestamp};
use crate::http::conditional::{self, Condition, Validators};
use crate::http::digest::{Algorithm, REPR_DIGEST};
use crate::http::multipart::Multipart;
use crate::http::outgoing::Outgoing;
use crate::http::oversize::Source;
use crate::http::problem::Problem;
use crate::http::range::Selection;
use crate::http::{Api, date, status_header};
use crate::key::Key;

/// Whoever opens a body in a browser opens it in a room of its own: no script of it runs, nothing is loaded for it.
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");

/// A request about an object.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub api: &'a Api,
    pub request: &'a Head,
    pub key: &'a Key,
    pub ask: Ask,
}

/// One form of an object, as far as it is known before its bytes are made.
pub(super) struct Representation<'a> {
    /// What conditions compare.
    pub validators: Validators<'a>,
    /// The media type; `None` where nobody knows it.
    pub content_type: Option<&'a str>,
    /// The coding that its bytes are in; `None` for none.
    pub content_encoding: Option<&'a str>,
    /// Whether parts of it are given.
    pub ranges: Ranges,
    /// The request's headers by which this form was chosen; `None` where nothing was.
    pub vary: Option<HeaderValue>,
    /// When the answer is made.
    pub now: Timestamp,
}

/// Whether parts of a representation are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ranges {
    /// They are: its bytes are kept, and are the same each time.
    Given,
    /// It is packed in a coding for who takes that, and sent whole.
    Refused,
}

impl Call<'_> {
    /// Judges the request's conditions of `form`; `None` where nothing is there.
    pub fn judge(&self, form: Option<&Representation<'_>>) -> Condition {
        conditional::judge(&self.request.method, &self.request.headers, form.map(|form| form.validators))
    }
}

impl<'a> Representation<'a> {
    /// The bytes as they are in the record, which said so `age` ago.
    pub fn stored(entry: &'a Entry, age: Duration, now: Timestamp) -> Self {
        let confirmed_at = Timestamp::from_millis(now.as_millis().saturating_sub(age.as_millis() as u64));
        let validators = Validators { etag: &entry.version.etag, last_modified: entry.version.last_modified, confirmed_at };
        let content_type = entry.facts.content_type.as_deref();
        let content_encoding = entry.facts.content_encoding.as_deref();
        Self { validators, content_type, content_encoding, ranges: Ranges::Given, vary: None, now }
    }

    /// Answers a GET or HEAD with `body`, which has `size` bytes and is there already, or as its conditions say.
    ///
    /// # Errors
    /// As [`crate::cache::Cache::open`].
    pub async fn answer(&self, call: Call<'_>, read: &mut Read, body: &Bytes, size: u64) -> Result<Response, Error> {
        let response = match call.judge(Some(self)) {
            Condition::Met => self.send(call, read, body, size).await?,
            unmet => refuse(call.key, unmet),
        };
        Ok(self.described(response, call, read, &[]))
    }

    /// Says of an answer which representation it is of, where that came from, and how long `more` took.
    pub fn described(&self, mut response: Response, call: Call<'_>, read: &Read, more: &[(&'static str, Duration)]) -> Response {
        self.describe(response.headers_mut());
        status_header::write(response.headers_mut(), call.key, read, more);
        response
    }

    /// Answers a GET or HEAD whose conditions are met with `body`, which has `size` bytes, or with the parts of it that are asked
    /// for. What is too large for memory is opened only if somebody will read it.
    ///
    /// # Errors
    /// As [`crate::cache::Cache::open`].
    pub async fn send(&self, call: Call<'_>, read: &mut Read, body: &Bytes, size: u64) -> Result<Response, Error> {
        let selection = self.select(call.request, size);
        // Whatever part of it is sent, the digest is of all.
        let digest = match (Algorithm::wanted(&call.request.headers), body) {
            // In a box, as what else few ask for: most answers then make no room for it.
            (Some(algorithm), Bytes::Whole(bytes)) => Box::pin(algorithm.of(call, self, bytes)).await,
            _ => None,
        };
        let (body, named) = match &selection {
            Selection::Unsatisfiable => return Ok(Problem::range_not_satisfiable(call.key, size).into_response()),
            Selection::Whole => (open(call, read, body, 0..size).await?, None),
            Selection::Part(range) => {
                let text = format!("bytes {}-{}/{size}", range.start, range.end - 1);
                let text = HeaderValue::from_str(&text).expect("numbers in ASCII");
                (open(call, read, body, range.clone()).await?, Some((CONTENT_RANGE, text)))
            }
            Selection::Parts(ranges) => {
                let parts = Multipart::new(ranges, &self.media_type(), size);
                let content_type = parts.content_type();
                (Box::pin(open_several(call, read, body, parts)).await?, Some((CONTENT_TYPE, content_type)))
            }
        };
        let mut response = Response::new(body);
        self.write_form(response.headers_mut());
        if let Some(digest) = digest {
            response.headers_mut().insert(REPR_DIGEST, digest);
        }
        if let Some((name, value)) = named {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            response.headers_mut().insert(name, value);
        }
        Source::attach(&mut response, call.key, &read.entry, selection.first(), call.api.presign.as_ref());
        Ok(response)
    }

    /// Says which representation an answer is, or is about.
    fn describe(&self, headers: &mut HeaderMap) {
        if let Ok(etag) = HeaderValue::from_str(self.validators.etag) {
            headers.insert(ETAG, etag);
        }
        // No date of ours is in the future (RFC 9110, section 8.8.2.1). Conditions compare what is behind it, lest two versions from
        // there be one.
        let last_modified = date(self.validators.last_modified.min(self.now));
        headers.insert(LAST_MODIFIED, HeaderValue::from_str(&last_modified).expect("a date in ASCII"));
        if let Some(vary) = &self.vary {
            headers.insert(VARY, vary.clone());
        }
    }

    /// Ranges are of GET alone: a HEAD says what the whole is. Source: RFC 9110, section 14.2.
    fn select(&self, request: &Head, size: u64) -> Selection {
        let is_asked = request.method == Method::GET && request.headers.contains_key(RANGE);
        if !is_asked || self.ranges == Ranges::Refused || !self.validators.allow_part(&request.headers) {
            return Selection::Whole;
        }
        match Selection::of(&request.headers, size) {
            // A client would take the coding for that of the parts and their boundaries together.
            Selection::Parts(_) if self.content_encoding.is_some() => Selection::Whole,
            selection => selection,
        }
    }

    fn media_type(&self) -> HeaderValue {
        let media_type = self.content_type.and_then(|text| HeaderValue::from_str(text).ok());
        media_type.unwrap_or(HeaderValue::from_static("application/octet-stream"))
    }

    /// Says what form a body has. Its length comes with it.
    fn write_form(&self, headers: &mut HeaderMap) {
        // Room for all that an answer says: to grow on the way costs as much as to fill in.
        headers.reserve(12);
        headers.insert(CONTENT_TYPE, self.media_type());
        if let Some(coding) = self.content_encoding.and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(CONTENT_ENCODING, coding);
        }
        let ranges = if self.ranges == Ranges::Given { "bytes" } else { "none" };
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static(ranges));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CONTENT_SECURITY_POLICY, SANDBOX);
    }
}

/// Answers a request whose conditions are not met.
pub(super) fn refuse(key: &Key, condition: Condition) -> Response {
    if condition == Condition::NotModified {
        let mut response = Response::new(bodiless());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    Problem::precondition_failed(key).into_response()
}

/// For answers that must not give a length: axum would write `Content-Length: 0` for a body that it knows to be empty.
/// Source: RFC 9110, section 8.6.
pub(super) fn bodiless() -> Body {
    Body::from_stream(stream::empty::<Result<&'static [u8], Infallible>>())
}

/// The bytes of `range`.
async fn open(call: Call<'_>, read: &mut Read, body: &Bytes, range: Range<u64>) -> Result<Body, Error> {
    let parts = match body {
        // In memory, so that its offsets are of the memory's size.
        Bytes::Whole(bytes) => return Ok(Body::from(bytes.slice(range.start as usize..range.end as usize))),
        Bytes::Large(parts) => parts,
    };
    let length = range.end - range.start;
    if !is_read(call, length) {
        return Ok(Outgoing::length(call.key, length));
    }
    let bytes = call.api.cache.open(read, parts, range, call.ask).await?;
    Ok(Outgoing::body(call.key, bytes, length))
}

/// The bytes of several ranges. Of a large body one is opened after the other, as the client takes them: each takes its room.
async fn open_several(call: Call<'_>, read: &mut Read, body: &Bytes, several: Multipart) -> Result<Body, Error> {
    let length = several.length();
    let chunks = match body {
        Bytes::Whole(bytes) => several.of(bytes),
        Bytes::Large(_) if !is_read(call, length) => return Ok(Outgoing::length(call.key, length)),
        Bytes::Large(parts) => {
            let first = call.api.cache.open(read, parts, several.first(), call.ask).await?;
            let given = call.request.extensions.get::<Deadline>().copied();
            several.opened(first, Arc::clone(parts), given)
        }
    };
    Ok(Outgoing::body(call.key, chunks, length))
}

/// Whether anybody reads so many bytes: not of an answer to HEAD, nor of one that its front door will not let through.
fn is_read(call: Call<'_>, length: u64) -> bool {
    let is_too_long = call.request.extensions.get::<Ceiling>().is_some_and(|ceiling| length > ceiling.0);
    !is_too_long && call.request.method != Method::HEAD
}
