//! `GET /query?sql=&params=&format=` and `POST /query`: SQL over cached objects, answered as a table in any form.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::task::spawn_blocking;

use crate::cache::Ask;
use crate::entry::Version;
use crate::error::{Error, Result, Stopped};
use crate::frame::encode::{Titles, Unencoded, encode};
use crate::frame::query::{BadQuery, Scalar};
use crate::frame::{Form, Frame};
use crate::freshness::Timestamp;
use crate::function::{Inputs, View};
use crate::http::coding::{self, Coded};
use crate::http::negotiate::{self, Accept, Chosen, Coding, vary};
use crate::http::problem::Problem;
use crate::http::representation::bodiless;
use crate::http::{Api, ask, etag, form, incoming, target, telemetry};
use crate::tier::memory::{Derived, Weighed};

/// A statement of 64 KB and its parameters; no data is sent.
const FORM_BYTES_MAX: usize = 1 << 20;

/// What a table takes as text at most, a multiple of what its columns do.
const TEXT_FACTOR: u64 = 3;

/// Rows of a page.
const PAGE_ROWS: usize = 1_000;

/// The parameters, as they are written.
const NAMES: [&str; 3] = ["sql", "params", "format"];

const RIGHT_FORM: &str =
    r#"write {"sql": "SELECT * FROM \"prices.csv\" WHERE price > :least", "params": {"least": 95}, "format": "csv"}"#;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// A page has a style of its own; it runs nothing and loads nothing.
const PAGE_POLICY: HeaderValue =
    HeaderValue::from_static("sandbox allow-downloads; default-src 'none'; style-src 'unsafe-inline'");
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");

/// What a request asks.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    sql: String,
    #[serde(default)]
    params: Map<String, Value>,
    format: Option<String>,
}

/// GET with everything in the query.
pub(super) async fn ask_query(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let pairs = form::pairs(request.uri().query().unwrap_or_default()).map_err(target::not_utf8)?;
    let wanted = Wanted::of_query(pairs)?;
    answer(&api, wanted, request.headers(), ask(request.extensions())).await
}

/// POST with everything in a JSON form.
pub(super) async fn ask_form(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let ask = ask(request.extensions());
    let (head, body) = request.into_parts();
    let bytes = incoming::whole(body, FORM_BYTES_MAX, ask.deadline).await?;
    let wanted = serde_json::from_slice(&bytes).map_err(|error| Problem::bad_form(format_args!("{error}; {RIGHT_FORM}")))?;
    answer(&api, wanted, &head.headers, ask).await
}

/// `OPTIONS`.
pub(super) async fn say_methods() -> impl IntoResponse {
    telemetry::allow("GET,HEAD,POST,OPTIONS")
}

impl Wanted {
    fn of_query(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut texts: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in pairs {
            let Some(known) = NAMES.into_iter().find(|known| *known == name) else {
                return Err(Problem::bad_parameter(
                    &name,
                    format!("is not a parameter of a query; these are: {}", NAMES.join(", ")),
                ));
            };
            if texts.insert(known, value).is_some() {
                return Err(Problem::bad_parameter(known, "is given more than once"));
            }
        }
        let sql = texts.remove("sql").ok_or_else(|| Problem::missing_parameter("sql", "?sql=SELECT * FROM \"prices.csv\""))?;
        let params = match texts.remove("params") {
            Some(text) => serde_json::from_str(&text).map_err(|error| {
                Problem::bad_parameter("params", format!("is no JSON object ({error}); write {{\"least\": 95}}"))
            })?,
            None => Map::new(),
        };
        Ok(Self { sql, params, format: texts.remove("format") })
    }

    fn values(&self) -> Result<BTreeMap<String, Scalar>, BadQuery> {
        self.params.iter().map(|(name, value)| Ok((name.clone(), Scalar::of_json(value)?))).collect()
    }

    /// The form that is wanted, and whether Accept chose it.
    fn form(&self, headers: &HeaderMap) -> Result<(Form, Chosen), Problem> {
        let known = || Form::ALL.map(|form| format!("{} ({})", form.name(), form.media_type())).join(", ");
        if let Some(name) = &self.format {
            let form = Form::named(name).ok_or_else(|| Problem::bad_parameter("format", format!("is none of {}", known())))?;
            return Ok((form, Chosen::Always));
        }
        if negotiate::is_navigation(headers) {
            return Ok((Form::Html, Chosen::ByRequest));
        }
        let accept = Accept::of(headers);
        // JSON where anything will do; else what is wanted most, and the first of those.
        let forms = [Form::Json].into_iter().chain(Form::ALL).rev().filter(|form| accept.admits(form.media_type()));
        let best = forms.max_by_key(|form| accept.weight(form.media_type()));
        let best = best.ok_or_else(|| Problem::bad_parameter("format", format!("and Accept admit none of {}", known())))?;
        Ok((best, Chosen::ByRequest))
    }

    /// What is asked, in one order; lengths keep values apart. Source: pitfall 22, nothing is normalised that is not parsed.
    fn canonical(&self, form: Form) -> String {
        let mut text = format!("query\n{}\n{}:{}", form.name(), self.sql.len(), self.sql);
        for (name, value) in self.params.iter().collect::<BTreeMap<_, _>>() {
            let value = value.to_string();
            write!(text, "\n{}:{name}={}:{value}", name.len(), value.len()).expect("a text takes all");
        }
        text
    }
}

async fn answer(api: &Api, wanted: Wanted, headers: &HeaderMap, ask: Ask) -> Result<Response, Problem> {
    let (form, chosen) = wanted.form(headers)?;
    let media_type = form.media_type();
    let coding = Coding::of(headers).filter(|_| coding::is_text_like(media_type));
    let values = wanted.values().map_err(|bad| Error::BadQuery { reason: bad.to_string() })?;
    let view = View::new(Arc::clone(&api.engine), ask);
    let begun = ask.now.monotonic.elapsed();
    let bound = view.bind(wanted.sql.clone(), values).await?;
    let opened = view.open(bound).await?;
    let tag = tag(&view.seen().inputs(), &wanted.canonical(form), coding);
    let read = ask.now.monotonic.elapsed();
    let vary = vary(chosen, if coding::is_text_like(media_type) { Chosen::ByRequest } else { Chosen::Always });
    // Who names the tag was sent it; nothing is run for it.
    if names(headers, &tag) {
        let mut response = Response::new(bodiless());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(described(response, &tag, vary, &[("read", read.saturating_sub(begun))]));
    }
    let table = view.answer(opened).await?;
    let ran = ask.now.monotonic.elapsed();
    let bytes = written(api, table, form).await?;
    let coding = coding.filter(|_| coding::may_help(media_type, bytes.len() as u64));
    let (bytes, coding) = packed(bytes, coding).await?;
    let mut response = Response::new(Body::from(bytes));
    let said = response.headers_mut();
    said.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    said.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    said.insert(CONTENT_SECURITY_POLICY, if form == Form::Html { PAGE_POLICY } else { SANDBOX });
    if let Some(coding) = coding {
        said.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    let wrote = ask.now.monotonic.elapsed();
    let timings =
        [("read", read.saturating_sub(begun)), ("query", ran.saturating_sub(read)), ("write", wrote.saturating_sub(ran))];
    Ok(described(response, &tag, vary, &timings))
}

/// The table in a form, in room of its own, made off the async workers.
async fn written(api: &Api, table: Arc<Derived<Frame>>, form: Form) -> Result<Bytes> {
    let bytes_max = api.cache.making_max();
    let room_bytes = table.weight_bytes().saturating_mul(TEXT_FACTOR).min(bytes_max);
    let room = api.cache.room(room_bytes).await.map_err(|_| Error::Overloaded)?;
    let writing = spawn_blocking(move || {
        let rows = table.table().height();
        let shown = if form == Form::Html { table.table().head(Some(PAGE_ROWS)) } else { table.table().clone() };
        let note = match rows {
            _ if rows > shown.height() => format!("{rows} rows, of which these are the first {}.", shown.height()),
            _ => format!("{rows} rows."),
        };
        let written = encode(shown, form, Titles { name: "query", links: &[], note: &note }, bytes_max);
        written.map(|bytes| room.hold(bytes))
    });
    let written =
        writing.await.map_err(|cause| Error::FunctionFailed { function: form.name().to_owned(), cause: cause.into() })?;
    written.map_err(|unencoded| match unencoded {
        Unencoded::TooLong { bytes_max } => Error::QueryStopped { why: Stopped::TooLong { bytes_max } },
        Unencoded::Refused(reason) => Error::BadQuery { reason },
    })
}

/// The bytes in a coding where that is wanted and helps; the coding that they are in.
async fn packed(bytes: Bytes, coding: Option<Coding>) -> Result<(Bytes, Option<Coding>)> {
    let Some(coding) = coding else { return Ok((bytes, None)) };
    let plain = bytes.clone();
    let packing = spawn_blocking(move || Coded::of(coding, &plain));
    match packing.await.map_err(|cause| Error::FunctionFailed { function: coding.name().to_owned(), cause: cause.into() })?? {
        Coded::Packed(packed) => Ok((packed, Some(coding))),
        Coded::AsItIs => Ok((bytes, None)),
    }
}

/// The tag of an answer: another where the statement, a parameter, the form, or the version of anything that is read differs.
fn tag(inputs: &Inputs, canonical: &str, coding: Option<Coding>) -> String {
    let mut read = String::new();
    for (key, version) in &inputs.objects {
        write!(read, "{}:{key}", key.as_str().len()).expect("a text takes all");
        if let Some(Version { etag, last_modified }) = version {
            write!(read, "={}:{etag}@{}", etag.len(), last_modified.as_millis()).expect("a text takes all");
        }
    }
    for (listing, digest) in &inputs.listings {
        write!(read, "{listing:?}{digest:?}").expect("a text takes all");
    }
    let version = Version { etag: read.into(), last_modified: Timestamp::from_millis(0) };
    etag::derived(&version, canonical, coding)
}

fn names(headers: &HeaderMap, tag: &str) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| value.contains(tag))
}

fn described(mut response: Response, tag: &str, vary: Option<HeaderValue>, timings: &[(&'static str, Duration)]) -> Response {
    let headers = response.headers_mut();
    headers.insert(ETAG, HeaderValue::from_str(tag).expect("hexadecimal digits in quotes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CACHE_STATUS, HeaderValue::from_static("cache-api; fwd=miss; detail=query"));
    if let Some(vary) = vary {
        headers.insert(VARY, vary);
    }
    let mut text = String::new();
    for (name, took) in timings {
        let between = if text.is_empty() { "" } else { ", " };
        write!(text, "{between}{name};dur={:.3}", took.as_secs_f64() * 1000.0).expect("a text takes all");
    }
    headers.insert(SERVER_TIMING, HeaderValue::from_str(&text).expect("words and numbers of our own"));
    response
}
