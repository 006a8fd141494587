//! The loop: one event at a time, each answered in the time its invocation has.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::body::Body;
use futures_util::FutureExt;
use http::{Request, Response};
use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde_json::Value;
use tokio::time::timeout_at;
use tower::{Service, ServiceExt};

use crate::freshness::Deadline;
use crate::lambda::{Door, Events, Payload, Refusal, Shape, Unanswered};

/// Time that the service is told to leave to the door, enough to say in its own words that the time is over.
const SERVICE_LEAVES: Duration = Duration::from_millis(500);
/// Time that the door keeps for sending a refusal itself: past its deadline an invocation is killed with nothing said.
const DOOR_LEAVES: Duration = Duration::from_millis(200);

/// Puts a refusal into words: a whole, short response.
pub type Refuse = fn(&Refusal) -> Response<Body>;

/// Answers events until Lambda ends the process. Nothing goes on after an answer, for Lambda freezes the process then.
///
/// # Errors
/// Lambda's runtime API cannot be reached.
///
/// # Panics
/// Lambda's own variables (`AWS_LAMBDA_RUNTIME_API` and the function's name, version and memory) are missing.
pub async fn run<S>(door: LambdaDoor<S>) -> Result<(), lambda_runtime::Error>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let door = door.clone();
        async move { door.answer(event.payload, ends_at(&event.context)).await }
    }))
    .await
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
    /// A door to `service`, which is asked one request at a time, with a [`Deadline`] among the request's extensions.
    /// Events that are no requests have no answer.
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
        let answered = match door.request(event) {
            Ok(request) => self.ask(door, request, ends_at).await,
            Err(refusal) => Err(refusal),
        };
        match answered {
            Ok(payload) => Ok(payload),
            Err(refusal) => {
                tracing::warn!(%refusal, "a request got no answer of its own");
                let payload = Payload::of(door, (self.refuse)(&refusal)).await;
                Ok(payload.expect("a refusal is short and in memory"))
            }
        }
    }

    /// Asks the service; whatever it is at when the time is over is dropped.
    async fn ask(&self, door: Door, mut request: Request<Body>, ends_at: Instant) -> Result<Payload, Refusal> {
        let before_end = |time| ends_at.checked_sub(time).unwrap_or(ends_at);
        request.extensions_mut().insert(Deadline(before_end(SERVICE_LEAVES)));
        let service = self.service.clone();
        let answer = async move {
            let Ok(response) = service.oneshot(request).await;
            Payload::of(door, response).await
        };
        // The service is a clone of this request's own: what a panic leaves half done goes with it.
        match timeout_at(before_end(DOOR_LEAVES).into(), AssertUnwindSafe(answer).catch_unwind()).await {
            Ok(Ok(answer)) => answer,
            // The panic hook has written what happened.
            Ok(Err(_panic)) => Err(Refusal::Failed),
            Err(_elapsed) => Err(Refusal::TimedOut),
        }
    }
}

/// When Lambda kills the invocation, by the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the edge where Lambda's wall-clock deadline becomes one of our own clock")]
fn ends_at(context: &Context) -> Instant {
    let left = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
    Instant::now() + left
}
