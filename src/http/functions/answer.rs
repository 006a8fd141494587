//! What a function answered, as JSON, or where it is a table in any form that tables have.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::function::Answer;
use crate::http::Api;
use crate::http::problem::Problem;

#[cfg(feature = "frames")]
use {
    crate::error::Error,
    crate::frame::encode::{Titles, encode},
    crate::frame::{Form, Frame},
    crate::http::negotiate::Accept,
    crate::tier::memory::Derived,
    http::header::{CONTENT_SECURITY_POLICY, VARY},
    std::sync::Arc,
};

/// Writes `answer` to the function `name`.
pub(super) async fn write(
    api: &Api,
    name: &str,
    answer: Answer,
    format: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    #[cfg(feature = "frames")]
    if let Answer::Table(frame) = answer {
        return table(api, name, frame, format, headers).await;
    }
    let _only_tables_choose = headers;
    if let Some(format) = format.filter(|format| *format != "json") {
        let reason = format!("is `{format}`, and what `{name}` answers is no table; leave it out");
        return Err(Problem::bad_parameter("format", reason));
    }
    let text = answer.to_json()?.to_string();
    let room = api.cache.room(text.len() as u64).await.map_err(Problem::no_room)?;
    Ok(respond(room.hold(text.into_bytes()), HeaderValue::from_static("application/json")))
}

fn respond(body: Bytes, media_type: HeaderValue) -> Response {
    let mut response = (StatusCode::OK, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

#[cfg(feature = "frames")]
async fn table(
    api: &Api,
    name: &str,
    frame: Arc<Derived<Frame>>,
    format: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let form = match format {
        Some(named) => Form::named(named).ok_or_else(|| no_form(named))?,
        None => negotiated(headers).ok_or_else(|| no_form("what Accept admits"))?,
    };
    let (title, bytes_max) = (name.to_owned(), api.cache.making_max());
    // What is written takes about as much as the columns.
    let room = api.cache.room(crate::tier::memory::Weighed::weight_bytes(&**frame)).await.map_err(Problem::no_room)?;
    let writing = tokio::task::spawn_blocking(move || {
        let titles = Titles { name: &title, links: &[], note: "" };
        encode(frame.table().clone(), form, titles, bytes_max)
    });
    let written = writing.await.map_err(|cause| Error::FunctionFailed { function: name.to_owned(), cause: cause.into() })?;
    let bytes = written.map_err(|unencoded| Error::BadAnswer { reason: unencoded.to_string() })?;
    let mut response = respond(room.hold(bytes), HeaderValue::from_static(form.media_type()));
    let headers = response.headers_mut();
    if format.is_none() {
        headers.insert(VARY, HeaderValue::from_static("accept"));
    }
    if form == Form::Html {
        let policy = "sandbox allow-downloads; default-src 'none'; style-src 'unsafe-inline'";
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
    Ok(response)
}

/// The form that Accept wants most; JSON among equals.
#[cfg(feature = "frames")]
fn negotiated(headers: &HeaderMap) -> Option<Form> {
    let accept = Accept::of(headers);
    if accept.prefers(Form::Json.media_type()) || !headers.contains_key(http::header::ACCEPT) {
        return Some(Form::Json);
    }
    let forms = Form::ALL.into_iter().rev().filter(|form| accept.admits(form.media_type()));
    let best = forms.max_by_key(|form| (accept.weight(form.media_type()), *form == Form::Json))?;
    Some(best)
}

#[cfg(feature = "frames")]
fn no_form(wanted: &str) -> Problem {
    let forms: Vec<&str> = Form::ALL.into_iter().map(Form::name).collect();
    let wanted: String = wanted.chars().take(40).collect();
    Problem::bad_parameter("format", format_args!("`{wanted}` is none of: {}", forms.join(", ")))
}
