//! What an event is, told by its shape.

use std::fmt;

use lambda_runtime::Diagnostic;
use serde_json::Value;

use crate::lambda::{Door, Poison, Undone, Values};

/// What kind of event this is. Its name is what a refusal says of it: no byte of the event itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A request that came through one of the front doors.
    Request(Door),
    /// A request through an HTTP API that is set to payload format 1.0, which looks like a REST API's and is decoded otherwise.
    HttpApiFormat1,
    /// A question of API Gateway whether a request may pass.
    Authorizer,
    /// A message of an API Gateway WebSocket.
    WebSocket,
    /// Notifications of S3, or its test event.
    S3,
    /// A job of S3 Batch Operations, which wants something done to each object.
    S3Batch,
    /// Messages of an SQS queue.
    Sqs,
    /// Messages of an SNS topic.
    Sns,
    /// An event of an EventBridge bus.
    EventBridge,
    /// A schedule of EventBridge whose input nobody set.
    Schedule,
    /// What SNS puts around a message on its way to a queue.
    SnsEnvelope,
    /// Something to do: `{"task": …}`, from a person or as the input of a schedule.
    Task,
    /// Anything else.
    Unknown,
}

impl Shape {
    /// Looks at the parts that only one kind of event has. An authorizer's question repeats the request, so it comes first.
    ///
    /// ```
    /// use cache_api::lambda::Shape;
    ///
    /// let event = serde_json::json!({"Records": [{"eventSource": "aws:sqs", "body": "secret"}]});
    /// assert_eq!(Shape::of(&event), Shape::Sqs);
    /// ```
    pub fn of(event: &Value) -> Self {
        let context = &event["requestContext"];
        let record = &event["Records"][0];
        let is = |value: &Value, text: &str| value.as_str() == Some(text);
        if event["methodArn"].is_string() || event["routeArn"].is_string() {
            Self::Authorizer
        } else if context["connectionId"].is_string() {
            Self::WebSocket
        } else if context["elb"].is_object() {
            let is_multi_value = event["multiValueHeaders"].is_object();
            Self::Request(Door::LoadBalancer(if is_multi_value { Values::All } else { Values::One }))
        } else if context["http"]["method"].is_string() {
            // A Function URL's event is an HTTP API's but for the domain: `<id>.lambda-url.<region>.on.aws`.
            let domain = context["domainName"].as_str().unwrap_or_default();
            Self::Request(if domain.contains(".lambda-url.") { Door::FunctionUrl } else { Door::HttpApi })
        } else if event["httpMethod"].is_string() && context.is_object() {
            // A REST API's event has no version.
            if is(&event["version"], "1.0") { Self::HttpApiFormat1 } else { Self::Request(Door::RestApi) }
        } else if is(&record["eventSource"], "aws:s3") || is(&event["Event"], "s3:TestEvent") {
            Self::S3
        } else if event["invocationSchemaVersion"].is_string() && event["tasks"].is_array() {
            Self::S3Batch
        } else if is(&record["eventSource"], "aws:sqs") {
            Self::Sqs
        } else if is(&record["EventSource"], "aws:sns") {
            Self::Sns
        } else if event["detail-type"].is_string() && event["source"].is_string() {
            // The source of a rule's schedule, and of EventBridge Scheduler's.
            let is_schedule = is(&event["source"], "aws.events") || is(&event["source"], "aws.scheduler");
            if is_schedule { Self::Schedule } else { Self::EventBridge }
        } else if is(&event["Type"], "Notification") && event["Message"].is_string() {
            Self::SnsEnvelope
        } else if event["task"].is_string() {
            Self::Task
        } else {
            Self::Unknown
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request(Door::RestApi) => "a REST API request",
            Self::Request(Door::HttpApi) => "an HTTP API request",
            Self::Request(Door::FunctionUrl) => "a Function URL request",
            Self::Request(Door::LoadBalancer(_)) => "an Application Load Balancer request",
            Self::HttpApiFormat1 => "an HTTP API request of payload format 1.0 (set the integration to 2.0)",
            Self::Authorizer => "an API Gateway authorizer event",
            Self::WebSocket => "an API Gateway WebSocket event",
            Self::S3 => "an S3 notification",
            Self::S3Batch => "a job of S3 Batch Operations",
            Self::Sqs => "an SQS batch",
            Self::Sns => "an SNS notification",
            Self::EventBridge => "an EventBridge event",
            Self::Schedule => r#"a schedule without a task (set its input to {"task": "sweep"}, or to another task)"#,
            Self::SnsEnvelope => "an SNS envelope",
            Self::Task => "a task",
            Self::Unknown => "an event of an unknown shape",
        })
    }
}

/// Why an event got no answer. Lambda tells the sender, and retries or keeps the event by the sender's rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Nothing here answers such an event. Look at what sends it.
    #[error("this function answers requests, S3's events and tasks; it was sent {shape}")]
    Unknown {
        /// What it was sent.
        shape: Shape,
    },
    /// Some of what it tells could not be taken down. It has to be sent again; the operator looks at the shared directory.
    #[error("{failed} of {keys} changed keys could not be doubted")]
    NotDoubted {
        /// Keys whose doubt failed, or was not begun in time.
        failed: usize,
        /// Keys that it tells of.
        keys: usize,
    },
    /// It can never be answered. Look at what sends it.
    #[error("the event can never be answered: {0}")]
    Poison(Poison),
    /// A message of a queue has to be sent again and cannot be named.
    #[error("a message that has to be sent again has no `messageId`")]
    Nameless,
    /// A task was not done.
    #[error(transparent)]
    Undone(#[from] Undone),
}

impl From<Unanswered> for Diagnostic {
    fn from(unanswered: Unanswered) -> Self {
        let error_type = match &unanswered {
            Unanswered::Unknown { .. } => "Unanswered",
            Unanswered::NotDoubted { .. } => "NotDoubted",
            Unanswered::Poison(_) | Unanswered::Nameless => "Poison",
            Unanswered::Undone(_) => "Undone",
        };
        Self { error_type: error_type.to_owned(), error_message: unanswered.to_string() }
    }
}
