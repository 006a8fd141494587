//! Plain URLs: `/cache/{key}` and, the same for every verb, `/cache?path=KEY`.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::cache::{Ask, Read};
use crate::entry::{Body as Bytes, Ceiling, Entry, Facts, Version};
use crate::error::Error;
use crate::freshness::Timestamp;
use crate::http::outgoing::Outgoing;
use crate::http::oversize::Source;
use crate::http::problem::Problem;
use crate::http::range::Part;
use crate::http::{Api, ask, conditional, listing, status_header, target, telemetry};
use crate::key::Key;

/// What a path segment may hold as it is. Source: RFC 3986, unreserved characters, and the slash.
const ENCODED_IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// How often an object that changes before its first byte is read again.
const CHANGES_MAX: usize = 2;

/// `GET /cache`: an object where the query names one, else what is cached.
pub(super) async fn get_or_list(state: State<Api>, request: Request) -> Result<Response, Problem> {
    if target::key_of_query(request.uri())?.is_some() {
        return get(state, request).await;
    }
    let State(api) = state;
    if request.method() == Method::HEAD {
        return Ok(telemetry::head(&api.cache).await.into_response());
    }
    listing::list(&api, request.uri(), ask(request.extensions())).await
}

/// `GET`, `HEAD`: the body as it is in the record, or the part of it that a GET asks for. Preconditions come before ranges.
///
/// Source: RFC 9110, section 13.2.2.
pub(super) async fn get(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let key = target::key(&api.cache, request.uri())?;
    // What comes with a body is of no use to a GET, and cannot be shared across threads.
    let (request, _body) = request.into_parts();
    let ask = ask(&request.extensions);
    let mut read = api.cache.read(&key, ask).await?;
    for _ in 0..CHANGES_MAX {
        match answer(&api, &request, &key, &mut read, ask).await {
            // The record has another version by now, and this one is nowhere else.
            Err(Unanswered::Error(Error::Changed { .. })) => read = api.cache.read_again(&key, ask).await?,
            answer => return answer.map_err(Problem::from),
        }
    }
    answer(&api, &request, &key, &mut read, ask).await.map_err(Problem::from)
}

/// Why an object that was read is not answered.
enum Unanswered {
    /// None of it is what is asked for.
    NoSuchPart(Problem),
    /// Its bytes cannot be had.
    Error(Error),
}

impl From<Unanswered> for Problem {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::NoSuchPart(problem) => problem,
            Unanswered::Error(error) => error.into(),
        }
    }
}

async fn answer(api: &Api, request: &Parts, key: &Key, read: &mut Read, ask: Ask) -> Result<Response, Unanswered> {
    let mut response = if conditional::client_has(&request.headers, &read.entry.version.etag) {
        let mut response = Response::new(bodiless());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let asked = part(request, read, ask.now.wall);
        let range = range(asked, key, read.entry.facts.size).map_err(Unanswered::NoSuchPart)?;
        let body = body(api, request, key, read, range, ask).await.map_err(Unanswered::Error)?;
        let mut response = Response::new(body);
        say_part(&mut response, asked, read.entry.facts.size);
        write_form(response.headers_mut(), &read.entry.facts);
        let part_first = if let Part::Bytes { first, .. } = asked { Some(first) } else { None };
        Source::attach(&mut response, key, &read.entry, part_first, api.presign.as_ref());
        response
    };
    write_version(response.headers_mut(), &read.entry.version);
    status_header::write(response.headers_mut(), read);
    Ok(response)
}

/// Ranges are of GET alone: a HEAD says what the whole is. Source: RFC 9110, section 14.2.
fn part(request: &Parts, read: &Read, now: Timestamp) -> Part {
    let confirmed_at = Timestamp::from_millis(now.as_millis().saturating_sub(read.age.as_millis() as u64));
    let is_part = request.method == Method::GET && conditional::allows_part(&request.headers, &read.entry.version, confirmed_at);
    if is_part { Part::of(&request.headers, read.entry.facts.size) } else { Part::Whole }
}

/// The bytes that are asked for, from the first up to and without the last.
fn range(part: Part, key: &Key, size: u64) -> Result<Range<u64>, Problem> {
    match part {
        Part::Whole => Ok(0..size),
        Part::Bytes { first, last } => Ok(first..last + 1),
        Part::Unsatisfiable => Err(Problem::range_not_satisfiable(key, size)),
    }
}

/// The bytes of `range`. Of what is too large for memory they are opened only if somebody will read them.
async fn body(api: &Api, request: &Parts, key: &Key, read: &mut Read, range: Range<u64>, ask: Ask) -> Result<Body, Error> {
    let entry = Arc::clone(&read.entry);
    let parts = match &entry.body {
        // In memory, so that its offsets are of the memory's size.
        Bytes::Whole(bytes) => return Ok(Body::from(bytes.slice(range.start as usize..range.end as usize))),
        Bytes::Large(parts) => parts,
    };
    let length = range.end - range.start;
    let is_too_long = request.extensions.get::<Ceiling>().is_some_and(|ceiling| length > ceiling.0);
    if is_too_long || request.method == Method::HEAD {
        return Ok(Outgoing::length(key, length));
    }
    let bytes = api.cache.open(read, parts, range, ask.deadline).await?;
    Ok(Outgoing::body(key, bytes, length))
}

fn say_part(response: &mut Response, part: Part, size: u64) {
    if let Part::Bytes { first, last } = part {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = HeaderValue::from_str(&format!("bytes {first}-{last}/{size}")).expect("numbers in ASCII");
        response.headers_mut().insert(CONTENT_RANGE, range);
    }
}

/// `POST`: caches the object if it is not cached, and says what it is.
pub(super) async fn create(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let key = target::key(&api.cache, request.uri())?;
    refuse_body(&request, &key)?;
    let ask = ask(request.extensions());
    let read = api.cache.read(&key, ask).await?;
    let read = api.cache.complete(&key, read, ask).await?;
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

/// All other methods.
pub(super) async fn refuse_method(method: Method, uri: Uri) -> Problem {
    let key = target::key_text(&uri).ok().filter(|_| uri.path().starts_with("/cache"));
    Problem::method_not_allowed(&method, uri.path()).about(key.as_deref())
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
    Body::from_stream(stream::empty::<Result<&'static [u8], Infallible>>())
}

/// Says what form a body has. Its length comes with it.
fn write_form(headers: &mut HeaderMap, facts: &Facts) {
    // Room for all that an answer says: to grow on the way costs as much as to fill in.
    headers.reserve(10);
    let content_type = facts.content_type.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
    headers.insert(CONTENT_TYPE, content_type.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    if let Some(coding) = facts.content_encoding.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.insert(CONTENT_ENCODING, coding);
    }
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

fn write_version(headers: &mut HeaderMap, version: &Version) {
    if let Ok(etag) = HeaderValue::from_str(&version.etag) {
        headers.insert(ETAG, etag);
    }
    let last_modified = httpdate::fmt_http_date(version.last_modified.into());
    headers.insert(LAST_MODIFIED, HeaderValue::from_str(&last_modified).expect("a date in ASCII"));
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
