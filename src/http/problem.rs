//! Every error as a problem document, and the only status codes of errors. Source: RFC 9457.

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value};

use crate::entry::NoRoom;
use crate::error::{Error, Unlisted};
use crate::http::{Oversize, status_header};
use crate::key::{InvalidKey, Key};

/// The original's API says in its own words that there was nothing to delete.
pub(super) const NOTHING_HELD: StatusCode = StatusCode::NOT_FOUND;

/// What went wrong with a request, and what to do about it.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    /// The last part of `type`; never changes once it is out.
    slug: &'static str,
    title: &'static str,
    detail: String,
    key: Option<String>,
    /// Boxed, for a problem is a result's other side in many places.
    headers: Box<HeaderMap>,
}

/// A front door's own reasons to refuse a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedBy {
    /// What came is no request.
    BadRequest,
    /// The time was over.
    Deadline,
    /// A mistake of ours.
    Failure,
}

impl Problem {
    /// The problem behind an error; its causes stay in the log.
    pub fn of(error: &Error) -> Self {
        let (status, slug, title, advice) = judge(error);
        // That nothing is cached is what the caller asked, and no failure.
        if status.is_server_error() && !matches!(error, Error::NotCached { .. }) {
            tracing::error!(%error, cause = error.cause_text(), "a request failed");
        } else {
            tracing::debug!(%error, cause = error.cause_text(), "a request was refused");
        }
        let mut problem = Self::new(status, slug, title, format_args!("{error}; {advice}"));
        problem.key = key_of(error).map(|key| key.as_str().to_owned());
        match error {
            Error::NotFound { .. } | Error::NotCached { .. } => status_header::write_failure(&mut problem.headers, error),
            Error::Throttled { .. }
            | Error::Unreachable { .. }
            | Error::Changed { .. }
            | Error::Busy { .. }
            | Error::NotWritten { .. } => {
                problem.headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        problem
    }

    /// A front door refuses; `reason` says why, and names no secret.
    pub fn refused(by: RefusedBy, reason: &dyn fmt::Display) -> Self {
        let (status, slug, title, advice) = match by {
            RefusedBy::BadRequest => (StatusCode::BAD_REQUEST, "bad-request", "Not a request", "mend what sends it"),
            RefusedBy::Deadline => {
                (StatusCode::GATEWAY_TIMEOUT, "deadline", "Not in time", "try again; it may be cached by then")
            }
            RefusedBy::Failure => (StatusCode::INTERNAL_SERVER_ERROR, "failure", "A mistake of this service", "look at its log"),
        };
        Self::new(status, slug, title, format_args!("{reason}; {advice}"))
    }

    /// An answer that is no object does not fit.
    pub(super) fn answer_too_large(Oversize { bytes, bytes_max }: Oversize) -> Self {
        let detail = format_args!(
            "the answer has {bytes} bytes, of which this front door lets {bytes_max} through at once; ask for less, or fetch the \
             object itself at /cache/KEY"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "answer-too-large", "The answer is too large for this front door", detail)
    }

    /// An object, or the part of it that begins at `first`, does not fit.
    pub(super) fn object_too_large(Oversize { bytes, bytes_max }: Oversize, key: &Key, first: u64) -> Self {
        let next = first + bytes_max;
        let detail = format_args!(
            "the answer has {bytes} bytes, of which this front door lets {bytes_max} through at once; ask with `Range: \
             bytes={first}-{}`, then from byte {next} on, with the ETag in If-Range",
            next.saturating_sub(1)
        );
        let problem =
            Self::new(StatusCode::PAYLOAD_TOO_LARGE, "answer-too-large", "The answer is too large for this front door", detail);
        Self { key: Some(key.as_str().to_owned()), ..problem }
    }

    pub(super) fn range_not_satisfiable(key: &Key, size: u64) -> Self {
        let detail = format_args!("the object has {size} bytes, and none of them is in the range asked for");
        let mut problem =
            Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "range-not-satisfiable", "No such part of the object", detail);
        let range = HeaderValue::from_str(&format!("bytes */{size}")).expect("a number in ASCII");
        problem.headers.insert(CONTENT_RANGE, range);
        Self { key: Some(key.as_str().to_owned()), ..problem }
    }

    pub(super) fn precondition_failed(key: &Key) -> Self {
        let detail = "the object is not what the conditions of the request take it to be; read it again, and decide anew";
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", "A condition is not met", detail)
            .about(Some(key.as_str()))
    }

    pub(super) fn missing_parameter(name: &str, right: &str) -> Self {
        let detail = format_args!("`{name}` is missing; write {right}");
        Self::new(StatusCode::BAD_REQUEST, "missing-parameter", "A parameter is missing", detail)
    }

    pub(super) fn bad_parameter(name: &str, reason: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-parameter", "A parameter does not fit", format_args!("`{name}` {reason}"))
    }

    /// `known` are the forms that there are, with their media types.
    #[cfg(feature = "frames")]
    pub(super) fn not_acceptable(key: &Key, wanted: &str, known: &str) -> Self {
        let detail = format_args!("{wanted}; these are the formats, for `?format=` and Accept: {known}");
        let mut problem = Self::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", "Not in such a format", detail);
        problem.headers.insert(http::header::VARY, HeaderValue::from_static("accept"));
        problem.about(Some(key.as_str()))
    }

    pub(super) fn bad_form(reason: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-form", "The body is not a form of this API", reason)
    }

    pub(super) fn form_too_large(bytes_max: usize) -> Self {
        let detail =
            format_args!("the body has more than {bytes_max} bytes; a form has a few parameters, and data is never sent here");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "form-too-large", "The body is too large", detail)
    }

    /// An answer that is made of what memory holds finds no room beside it: as [`Error::Busy`], of no key.
    pub(super) fn no_room(_: NoRoom) -> Self {
        let detail = "there is no room in memory for this answer now, others are on their way; try again in a second";
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Memory is full of answers", detail);
        problem.headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        problem
    }

    /// `text` is what was given for a key.
    pub(super) fn invalid_key(error: InvalidKey, text: &str) -> Self {
        Self::of(&Error::InvalidKey(error)).about(Some(text))
    }

    pub(super) fn body_not_taken(method: &Method, key: &Key) -> Self {
        let detail = format_args!(
            "cache-api never writes data, and {method} takes no body; upload the object to the bucket, then PUT its URL without a body to refresh it"
        );
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "body-not-taken", "No body is taken", detail).about(Some(key.as_str()))
    }

    pub(super) fn method_not_allowed(method: &Method, path: &str) -> Self {
        let detail = format_args!("{method} is not for `{path}`; the header Allow names what is");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Not with this method", detail)
    }

    pub(super) fn unknown_url(path: &str) -> Self {
        let detail =
            format_args!("there is nothing at `{path}`; objects are at /cache/KEY, the original's API at /cache/api/v1.0/");
        Self::new(StatusCode::NOT_FOUND, "unknown-url", "No such URL", detail)
    }

    /// The same, of a request about `key`; `None` where it names none.
    pub(super) fn about(self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), ..self }
    }

    fn new(status: StatusCode, slug: &'static str, title: &'static str, detail: impl fmt::Display) -> Self {
        Self { status, slug, title, detail: detail.to_string(), key: None, headers: Box::default() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut document = Map::new();
        document.insert("type".to_owned(), Value::from(format!("/problems/{}", self.slug)));
        document.insert("title".to_owned(), Value::from(self.title));
        document.insert("status".to_owned(), Value::from(self.status.as_u16()));
        document.insert("detail".to_owned(), Value::from(self.detail));
        if let Some(key) = self.key {
            document.insert("key".to_owned(), Value::from(key));
        }
        let mut response = (self.status, *self.headers, Value::from(document).to_string()).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        // Some of them a cache would keep by its own guess. Source: RFC 9110, section 15.1.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// The status, the slug, the title, and what to do.
fn judge(error: &Error) -> (StatusCode, &'static str, &'static str, &'static str) {
    match error {
        Error::InvalidKey(_) => (StatusCode::BAD_REQUEST, "invalid-key", "Not a key", "mend the name"),
        Error::NotFound { .. } => (
            StatusCode::NOT_FOUND,
            "not-found",
            "No such object",
            "look at the name; if it was just uploaded, PUT its URL or wait a few seconds",
        ),
        Error::NotCached { .. } => (
            StatusCode::GATEWAY_TIMEOUT,
            "not-cached",
            "Not cached",
            "ask without only-if-cached, or with a max-stale that lets an older answer do",
        ),
        Error::Forbidden { .. } | Error::NotListed { why: Unlisted::Forbidden, .. } => (
            StatusCode::FORBIDDEN,
            "forbidden",
            "The record refuses",
            "the operator looks at this service's permissions and credentials; its log has the reason",
        ),
        Error::Throttled { .. } | Error::NotListed { why: Unlisted::Throttled, .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "throttled", "Too many requests to the record", "try again shortly")
        }
        Error::Unreachable { .. } | Error::NotListed { why: Unlisted::Unreachable, .. } => (
            StatusCode::BAD_GATEWAY,
            "unreachable",
            "The record does not answer",
            "try again; the operator looks at this service's log",
        ),
        Error::Changed { .. } => (StatusCode::SERVICE_UNAVAILABLE, "changed", "The object is being changed", "try again shortly"),
        Error::Corrupted { .. } => (StatusCode::BAD_GATEWAY, "corrupted", "The object arrived damaged", "try again"),
        Error::TooLarge { .. } => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The object is too large",
            "its bytes are at /cache/KEY; to compute on it, the operator raises CACHE_API_MEMORY_BUDGET",
        ),
        Error::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Memory is full of answers", "try again in a second"),
        Error::Deadline { .. } | Error::NotListed { why: Unlisted::Deadline, .. } => {
            (StatusCode::GATEWAY_TIMEOUT, "deadline", "Not in time", "try again; it may be cached by then")
        }
        Error::NotWritten { .. } | Error::Tier { .. } => (
            StatusCode::SERVICE_UNAVAILABLE,
            "not-written",
            "The shared directory cannot be written",
            "try again; the operator looks at LOCAL_DATA_DIR",
        ),
        Error::UnknownFormat { .. } => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unknown-format", "Not a format to compute on", "its bytes are at /cache/KEY")
        }
        Error::Unparsable { .. } => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unparsable",
            "The object does not parse",
            "mend it in the record; its bytes are at /cache/KEY",
        ),
        Error::BadSlice { .. } => (StatusCode::BAD_REQUEST, "bad-parameter", "A parameter does not fit", "mend the query"),
        Error::UnknownFunction { .. } => (StatusCode::NOT_FOUND, "unknown-function", "No such function", "call one of these"),
        Error::InvalidArgument { .. } => {
            (StatusCode::BAD_REQUEST, "invalid-argument", "An argument does not fit", "mend the call")
        }
        Error::FunctionFailed { .. } => {
            (StatusCode::INTERNAL_SERVER_ERROR, "function-failed", "The function failed", "look at this service's log")
        }
    }
}

fn key_of(error: &Error) -> Option<&Key> {
    match error {
        Error::NotFound { key, .. }
        | Error::NotCached { key }
        | Error::Forbidden { key, .. }
        | Error::Throttled { key, .. }
        | Error::Unreachable { key, .. }
        | Error::Changed { key }
        | Error::Corrupted { key, .. }
        | Error::TooLarge { key, .. }
        | Error::Busy { key }
        | Error::Deadline { key }
        | Error::NotWritten { key, .. }
        | Error::UnknownFormat { key, .. }
        | Error::Unparsable { key, .. }
        | Error::BadSlice { key, .. } => Some(key),
        Error::InvalidKey(_)
        | Error::NotListed { .. }
        | Error::Tier { .. }
        | Error::UnknownFunction { .. }
        | Error::InvalidArgument { .. }
        | Error::FunctionFailed { .. } => None,
    }
}
