//! Pages of other origins: which may read the answers, and which may change what is cached. Source: WHATWG, "Fetch", section 3.2.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

/// Those whose pages may ask.
#[derive(Debug)]
pub(super) enum Cors {
    /// Nobody's.
    Off,
    /// Anybody's may read, and none may change anything.
    Anybody,
    /// These may do all.
    These(Vec<String>),
}

/// What an answer says to the page that may have it.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// `None` where this asker's page may not, but another's may.
    origin: Option<HeaderValue>,
    /// Whether another asker would be told otherwise.
    varies: bool,
}

impl Allowed {
    /// Writes it.
    pub fn write(&self, headers: &mut HeaderMap) {
        if let Some(origin) = &self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            // Nothing here goes by cookies, and then `*` is all of them.
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
        }
        if self.varies {
            headers.append(VARY, HeaderValue::from_name(ORIGIN));
        }
    }
}

impl Cors {
    /// Of origins as browsers write them, or `*`.
    pub fn of(origins: Vec<String>) -> Self {
        match &*origins {
            [] => Self::Off,
            [any] if any == "*" => Self::Anybody,
            _ => Self::These(origins),
        }
    }

    /// What the answer to a request with these headers says; `None` where it says nothing.
    pub fn allowed(&self, headers: &HeaderMap) -> Option<Allowed> {
        match self {
            Self::Off => None,
            Self::Anybody => Some(Allowed { origin: Some(HeaderValue::from_static("*")), varies: false }),
            Self::These(_) => {
                let origin = headers.get(ORIGIN).filter(|_| self.names(headers));
                Some(Allowed { origin: origin.cloned(), varies: true })
            }
        }
    }

    /// Whether the page that asks is of an origin that was named, and may change things.
    pub fn names(&self, headers: &HeaderMap) -> bool {
        let Self::These(origins) = self else { return false };
        let asks = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
        asks.is_some_and(|asks| origins.iter().any(|origin| origin.eq_ignore_ascii_case(asks)))
    }

    /// The answer to a browser that asks whether it may ask; `None` where that is not the question, or not to be answered here.
    pub fn preflight(&self, request: &Request<Body>) -> Option<Response> {
        let headers = request.headers();
        if *request.method() != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let allowed = self.allowed(headers).filter(|allowed| allowed.origin.is_some() && headers.contains_key(ORIGIN))?;
        let methods = match self {
            Self::These(_) => "GET, HEAD, POST, PUT, DELETE",
            Self::Anybody | Self::Off => "GET, HEAD",
        };
        let mut response = StatusCode::NO_CONTENT.into_response();
        let answer = response.headers_mut();
        allowed.write(answer);
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        // By name: a `*` would leave out Authorization.
        if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        Some(response)
    }
}
