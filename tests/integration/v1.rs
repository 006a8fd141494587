//! The original's API from outside: its documented answers to the letter, and real status codes where it crashed or lied.

use std::fs;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::client::{Answer, get, send};
use super::support::serve::{Serve, vars};

const URIS: [&str; 2] = ["/cache/api/v1.0/", "/cache/api/v1.0"];

/// The answer that the original's README shows, to the letter.
const README_ANSWER: &str = r#"{
    "return": {
        "uri": "/cache/api/v1.0/",
        "path": "file1.snappy.parquet",
        "value": "{'result': 'success'}"
    }
}
"#;

/// A server over a directory with these files, whose content is their name.
async fn serve(names: &[&str]) -> (Serve, tempfile::TempDir) {
    let source = tempfile::tempdir().unwrap();
    for name in names {
        fs::write(source.path().join(name), name).unwrap();
    }
    let server = Serve::start(&["--source", source.path().to_str().unwrap()], vars([("CACHE_API_LOG", "warn")])).await;
    (server, source)
}

async fn query(server: &Serve, uri: &str, pairs: &[(&str, &str)]) -> Answer {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    get(server.address(), &format!("{uri}?{query}")).await
}

async fn post(server: &Serve, uri: &str, body: impl Into<bytes::Bytes>) -> Answer {
    send(server.address(), Method::POST, uri, &[("content-type", "application/json")], body).await
}

/// Asks by GET and by POST, with the last slash and without it; the answers are the same.
#[track_caller]
fn assert_same(answers: &[Answer]) -> &Answer {
    let first = &answers[0];
    for answer in answers {
        assert_eq!((answer.status, answer.text()), (first.status, first.text()));
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("content-type"), first.header("content-type"));
    }
    first
}

async fn in_every_form(server: &Serve, pairs: &[(&str, &str)]) -> [Answer; 4] {
    let form = json!({ "data": pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<serde_json::Map<_, _>>() });
    let form = form.to_string();
    [
        query(server, URIS[0], pairs).await,
        query(server, URIS[1], pairs).await,
        post(server, URIS[0], form.clone()).await,
        post(server, URIS[1], form).await,
    ]
}

/// Asserts that it is a problem document that may not be stored; gives its detail.
#[track_caller]
fn detail(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    assert!(problem["type"].is_string() && problem["title"].is_string(), "{problem}");
    problem["detail"].as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn the_answer_is_the_one_of_the_readme_to_the_letter() {
    let (server, _source) = serve(&["file1.snappy.parquet"]).await;
    let path = ("path", "file1.snappy.parquet");
    for pairs in [&[("command", "create"), path][..], &[("command", "read"), path], &[("command", "update"), path], &[path]] {
        let answers = in_every_form(&server, pairs).await;
        let answer = assert_same(&answers);
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, README_ANSWER), "{pairs:?}");
        assert_eq!(answer.header("content-type"), "application/json");
    }
    // As the README writes it.
    let answer = get(server.address(), "/cache/api/v1.0/?command=create&path=file1.snappy.parquet").await;
    assert_eq!(answer.text(), README_ANSWER);
}

#[tokio::test]
async fn create_caches_update_refreshes_and_delete_drops() {
    let (server, source) = serve(&["a.csv"]).await;
    let path = ("path", "a.csv");
    assert_eq!(query(&server, URIS[0], &[("command", "create"), path]).await.status, 200);
    fs::write(source.path().join("a.csv"), "changed").unwrap();
    assert_eq!(query(&server, URIS[0], &[("command", "read"), path]).await.status, 200);
    assert_eq!(get(server.address(), "/cache/a.csv").await.text(), "a.csv", "what was created is served");
    assert_eq!(query(&server, URIS[0], &[("command", "update"), path]).await.status, 200);
    assert_eq!(get(server.address(), "/cache/a.csv").await.text(), "changed");
    let deleted = query(&server, URIS[0], &[("command", "delete"), path]).await;
    assert_eq!(deleted.status, 200);
    assert_eq!(deleted.json()["return"]["value"], "{'cache_item deleted': 'a.csv'}");
    assert_eq!(get(server.address(), "/cache").await.json()["keys"], json!([]));
    assert_eq!(fs::read_to_string(source.path().join("a.csv")).unwrap(), "changed", "the record is not touched");
}

#[tokio::test]
async fn deleting_what_is_not_held_is_not_found() {
    let (server, _source) = serve(&["a.csv"]).await;
    let answers = in_every_form(&server, &[("command", "delete"), ("path", "a.csv")]).await;
    let answer = assert_same(&answers);
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let expected = json!({"return": {"uri": "/cache/api/v1.0/", "path": "a.csv", "value": "{'error': 'cache_item not found'}"}});
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("content-type"), "application/json");
}

/// Python's own rule of quotes: those that need no escape.
#[tokio::test]
async fn a_deleted_path_is_quoted_as_python_quotes_it() {
    let cases = [
        ("Devil's.json", r#"{'cache_item deleted': "Devil's.json"}"#),
        ("say \"hi\".json", r#"{'cache_item deleted': 'say "hi".json'}"#),
        ("it's \"both\".json", r#"{'cache_item deleted': 'it\'s "both".json'}"#),
        (r"back\slash.json", r"{'cache_item deleted': 'back\\slash.json'}"),
        ("é 日本.json", "{'cache_item deleted': 'é 日本.json'}"),
    ];
    let (server, _source) = serve(&cases.map(|(name, _)| name)).await;
    for (name, value) in cases {
        let cached = query(&server, URIS[0], &[("path", name)]).await;
        assert_eq!((cached.status.as_u16(), &cached.json()["return"]["path"]), (200, &json!(name)));
        let answer = query(&server, URIS[0], &[("command", "delete"), ("path", name)]).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["return"]["value"]), (200, &json!(value)));
    }
}

#[tokio::test]
async fn head_says_what_is_cached() {
    let (server, _source) = serve(&["a.csv"]).await;
    get(server.address(), "/cache/a.csv").await;
    for answer in in_every_form(&server, &[("command", "head")]).await {
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"));
        let answer = answer.json();
        assert_eq!(answer["return"].get("path"), None);
        let value: Value = serde_json::from_str(answer["return"]["value"].as_str().unwrap()).unwrap();
        assert_eq!((&value["keys"], &value["fills"]), (&json!(1), &json!(1)));
    }
    let answer = query(&server, URIS[0], &[("command", "head"), ("path", "a.csv")]).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["return"]["path"]), (200, &json!("a.csv")));
    let refused = query(&server, URIS[0], &[("command", "head"), ("path", "a\u{97}b")]).await;
    assert!(detail(&refused, 400).starts_with("invalid key"), "it needs no key, and takes none that is none");
}

#[tokio::test]
async fn an_unknown_command_is_told_the_known_ones() {
    let (server, _source) = serve(&["a.csv"]).await;
    for pairs in
        [&[("command", "destroy"), ("path", "a.csv")][..], &[("command", "destroy")], &[("path", "a.csv"), ("command", "")]]
    {
        for answer in in_every_form(&server, pairs).await {
            let detail = detail(&answer, 400);
            assert!(detail.contains("create, read, update, delete, head"), "{detail}");
        }
    }
    assert!(detail(&query(&server, URIS[0], &[("command", "READ")]).await, 400).contains("`READ`"));
}

#[tokio::test]
async fn a_missing_path_is_asked_for() {
    let (server, _source) = serve(&[]).await;
    for pairs in [&[][..], &[("command", "read")], &[("command", "create")], &[("command", "update")], &[("command", "delete")]] {
        for answer in in_every_form(&server, pairs).await {
            let detail = detail(&answer, 400);
            assert!(detail.contains("`path` is missing") && detail.contains("path=file1.json"), "{detail}");
        }
    }
}

#[tokio::test]
async fn a_path_that_is_no_key_or_no_object_is_refused() {
    let (server, source) = serve(&["a.csv"]).await;
    for command in ["create", "read", "update", "delete"] {
        for path in ["", "..", "../a.csv", "/etc/passwd", "a\0b", &"k".repeat(1025)] {
            for answer in in_every_form(&server, &[("command", command), ("path", path)]).await {
                assert!(detail(&answer, 400).starts_with("invalid key: "), "{answer:?}");
            }
        }
    }
    for command in ["create", "read", "update"] {
        for path in ["absent.csv", ".hidden", "a.csv/b", "%2e%2e/a.csv"] {
            let answer = query(&server, URIS[0], &[("command", command), ("path", path)]).await;
            assert!(detail(&answer, 404).contains(&format!("`{path}`")), "{answer:?}");
            assert_eq!(answer.json()["key"], path);
            assert!(!answer.text().contains(source.path().to_str().unwrap()));
        }
    }
    assert_eq!(query(&server, URIS[0], &[("path", "a.csv")]).await.status, 200, "the next request is served");
}

#[tokio::test]
async fn parameters_that_do_not_fit_are_named() {
    let (server, _source) = serve(&["a.csv"]).await;
    for (pairs, named) in [
        (&[("path", "a.csv"), ("path", "b.csv")][..], "`path`"),
        (&[("command", "read"), ("command", "read"), ("path", "a.csv")], "`command`"),
        (&[("path", "a.csv"), ("pahth", "b.csv")], "`pahth`"),
    ] {
        let detail = detail(&query(&server, URIS[0], pairs).await, 400);
        assert!(detail.starts_with(named), "{detail}");
    }
    assert!(detail(&get(server.address(), "/cache/api/v1.0/?path=%ff").await, 400).contains("UTF-8"));
}

#[tokio::test]
async fn a_form_that_does_not_fit_is_shown_the_right_one() {
    let (server, _source) = serve(&["a.csv"]).await;
    let right = r#"{"data": {"command": "read", "path": "file1.json"}}"#;
    let wrong = [
        "",
        "command=read&path=a.csv",
        // As the original's README writes it, which is no JSON.
        r#"{"data": {"command" = "read", "path" = "a.csv"}}"#,
        r#"{"data": {"command": "read", "path": "a.csv"}"#,
        "null",
        "[]",
        "3",
        "\"data\"",
        "{}",
        r#"{"data": null}"#,
        r#"{"data": []}"#,
        r#"{"data": "read"}"#,
        r#"{"command": "read", "path": "a.csv"}"#,
        r#"{"data": {"command": "read", "path": null}}"#,
        r#"{"data": {"command": "read", "path": ["a.csv"]}}"#,
        r#"{"data": {"command": {"read": 1}, "path": "a.csv"}}"#,
        r#"{"data": {"path": "a.csv"}, "data": {"path": "b.csv"}}"#,
    ];
    for body in wrong {
        for uri in URIS {
            let detail = detail(&post(&server, uri, body).await, 400);
            assert!(detail.contains(right), "{body}: {detail}");
        }
    }
    let not_utf8 = post(&server, URIS[0], b"{\"data\": {\"path\": \"\xff\"}}".to_vec()).await;
    assert!(detail(&not_utf8, 400).contains(right));
    let deep = "[".repeat(100_000);
    assert!(detail(&post(&server, URIS[0], deep).await, 400).contains(right));
    // What it is called matters to nobody: curl says it is a form.
    let body = r#"{"data": {"command": "read", "path": "a.csv"}}"#;
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(send(server.address(), Method::POST, URIS[0], &headers, body).await.status, 200);
}

/// As in a query: of two values none is taken.
#[tokio::test]
async fn a_name_that_a_form_gives_twice_is_refused() {
    let (server, _source) = serve(&["a.csv", "b.csv"]).await;
    for (form, named) in [
        (r#"{"data": {"path": "a.csv", "path": "b.csv"}}"#, "`path`"),
        (r#"{"data": {"command": "read", "path": "a.csv", "command": "delete"}}"#, "`command`"),
        (r#"{"data": {"function": "pi", "function": "pi"}}"#, "`function`"),
        (r#"{"data": {"function": "pi", "significant_digits": 3, "significant_digits": 4}}"#, "`significant_digits`"),
    ] {
        let detail = detail(&post(&server, URIS[0], form).await, 400);
        assert!(detail.contains(named), "{form}: {detail}");
    }
}

#[tokio::test]
async fn a_refused_parameter_or_method_names_the_key_of_the_request() {
    let (server, _source) = serve(&["a.csv"]).await;
    let path = ("path", "a.csv");
    for pairs in
        [&[("command", "destroy"), path][..], &[path, ("pahth", "b.csv")], &[("command", "read"), ("function", "pi"), path]]
    {
        for answer in in_every_form(&server, pairs).await {
            assert_eq!(answer.json()["key"], "a.csv", "{answer:?}");
        }
    }
    let put = send(server.address(), Method::PUT, "/cache/api/v1.0/?path=a.csv", &[], "").await;
    assert_eq!(put.json()["key"], "a.csv", "{put:?}");
    for pairs in [&[("command", "destroy")][..], &[path, path]] {
        let answer = query(&server, URIS[0], pairs).await;
        assert!(answer.json().get("key").is_none(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_number_in_a_form_is_its_text() {
    let (server, _source) = serve(&["2024"]).await;
    let answer = post(&server, URIS[0], r#"{"data": {"path": 2024}}"#).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["return"]["path"]), (200, &json!("2024")));
}

#[tokio::test]
async fn a_form_with_room_for_data_is_too_large() {
    let (server, _source) = serve(&["a.csv"]).await;
    let form = |bytes: usize| {
        let start = r#"{"data": {"path": "a.csv"}}"#;
        format!("{start}{}", " ".repeat(bytes - start.len()))
    };
    assert_eq!(post(&server, URIS[0], form(1 << 20)).await.status, 200);
    let answer = post(&server, URIS[0], form((1 << 20) + 1)).await;
    assert!(detail(&answer, 413).contains("1048576 bytes"), "{answer:?}");
    assert_eq!(query(&server, URIS[0], &[("path", "a.csv")]).await.status, 200, "the next request is served");
}

#[tokio::test]
async fn other_methods_are_refused_and_not_stored() {
    let (server, _source) = serve(&["a.csv"]).await;
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        for uri in URIS {
            let answer = send(server.address(), method.clone(), &format!("{uri}?path=a.csv"), &[], "").await;
            assert!(detail(&answer, 405).starts_with(method.as_str()), "{answer:?}");
            assert_eq!(answer.header("allow"), "GET,HEAD,POST,OPTIONS");
        }
    }
}
