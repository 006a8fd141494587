//! Plain URLs: `/cache/{key}` and, the same for every verb, `/cache?path=KEY`.

use axum::Json;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use percent_encoding::utf8_percent_encode;
use serde_json::json;

use crate::cache::{Ask, Read};
use crate::entry::Entry;
use crate::error::Error;
use crate::freshness::{Demand, Source};
use crate::http::conditional::Condition;
#[cfg(not(feature = "frames"))]
use crate::http::negotiate::Chosen;
use crate::http::problem::Problem;
use crate::http::representation::{Call, Representation, bodiless, refuse};
#[cfg(feature = "frames")]
use crate::http::table::{self, Choice, Wanted};
use crate::http::target::ENCODED_IN_PATH;
use crate::http::{Api, ask, cache_control, conditional, date, listing, status_header, stored, target, telemetry};
use crate::key::Key;

/// How often an object that changes before its first byte is read again.
const CHANGES_MAX: usize = 2;

/// `GET`, `HEAD` of `/cache`: an object where the query names one, else what is cached. HEAD says how much that is besides.
pub(super) async fn get_or_list(state: State<Api>, request: Request) -> Result<Response, Problem> {
    if target::key_of_query(request.uri())?.is_some() {
        return get(state, request).await;
    }
    let State(api) = state;
    let mut response = listing::list(&api, request.uri(), ask(request.extensions())).await?;
    if request.method() == Method::HEAD {
        telemetry::write_figures(response.headers_mut(), &api.cache).await;
    }
    Ok(response)
}

/// `GET`, `HEAD`: the body as it is in the record, or the part of it that a GET asks for. Preconditions come before ranges.
///
/// Source: RFC 9110, section 13.2.2.
pub(super) async fn get(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let key = target::key(&api.cache, request.uri())?;
    // What comes with a body is of no use to a GET, and cannot be shared across threads.
    let (request, _body) = request.into_parts();
    let ask = Ask { demand: cache_control::demand(&request.headers), ..ask(&request.extensions) };
    let call = Call { api: &api, request: &request, key: &key, ask };
    let mut read = api.cache.read(&key, ask).await?;
    for _ in 0..CHANGES_MAX {
        match answer(call, &mut read).await {
            // The record has another version by now, and this one is nowhere else.
            Err(Error::Changed { .. }) => read = api.cache.read_again(&key, ask).await?,
            answer => return answer.map_err(Problem::from),
        }
    }
    answer(call, &mut read).await.map_err(Problem::from)
}

#[cfg(feature = "frames")]
async fn answer(call: Call<'_>, read: &mut Read) -> Result<Response, Error> {
    let choice = match Choice::of(call.request, call.key, &read.entry.facts) {
        Ok(choice) => choice,
        Err(problem) => return Ok(problem.into_response()),
    };
    match &choice.wanted {
        Wanted::Stored => stored::answer(call, read, choice.format).await,
        // In a box, as what few ask for.
        Wanted::Table(wish) => Box::pin(table::answer(call, read, &choice, wish)).await,
    }
}

#[cfg(not(feature = "frames"))]
async fn answer(call: Call<'_>, read: &mut Read) -> Result<Response, Error> {
    stored::answer(call, read, Chosen::Always).await
}

/// The refusal of a request that would change what is cached, where its conditions are not met by what a read finds there;
/// `None` where they are. Between this and the change others may change it too; the record is not touched by either, so that the
/// worst is a fetch in vain.
async fn refusal(call: Call<'_>) -> Result<Option<Response>, Problem> {
    if !conditional::has_any(&call.request.headers) {
        return Ok(None);
    }
    let read = match call.api.cache.read(call.key, call.ask).await {
        Ok(read) => read,
        // Of what is not there nothing is to be refreshed, whatever the conditions; the rest is judged of nothing.
        Err(error @ Error::NotFound { .. }) if call.request.method == Method::PUT => return Err(error.into()),
        Err(Error::NotFound { .. } | Error::NotCached { .. }) => {
            let condition = call.judge(None);
            return Ok((condition != Condition::Met).then(|| refuse(call.key, condition)));
        }
        Err(error) => return Err(error.into()),
    };
    let form = Representation::stored(&read.entry, read.age, call.ask.now.wall);
    let condition = call.judge(Some(&form));
    Ok((condition != Condition::Met).then(|| form.described(refuse(call.key, condition), call, &read, &[])))
}

/// `POST`: caches the object if it is not cached, and says what it is.
pub(super) async fn create(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let key = target::key(&api.cache, request.uri())?;
    refuse_body(&request, &key)?;
    let (request, _body) = request.into_parts();
    let ask = ask(&request.extensions);
    // Whether there is something to create depends on what is cached, and not on the record.
    let of_tiers = Ask { demand: Demand { source: Source::Tiers, ..ask.demand }, ..ask };
    if let Some(refusal) = refusal(Call { api: &api, request: &request, key: &key, ask: of_tiers }).await? {
        return Ok(refusal);
    }
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
    let (request, _body) = request.into_parts();
    let ask = ask(&request.extensions);
    if let Some(refusal) = refusal(Call { api: &api, request: &request, key: &key, ask }).await? {
        return Ok(refusal);
    }
    let read = api.cache.update(&key, ask).await?;
    Ok(describe(&key, &read).into_response())
}

/// `DELETE`: drops what is cached. Never the record's object.
pub(super) async fn evict(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let key = target::key(&api.cache, request.uri())?;
    refuse_body(&request, &key)?;
    let (request, _body) = request.into_parts();
    let ask = ask(&request.extensions);
    if let Some(refusal) = refusal(Call { api: &api, request: &request, key: &key, ask }).await? {
        return Ok(refusal);
    }
    api.cache.evict(&key).await?;
    Ok((StatusCode::NO_CONTENT, bodiless()).into_response())
}

/// `OPTIONS`: what may be done with an object, and with the list of them.
pub(super) async fn say_methods() -> impl IntoResponse {
    telemetry::allow("GET,HEAD,POST,PUT,DELETE,OPTIONS")
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

/// What POST and PUT say of an object: {"key", "size" in bytes, "etag", "last_modified", "content_type"}.
fn describe(key: &Key, read: &Read) -> impl IntoResponse + use<> {
    let Entry { version, facts, .. } = &*read.entry;
    let mut headers = HeaderMap::new();
    status_header::write(&mut headers, key, read, &[]);
    let body = json!({
        "key": key.as_str(),
        "size": facts.size,
        "etag": &*version.etag,
        "last_modified": date(version.last_modified),
        "content_type": facts.content_type,
    });
    (headers, Json(body))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::of(&error)
    }
}
