//! What URLs name: every key, byte for byte, in both forms; and what they do not.

use http::Method;
use serde_json::Value;

use super::{Door, targets};

#[tokio::test]
async fn what_is_no_url_or_no_method_of_one_is_refused() {
    let door = Door::open(&["a.csv"]).await;
    for target in ["/", "/nothing", "/cachea.csv", "/Cache/a.csv", "/cache.csv", "/health/", "/stats/x", "//cache/a.csv"] {
        let answer = door.get(target).await;
        let problem = door.assert_problem(&answer, 404, "unknown-url");
        assert!(problem["detail"].as_str().unwrap().contains("/cache/KEY"), "{problem}");
    }
    let [path, query] = targets("a.csv");
    for (method, target, allow, key) in [
        (Method::PATCH, path.as_str(), "GET,HEAD,POST,PUT,DELETE,OPTIONS", Some("a.csv")),
        (Method::TRACE, query.as_str(), "GET,HEAD,POST,PUT,DELETE,OPTIONS", Some("a.csv")),
        (Method::PATCH, "/cache", "GET,HEAD,POST,PUT,DELETE,OPTIONS", None),
        (Method::POST, "/health", "GET,HEAD,OPTIONS", None),
        (Method::DELETE, "/stats?path=a.csv", "GET,HEAD,OPTIONS", None),
    ] {
        let answer = door.ask(method.clone(), target).await;
        let problem = door.assert_problem(&answer, 405, "method-not-allowed");
        assert_eq!(problem.get("key").and_then(Value::as_str), key, "{method} {target}");
        assert_eq!(answer.header("allow"), allow, "{method} {target}");
        let options = door.ask(Method::OPTIONS, target).await;
        assert_eq!((options.status.as_u16(), options.body.len(), options.header("allow")), (204, 0, allow), "{target}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let answer = door.ask(method, "/cache").await;
        let problem = door.assert_problem(&answer, 400, "missing-parameter");
        assert!(problem["detail"].as_str().unwrap().contains("/cache?path=KEY"), "{problem}");
    }
}

/// Pitfall 19: path encoding. What a client names is what the record is asked for, byte for byte, in both forms of the URL.
#[tokio::test]
async fn every_awkward_key_is_read_over_a_socket_in_both_forms() {
    let keys = [
        "a b",
        "a+b",
        "100%",
        "a%20b",
        "a%2Fb",
        "a%252Fb",
        "deep/er/file",
        "a=b&c",
        "a@b:c;d,e",
        "it's \"quoted\"",
        r"back\slash",
        "a#b",
        "a?b",
        "what?path=other#x",
        "é",
        "e\u{301}",
        "日本語/ファイル.json",
        "🦀.parquet",
        "(a)[b]{c}<d>|^`",
        "~tilde",
        " spaces ",
        "path=other",
        "cache",
        "api/v1.0x",
    ];
    let door = Door::open(&keys).await;
    for key in keys {
        for target in targets(key) {
            let answer = door.get(&target).await;
            assert_eq!((answer.status.as_u16(), answer.text()), (200, key), "{target}");
            assert_eq!(door.ask(Method::PUT, &target).await.json()["key"], key, "{target}");
        }
    }
    assert_eq!(door.get("/cache").await.json()["keys"].as_array().unwrap().len(), keys.len());
    // A path knows no plus for a space; a form does.
    assert_eq!(door.get("/cache/a+b").await.text(), "a+b");
    assert_eq!(door.get("/cache?path=a+b").await.text(), "a b");
}

/// Pitfall 19: two keys have the URLs of the original's API. Their slash encoded, or in the other form, they are read.
#[tokio::test]
async fn the_keys_behind_the_original_s_urls_are_read_in_the_other_form() {
    let door = Door::open(&["api/v1.0"]).await;
    for target in ["/cache?path=api/v1.0", "/cache/api%2Fv1.0"] {
        assert_eq!(door.get(target).await.text(), "api/v1.0", "{target}");
    }
    // No file has a name that ends in a slash; its problem shows that it was asked for.
    for target in ["/cache?path=api/v1.0/", "/cache/api%2Fv1.0%2F"] {
        let problem = door.assert_problem(&door.get(target).await, 404, "not-found");
        assert_eq!(problem["key"], "api/v1.0/", "{target}");
    }
    for target in ["/cache/api/v1.0", "/cache/api/v1.0/"] {
        door.assert_problem(&door.get(target).await, 400, "missing-parameter");
    }
}

/// Pitfall 19: traversal is refused, not normalised; and no file of a directory has a name that it has not.
#[tokio::test]
async fn what_is_no_key_is_refused_and_the_next_request_is_served() {
    let door = Door::open(&["d/f", ".hidden", "d/.hidden", ".git/config"]).await;
    let long = "k".repeat(1025);
    let invalid = [
        "/cache/",
        "/cache?path=",
        "/cache?path",
        "/cache/..",
        "/cache/../f",
        "/cache/d/../d/f",
        "/cache/./d/f",
        "/cache/d/f/..",
        "/cache/%2e%2e%2ff",
        "/cache/%2E%2e/f",
        "/cache/..%2f..%2f..%2fetc%2fpasswd",
        "/cache?path=../f",
        "/cache?path=%2e%2e%2ff",
        "/cache//etc/passwd",
        "/cache/%2Fetc%2Fpasswd",
        "/cache?path=/etc/passwd",
        "/cache/d%00f",
        "/cache?path=d%00f",
        "/cache/d%0Af",
        "/cache/d%7F",
        "/cache/%ff",
        "/cache/%C3%28",
        &format!("/cache/{long}"),
        &format!("/cache?path={long}"),
    ];
    for target in invalid {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
            let answer = door.ask(method.clone(), target).await;
            door.assert_problem(&answer, 400, "invalid-key");
        }
        assert_eq!(door.get("/cache/d/f").await.status, 200, "after {target}");
    }
    for target in ["/cache?path=%ff", "/cache?path=d/f&path=d/f", "/cache?%ff=1&path=d/f"] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
            let answer = door.ask(method, target).await;
            door.assert_problem(&answer, 400, "bad-parameter");
        }
        assert_eq!(door.get("/cache/d/f").await.status, 200, "after {target}");
    }
    let absent = [
        "absent",
        "%2e%2e%2ff",
        "%2e%2e/f",
        "d",
        "d/",
        "d//f",
        "d///f",
        "d/f/",
        "d/f/g",
        "D/f",
        ".hidden",
        "d/.hidden",
        ".git/config",
        r"..\f",
        "...",
        &"k".repeat(1024),
    ];
    for key in absent {
        for target in targets(key) {
            for method in [Method::GET, Method::POST, Method::PUT] {
                let answer = door.ask(method, &target).await;
                let problem = door.assert_problem(&answer, 404, "not-found");
                assert_eq!(problem["key"], key, "{target}");
                assert!(problem["detail"].as_str().unwrap().contains(key), "{problem}");
                assert!(answer.headers.contains_key("cache-status"), "{answer:?}");
            }
            assert_eq!(door.ask(Method::DELETE, &target).await.status, 204);
        }
        assert_eq!(door.get("/cache/d/f").await.text(), "d/f", "after {key}");
    }
}
