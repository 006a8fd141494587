//! Every awkward key, through every door, in both forms of its URL: the key a client names is the key that arrives.

use cache_api::http::key_text;
use cache_api::key::{InvalidKey, Key, Prefix};
use cache_api::lambda::{Door, Values};
use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

/// Keys that S3 takes and that somebody has got wrong.
const AWKWARD_KEYS: &[&str] = &[
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
    "%%",
    "a//b",
    "a///",
    "folder/",
    "a=b",
    "a&b=c",
    "a@b",
    "a:b;c,d",
    "it's \"quoted\"",
    "(a)[b]{c}<d>",
    r"back\slash",
    "a#b",
    "#",
    "a|b^c`d",
    "~tilde",
    "$price!*",
    " leading and trailing ",
    "é",
    "e\u{301}",
    "日本語/ファイル.json",
    "🦀.parquet",
    "...",
    "a/..b/c..",
    ".hidden",
    "path=other",
    "cache",
];

/// Keys that the HTTP API cuts short in a path, before any function sees it.
const KEYS_WITH_QUESTION_MARK: &[&str] = &["a?b", "?", "what?path=other#x", "a%3Fb?c"];

/// What a client leaves as it is when it encodes a key for a path. Source: RFC 3986 §2.3.
const KEY_IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The ways to a key: through AWS, or over a socket.
const WAYS: [Option<Door>; 6] = [
    None,
    Some(Door::RestApi),
    Some(Door::HttpApi),
    Some(Door::FunctionUrl),
    Some(Door::LoadBalancer(Values::One)),
    Some(Door::LoadBalancer(Values::All)),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Path,
    Query,
}

/// What a client writes into the request line for a key.
fn spelt(key: &str, form: Form) -> String {
    match form {
        Form::Path => format!("/cache/{}", utf8_percent_encode(key, KEY_IN_PATH)),
        Form::Query => format!("/cache?{}", form_urlencoded::Serializer::new(String::new()).append_pair("path", key).finish()),
    }
}

/// The event that a door makes of a request line; the facts are in `Door`'s table and its sources.
fn handed_over(door: Door, target: &str, stage: &str) -> Value {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let format_2 = |path: &str, domain: &str| {
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": {"host": domain},
            "requestContext": {"domainName": domain, "http": {"method": "GET", "path": path}, "stage": stage},
            "isBase64Encoded": false,
        })
    };
    match door {
        Door::RestApi => {
            let mut parameters = serde_json::Map::new();
            for (name, value) in form_urlencoded::parse(query.as_bytes()) {
                let values = parameters.entry(name).or_insert_with(|| json!([]));
                values.as_array_mut().unwrap().push(json!(value));
            }
            json!({
                "resource": "/{proxy+}", "path": path, "httpMethod": "GET", "headers": null, "multiValueHeaders": null,
                "multiValueQueryStringParameters": parameters,
                "requestContext": {"stage": stage, "path": format!("/{stage}{path}"), "httpMethod": "GET"},
                "body": null, "isBase64Encoded": false,
            })
        }
        Door::HttpApi => {
            let decoded = percent_decode_str(path).decode_utf8().unwrap();
            let cut = decoded.split('?').next().unwrap();
            let staged = if stage == "$default" { cut.to_owned() } else { format!("/{stage}{cut}") };
            format_2(&staged, "id.execute-api.us-east-1.amazonaws.com")
        }
        Door::FunctionUrl => format_2(path, "id.lambda-url.us-east-1.on.aws"),
        Door::LoadBalancer(values) => {
            let pairs: Vec<_> = query.split('&').filter(|pair| !pair.is_empty()).collect();
            let pairs = pairs.iter().map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            let mut parameters = serde_json::Map::new();
            for (name, value) in pairs {
                match values {
                    Values::One => drop(parameters.insert(name.to_owned(), json!(value))),
                    Values::All => {
                        let values = parameters.entry(name).or_insert_with(|| json!([]));
                        values.as_array_mut().unwrap().push(json!(value));
                    }
                }
            }
            let (parameters_in, headers_in) = match values {
                Values::One => ("queryStringParameters", "headers"),
                Values::All => ("multiValueQueryStringParameters", "multiValueHeaders"),
            };
            json!({
                "requestContext": {"elb": {"targetGroupArn": "arn"}}, "httpMethod": "GET", "path": path,
                parameters_in: parameters, headers_in: {}, "body": "", "isBase64Encoded": false,
            })
        }
    }
}

/// The request line as the service behind a door sees it.
fn arrived(way: Option<Door>, target: &str, stage: &str) -> Uri {
    match way {
        None => target.parse().unwrap(),
        Some(door) => door.request(handed_over(door, target, stage)).unwrap().uri().clone(),
    }
}

/// The key as the HTTP door reads it.
fn key_of(uri: &Uri) -> String {
    key_text(uri).unwrap().into_owned()
}

/// Pitfall 19: path encoding. The key a client names is the key the record is asked for, byte for byte.
#[test]
fn every_key_arrives_through_every_door_in_both_forms() {
    for key in AWKWARD_KEYS {
        for form in [Form::Path, Form::Query] {
            let target = spelt(key, form);
            for way in WAYS {
                let stage = if way == Some(Door::RestApi) { "prod" } else { "$default" };
                assert_eq!(key_of(&arrived(way, &target, stage)), *key, "{target} through {way:?}");
            }
        }
        assert!(Key::parse(key, &Prefix::default()).is_ok(), "{key} is no key");
    }
}

/// Pitfall 19, at the one door that loses something: what it loses in a path, the other form carries.
#[test]
fn a_key_with_a_question_mark_arrives_through_every_door_in_a_query() {
    for key in KEYS_WITH_QUESTION_MARK {
        for way in WAYS {
            assert_eq!(key_of(&arrived(way, &spelt(key, Form::Query), "$default")), *key, "{way:?}");
        }
        for way in WAYS.into_iter().filter(|way| *way != Some(Door::HttpApi)) {
            assert_eq!(key_of(&arrived(way, &spelt(key, Form::Path), "$default")), *key, "{way:?}");
        }
        let cut = key_of(&arrived(Some(Door::HttpApi), &spelt(key, Form::Path), "$default"));
        assert_eq!(cut, key.split('?').next().unwrap(), "the HTTP API hands over what stands before the question mark");
    }
}

/// Pitfall 19: clients spell one key in many ways; a path knows no `+` for a space, a form does.
#[test]
fn every_spelling_of_a_key_means_the_same_at_every_door() {
    let spellings = [
        ("/cache/a+b", "a+b"),
        ("/cache/a%2Bb", "a+b"),
        ("/cache/a%2bb", "a+b"),
        ("/cache/a%20b", "a b"),
        ("/cache/a%2Fb", "a/b"),
        ("/cache/a%252Fb", "a%2Fb"),
        ("/cache/%61", "a"),
        ("/cache/a@b:c=d&e", "a@b:c=d&e"),
        ("/cache?path=a+b", "a b"),
        ("/cache?path=a%20b", "a b"),
        ("/cache?path=a%2Bb", "a+b"),
        ("/cache?path=a%2Fb", "a/b"),
        ("/cache?path=a/b", "a/b"),
        ("/cache?path=a%252Fb", "a%2Fb"),
        ("/cache?format=csv&path=a%26b%3Dc", "a&b=c"),
    ];
    for (target, key) in spellings {
        for way in WAYS {
            assert_eq!(key_of(&arrived(way, target, "$default")), key, "{target} through {way:?}");
        }
    }
}

/// Pitfall 19: traversal is refused, not normalised; so no door may tidy a path before it is looked at.
#[test]
fn no_door_hides_a_traversal() {
    for target in ["/cache/../secret", "/cache/%2e%2e/secret", "/cache/..%2Fsecret", "/cache?path=../secret"] {
        for way in WAYS {
            let key = key_of(&arrived(way, target, "$default"));
            assert_eq!(key, "../secret", "{target} through {way:?}");
            assert_eq!(Key::parse(&key, &Prefix::default()), Err(InvalidKey::Traversal));
        }
    }
    // Encoded twice it is no traversal but a strange name, whatever reads it.
    for way in WAYS {
        assert_eq!(key_of(&arrived(way, "/cache/%252e%252e%252Fsecret", "$default")), "%2e%2e%2Fsecret", "{way:?}");
    }
}

#[test]
fn the_stage_is_no_part_of_the_path_at_any_door() {
    for (stage, key) in [("prod", "a"), ("prod", "prod/a"), ("cache", "a"), ("cache", "cache/a"), ("a", "a")] {
        for door in [Door::RestApi, Door::HttpApi] {
            for form in [Form::Path, Form::Query] {
                let uri = arrived(Some(door), &spelt(key, form), stage);
                assert_eq!(uri.to_string(), spelt(key, form), "stage {stage} at {door:?}");
            }
        }
    }
    // A segment that only begins like the stage is not the stage.
    let event = handed_over(Door::HttpApi, "/production/cache/a", "$default");
    let mut renamed = event.clone();
    renamed["requestContext"]["stage"] = json!("prod");
    assert_eq!(Door::HttpApi.request(renamed).unwrap().uri(), "/production/cache/a");
    // The default stage is no segment, whatever the path is.
    assert_eq!(arrived(Some(Door::HttpApi), "/$default/cache/a", "$default"), "/%24default/cache/a");
    // The root of a stage may come without a slash.
    let mut root = event;
    root["requestContext"]["stage"] = json!("prod");
    root["rawPath"] = json!("/prod");
    assert_eq!(Door::HttpApi.request(root).unwrap().uri(), "/");
}
