//! The Lambda door: events become requests, responses become answers, and nothing that goes wrong goes unsaid.

use std::convert::Infallible;
use std::panic::panic_any;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use cache_api::freshness::Deadline;
use cache_api::lambda::{Door, LambdaDoor, PAYLOAD_BYTES_MAX, Payload, Refusal, Shape, Unanswered, Values};
use http::HeaderValue;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::gateway::{DOORS, always, body_of, event, header_of, in_a_minute, json_of, refuse, request};

pub mod event_files;

/// Sends `event` to a door with a service of one route.
async fn answer(router: Router, event: Value) -> Result<Value, Unanswered> {
    let payload = LambdaDoor::new(router, refuse).answer(event, in_a_minute()).await?;
    Ok(json_of(&payload))
}

#[tokio::test]
async fn an_event_that_is_no_request_is_refused_by_name_and_never_quoted() {
    let secret = "a secret of the payload";
    let cases = [
        (Shape::HttpApiFormat1, json!({"version": "1.0", "httpMethod": "GET", "path": secret, "requestContext": {}})),
        (Shape::Authorizer, json!({"type": "REQUEST", "methodArn": secret, "httpMethod": "GET", "requestContext": {}})),
        (Shape::Authorizer, json!({"version": "2.0", "routeArn": secret, "requestContext": {"http": {"method": "GET"}}})),
        (Shape::WebSocket, json!({"requestContext": {"connectionId": "id", "routeKey": "$connect"}, "body": secret})),
        (Shape::S3, json!({"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": secret}}}]})),
        (Shape::S3, json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": secret})),
        (Shape::S3Batch, json!({"invocationSchemaVersion": "1.0", "tasks": [{"s3Key": secret}]})),
        (Shape::Sqs, json!({"Records": [{"eventSource": "aws:sqs", "body": secret}]})),
        (Shape::Sns, json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": secret}}]})),
        (Shape::EventBridge, json!({"detail-type": "Object Created", "source": "aws.s3", "detail": {"key": secret}})),
        (Shape::Schedule, json!({"detail-type": "Scheduled Event", "source": "aws.events", "resources": [secret]})),
        (Shape::Unknown, json!({"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": secret}}]})),
        (Shape::Unknown, json!({"requestContext": {"http": secret}})),
        (Shape::Unknown, json!({"version": secret})),
        (Shape::Unknown, json!([secret])),
        (Shape::Unknown, json!(secret)),
        (Shape::Unknown, json!(null)),
    ];
    for (shape, event) in cases {
        let unanswered = answer(always(|| "never asked".into_response()), event.clone()).await.unwrap_err();
        assert_eq!(unanswered, Unanswered::Unknown { shape }, "{event}");
        let diagnostic = lambda_runtime::Diagnostic::from(unanswered.clone());
        assert!(diagnostic.error_message.ends_with(&shape.to_string()), "{diagnostic:?}");
        assert!(!format!("{diagnostic:?} {unanswered:?}").contains(secret), "{diagnostic:?}");
    }
}

#[tokio::test]
async fn a_request_arrives_with_its_method_headers_cookies_and_body() {
    let mut rest = event(Door::RestApi);
    rest["httpMethod"] = json!("POST");
    rest["headers"] = json!({"X-Twice": "two", "Host": "h", "Content-Length": "999"});
    rest["multiValueHeaders"] = json!({"X-Twice": ["one", "two"], "Host": ["h"], "Content-Length": ["999"]});
    rest["body"] = json!("\u{e9}");
    let request = Door::RestApi.request(rest).unwrap();
    assert_eq!(request.method(), "POST");
    assert_eq!(request.headers().get_all("x-twice").iter().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(request.headers().get_all("host").iter().count(), 1);
    assert_eq!(request.headers()["content-length"], "2", "the length that the body has");
    assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "\u{e9}".as_bytes());

    for door in [Door::HttpApi, Door::FunctionUrl] {
        let mut event = event(door);
        event["requestContext"]["http"]["method"] = json!("PUT");
        event["cookies"] = json!(["a=1", "b=2"]);
        event["headers"] = json!({"x-twice": "one,two", "content-length": "0"});
        event["body"] = json!("AP+A");
        event["isBase64Encoded"] = json!(true);
        let request = door.request(event).unwrap();
        assert_eq!(request.method(), "PUT");
        assert_eq!(request.headers()["cookie"], "a=1; b=2");
        assert_eq!(request.headers()["x-twice"], "one,two");
        assert_eq!(request.headers()["content-length"], "3");
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), &b"\x00\xff\x80"[..]);
    }

    for door in DOORS {
        let request = door.request(event(door)).unwrap();
        assert_eq!(request.headers().get("content-length"), None, "no body, no length, at {door:?}");
    }
}

#[tokio::test]
async fn what_is_not_quite_a_request_is_answered_with_a_refusal() {
    for door in DOORS {
        let mut bad_base64 = event(door);
        bad_base64["body"] = json!("no base64!");
        bad_base64["isBase64Encoded"] = json!(true);
        let mut bad_target = event(door);
        let path = if matches!(door, Door::HttpApi | Door::FunctionUrl) { "rawPath" } else { "path" };
        bad_target[path] = json!(format!("/{}", "x".repeat(70_000)));
        let mut bad_event = event(door);
        bad_event["headers"] = json!("secret");
        for (event, refusal) in
            [(bad_base64, Refusal::BadBase64), (bad_target, Refusal::BadTarget), (bad_event, Refusal::BadEvent)]
        {
            let answer = answer(always(|| "never asked".into_response()), event).await.unwrap();
            assert_eq!(answer["statusCode"], 400, "{answer}");
            assert_eq!(header_of(&answer, "content-type"), ["application/problem+json"]);
            assert_eq!(body_of(&answer), format!("{{\"refusal\":\"{refusal:?}\"}}").as_bytes());
        }
    }
}

/// Pitfall 20, buffered: what kind of body an answer has must not change its bytes, nor must the door.
#[tokio::test]
async fn every_body_reaches_the_client_byte_for_byte() {
    const BODIES: &[&[u8]] =
        &[b"", b"{\"a\": [1, 2]}", "\u{feff}é\0\r\n\u{2028}".as_bytes(), b"\xff\xfe\x00", b"PAR1\x15\x04", &[0x1f, 0x8b, 8]];
    let types = [None, Some("text/csv"), Some("text/plain; charset=iso-8859-1"), Some("application/json"), Some("image/png")];
    for door in DOORS {
        for (body, content_type) in BODIES.iter().flat_map(|body| types.map(|content_type| (*body, content_type))) {
            for coding in [None, Some("gzip")] {
                let mut response = Response::new(Body::from(body));
                let headers = response.headers_mut();
                content_type.map(|value| headers.insert("content-type", HeaderValue::from_static(value)));
                coding.map(|value| headers.insert("content-encoding", HeaderValue::from_static(value)));
                let answer = json_of(&Payload::of(door, response).await.unwrap());
                assert_eq!(body_of(&answer), body, "{answer}");
                assert_eq!(header_of(&answer, "content-type").first().map(String::as_str), content_type, "{answer}");
            }
        }
    }
}

#[tokio::test]
async fn text_goes_as_text_and_all_else_as_base64() {
    let as_base64 = async |content_type: &'static str, body: &'static [u8]| {
        let response = ([("content-type", content_type)], body).into_response();
        json_of(&Payload::of(Door::RestApi, response).await.unwrap())["isBase64Encoded"].as_bool().unwrap()
    };
    for content_type in ["text/csv", "Text/HTML; charset=utf-8", "application/json", "application/problem+json", "image/svg+xml"]
    {
        assert!(!as_base64(content_type, b"text").await, "{content_type}");
        assert!(as_base64(content_type, b"\xff").await, "{content_type} that is not UTF-8");
    }
    for content_type in ["application/octet-stream", "application/vnd.apache.parquet", "application/x-www-form-urlencoded"] {
        assert!(as_base64(content_type, b"text").await, "{content_type}");
    }
}

#[tokio::test]
async fn headers_reach_the_client_with_all_their_values() {
    let service = || {
        let mut response = Response::new(Body::empty());
        for (name, value) in
            [("vary", "accept"), ("vary", "origin"), ("set-cookie", "a=1, x"), ("set-cookie", "b=2"), ("age", "3")]
        {
            response.headers_mut().append(name, HeaderValue::from_static(value));
        }
        response.headers_mut().insert("x-latin-1", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        response
    };
    let rest = answer(always(service), event(Door::RestApi)).await.unwrap();
    assert_eq!(rest["headers"], json!({}), "a REST API would send both");
    assert_eq!(rest["multiValueHeaders"]["vary"], json!(["accept", "origin"]));
    assert_eq!(rest["multiValueHeaders"]["set-cookie"], json!(["a=1, x", "b=2"]));
    assert_eq!(rest["multiValueHeaders"]["x-latin-1"], json!(["caf\u{fffd}"]));
    for door in [Door::HttpApi, Door::FunctionUrl] {
        let answer = answer(always(service), event(door)).await.unwrap();
        assert_eq!(answer["headers"]["vary"], "accept, origin");
        assert_eq!(answer["headers"]["age"], "3");
        assert_eq!(answer["headers"]["x-latin-1"], "caf\u{fffd}");
        assert_eq!(answer["headers"]["set-cookie"], json!(null));
        assert_eq!(answer["cookies"], json!(["a=1, x", "b=2"]));
    }
    let all = answer(always(service), event(Door::LoadBalancer(Values::All))).await.unwrap();
    assert_eq!((&all["headers"], &all["multiValueHeaders"]), (&json!({}), &rest["multiValueHeaders"]));
    assert_eq!((&all["statusDescription"], &all["statusCode"]), (&json!("200 OK"), &json!(200)));
    // A target group without multi-value headers has room for one cookie; we never give any.
    let one = answer(always(service), event(Door::LoadBalancer(Values::One))).await.unwrap();
    let headers =
        json!({"vary": "accept, origin", "content-length": "0", "age": "3", "x-latin-1": "caf\u{fffd}", "set-cookie": "b=2"});
    assert_eq!((&one["headers"], &one["multiValueHeaders"]), (&headers, &json!({})));
}

#[tokio::test]
async fn a_head_request_keeps_the_length_of_what_it_did_not_send() {
    for door in DOORS {
        let head = request(door, "HEAD", "/");
        let answer = answer(Router::new().route("/", axum::routing::get(async || "7 bytes")), head).await.unwrap();
        assert_eq!((answer["statusCode"].as_u64(), &answer["body"]), (Some(200), &json!(null)));
        assert_eq!(header_of(&answer, "content-length"), ["7"]);
    }
}

/// Pitfall 27: a response over 6 MB dies inside Lambda with a 413 that nobody sees. The longest answer is sent, the next longer
/// one is refused and the refusal says what would go.
#[tokio::test]
async fn an_answer_is_refused_from_the_first_byte_that_lambda_would_not_take() {
    for door in DOORS {
        let most = door.payload_bytes_max();
        let of = async |content_type: &'static str, body: Vec<u8>| {
            Payload::of(door, ([("content-type", content_type)], body).into_response()).await
        };
        let length = |payload: Payload| serde_json::to_vec(&payload).unwrap().len();
        // What is around a body, measured on a short one that base64 makes four of.
        let room = async |content_type| most as usize - (length(of(content_type, vec![0; 3]).await.unwrap()) - 4);

        // As text a byte is a byte; its "false" is a byte longer than base64's "true", its NUL is six.
        let fits = room("image/png").await - 1 + "image/png".len() - "text/csv".len();
        assert_eq!(length(of("text/csv", vec![b'x'; fits]).await.unwrap()) as u64, most, "{door:?}");
        let refusal = of("text/csv", vec![b'x'; fits + 1]).await.unwrap_err();
        assert!(matches!(refusal, Refusal::TooLarge { bytes, .. } if bytes == fits as u64 + 1), "{refusal}");

        // As base64 three bytes are four; text with longer escapes goes the same way.
        for (content_type, byte) in [("image/png", 0), ("text/csv", b'"')] {
            let fits = (room("image/png").await + "image/png".len() - content_type.len()) / 4 * 3;
            let length = length(of(content_type, vec![byte; fits]).await.unwrap()) as u64;
            assert!((most - 3..=most).contains(&length), "{length} at {door:?}");
            let refusal = of(content_type, vec![byte; fits + 1]).await.unwrap_err();
            let Refusal::TooLarge { bytes, bytes_max } = refusal else { panic!("{refusal}") };
            assert_eq!(bytes, fits as u64 + 1);
            // The promise leaves room for a longer head: that of a part has Content-Range.
            assert!((fits as u64 - 1000..fits as u64 - 100).contains(&bytes_max), "{bytes_max} promised, {fits} fit");
        }
    }
}

/// Pitfall 27, to the end: the client of a too large answer gets the refusal, and is not kept from the next one.
#[tokio::test]
async fn a_too_large_answer_becomes_a_refusal_however_it_comes() {
    let large = || Response::new(Body::from(vec![0; PAYLOAD_BYTES_MAX as usize]));
    let huge = || Response::new(Body::from(vec![0; PAYLOAD_BYTES_MAX as usize + 1]));
    let endless = || {
        let piece = || Ok::<_, Infallible>(Bytes::from_static(&[0; 65_536]));
        Response::new(Body::from_stream(futures_util::stream::repeat_with(piece)))
    };
    for service in [large, huge, endless] {
        for door in DOORS {
            let answer = answer(always(service), event(door)).await.unwrap();
            assert_eq!(answer["statusCode"], 500);
            let body = String::from_utf8(body_of(&answer)).unwrap();
            assert!(body.contains("TooLarge"), "{body}");
        }
    }
}

/// Pitfall 28: a handler runs past its deadline and is killed with nothing said.
#[tokio::test(start_paused = true)]
async fn whatever_takes_too_long_is_dropped_and_said_to_have() {
    let silent = Router::new().fallback(any(async || std::future::pending::<()>().await));
    let stalling = always(|| Response::new(Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>())));
    for service in [silent, stalling] {
        for door in DOORS {
            let began = tokio::time::Instant::now();
            let ends_at = began + Duration::from_secs(3);
            let payload = LambdaDoor::new(service.clone(), refuse).answer(event(door), ends_at.into_std()).await.unwrap();
            assert_eq!(json_of(&payload)["statusCode"], 504);
            assert!(tokio::time::Instant::now() < ends_at, "the refusal comes too late to be sent");
            assert!(began.elapsed() > Duration::from_secs(2), "the service had too little time");
        }
    }
    let over = tokio::time::Instant::now().into_std();
    let payload = LambdaDoor::new(always(|| "quick".into_response()), refuse).answer(event(Door::RestApi), over).await.unwrap();
    assert_eq!(json_of(&payload)["statusCode"], 200, "what is there at once is given, even late");
}

#[tokio::test(start_paused = true)]
async fn the_service_is_told_to_be_done_before_the_door_gives_up() {
    let told = async |request: Request| {
        let Deadline(deadline) = request.extensions().get().copied().expect("a deadline");
        tokio::time::sleep_until(deadline.into()).await;
        "the service's own words"
    };
    let ends_at = tokio::time::Instant::now() + Duration::from_secs(3);
    let door = LambdaDoor::new(Router::new().fallback(any(told)), refuse);
    let payload = door.answer(event(Door::HttpApi), ends_at.into_std()).await.unwrap();
    assert_eq!(body_of(&json_of(&payload)), b"the service's own words");
    assert!(tokio::time::Instant::now() < ends_at);
}

#[tokio::test]
async fn a_panic_or_a_broken_body_is_an_answer_and_the_next_event_is_answered() {
    let service = Router::new()
        .route("/panic", any(async || -> &str { panic_any("on purpose") }))
        .route("/broken", any(async || Body::from_stream(futures_util::stream::iter([Ok("some"), Err("broke off")]))))
        .route("/", any(async || "well"));
    let door = LambdaDoor::new(service, refuse);
    for path in ["/panic", "/broken"] {
        let mut bad = event(Door::HttpApi);
        bad["rawPath"] = json!(path);
        let payload = json_of(&door.answer(bad, in_a_minute()).await.unwrap());
        assert_eq!((payload["statusCode"].as_u64(), body_of(&payload)), (Some(500), b"{\"refusal\":\"Failed\"}".to_vec()));
        let payload = json_of(&door.answer(event(Door::HttpApi), in_a_minute()).await.unwrap());
        assert_eq!((payload["statusCode"].as_u64(), body_of(&payload)), (Some(200), b"well".to_vec()));
    }
}
