//! Every error as a problem document, and the only status codes of errors. Source: RFC 9457.

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value};

use crate::entry::NoRoom;
use crate::error::{Error, Stopped, Unlisted};
use crate::http::{Oversize, status_header};
use crate::key::{InvalidKey, Key};

use self::catalogue::Kind;

pub(super) mod catalogue;
pub(super) mod page;

/// The original's API says in its own words that there was nothing to delete.
pub(super) const NOTHING_HELD: StatusCode = StatusCode::NOT_FOUND;

/// What went wrong with a request, and what to do about it.
#[derive(Debug)]
pub struct Problem {
    kind: &'static Kind,
    detail: String,
    key: Option<String>,
    traceback: Option<String>,
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
        let (kind, advice) = judge(error);
        // That nothing is cached is what the caller asked, and no failure.
        if kind.status.is_server_error()
            && !matches!(error, Error::NotCached { .. } | Error::NotListed { why: Unlisted::NotAsked, .. })
        {
            tracing::error!(%error, cause = error.cause_text(), "a request failed");
        } else {
            tracing::debug!(%error, cause = error.cause_text(), "a request was refused");
        }
        let mut problem = Self::new(kind, format_args!("{error}; {advice}"));
        if let Error::FunctionRaised { traceback, .. } = error {
            problem.traceback = Some(traceback.clone());
        }
        problem.key = key_of(error).map(|key| key.as_str().to_owned());
        match error {
            Error::NotFound { .. } | Error::NotCached { .. } => status_header::write_failure(&mut problem.headers, error),
            Error::Throttled { .. }
            | Error::NotListed { why: Unlisted::Throttled | Unlisted::NoRoom, .. }
            | Error::Unreachable { .. }
            | Error::Changed { .. }
            | Error::Busy { .. }
            | Error::FunctionBusy { .. }
            | Error::Overloaded
            | Error::NotWritten { .. } => {
                problem.headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        problem
    }

    /// A front door refuses; `reason` says why, and names no secret.
    pub fn refused(by: RefusedBy, reason: &dyn fmt::Display) -> Self {
        let (kind, advice) = match by {
            RefusedBy::BadRequest => (&catalogue::BAD_REQUEST, "mend what sends it"),
            RefusedBy::Deadline => (&catalogue::DEADLINE, "try again; it may be cached by then"),
            RefusedBy::Failure => (&catalogue::FAILURE, "look at its log"),
        };
        Self::new(kind, format_args!("{reason}; {advice}"))
    }

    /// No token, or another; what was shown is not repeated.
    pub(super) fn unauthorized() -> Self {
        let detail = "send `Authorization: Bearer TOKEN` with the token of this service";
        let problem = Self::new(&catalogue::UNAUTHORIZED, detail);
        problem.with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"cache-api\""))
    }

    /// `what` came from a browser, on behalf of a page of another origin.
    pub(super) fn cross_site(what: &'static str) -> Self {
        let detail = format_args!(
            "{what} says that a page of another origin sends this, and it would change what is cached; only pages of this server \
             and of the origins in CACHE_API_CORS_ORIGINS may"
        );
        Self::new(&catalogue::CROSS_SITE, detail)
    }

    /// The server is for this machine, and was asked by a name that is not this machine's.
    pub(super) fn misdirected() -> Self {
        let detail = "this server is for this machine alone; ask for localhost, 127.0.0.1 or [::1], which is to stand in Host";
        Self::new(&catalogue::MISDIRECTED, detail)
    }

    /// What came is no request, for `reason`.
    pub(super) fn bad_request(reason: &'static str) -> Self {
        Self::new(&catalogue::BAD_REQUEST, reason)
    }

    /// The body did not come in time.
    pub(super) fn slow_request() -> Self {
        // The rest of it may still be on its way.
        let close = HeaderValue::from_static("close");
        Self::new(&catalogue::SLOW_REQUEST, "the body was not there in time; send it again").with(CONNECTION, close)
    }

    /// As many requests as this server takes are under way.
    pub(super) fn overloaded() -> Self {
        let detail = "this server has as many requests under way as it takes at a time; try again in a second";
        Self::new(&catalogue::OVERLOADED, detail).with(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// An object was fetched, and nobody finds it afterwards.
    pub(super) fn not_kept(key: &Key) -> Self {
        let detail = "it was fetched and could not be kept: there is no room for it in the cache, or it changed meanwhile";
        Self::new(&catalogue::NOT_KEPT, detail).about(Some(key.as_str()))
    }

    /// An answer that is no object does not fit.
    pub(super) fn answer_too_large(Oversize { bytes, bytes_max }: Oversize) -> Self {
        let detail = format_args!(
            "the answer has {bytes} bytes, of which this front door lets {bytes_max} through at once; ask for less, or fetch the \
             object itself at /cache/KEY"
        );
        Self::new(&catalogue::ANSWER_TOO_LARGE, detail)
    }

    /// An object, or the part of it that begins at `first`, does not fit.
    pub(super) fn object_too_large(Oversize { bytes, bytes_max }: Oversize, key: &Key, first: u64) -> Self {
        let next = first + bytes_max;
        let detail = format_args!(
            "the answer has {bytes} bytes, of which this front door lets {bytes_max} through at once; ask with `Range: \
             bytes={first}-{}`, then from byte {next} on, with the ETag in If-Range",
            next.saturating_sub(1)
        );
        Self::new(&catalogue::ANSWER_TOO_LARGE, detail).about(Some(key.as_str()))
    }

    pub(super) fn range_not_satisfiable(key: &Key, size: u64) -> Self {
        let detail = format_args!("the object has {size} bytes, and none of them is in the range asked for");
        let range = HeaderValue::from_str(&format!("bytes */{size}")).expect("a number in ASCII");
        Self::new(&catalogue::RANGE_NOT_SATISFIABLE, detail).with(CONTENT_RANGE, range).about(Some(key.as_str()))
    }

    pub(super) fn precondition_failed(key: &Key) -> Self {
        let detail = "the object is not what the conditions of the request take it to be; read it again, and decide anew";
        Self::new(&catalogue::PRECONDITION_FAILED, detail).about(Some(key.as_str()))
    }

    pub(super) fn missing_parameter(name: &str, right: &str) -> Self {
        let detail = format_args!("`{name}` is missing; write {right}");
        Self::new(&catalogue::MISSING_PARAMETER, detail)
    }

    pub(super) fn bad_parameter(name: &str, reason: impl fmt::Display) -> Self {
        Self::new(&catalogue::BAD_PARAMETER, format_args!("`{name}` {reason}"))
    }

    /// `known` are the forms that there are, with their media types.
    #[cfg(feature = "frames")]
    pub(super) fn not_acceptable(key: &Key, wanted: &str, known: &str) -> Self {
        let detail = format_args!("{wanted}; these are the formats, for `?format=` and Accept: {known}");
        Self::new(&catalogue::NOT_ACCEPTABLE, detail)
            .with(http::header::VARY, HeaderValue::from_static("accept"))
            .about(Some(key.as_str()))
    }

    /// The function comes with the service.
    pub(super) fn no_source(name: &str) -> Self {
        let detail = format_args!("`{name}` comes with the service and has no file; its source is this service's");
        Self::new(&catalogue::NO_SOURCE, detail)
    }

    pub(super) fn bad_form(reason: impl fmt::Display) -> Self {
        Self::new(&catalogue::BAD_FORM, reason)
    }

    pub(super) fn form_too_large(bytes_max: usize) -> Self {
        let detail =
            format_args!("the body has more than {bytes_max} bytes; a form has a few parameters, and data is never sent here");
        Self::new(&catalogue::FORM_TOO_LARGE, detail)
    }

    /// An answer that is made of what memory holds finds no room beside it: as [`Error::Busy`], of no key.
    pub(super) fn no_room(_: NoRoom) -> Self {
        let detail = "there is no room in memory for this answer now, others are on their way; try again in a second";
        Self::new(&catalogue::BUSY, detail).with(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// `text` is what was given for a key.
    pub(super) fn invalid_key(error: InvalidKey, text: &str) -> Self {
        Self::of(&Error::InvalidKey(error)).about(Some(text))
    }

    pub(super) fn body_not_taken(method: &Method, key: &Key) -> Self {
        let detail = format_args!(
            "cache-api never writes data, and {method} takes no body; upload the object to the bucket, then PUT its URL without a body to refresh it"
        );
        Self::new(&catalogue::BODY_NOT_TAKEN, detail).about(Some(key.as_str()))
    }

    pub(super) fn method_not_allowed(method: &Method, path: &str) -> Self {
        let detail = format_args!("{method} is not for `{path}`; the header Allow names what is");
        Self::new(&catalogue::METHOD_NOT_ALLOWED, detail)
    }

    /// The same, where only POST does it.
    pub(super) fn with_post(self) -> Self {
        self.with(http::header::ALLOW, HeaderValue::from_static("POST"))
    }

    pub(super) fn unknown_url(path: &str) -> Self {
        let detail =
            format_args!("there is nothing at `{path}`; objects are at /cache/KEY, the original's API at /cache/api/v1.0/");
        Self::new(&catalogue::UNKNOWN_URL, detail)
    }

    /// {"type", "title", "status", "detail", "key" where it is about one, "traceback" of a function}. Source: RFC 9457, section 3.
    pub(super) fn document(&self) -> Value {
        let mut document = Map::new();
        document.insert("type".to_owned(), Value::from(format!("/problems/{}", self.kind.slug)));
        document.insert("title".to_owned(), Value::from(self.kind.title));
        document.insert("status".to_owned(), Value::from(self.kind.status.as_u16()));
        document.insert("detail".to_owned(), Value::from(&*self.detail));
        if let Some(key) = &self.key {
            document.insert("key".to_owned(), Value::from(&**key));
        }
        if let Some(traceback) = &self.traceback {
            document.insert("traceback".to_owned(), Value::from(&**traceback));
        }
        Value::from(document)
    }

    /// The same, of a request about `key`; `None` where it names none.
    pub(super) fn about(self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), ..self }
    }

    fn new(kind: &'static Kind, detail: impl fmt::Display) -> Self {
        Self { kind, detail: detail.to_string(), key: None, traceback: None, headers: Box::default() }
    }

    /// The same, with a header.
    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = self.document().to_string();
        let mut response = (self.kind.status, *self.headers, document).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        // Some of them a cache would keep by its own guess. Source: RFC 9110, section 15.1.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// The kind, and what to do in this case.
fn judge(error: &Error) -> (&'static Kind, &'static str) {
    match error {
        Error::InvalidKey(_) => (&catalogue::INVALID_KEY, "mend the name"),
        Error::NotFound { .. } => {
            (&catalogue::NOT_FOUND, "look at the name; if it was just uploaded, PUT its URL or wait a few seconds")
        }
        Error::NotCached { .. } | Error::NotListed { why: Unlisted::NotAsked, .. } => {
            (&catalogue::NOT_CACHED, "ask without only-if-cached, or with a max-stale that lets an older answer do")
        }
        Error::Forbidden { .. } | Error::NotListed { why: Unlisted::Forbidden, .. } => {
            (&catalogue::FORBIDDEN, "the operator looks at this service's permissions and credentials; its log has the reason")
        }
        Error::Throttled { .. } | Error::NotListed { why: Unlisted::Throttled, .. } => {
            (&catalogue::THROTTLED, "try again shortly")
        }
        Error::Unreachable { .. } | Error::NotListed { why: Unlisted::Unreachable, .. } => {
            (&catalogue::UNREACHABLE, "try again; the operator looks at this service's log")
        }
        Error::Changed { .. } => (&catalogue::CHANGED, "try again shortly"),
        Error::Corrupted { .. } => (&catalogue::CORRUPTED, "try again"),
        Error::TooLarge { .. } => {
            (&catalogue::TOO_LARGE, "its bytes are at /cache/KEY; to compute on it, the operator raises CACHE_API_MEMORY_BUDGET")
        }
        Error::Busy { .. } | Error::NotListed { why: Unlisted::NoRoom, .. } => (&catalogue::BUSY, "try again in a second"),
        Error::Deadline { .. } | Error::NotListed { why: Unlisted::Deadline, .. } => {
            (&catalogue::DEADLINE, "try again; it may be cached by then")
        }
        Error::NotListed { why: Unlisted::TooMany, .. } => (&catalogue::TOO_MANY_NAMES, "ask for fewer, by a longer prefix"),
        Error::NotWritten { .. } | Error::Tier { .. } => {
            (&catalogue::NOT_WRITTEN, "try again; the operator looks at LOCAL_DATA_DIR")
        }
        Error::UnknownFormat { .. } => (&catalogue::UNKNOWN_FORMAT, "its bytes are at /cache/KEY"),
        Error::Unparsable { .. } => (&catalogue::UNPARSABLE, "mend it in the record; its bytes are at /cache/KEY"),
        Error::BadSlice { .. } => (&catalogue::BAD_PARAMETER, "mend the query"),
        Error::BadQuery { .. } => (&catalogue::BAD_QUERY, "mend the statement"),
        Error::QueryStopped { why: Stopped::TimedOut } => {
            (&catalogue::QUERY_TIMED_OUT, "ask for fewer rows, or join on fewer; nothing of it goes on")
        }
        Error::QueryStopped { .. } => (&catalogue::QUERY_TOO_LARGE, "ask for fewer rows and columns, or group before joining"),
        Error::Overloaded => (&catalogue::QUERIES_WAIT, "try again in a second"),
        Error::UnknownFunction { .. } => (&catalogue::UNKNOWN_FUNCTION, "call one of these"),
        Error::NoDeploys => (
            &catalogue::NO_DEPLOYS,
            "the operator sets AWS_FUNCTION_DIR and CACHE_API_FUNCTION_DEPLOY=on, or saves the file in the bucket",
        ),
        Error::NotDeployed { .. } => (&catalogue::NOT_DEPLOYED, "the operator looks at this service's permissions and its log"),
        Error::BadAnswer { .. } => (&catalogue::BAD_ANSWER, "ask for another form, or mend the function"),
        Error::BadFunction { .. } => (&catalogue::BAD_FUNCTION, "mend its file"),
        Error::InvalidArgument { .. } => (&catalogue::INVALID_ARGUMENT, "mend the call"),
        Error::FunctionRaised { .. } => (&catalogue::FUNCTION_RAISED, "mend the function, or the call"),
        Error::FunctionStopped { .. } => {
            (&catalogue::FUNCTION_STOPPED, "have it do less; the operator may raise the limit that is named")
        }
        Error::FunctionBusy { .. } => (&catalogue::BUSY, "try again in a second"),
        Error::FunctionFailed { .. } => (&catalogue::FUNCTION_FAILED, "look at this service's log"),
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
        | Error::NotDeployed { key, .. }
        | Error::UnknownFormat { key, .. }
        | Error::Unparsable { key, .. }
        | Error::BadSlice { key, .. } => Some(key),
        Error::InvalidKey(_)
        | Error::NotListed { .. }
        | Error::Tier { .. }
        | Error::BadQuery { .. }
        | Error::QueryStopped { .. }
        | Error::Overloaded
        | Error::UnknownFunction { .. }
        | Error::BadAnswer { .. }
        | Error::NoDeploys
        | Error::BadFunction { .. }
        | Error::InvalidArgument { .. }
        | Error::FunctionRaised { .. }
        | Error::FunctionStopped { .. }
        | Error::FunctionBusy { .. }
        | Error::FunctionFailed { .. } => None,
    }
}
