//! Answers that go through Lambda as they come: a head, eight NULs, and the body in pieces.
//!
//! `lambda_runtime` streams too, but writes an error that happens midway into the body, as text, and ends the answer well
//! (1.5.0, `EventCompletionRequest`): a client would take half a file and some words for the whole. Here such an answer ends in
//! the trailers that Lambda asks for, which fail it. The polling and all other answers are `lambda_runtime`'s.
//!
//! Source: Lambda, "Building a custom runtime", response streaming; API Gateway, "Set up a Lambda proxy integration with payload
//! response streaming".

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task;
use std::time::Instant;

use aws_lambda_events::encodings::Body as EventBody;
use axum::body::{Body, BodyDataStream, HttpBody};
use bytes::Bytes;
use fail::fail_point;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use http::header::{CONTENT_TYPE, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::StreamBody;
use hyper::body::Frame;
use lambda_runtime::{Diagnostic, LambdaInvocation};
use lambda_runtime_api_client::body::Body as ApiBody;
use lambda_runtime_api_client::{BoxError, PooledClient, build_request};
use serde_json::{Value, json};
use tokio::time::timeout_at;
use tower::{Layer, Service};

use crate::lambda::answer::{joined, legible};
use crate::lambda::runtime::ends_at;
use crate::lambda::{Door, LambdaDoor, Refusal, Shape};

/// Longest body in bytes that Lambda streams. Source: Lambda, "Lambda quotas": 200 MB.
pub const STREAM_BYTES_MAX: u64 = 200_000_000;

/// A body goes in pieces of up to so many bytes, so that it can be cut in time: past the first megabytes Lambda takes 2 MB a
/// second, and then this is a sixteenth of one.
const PIECE_BYTES: usize = 128 * 1024;

/// Between the head and the body.
const DELIMITER: [u8; 8] = [0; 8];

const RESPONSE_MODE: HeaderName = HeaderName::from_static("lambda-runtime-function-response-mode");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");
const ERROR_BODY: HeaderName = HeaderName::from_static("lambda-runtime-function-error-body");
const INVOCATION_ID: HeaderName = HeaderName::from_static("lambda-runtime-invocation-id");

/// An answer on its way.
#[derive(Debug)]
pub struct Streamed {
    head: Bytes,
    body: BodyDataStream,
    /// What the body has given and has not been sent.
    rest: Bytes,
    sent_bytes: u64,
    cut_at: Instant,
}

/// Why a body ended before its end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Broken {
    #[error("the answer was cut off: the time this invocation had was over")]
    TimedOut,
    #[error("the answer broke off")]
    BrokeOff,
    #[error("the answer was cut off: it is longer than Lambda streams")]
    TooLong,
}

impl Streamed {
    /// Puts a response into the form that `door` takes; what of its body has not been sent at `cut_at` is not.
    pub(super) fn new(door: Door, response: Response<Body>, cut_at: Instant) -> Self {
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let headers = legible(&parts.headers);
        let head = match door {
            Door::RestApi => json!({"statusCode": status, "multiValueHeaders": all_values(&headers)}),
            Door::HttpApi | Door::FunctionUrl | Door::LoadBalancer(_) => {
                let (headers, cookies) = joined(headers);
                json!({"statusCode": status, "headers": one_value(&headers), "cookies": cookies})
            }
        };
        let head = [head.to_string().as_bytes(), &DELIMITER].concat().into();
        Self { head, body: body.into_data_stream(), rest: Bytes::new(), sent_bytes: 0, cut_at }
    }

    /// Why a response cannot be streamed, known before its head is sent.
    pub(super) fn refusal(response: &Response<Body>, cut_at: Instant) -> Option<Refusal> {
        let announced_bytes = response.body().size_hint().lower();
        if announced_bytes > STREAM_BYTES_MAX {
            return Some(Refusal::TooLarge { bytes: announced_bytes, bytes_max: STREAM_BYTES_MAX });
        }
        // What fits into one piece is given, even late.
        (announced_bytes > PIECE_BYTES as u64 && has_passed(cut_at)).then_some(Refusal::TimedOut)
    }

    /// The whole as it goes to Lambda: head, delimiter, body; trailers where the body ends before its end.
    pub fn into_body(mut self) -> impl HttpBody<Data = Bytes, Error = Infallible> + Send {
        let head = Frame::data(std::mem::take(&mut self.head));
        let frames = stream::unfold(Some(self), |streamed| async move {
            let mut streamed = streamed?;
            match streamed.next().await {
                Ok(Some(piece)) => Some((Frame::data(piece), Some(streamed))),
                Ok(None) => None,
                Err(broken) => {
                    tracing::error!(%broken, "an answer ended before its end");
                    Some((Frame::trailers(trailers(broken)), None))
                }
            }
        });
        StreamBody::new(stream::iter([head]).chain(frames).map(Ok))
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        fail_point!("stream-piece", |_| Err(Broken::BrokeOff));
        if self.rest.is_empty() {
            let polled = AssertUnwindSafe(self.body.next()).catch_unwind();
            self.rest = match timeout_at(self.cut_at.into(), polled).await {
                Ok(Ok(Some(Ok(bytes)))) => bytes,
                Ok(Ok(None)) => return Ok(None),
                Ok(Ok(Some(Err(error)))) => {
                    tracing::error!(%error, "the body of an answer broke off");
                    return Err(Broken::BrokeOff);
                }
                // The panic hook has written what happened.
                Ok(Err(_panic)) => return Err(Broken::BrokeOff),
                Err(_elapsed) => return Err(Broken::TimedOut),
            };
        }
        if self.sent_bytes > 0 && has_passed(self.cut_at) {
            return Err(Broken::TimedOut);
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
        self.sent_bytes += piece.len() as u64;
        if self.sent_bytes > STREAM_BYTES_MAX { Err(Broken::TooLong) } else { Ok(Some(piece)) }
    }

    /// The request that completes an invocation with this answer.
    fn into_request(self, invocation: &LambdaInvocation) -> http::Result<Request<ApiBody>> {
        let target = format!("/2018-06-01/runtime/invocation/{}/response", invocation.context.request_id);
        let mut request = build_request()
            .method("POST")
            .uri(target)
            .header(TRANSFER_ENCODING, "chunked")
            .header(RESPONSE_MODE, "streaming")
            // Named here, or hyper leaves them out.
            .header(TRAILER, ERROR_TYPE.as_str())
            .header(TRAILER, ERROR_BODY.as_str())
            .header(CONTENT_TYPE, "application/vnd.awslambda.http-integration-response");
        if let Some(id) = invocation.parts.headers.get(INVOCATION_ID) {
            request = request.header(INVOCATION_ID, id);
        }
        request.body(ApiBody::new(self.into_body()))
    }
}

fn trailers(broken: Broken) -> HeaderMap {
    let diagnostic = Diagnostic { error_type: format!("Answer.{broken:?}"), error_message: broken.to_string() };
    let body = serde_json::to_vec(&diagnostic).expect("two texts can be written");
    let body = serde_json::to_value(EventBody::Binary(body)).expect("base64 is a text");
    let value = |text: &str| HeaderValue::from_str(text).expect("letters, digits and a full stop");
    HeaderMap::from_iter([
        (ERROR_TYPE, value(&diagnostic.error_type)),
        (ERROR_BODY, value(body.as_str().expect("base64 is a text"))),
    ])
}

fn all_values(headers: &HeaderMap) -> Value {
    let values = |name| headers.get_all(name).iter().map(text).collect::<Vec<_>>();
    headers.keys().map(|name| (name.to_string(), Value::from(values(name)))).collect()
}

fn one_value(headers: &HeaderMap) -> Value {
    headers.iter().map(|(name, value)| (name.to_string(), Value::from(text(value)))).collect()
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// Whether it is too late.
fn has_passed(time: Instant) -> bool {
    tokio::time::Instant::now() >= time.into()
}

/// Completes what its door streams itself, and leaves every other invocation to `lambda_runtime`.
pub(super) struct StreamLayer<S> {
    door: LambdaDoor<S>,
    client: Arc<PooledClient>,
}

impl<S> StreamLayer<S> {
    /// # Panics
    /// `AWS_LAMBDA_RUNTIME_API` is missing.
    pub fn new(door: LambdaDoor<S>) -> Self {
        Self { door, client: Arc::new(PooledClient::builder().build()) }
    }
}

impl<S: Clone, I> Layer<I> for StreamLayer<S> {
    type Service = StreamService<S, I>;

    fn layer(&self, inner: I) -> Self::Service {
        StreamService { door: self.door.clone(), client: Arc::clone(&self.client), inner }
    }
}

/// What [`StreamLayer`] makes of `lambda_runtime`'s service.
#[derive(Clone)]
pub(super) struct StreamService<S, I> {
    door: LambdaDoor<S>,
    client: Arc<PooledClient>,
    inner: I,
}

impl<S, I> Service<LambdaInvocation> for StreamService<S, I>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    I: Service<LambdaInvocation, Response = (), Error = BoxError>,
    I::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<(), BoxError>>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> task::Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        // What is no JSON is no request; what is none, or goes whole, is read once more by whoever answers it.
        let event: Value = serde_json::from_slice(&invocation.body).unwrap_or_default();
        match Shape::of(&event) {
            Shape::Request(door) if door.streams() => {
                let (lambda_door, client) = (self.door.clone(), Arc::clone(&self.client));
                Box::pin(async move {
                    let streamed = lambda_door.stream(door, event, ends_at(&invocation.context)).await;
                    complete(&client, streamed.into_request(&invocation)?).await;
                    Ok(())
                })
            }
            _ => Box::pin(self.inner.call(invocation)),
        }
    }
}

/// Sends an answer. Where that fails its client has gone, or Lambda has: then there is nobody to tell, and asking for the next
/// event will show which.
async fn complete(client: &PooledClient, request: Request<ApiBody>) {
    match client.call(request).await {
        Ok(response) if response.status().is_success() => {}
        Ok(response) => tracing::error!(status = %response.status(), "Lambda did not take an answer"),
        Err(error) => tracing::error!(%error, "an answer could not be sent"),
    }
}
