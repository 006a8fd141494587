//! What each source's events tell, however their uninteresting parts look.

use serde_json::{Value, json};

use super::{Message, Notice, Part, Poison};
use crate::lambda::Shape;

/// A notification as S3 makes it, of a key in its encoding.
fn record_of_s3(key_encoded: &str) -> Value {
    json!({
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": "1970-01-01T00:00:00.000Z",
        "eventName": "ObjectCreated:Put", "userIdentity": {"principalId": "EXAMPLE"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"}, "responseElements": {"x-amz-request-id": "EXAMPLE"},
        "s3": {
            "s3SchemaVersion": "1.0", "configurationId": "id",
            "bucket": {"name": "bucket", "ownerIdentity": {"principalId": "EXAMPLE"}, "arn": "arn:aws:s3:::bucket"},
            "object": {"key": key_encoded, "size": 1024, "eTag": "etag", "sequencer": "0A1B2C3D4E5F678901"},
        },
    })
}

fn of_s3(key_encoded: &str) -> Value {
    json!({"Records": [record_of_s3(key_encoded)]})
}

fn of_event_bridge(key: &str) -> Value {
    json!({
        "version": "0", "id": "id", "detail-type": "Object Created", "source": "aws.s3", "account": "123456789012",
        "time": "1970-01-01T00:00:00Z", "region": "us-east-1", "resources": ["arn:aws:s3:::bucket"],
        "detail": {"version": "0", "bucket": {"name": "bucket"}, "object": {"key": key, "size": 5}, "reason": "PutObject"},
    })
}

fn of_sns(event: &Value) -> Value {
    json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": "arn", "Sns": envelope(event)}]})
}

/// SNS calls the URLs one way in a queue and another in an event of its own.
fn envelope(event: &Value) -> Value {
    json!({
        "Type": "Notification", "MessageId": "id", "TopicArn": "arn", "Message": event.to_string(),
        "Timestamp": "1970-01-01T00:00:00.000Z", "SignatureVersion": "1", "Signature": "EXAMPLE", "SigningCertURL": "EXAMPLE",
        "UnsubscribeURL": "EXAMPLE",
    })
}

fn of_sqs(bodies: &[String]) -> Value {
    let record =
        |(number, body): (usize, &String)| json!({"messageId": number.to_string(), "body": body, "eventSource": "aws:sqs"});
    json!({"Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>()})
}

fn queued(event: &Value) -> Value {
    of_sqs(&[event.to_string()])
}

/// The one message of an event.
#[track_caller]
fn read(event: &Value) -> Message {
    let mut messages = Message::all(Shape::of(event), event);
    assert_eq!(messages.len(), 1, "{event}");
    messages.remove(0)
}

#[track_caller]
fn assert_tells(event: &Value, names: &[&str]) {
    let notices: Vec<_> =
        names.iter().map(|name| Notice { bucket: "bucket".to_owned(), name: Some((*name).to_owned()) }).collect();
    let message = read(event);
    assert_eq!((message.notices, message.poison), (notices, None), "{event}");
}

/// Pitfall 25: keys are "URL-encoded in S3 notifications and plain in EventBridge". Whatever way an event comes, it names the key.
#[test]
fn every_source_names_the_same_key() {
    for key in [
        "bonds.parquet",
        "prices/2024/eu.parquet",
        "a b",
        "a+b",
        "a%b",
        "100%",
        "a%20b",
        "a%2Fb",
        "a%252Fb",
        "%",
        "a//b",
        "a/",
        " ",
        "+",
        "é",
        "e\u{301}",
        "日本語/\u{1f600}.json",
        "a\"b",
        r"a\b",
        "a=b&c=d;e",
        "a?b#c",
        "a@b:c,d$e!f'g(h)i*j~k",
        "<a>{b}|^`",
        "\u{feff}a",
        "a\nb",
    ] {
        let encoded: String = form_urlencoded::byte_serialize(key.as_bytes()).collect();
        // S3 leaves slashes as they are, and other servers write a space as %20.
        for encoded in [encoded.clone(), encoded.replace("%2F", "/"), encoded.replace('+', "%20")] {
            let notification = of_s3(&encoded);
            for event in [notification.clone(), of_sns(&notification), queued(&notification), queued(&envelope(&notification))] {
                assert_tells(&event, &[key]);
            }
        }
        let plain = of_event_bridge(key);
        for event in [plain.clone(), queued(&plain), of_sns(&plain), queued(&envelope(&plain))] {
            assert_tells(&event, &[key]);
        }
    }
}

#[test]
fn whatever_happened_to_an_object_is_told() {
    for name in [
        "ObjectCreated:Put",
        "ObjectCreated:Post",
        "ObjectCreated:Copy",
        "ObjectCreated:CompleteMultipartUpload",
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "LifecycleExpiration:Delete",
        "LifecycleExpiration:DeleteMarkerCreated",
        "ObjectRestore:Completed",
        "ObjectRestore:Delete",
        "ObjectTagging:Put",
        "ObjectAcl:Put",
        "ReducedRedundancyLostObject",
        "something of tomorrow",
    ] {
        let mut event = of_s3("a");
        event["Records"][0]["eventName"] = json!(name);
        assert_tells(&event, &["a"]);
        assert_tells(&queued(&event), &["a"]);
    }
    for detail_type in [
        "Object Created",
        "Object Deleted",
        "Object Restore Initiated",
        "Object Restore Completed",
        "Object Restore Expired",
        "Object Storage Class Changed",
        "Object Tags Added",
        "Object ACL Updated",
    ] {
        let mut event = of_event_bridge("a");
        event["detail-type"] = json!(detail_type);
        assert_tells(&event, &["a"]);
        assert_tells(&queued(&event), &["a"]);
    }
}

/// The bucket's name and the key are all that is needed; the types of `aws_lambda_events` alone would refuse most of these.
#[test]
fn a_field_that_nobody_needs_may_be_missing_null_odd_or_new() {
    for pointer in [
        "/eventVersion",
        "/awsRegion",
        "/eventTime",
        "/eventName",
        "/userIdentity",
        "/requestParameters",
        "/responseElements",
        "/s3/s3SchemaVersion",
        "/s3/configurationId",
        "/s3/bucket/ownerIdentity",
        "/s3/bucket/arn",
        "/s3/object/size",
        "/s3/object/eTag",
        "/s3/object/sequencer",
    ] {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        for odd in [None, Some(json!(null)), Some(json!(17)), Some(json!("odd")), Some(json!([1])), Some(json!({"odd": {}}))] {
            let mut record = record_of_s3("a");
            let parent = record.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            match odd {
                None => drop(parent.remove(name)),
                Some(odd) => drop(parent.insert(name.to_owned(), odd)),
            }
            let event = json!({"Records": [record], "more": 1});
            for event in [event.clone(), queued(&event), of_sns(&event)] {
                assert_tells(&event, &["a"]);
            }
        }
    }
    assert_tells(
        &json!({"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "bucket"}, "object": {"key": "a"}}}]}),
        &["a"],
    );
    assert_tells(
        &json!({"source": "aws.s3", "detail-type": "Object Deleted", "detail": {"bucket": {"name": "bucket"}, "object": {"key": "a"}}}),
        &["a"],
    );
    assert_tells(&queued(&json!({"Type": "Notification", "Message": of_s3("a").to_string(), "Timestamp": 17})), &["a"]);
}

#[test]
fn a_test_event_tells_nothing_wherever_it_comes() {
    let event = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "now", "Bucket": "bucket", "RequestId": "id"});
    for event in [event.clone(), queued(&event), of_sns(&event), queued(&envelope(&event))] {
        assert_tells(&event, &[]);
    }
}

#[test]
fn a_name_that_is_not_utf_8_is_told_and_names_nothing() {
    let message = read(&queued(&of_s3("a%FFb")));
    assert_eq!(message.notices, [Notice { bucket: "bucket".to_owned(), name: None }]);
    assert_eq!(message.poison, None);
}

#[test]
fn a_thousand_records_are_told_one_by_one() {
    let records: Vec<_> = (0..1_000).map(|number| record_of_s3(&number.to_string())).collect();
    let names: Vec<_> = (0..1_000).map(|number| number.to_string()).collect();
    assert_tells(&json!({"Records": records}), &names.iter().map(String::as_str).collect::<Vec<_>>());
    let bodies: Vec<_> = names.iter().map(|name| of_s3(name).to_string()).collect();
    let messages = Message::all(Shape::Sqs, &of_sqs(&bodies));
    assert_eq!(messages.len(), 1_000);
    assert!(messages.iter().zip(&names).all(|(message, name)| message.id.as_ref() == Some(name) && message.notices.len() == 1));
}

#[test]
fn a_message_that_can_never_be_understood_says_why_in_words_of_ours() {
    let without = |pointer: &str| {
        let mut event = of_s3("a");
        *event.pointer_mut(pointer).unwrap() = json!(null);
        event.to_string()
    };
    for (body, poison) in [
        ("Hello from SQS!".to_owned(), Poison::NotJson),
        (String::new(), Poison::NotJson),
        ("[]".to_owned(), Poison::NotOfS3(Shape::Unknown)),
        ("{\"Records\": []}".to_owned(), Poison::NotOfS3(Shape::Unknown)),
        (json!({"task": "sweep"}).to_string(), Poison::NotOfS3(Shape::Task)),
        (queued(&of_s3("a")).to_string(), Poison::NotOfS3(Shape::Sqs)),
        (envelope(&envelope(&of_s3("a"))).to_string(), Poison::NotOfS3(Shape::SnsEnvelope)),
        (envelope(&json!("text")).to_string(), Poison::NotOfS3(Shape::Unknown)),
        (
            json!({"source": "my.app", "detail-type": "Object Created", "detail": {}}).to_string(),
            Poison::NotOfS3(Shape::EventBridge),
        ),
        (
            json!({"source": "aws.s3", "detail-type": "AWS API Call via CloudTrail", "detail": {}}).to_string(),
            Poison::NotOfS3(Shape::EventBridge),
        ),
        (json!({"source": "aws.s3", "detail-type": "Object Created", "detail": "{}"}).to_string(), Poison::Lacks(Part::Bucket)),
        (without("/Records/0/s3"), Poison::Lacks(Part::Bucket)),
        (without("/Records/0/s3/bucket/name"), Poison::Lacks(Part::Bucket)),
        (without("/Records/0/s3/object"), Poison::Lacks(Part::Key)),
    ] {
        let message = read(&of_sqs(std::slice::from_ref(&body)));
        assert_eq!((message.id.as_deref(), message.poison), (Some("0"), Some(poison)), "{body}");
    }
    let bodiless = read(&json!({"Records": [{"messageId": "id", "body": null, "eventSource": "aws:sqs"}]}));
    assert_eq!(bodiless.poison, Some(Poison::Lacks(Part::Body)));
}

#[test]
fn what_can_be_understood_of_a_poisonous_message_is_told() {
    let mut event = of_s3("a");
    event["Records"].as_array_mut().unwrap().extend([json!({"eventSource": "aws:s3"}), record_of_s3("b")]);
    let message = read(&event);
    assert_eq!(message.notices.len(), 2);
    assert_eq!(message.poison, Some(Poison::Lacks(Part::Bucket)));
}
