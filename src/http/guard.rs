//! Who may ask, before anything is answered: by which name, with which token, on behalf of which page, and how many at a time.
//!
//! A layer around all routes of all front doors. A warm answer pays for a few looks at its headers.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, Method, Request, Version};
use pin_project_lite::pin_project;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::{Layer, Service};

use crate::http::problem::Problem;
use crate::http::v1;

use self::cors::{Allowed, Cors};

mod cors;
mod host;

/// Says whether the answer is wanted by a page of the same origin. Source: W3C, "Fetch Metadata Request Headers".
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// The one path that asks for no token: whoever watches over the process has none.
const HEALTH: &str = "/health";

/// Where a front door is, as far as that says who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A server that this machine alone reaches: a page that has its own name point here is kept out by the Host header.
    Machine,
    /// A server that other machines reach.
    Network,
    /// A front door of AWS, which has names, limits and rules of its own.
    Gateway,
}

/// What is asked of whoever asks.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where the front door is.
    pub reach: Reach,
    /// What callers have to show; `None` where nothing is.
    pub token: Option<TokenDigest>,
    /// Origins whose pages may ask, as browsers write them; `*` for all, which then may only read.
    pub origins: Vec<String>,
    /// How many requests may be under way at a time, up to the heads of their answers; `None` for any number.
    pub requests_max: Option<usize>,
}

/// What is kept of a token: comparing digests takes as long whichever byte is wrong, and tells nothing of the length.
#[derive(Clone)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Digests `token`.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    fn is_of(&self, token: &[u8]) -> bool {
        let shown: [u8; 32] = Sha256::digest(token).into();
        self.0.ct_eq(&shown).into()
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(hidden)")
    }
}

/// Wraps a service in a [`Guarded`].
#[derive(Clone, Debug)]
pub struct Guard(Arc<Rules>);

impl Guard {
    /// Lets in what `access` allows.
    pub fn new(access: Access) -> Self {
        let Access { reach, token, origins, requests_max } = access;
        let places = requests_max.map(|most| Arc::new(Semaphore::new(most)));
        Self(Arc::new(Rules { reach, token, cors: Cors::of(origins), places }))
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { rules: Arc::clone(&self.0), inner }
    }
}

/// A service that answers whoever may ask, and refuses the others.
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    rules: Arc<Rules>,
    inner: S,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let allowed = self.rules.cors.allowed(request.headers());
        match self.rules.admit(&request) {
            Ok(Admitted::Inside(place)) => Answering { inner: Some(self.inner.call(request)), here: None, allowed, place },
            Ok(Admitted::Answered(answer)) => Answering { inner: None, here: Some(answer), allowed: None, place: None },
            Err(problem) => Answering { inner: None, here: Some(problem.into_response()), allowed, place: None },
        }
    }
}

pin_project! {
    /// The answer of a [`Guarded`] service, on its way.
    pub struct Answering<F> {
        // Of the service; `None` where the guard has answered.
        #[pin]
        inner: Option<F>,
        here: Option<Response>,
        // What is added for the page that asks.
        allowed: Option<Allowed>,
        // Kept until the head of the answer is there.
        place: Option<OwnedSemaphorePermit>,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Answering<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match this.inner.as_pin_mut() {
            Some(inner) => {
                let Ok(response) = ready!(inner.poll(context));
                response
            }
            None => this.here.take().expect("polled once to its end"),
        };
        if let Some(allowed) = this.allowed {
            allowed.write(response.headers_mut());
        }
        *this.place = None;
        Poll::Ready(Ok(response))
    }
}

#[derive(Debug)]
struct Rules {
    reach: Reach,
    token: Option<TokenDigest>,
    cors: Cors,
    places: Option<Arc<Semaphore>>,
}

enum Admitted {
    /// The service is to answer, in this place.
    Inside(Option<OwnedSemaphorePermit>),
    /// That was a question for the guard.
    Answered(Response),
}

impl Rules {
    fn admit(&self, request: &Request<Body>) -> Result<Admitted, Problem> {
        self.check_host(request)?;
        // Before the token: browsers show none when they ask whether they may.
        if let Some(answer) = self.cors.preflight(request) {
            return Ok(Admitted::Answered(answer));
        }
        self.check_token(request)?;
        self.check_origin(request)?;
        let take = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().map_err(|_| Problem::overloaded());
        Ok(Admitted::Inside(self.places.as_ref().map(take).transpose()?))
    }

    /// Source: RFC 9112, section 3.2: one Host, and none is for HTTP/1.0 alone.
    fn check_host(&self, request: &Request<Body>) -> Result<(), Problem> {
        if self.reach == Reach::Gateway {
            return Ok(());
        }
        let mut hosts = request.headers().get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (_, Some(_)) => return Err(Problem::bad_request("there are two Host headers; write one")),
            (None, None) if request.version() >= Version::HTTP_11 => {
                return Err(Problem::bad_request("there is no Host header; write one"));
            }
            (host, None) => host,
        };
        let named = host.map(|host| host.to_str().unwrap_or_default());
        // What a request target names goes before the header.
        let target = request.uri().authority().map(|authority| authority.as_str());
        let is_fine = |name: &str| self.reach == Reach::Network || host::is_loopback(name);
        if named.into_iter().chain(target).all(is_fine) { Ok(()) } else { Err(Problem::misdirected()) }
    }

    /// Source: RFC 6750, section 2.1; the scheme's name is of either case (RFC 9110, section 11.1).
    fn check_token(&self, request: &Request<Body>) -> Result<(), Problem> {
        let Some(token) = self.token.as_ref().filter(|_| request.uri().path() != HEALTH) else { return Ok(()) };
        let shown = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes());
        let shown = shown.and_then(|shown| shown.split_at_checked("Bearer ".len()));
        match shown {
            Some((scheme, shown)) if scheme.eq_ignore_ascii_case(b"Bearer ") && token.is_of(shown.trim_ascii()) => Ok(()),
            _ => Err(Problem::unauthorized()),
        }
    }

    /// A page may have its reader's browser ask anything of any server; it sees no answer, but what is changed is changed. The
    /// doors of AWS are not asked by the name of a reader's own machine or network, and have rules of their own.
    fn check_origin(&self, request: &Request<Body>) -> Result<(), Problem> {
        if self.reach == Reach::Gateway || !changes_state(request) {
            return Ok(());
        }
        let headers = request.headers();
        if self.cors.names(headers) {
            return Ok(());
        }
        if headers.get_all(ORIGIN).iter().any(|origin| !is_own(origin.as_bytes(), request)) {
            return Err(Problem::cross_site("Origin"));
        }
        // Another port of this machine is of the same site, and not of the same origin.
        let is_foreign = |site: &http::HeaderValue| !matches!(site.as_bytes(), b"same-origin" | b"none");
        if headers.get_all(SEC_FETCH_SITE).iter().any(is_foreign) {
            return Err(Problem::cross_site("Sec-Fetch-Site"));
        }
        Ok(())
    }
}

fn changes_state(request: &Request<Body>) -> bool {
    !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) || v1::changes_state(request.uri())
}

/// Whether `origin` is the server that is asked, whatever the scheme: whoever stands in front may have taken TLS off.
fn is_own(origin: &[u8], request: &Request<Body>) -> bool {
    let asked = request.uri().authority().map(|authority| authority.as_str()).or_else(|| text(request.headers(), HOST));
    let origin = str::from_utf8(origin).ok().and_then(|origin| origin.split_once("://"));
    let (Some(asked), Some((scheme, authority))) = (asked, origin) else { return false };
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let bare = |authority: &str| authority.strip_suffix(default_port).unwrap_or(authority).to_ascii_lowercase();
    bare(asked) == bare(authority)
}

fn text(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests;
