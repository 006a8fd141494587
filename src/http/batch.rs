//! `POST /cache` without a key: brings many keys in, some at a time, and says how it went with each as it is done.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::cache::Read;
use crate::freshness::{Deadline, Moment};
use crate::http::problem::Problem;
use crate::http::{Api, ask, incoming, objects, target};
use crate::key::KeyPatterns;
use crate::refresh::{Brought, Meant, Progress, Warmed, warming};

/// Room for the longest list of keys that is taken.
pub(super) const BODY_BYTES_MAX: usize = 2 << 20;

/// How many keys may be named at a time.
pub(super) const KEYS_MAX: usize = 10_000;

/// How many batches run at a time: each works on several keys at a time.
pub(super) const BATCHES_MAX: usize = 8;

/// How long a batch may take where the front door sets no deadline.
const TIME_MAX: Duration = Duration::from_secs(15 * 60);

const RIGHT_FORM: &str = r#"write {"keys": ["prices/2024.csv"]} or {"patterns": ["prices/*.parquet"]}"#;

/// `POST /cache`: caches the object that the query names, or all that the body names.
pub(super) async fn create(state: State<Api>, request: Request, places: Arc<Semaphore>) -> Result<Response, Problem> {
    if target::key_of_query(request.uri())?.is_some() {
        return objects::create(state, request).await;
    }
    let State(api) = state;
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        return Err(Problem::bad_parameter(
            "path",
            "is missing in the query, and a batch takes no other; its body names the keys",
        ));
    }
    let place = places.try_acquire_owned().map_err(|_| Problem::overloaded())?;
    let ask = ask(request.extensions());
    let deadline = request.extensions().get::<Deadline>().map_or(ask.now.monotonic + TIME_MAX, |deadline| deadline.0);
    let body = incoming::whole(request.into_body(), BODY_BYTES_MAX, ask.deadline).await?;
    if body.is_empty() {
        return Err(Problem::missing_parameter("path", "/cache?path=KEY or /cache/KEY, or a batch in the body"));
    }
    let meant = parse(&api, &body)?;
    let mut steps = Box::pin(warming(Arc::clone(&api.cache), meant, deadline, now));
    // Before the head is sent: a record that cannot be listed is a problem with a status of its own.
    let first = match steps.next().await {
        Some(Progress::NotListed(error)) => return Err(error.into()),
        first => first,
    };
    let steps = stream::iter(first).chain(steps).map(Some).chain(stream::iter([None]));
    let lines = steps.scan(Warmed::default(), |warmed, step| {
        let line = match step {
            Some(step) => {
                warmed.count(&step);
                line_of(step)
            }
            None => Some(json!({ "summary": warmed })),
        };
        std::future::ready(Some(line))
    });
    let lines = lines.filter_map(std::future::ready).map(move |line| {
        // Until the last line is out.
        let _place = &place;
        Ok::<_, Infallible>(Bytes::from(format!("{line}\n")))
    });
    let headers = [(CONTENT_TYPE, "application/x-ndjson"), (CACHE_CONTROL, "no-store")];
    Ok((headers.map(|(name, value)| (name, HeaderValue::from_static(value))), Body::from_stream(lines)).into_response())
}

/// Exactly one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    keys: Option<Vec<String>>,
    patterns: Option<Vec<String>>,
}

fn parse(api: &Api, body: &[u8]) -> Result<Meant, Problem> {
    let form: Form = serde_json::from_slice(body).map_err(|error| Problem::bad_form(format_args!("{error}; {RIGHT_FORM}")))?;
    match form {
        Form { keys: Some(keys), patterns: None } => {
            if keys.len() > KEYS_MAX {
                return Err(Problem::bad_form(format_args!("there are {} keys; write at most {KEYS_MAX} at a time", keys.len())));
            }
            let keys = keys.iter().map(|text| api.cache.key(text).map_err(|error| Problem::invalid_key(error, text)));
            Ok(Meant::Keys(keys.collect::<Result<_, _>>()?))
        }
        Form { keys: None, patterns: Some(patterns) } => {
            let patterns = KeyPatterns::parse(patterns.iter().map(String::as_str));
            Ok(Meant::Matching(patterns.map_err(|error| Problem::bad_form(error.to_string()))?))
        }
        Form { .. } => Err(Problem::bad_form(format_args!("there are both `keys` and `patterns`, or neither; {RIGHT_FORM}"))),
    }
}

/// {"key", "outcome", and, as far as they are known, "size" in bytes, "etag", "problem"}; of a listing that broke off only "problem".
fn line_of(step: Progress) -> Option<Value> {
    let (key, brought) = match step {
        Progress::Listed { .. } | Progress::ListedAll => return None,
        Progress::NotListed(error) => return Some(json!({ "problem": Problem::of(&error).document() })),
        Progress::Done { key, brought } => (key, brought),
    };
    let (outcome, read, problem) = match brought {
        Brought::Created(read) => ("created", Some(read), None),
        Brought::Refreshed(read) => ("refreshed", Some(read), None),
        Brought::Already(read) => ("already", read, None),
        Brought::NotKept(read) => ("failed", Some(read), Some(Problem::not_kept(&key))),
        Brought::Failed(error) => ("failed", None, Some(Problem::of(&error))),
        Brought::Left => ("left", None, None),
    };
    let mut line = Map::new();
    line.insert("key".to_owned(), Value::from(key.as_str()));
    line.insert("outcome".to_owned(), Value::from(outcome));
    if let Some(Read { entry, .. }) = read {
        line.insert("size".to_owned(), Value::from(entry.facts.size));
        line.insert("etag".to_owned(), Value::from(&*entry.version.etag));
    }
    if let Some(problem) = problem {
        line.insert("problem".to_owned(), problem.document());
    }
    Some(Value::from(line))
}

#[expect(clippy::disallowed_methods, reason = "an edge: each key of a batch is asked for at a time of its own")]
fn now() -> Moment {
    Moment { wall: SystemTime::now().into(), monotonic: Instant::now() }
}
