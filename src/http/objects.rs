//! Plain URLs: `/cache/{key}` and, the same for every verb, `/cache?path=KEY`.

use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::cache::Read;
use crate::entry::Entry;
use crate::error::Error;
use crate::freshness::Timestamp;
use crate::http::oversize::Source;
use crate::http::problem::Problem;
use crate::http::range::Part;
use crate::http::{Api, ask, conditional, status_header, target, telemetry};
use crate::key::Key;

/// What a path segment may hold as it is. Source: RFC 3986, unreserved characters, and the slash.
const ENCODED_IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// `GET /cache`: an object where the query names one, else what is cached.
pub(super) async fn get_or_list(state: State<Api>, request: Request) -> Result<Response, Problem> {
    if target::key_of_query(request.uri())?.is_some() {
        return get(state, request).await;
    }
    let State(api) = state;
    Ok(if request.method() == Method::HEAD {
        telemetry::head(&api.cache).await.into_response()
    } else {
        telemetry::list(&api.cache, ask(request.extensions()).now).await.into_response()
    })
}

/// `GET`, `HEAD`: the body as it is in the record, or the part of it that a GET asks for. Preconditions come before ranges.
///
/// Source: RFC 9110, section 13.2.2.
pub(super) async fn get(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let key = target::key(&api.cache, request.uri())?;
    let ask = ask(request.extensions());
    let read = api.cache.read(&key, ask).await?;
    let mut headers = headers(&read);
    if conditional::client_has(request.headers(), &read.entry.version.etag) {
        for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING] {
            headers.remove(name);
        }
        return Ok((StatusCode::NOT_MODIFIED, headers, bodiless()).into_response());
    }
    let entry = &read.entry;
    let (mut response, part_first) = match part(&request, &read, ask.now.wall) {
        Part::Whole => ((headers, Body::from(entry.body.clone())).into_response(), None),
        Part::Bytes { first, last } => {
            let size = entry.facts.size;
            let range = HeaderValue::from_str(&format!("bytes {first}-{last}/{size}")).expect("numbers in ASCII");
            headers.insert(CONTENT_RANGE, range);
            headers.insert(CONTENT_LENGTH, HeaderValue::from(last - first + 1));
            // In memory, so that its offsets are of the memory's size.
            let bytes = entry.body.slice(first as usize..=last as usize);
            ((StatusCode::PARTIAL_CONTENT, headers, Body::from(bytes)).into_response(), Some(first))
        }
        Part::Unsatisfiable => return Err(Problem::range_not_satisfiable(&key, entry.facts.size)),
    };
    Source::attach(&mut response, &key, entry, part_first, api.presign.as_ref());
    Ok(response)
}

/// Ranges are of GET alone: a HEAD says what the whole is. Source: RFC 9110, section 14.2.
fn part(request: &Request, read: &Read, now: Timestamp) -> Part {
    let confirmed_at = Timestamp::from_millis(now.as_millis().saturating_sub(read.age.as_millis() as u64));
    let is_part =
        request.method() == Method::GET && conditional::allows_part(request.headers(), &read.entry.version, confirmed_at);
    if is_part { Part::of(request.headers(), read.entry.facts.size) } else { Part::Whole }
}

/// `POST`: caches the object if it is not cached, and says what it is.
pub(super) async fn create(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let key = target::key(&api.cache, request.uri())?;
    refuse_body(&request, &key)?;
    let read = api.cache.read(&key, ask(request.extensions())).await?;
    let mut response = (StatusCode::CREATED, describe(&key, &read)).into_response();
    let location = format!("/cache/{}", utf8_percent_encode(key.as_str(), ENCODED_IN_PATH));
    response.headers_mut().insert(LOCATION, HeaderValue::from_str(&location).expect("percent-encoded"));
    Ok(response)
}

/// `PUT`: asks the record whether the object has changed, and says what it is now.
pub(super) async fn update(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let key = target::key(&api.cache, request.uri())?;
    refuse_body(&request, &key)?;
    let read = api.cache.update(&key, ask(request.extensions())).await?;
    Ok(describe(&key, &read).into_response())
}

/// `DELETE`: drops what is cached. Never the record's object.
pub(super) async fn evict(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let key = target::key(&api.cache, request.uri())?;
    refuse_body(&request, &key)?;
    api.cache.evict(&key).await?;
    Ok((StatusCode::NO_CONTENT, bodiless()).into_response())
}

/// Nobody who sends data along may think that it was written.
fn refuse_body(request: &Request, key: &Key) -> Result<(), Problem> {
    match request.body().size_hint().exact() {
        Some(0) => Ok(()),
        _ => Err(Problem::body_not_taken(request.method(), key)),
    }
}

/// For answers that must not give a length: axum would write `Content-Length: 0` for a body that it knows to be empty.
/// Source: RFC 9110, section 8.6.
fn bodiless() -> Body {
    Body::from_stream(stream::empty::<Result<Bytes, Infallible>>())
}

fn headers(read: &Read) -> HeaderMap {
    let Entry { version, facts, .. } = &*read.entry;
    let mut headers = HeaderMap::new();
    let content_type = facts.content_type.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
    headers.insert(CONTENT_TYPE, content_type.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    if let Some(coding) = facts.content_encoding.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.insert(CONTENT_ENCODING, coding);
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from(facts.size));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(etag) = HeaderValue::from_str(&version.etag) {
        headers.insert(ETAG, etag);
    }
    let last_modified = httpdate::fmt_http_date(version.last_modified.into());
    headers.insert(LAST_MODIFIED, HeaderValue::from_str(&last_modified).expect("a date in ASCII"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    status_header::write(&mut headers, read);
    headers
}

/// What POST and PUT say of an object: {"key", "size" in bytes, "etag", "last_modified", "content_type"}.
fn describe(key: &Key, read: &Read) -> impl IntoResponse + use<> {
    let Entry { version, facts, .. } = &*read.entry;
    let mut headers = HeaderMap::new();
    status_header::write(&mut headers, read);
    let body = json!({
        "key": key.as_str(),
        "size": facts.size,
        "etag": &*version.etag,
        "last_modified": httpdate::fmt_http_date(version.last_modified.into()),
        "content_type": facts.content_type,
    });
    (headers, Json(body))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::of(&error)
    }
}
