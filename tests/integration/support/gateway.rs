//! The AWS side of the Lambda door: events as each front door hands them over, and answers as its client gets them.

use std::time::{Duration, Instant};

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use cache_api::lambda::{Door, Payload, Refusal, Values};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Extensions, StatusCode};
use serde_json::{Value, json};

pub const DOORS: [Door; 5] =
    [Door::RestApi, Door::HttpApi, Door::FunctionUrl, Door::LoadBalancer(Values::One), Door::LoadBalancer(Values::All)];

/// A GET of `/`, as each door hands it over.
pub fn event(door: Door) -> Value {
    let format_2 = |domain: &str| {
        json!({
            "version": "2.0", "rawPath": "/", "rawQueryString": "", "headers": {}, "isBase64Encoded": false,
            "requestContext": {"domainName": domain, "http": {"method": "GET", "path": "/"}, "stage": "$default"},
        })
    };
    match door {
        Door::RestApi => json!({
            "resource": "/", "path": "/", "httpMethod": "GET", "headers": {}, "multiValueHeaders": {}, "body": null,
            "isBase64Encoded": false, "requestContext": {"stage": "prod", "path": "/prod/", "httpMethod": "GET"},
        }),
        Door::HttpApi => format_2("id.execute-api.us-east-1.amazonaws.com"),
        Door::FunctionUrl => format_2("id.lambda-url.us-east-1.on.aws"),
        Door::LoadBalancer(values) => {
            let headers = if values == Values::All { "multiValueHeaders" } else { "headers" };
            json!({
                "requestContext": {"elb": {"targetGroupArn": "arn"}}, "httpMethod": "GET", "path": "/",
                "queryStringParameters": {}, headers: {}, "body": "", "isBase64Encoded": false,
            })
        }
    }
}

/// The same with another method and path.
pub fn request(door: Door, method: &str, path: &str) -> Value {
    let mut event = event(door);
    match door {
        Door::HttpApi | Door::FunctionUrl => {
            event["rawPath"] = json!(path);
            event["requestContext"]["http"]["method"] = json!(method);
        }
        Door::RestApi | Door::LoadBalancer(_) => {
            event["path"] = json!(path);
            event["httpMethod"] = json!(method);
        }
    }
    event
}

/// Adds a header, in the form in which the door hands it over.
pub fn with_header(door: Door, mut event: Value, name: &str, value: &str) -> Value {
    match door {
        Door::RestApi | Door::LoadBalancer(Values::All) => event["multiValueHeaders"][name] = json!([value]),
        Door::HttpApi | Door::FunctionUrl | Door::LoadBalancer(Values::One) => event["headers"][name] = json!(value),
    }
    event
}

/// Says which refusal it is, in the way the real one does: a status, a type, a short text.
pub fn refuse(refusal: Refusal, _: Extensions) -> BoxFuture<'static, Response> {
    let status = match refusal {
        Refusal::BadEvent | Refusal::BadTarget | Refusal::BadBase64 => StatusCode::BAD_REQUEST,
        Refusal::TooLarge { .. } | Refusal::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        Refusal::TimedOut => StatusCode::GATEWAY_TIMEOUT,
    };
    let body = format!("{{\"refusal\":\"{refusal:?}\"}}");
    async move { (status, [("content-type", "application/problem+json")], body).into_response() }.boxed()
}

/// A time by which anything here is long done.
pub fn in_a_minute() -> Instant {
    tokio::time::Instant::now().into_std() + Duration::from_secs(60)
}

pub fn json_of(payload: &Payload) -> Value {
    serde_json::from_str(&serde_json::to_string(payload).unwrap()).unwrap()
}

/// A service that gives this answer to everything.
pub fn always(response: fn() -> Response) -> Router {
    Router::new().fallback(any(move || async move { response() }))
}

/// The body that the gateway hands to the client.
pub fn body_of(answer: &Value) -> Vec<u8> {
    let body = answer["body"].as_str().unwrap_or_default();
    if answer["isBase64Encoded"].as_bool().unwrap() {
        serde_json::from_value::<aws_lambda_events::encodings::Base64Data>(json!(body)).unwrap().0
    } else {
        body.as_bytes().to_vec()
    }
}

/// The values that the gateway hands to the client for a header.
pub fn header_of(answer: &Value, name: &str) -> Vec<String> {
    let values = [&answer["multiValueHeaders"][name], &answer["headers"][name]];
    values.iter().flat_map(|value| value.as_array().cloned().unwrap_or(vec![(*value).clone()])).filter_map(text).collect()
}

pub fn text(value: Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
