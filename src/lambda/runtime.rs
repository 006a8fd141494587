//! The loop: each event answered in the time its invocation has, one at a time or as many as the environment lets in.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::body::Body;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Extensions, Request, Response};
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::{Context, LambdaEvent, Runtime, service_fn};
use serde_json::Value;
use tokio::time::timeout_at;
use tower::{Service, ServiceExt};

use crate::entry::Ceiling;
use crate::freshness::Deadline;
use crate::lambda::stream::{STREAM_BYTES_MAX, StreamLayer};
use crate::lambda::{Door, Events, Payload, Refusal, Shape, Streamed, Unanswered};

/// Time that the service is told to leave to the door, enough to say in its own words that the time is over.
const SERVICE_LEAVES: Duration = Duration::from_millis(500);
/// Time that the door keeps for sending a refusal itself: past its deadline an invocation is killed with nothing said.
const DOOR_LEAVES: Duration = Duration::from_millis(200);

/// Puts a refusal into words: a whole, short response. Of an answer that did not fit it is given what the service attached.
pub type Refuse = fn(Refusal, Extensions) -> BoxFuture<'static, Response<Body>>;

/// How answers leave the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Whole.
    Buffered,
    /// As they come, through the doors that take that ([`Door::streams`]); whole through the others.
    Streamed,
}

/// Answers events until Lambda ends the process: one at a time, or as many as AWS_LAMBDA_MAX_CONCURRENCY says, which Lambda sets
/// where an environment takes several. Nothing goes on after an answer, for Lambda freezes the process then.
///
/// # Errors
/// Lambda's runtime API cannot be reached.
///
/// # Panics
/// Lambda's own variables (`AWS_LAMBDA_RUNTIME_API` and the function's name, version and memory) are missing.
pub async fn run<S>(door: LambdaDoor<S>, mode: Mode) -> Result<(), lambda_runtime::Error>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let whole = door.clone();
    let runtime = Runtime::new(service_fn(move |event: LambdaEvent<Value>| {
        let door = whole.clone();
        async move { door.answer(event.payload, ends_at(&event.context)).await }
    }));
    match mode {
        Mode::Buffered => runtime.layer(TracingLayer::new()).run_concurrent().await,
        Mode::Streamed => runtime.layer(StreamLayer::new(door)).layer(TracingLayer::new()).run_concurrent().await,
    }
}

/// The service behind the front doors.
#[derive(Clone)]
pub struct LambdaDoor<S> {
    service: S,
    refuse: Refuse,
    events: Option<Arc<Events>>,
}

impl<S> LambdaDoor<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    /// A door to `service`, each of whose requests has a [`Deadline`] and a [`Ceiling`] among its extensions. Events that are no requests have no
    /// answer.
    pub fn new(service: S, refuse: Refuse) -> Self {
        Self { service, refuse, events: None }
    }

    /// Has `events` answer what is no request.
    pub fn with_events(self, events: Arc<Events>) -> Self {
        Self { events: Some(events), ..self }
    }

    /// Answers one event, before `ends_at`.
    ///
    /// # Errors
    /// The event is no request, and has to be sent again or has no answer. All that goes wrong with a request is an answer.
    pub async fn answer(&self, event: Value, ends_at: Instant) -> Result<Payload, Unanswered> {
        let shape = Shape::of(&event);
        let Shape::Request(door) = shape else {
            let events = self.events.as_ref().ok_or(Unanswered::Unknown { shape })?;
            return Ok(Payload::Event(events.answer(shape, &event, ends_at).await?));
        };
        Ok(self.answer_whole(door, event, ends_at).await)
    }

    /// Answers one request through a door that streams: its head before `ends_at`, and no byte of its body after.
    pub async fn stream(&self, door: Door, event: Value, ends_at: Instant) -> Streamed {
        let cut_at = before(ends_at, DOOR_LEAVES);
        let answering = async {
            let mut response = self.respond(door, event, ends_at, Ceiling(STREAM_BYTES_MAX)).await;
            match Streamed::refusal(&response, cut_at) {
                None => response,
                Some(refusal) => self.refuse(refusal, std::mem::take(response.extensions_mut())).await,
            }
        };
        let response = match in_time(cut_at, answering).await {
            Ok(response) => response,
            Err(refusal) => self.refuse(refusal, Extensions::new()).await,
        };
        Streamed::new(door, response, cut_at)
    }

    async fn answer_whole(&self, door: Door, event: Value, ends_at: Instant) -> Payload {
        let answering = async {
            let mut response = self.respond(door, event, ends_at, Ceiling(door.payload_bytes_max())).await;
            let attached = std::mem::take(response.extensions_mut());
            match Payload::of(door, response).await {
                Ok(payload) => payload,
                Err(refusal) => whole(door, self.refuse(refusal, attached).await).await,
            }
        };
        match in_time(before(ends_at, DOOR_LEAVES), answering).await {
            Ok(payload) => payload,
            Err(refusal) => whole(door, self.refuse(refusal, Extensions::new()).await).await,
        }
    }

    /// Asks the service, if the event makes a request.
    async fn respond(&self, door: Door, event: Value, ends_at: Instant, ceiling: Ceiling) -> Response<Body> {
        match door.request(event) {
            Ok(mut request) => {
                request.extensions_mut().insert(Deadline(before(ends_at, SERVICE_LEAVES)));
                request.extensions_mut().insert(ceiling);
                let Ok(response) = self.service.clone().oneshot(request).await;
                response
            }
            Err(refusal) => self.refuse(refusal, Extensions::new()).await,
        }
    }

    async fn refuse(&self, refusal: Refusal, attached: Extensions) -> Response<Body> {
        tracing::warn!(%refusal, "a request got no answer of its own");
        (self.refuse)(refusal, attached).await
    }
}

/// Puts a refusal into the form that `door` takes.
async fn whole(door: Door, response: Response<Body>) -> Payload {
    Payload::of(door, response).await.expect("a refusal is short and in memory")
}

/// Drops whatever `work` is at when the time is over.
async fn in_time<T>(ends_at: Instant, work: impl Future<Output = T>) -> Result<T, Refusal> {
    // The service is a clone of this request's own: what a panic leaves half done goes with it.
    match timeout_at(ends_at.into(), AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(done)) => Ok(done),
        // The panic hook has written what happened.
        Ok(Err(_panic)) => Err(Refusal::Failed),
        Err(_elapsed) => Err(Refusal::TimedOut),
    }
}

fn before(ends_at: Instant, time: Duration) -> Instant {
    ends_at.checked_sub(time).unwrap_or(ends_at)
}

/// When Lambda kills the invocation, by the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the edge where Lambda's wall-clock deadline becomes one of our own clock")]
pub(super) fn ends_at(context: &Context) -> Instant {
    let left = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
    Instant::now() + left
}
