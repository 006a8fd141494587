//! `/functions`: what functions there are, calling them, and writing their files.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use form_urlencoded::Serializer;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LINK};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde_json::{Value, json};

use crate::cache::Ask;
use crate::error::Error;
use crate::function::{Called, Given, Language, Origin, Retention, Spec, View};
use crate::http::form::Members;
use crate::http::problem::Problem;
use crate::http::{Api, ask, cache_control, form, incoming, target, telemetry};

mod answer;

/// Longest body of a call, or of a function's file.
const BODY_BYTES_MAX: usize = 1 << 20;

/// How many functions a page has where nobody says.
const LINES: usize = 100;

/// How many functions a page may have: each is compiled for it.
const LINES_MAX: usize = 1000;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// GET of all: {"functions": […], "next"}, by name.
pub(super) async fn list(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let ask = demanded(&request);
    let (after, limit) = page(request.uri())?;
    let view = View::new(Arc::clone(&api.engine), ask);
    let names = api.engine.registry().names(&view).await?;
    let first = names.partition_point(|name| *name <= after);
    let page = &names[first..names.len().min(first + limit)];
    let mut functions = Vec::with_capacity(page.len());
    for name in page {
        match api.engine.registry().find(name, &view).await {
            Ok(function) => functions.push(described(function.spec())),
            // One that is broken is there all the same.
            Err(error @ Error::BadFunction { .. }) => functions.push(json!({ "name": name, "problem": error.to_string() })),
            // It went meanwhile.
            Err(Error::UnknownFunction { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let next = page.last().filter(|last| names.last() != Some(last)).map(|last| {
        let mut query = Serializer::new(String::new());
        query.append_pair("after", last);
        query.append_pair("limit", &limit.to_string());
        format!("/functions?{}", query.finish())
    });
    let mut response = axum::Json(json!({ "functions": functions, "next": next })).into_response();
    if let Some(link) = next.and_then(|next| HeaderValue::from_str(&format!("<{next}>; rel=\"next\"")).ok()) {
        response.headers_mut().insert(LINK, link);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// GET: a call with the arguments in the query.
pub(super) async fn call(State(api): State<Api>, Path(name): Path<String>, request: Request) -> Result<Response, Problem> {
    let ask = demanded(&request);
    let Query { format, given } = Query::of(request.uri())?;
    answered(&api, &name, given, format.as_deref(), request.headers(), ask).await
}

/// POST: a call with the arguments in a JSON object; nothing is an empty one.
pub(super) async fn call_with(State(api): State<Api>, Path(name): Path<String>, request: Request) -> Result<Response, Problem> {
    let ask = demanded(&request);
    let Query { format, mut given } = Query::of(request.uri())?;
    let headers = request.headers().clone();
    let body = incoming::whole(request.into_body(), BODY_BYTES_MAX, ask.deadline).await?;
    if !body.is_empty() {
        let right = r#"write the arguments as an object, such as {"prices": "prices.csv", "limit": 10}"#;
        let Members::<Value>(members) = serde_json::from_slice(&body)
            .map_err(|error| Problem::bad_form(format_args!("the body is no JSON object ({error}); {right}")))?;
        given.extend(members.into_iter().map(|(name, value)| (name, Given::Value(value))));
    }
    answered(&api, &name, given, format.as_deref(), &headers, ask).await
}

/// PUT: writes the file of a function.
pub(super) async fn deploy(State(api): State<Api>, Path(name): Path<String>, request: Request) -> Result<Response, Problem> {
    let ask = ask(request.extensions());
    let language = language(&request)?;
    let body = incoming::whole(request.into_body(), BODY_BYTES_MAX, ask.deadline).await?;
    let text = std::str::from_utf8(&body).map_err(|_| Problem::bad_form("the body is not UTF-8; send the function's text"))?;
    let spec = api.engine.deploy(&name, language, text, ask).await?;
    Ok(axum::Json(described(&spec)).into_response())
}

/// GET of the text of a function's file.
pub(super) async fn source(State(api): State<Api>, Path(name): Path<String>, request: Request) -> Result<Response, Problem> {
    let view = View::new(Arc::clone(&api.engine), demanded(&request));
    let text = api.engine.registry().source(&name, &view).await?;
    let text = text.ok_or_else(|| Problem::no_source(&name))?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    Ok((headers, text.to_string()).into_response())
}

/// `OPTIONS` of all.
pub(super) async fn say_list_methods() -> impl IntoResponse {
    telemetry::allow("GET,HEAD,OPTIONS")
}

/// `OPTIONS` of one.
pub(super) async fn say_methods() -> impl IntoResponse {
    telemetry::allow("GET,HEAD,POST,PUT,OPTIONS")
}

/// What a function is, as JSON: {"name", "kind", "version", "doc", "parameters": [{"name", "kind", "required", "default", "doc"}], "kept"}
pub fn described(spec: &Spec) -> Value {
    let parameters = spec.parameters.iter().map(|parameter| {
        json!({
            "name": parameter.name,
            "kind": parameter.kind.to_string(),
            "required": parameter.default.is_none(),
            "default": parameter.default,
            "doc": parameter.doc,
        })
    });
    let kept = match spec.retention {
        Retention::Nowhere => "no",
        Retention::Memory { .. } => "memory",
        Retention::Tiers { .. } => "tiers",
    };
    json!({
        "name": spec.name,
        "kind": spec.language.name(),
        "version": spec.version,
        "doc": spec.doc,
        "parameters": parameters.collect::<Vec<_>>(),
        "kept": kept,
    })
}

/// Says of an answer whether it was kept. Source: RFC 9211.
pub(super) fn say_origin(headers: &mut HeaderMap, origin: Origin) {
    let text = match origin {
        Origin::Computed { is_kept: true } => "cache-api-result; fwd=miss; stored",
        Origin::Computed { is_kept: false } => "cache-api-result; fwd=miss",
        Origin::Shared => "cache-api-result; fwd=miss; collapsed",
        Origin::Kept(tier) => match tier {
            crate::tier::TierName::Memory => "cache-api-result; hit; detail=memory",
            crate::tier::TierName::Directory => "cache-api-result; hit; detail=directory",
        },
    };
    headers.insert(CACHE_STATUS, HeaderValue::from_static(text));
}

async fn answered(
    api: &Api,
    name: &str,
    given: Vec<(String, Given)>,
    format: Option<&str>,
    headers: &HeaderMap,
    ask: Ask,
) -> Result<Response, Problem> {
    let Called { answer, origin } = api.engine.call(name, &given, ask).await?;
    let mut response = answer::write(api, name, answer, format, headers).await?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    say_origin(response.headers_mut(), origin);
    Ok(response)
}

/// The form that is named, and the arguments.
struct Query {
    format: Option<String>,
    given: Vec<(String, Given)>,
}

impl Query {
    fn of(uri: &Uri) -> Result<Self, Problem> {
        let mut query = Self { format: None, given: Vec::new() };
        for (name, value) in form::pairs(uri.query().unwrap_or_default()).map_err(target::not_utf8)? {
            match &*name {
                "format" if query.format.is_some() => return Err(Problem::bad_parameter("format", "is given more than once")),
                "format" => query.format = Some(value),
                _ => query.given.push((name, Given::Text(value))),
            }
        }
        Ok(query)
    }
}

/// After which name, and how many.
fn page(uri: &Uri) -> Result<(String, usize), Problem> {
    let (mut after, mut limit) = (String::new(), LINES);
    for (name, value) in form::pairs(uri.query().unwrap_or_default()).map_err(target::not_utf8)? {
        match &*name {
            "after" => after = value,
            "limit" => match value.parse() {
                Ok(lines @ 1..=LINES_MAX) => limit = lines,
                _ => return Err(Problem::bad_parameter("limit", format_args!("is not a number from 1 to {LINES_MAX}"))),
            },
            _ => return Err(Problem::bad_parameter(&name, "is not a parameter of this listing; these are: after, limit")),
        }
    }
    Ok((after, limit))
}

/// What a function is written in, by `language` or the media type.
fn language(request: &Request) -> Result<Language, Problem> {
    let pairs = form::pairs(request.uri().query().unwrap_or_default()).map_err(target::not_utf8)?;
    let mut named = None;
    for (name, value) in pairs {
        if name != "language" || named.is_some() {
            return Err(Problem::bad_parameter(&name, "is given twice, or is no parameter of this; there is: language"));
        }
        named = Some(value);
    }
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match (named.as_deref(), &*media_type) {
        (Some("sql"), _) | (None, "application/sql" | "text/sql" | "text/x-sql") => Ok(Language::Sql),
        (Some("python"), _) | (None, "text/x-python" | "application/x-python" | "text/x-python-script") => Ok(Language::Python),
        (Some(_), _) => Err(Problem::bad_parameter("language", "is neither sql nor python")),
        (None, _) => Err(Problem::missing_parameter("language", "?language=python or ?language=sql")),
    }
}

/// The request's time, and what it demands.
fn demanded(request: &Request) -> Ask {
    Ask { demand: cache_control::demand(request.headers()), ..ask(request.extensions()) }
}
