//! Plain URLs from outside, over a real socket: what is answered, in which headers, and how everything else is refused.

use std::fs;
use std::path::Path;

use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::support::client::{Answer, get, send};
use super::support::serve::{Serve, vars};

mod bucket;
mod caching;
mod conditions;
mod urls;

/// What a client leaves as it is when it encodes a key for a path. Source: RFC 3986 §2.3.
const KEY_IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A server over a directory, and where it keeps what it has read.
struct Door {
    server: Serve,
    source: tempfile::TempDir,
    held: tempfile::TempDir,
}

impl Door {
    /// Opens on a directory with these files; what is in them is their name.
    async fn open(names: &[&str]) -> Self {
        let (source, held) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in names {
            let path = source.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let variables = vars([("LOCAL_DATA_DIR", held.path())]);
        let server = Serve::start(&["--source", source.path().to_str().unwrap()], variables).await;
        Self { server, source, held }
    }

    async fn get(&self, target: &str) -> Answer {
        get(self.server.address(), target).await
    }

    async fn send(&self, method: Method, target: &str, headers: &[(&str, &str)], body: &'static str) -> Answer {
        send(self.server.address(), method, target, headers, body).await
    }

    async fn ask(&self, method: Method, target: &str) -> Answer {
        self.send(method, target, &[], "").await
    }

    /// Asserts that it is a problem of this kind, and names neither directory; gives the document.
    #[track_caller]
    fn assert_problem(&self, answer: &Answer, status: u16, slug: &str) -> Value {
        assert_hides(answer, &[&text(self.source.path()), &text(self.held.path())]);
        assert_problem(answer, status, slug)
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16, slug: &str) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem = answer.json();
    assert_eq!(problem["type"], format!("/problems/{slug}"), "{problem}");
    assert_eq!(problem["status"], status);
    for member in ["title", "detail"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "no {member} in {problem}");
    }
    problem
}

#[track_caller]
fn assert_hides(answer: &Answer, secrets: &[&str]) {
    let all = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
    for secret in secrets {
        assert!(!all.contains(secret), "{secret} is in {all}");
    }
}

/// Both forms of a key's URL.
fn targets(key: &str) -> [String; 2] {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("path", key).finish();
    [format!("/cache/{}", utf8_percent_encode(key, KEY_IN_PATH)), format!("/cache?{query}")]
}

/// The headers that do not tell the time.
fn timeless(answer: &Answer) -> HeaderMap {
    let mut headers = answer.headers.clone();
    for name in ["date", "age", "cache-status", "server-timing"] {
        headers.remove(name);
    }
    headers
}

#[tokio::test]
async fn an_object_is_answered_with_its_bytes_and_its_facts() {
    let door = Door::open(&["prices/eu.csv", "no extension"]).await;
    let answer = door.get("/cache/prices/eu.csv").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "prices/eu.csv"));
    assert_eq!(answer.header("content-type"), "text/csv");
    assert_eq!(answer.header("content-length"), "13");
    let etag = answer.header("etag");
    assert!(etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    let modified = fs::metadata(door.source.path().join("prices/eu.csv")).unwrap().modified().unwrap();
    assert_eq!(answer.header("last-modified"), httpdate::fmt_http_date(modified));
    answer.header("age").parse::<u64>().expect("seconds");
    assert!(answer.header("server-timing").contains("record;dur="), "{answer:?}");
    assert_eq!(door.get("/cache/no%20extension").await.header("content-type"), "application/octet-stream");
}

#[tokio::test]
async fn the_first_answer_is_from_the_record_and_the_next_from_the_cache() {
    let door = Door::open(&["a.csv"]).await;
    let [first, second] = [door.get("/cache/a.csv").await, door.get("/cache/a.csv").await];
    assert_eq!(first.header("cache-status"), "cache-api; fwd=uri-miss; fwd-status=200; stored; key=\"a.csv\"");
    let status = second.header("cache-status");
    assert!(status.starts_with("cache-api; hit; ttl=") && status.ends_with("; detail=memory"), "{status}");
    assert!(!second.header("server-timing").contains("record"), "{second:?}");
    assert_eq!(first.text(), second.text());
    assert_eq!(timeless(&first), timeless(&second));
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let door = Door::open(&["a.csv", "b.csv"]).await;
    let others =
        ["/cache", "/cache?limit=1", "/cache?source=record&limit=1", "/cache?limit=0", "/cache?page=2", "/cache?path=a&path=b"];
    let others = others.into_iter().chain(["/problems", "/problems/none", "/docs", "/openapi.json", "/health", "/nothing"]);
    let objects = ["a.csv", "absent", ".."].into_iter().flat_map(targets);
    // The second is there, so that a page of one has a next.
    assert_eq!(door.get("/cache/b.csv").await.status, 200);
    for target in objects.chain(others.map(str::to_owned)) {
        let target = &*target;
        let get = door.get(target).await;
        let head = door.ask(Method::HEAD, target).await;
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{target}");
        let mut said = timeless(&head);
        // What only HEAD says: the original's telemetry.
        let figures =
            ["keys", "hits", "misses", "memory-bytes", "directory-bytes"].map(|name| said.remove(format!("cache-api-{name}")));
        let has_figures = get.status == 200 && target.starts_with("/cache?") | (target == "/cache") && !target.contains("path=");
        assert_eq!(figures.map(|figure| figure.is_some()), [has_figures; 5], "{target}");
        assert_eq!(said, timeless(&get), "{target}");
        for name in ["cache-status", "server-timing"] {
            assert_eq!(head.headers.contains_key(name), get.headers.contains_key(name), "{name} of {target}");
        }
    }
}

#[tokio::test]
async fn a_client_that_has_the_version_is_not_sent_it_again() {
    let door = Door::open(&["a.csv"]).await;
    let whole = door.get("/cache/a.csv").await;
    let etag = whole.header("etag");
    for value in [etag, &format!("W/{etag}"), &format!("\"other\", {etag}"), "*"] {
        for method in [Method::GET, Method::HEAD] {
            let answer = door.send(method, "/cache/a.csv", &[("if-none-match", value)], "").await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (304, 0), "{value}");
            for name in ["content-type", "content-length", "content-encoding"] {
                assert!(!answer.headers.contains_key(name), "{name} in {answer:?}");
            }
            for name in ["etag", "last-modified"] {
                assert_eq!(answer.header(name), whole.header(name));
            }
            assert!(answer.header("cache-status").starts_with("cache-api; hit"), "{answer:?}");
        }
    }
    for value in ["\"other\"", "", &etag.replace('"', "")] {
        let answer = door.send(Method::GET, "/cache/a.csv", &[("if-none-match", value)], "").await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "a.csv"), "{value}");
    }
    // A condition does not make an object of what is none.
    let absent = door.send(Method::GET, "/cache/absent", &[("if-none-match", "*")], "").await;
    door.assert_problem(&absent, 404, "not-found");
}

#[tokio::test]
async fn post_caches_put_refreshes_and_delete_drops() {
    let door = Door::open(&["a b+é.csv"]).await;
    let file = door.source.path().join("a b+é.csv");
    for target in targets("a b+é.csv") {
        fs::write(&file, "old").unwrap();
        let created = door.ask(Method::POST, &target).await;
        assert_eq!(created.status, 201);
        assert_eq!(created.header("location"), "/cache/a%20b%2B%C3%A9.csv");
        let described = created.json();
        assert_eq!((&described["key"], &described["size"]), (&json!("a b+é.csv"), &json!(3)));
        assert_eq!(described["content_type"], "text/csv");
        let read = door.get(created.header("location")).await;
        assert_eq!(read.text(), "old");
        assert!(read.header("cache-status").starts_with("cache-api; hit"), "what was created is cached: {read:?}");
        assert_eq!(described["etag"], read.header("etag"));
        assert_eq!(described["last_modified"], read.header("last-modified"));

        fs::write(&file, "new, and longer").unwrap();
        assert_eq!(door.get(&target).await.text(), "old");
        let updated = door.ask(Method::PUT, &target).await;
        assert_eq!((updated.status.as_u16(), &updated.json()["size"]), (200, &json!(15)));
        let read = door.get(&target).await;
        assert_eq!((read.text(), &updated.json()["etag"]), ("new, and longer", &json!(read.header("etag"))));

        for _ in 0..2 {
            let deleted = door.ask(Method::DELETE, &target).await;
            assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
            assert!(!deleted.headers.contains_key("content-length"), "{deleted:?}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "new, and longer", "the record is not touched");
        assert_eq!(door.get("/cache").await.json()["keys"], json!([]));
    }
    let read = door.get("/cache/a%20b%2B%C3%A9.csv").await;
    assert_eq!(read.header("cache-status"), "cache-api; fwd=uri-miss; fwd-status=200; stored; key=\"a%20b%2B%C3%A9.csv\"");
}

#[tokio::test]
async fn whoever_sends_data_is_told_that_it_is_not_written() {
    let door = Door::open(&["a.csv"]).await;
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        for target in targets("a.csv") {
            for headers in [&[][..], &[("transfer-encoding", "chunked")]] {
                let answer = door.send(method.clone(), &target, headers, "data").await;
                let problem = door.assert_problem(&answer, 415, "body-not-taken");
                let expected = format!(
                    "cache-api never writes data, and {method} takes no body; \
                     upload the object to the bucket, then PUT its URL without a body to refresh it"
                );
                assert_eq!(problem["detail"], expected);
            }
        }
    }
    assert_eq!(door.get("/cache/a.csv").await.text(), "a.csv");
    assert_eq!(fs::read_to_string(door.source.path().join("a.csv")).unwrap(), "a.csv");
}

#[tokio::test]
async fn the_service_says_what_it_holds() {
    let door = Door::open(&["b.csv", "a.csv"]).await;
    assert_eq!(door.get("/cache").await.json(), json!({"keys": [], "next": null}));
    let read = door.get("/cache/b.csv").await;
    door.get("/cache/a.csv").await;
    door.get("/cache/a.csv").await;
    let listed = door.get("/cache").await;
    assert_eq!((listed.status.as_u16(), listed.header("content-type")), (200, "application/json"));
    let listed = listed.json();
    let keys: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|line| line["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["a.csv", "b.csv"]);
    let line = &listed["keys"][1];
    assert_eq!((&line["size"], &line["etag"]), (&json!(5), &json!(read.header("etag"))));
    assert_eq!(line["last_modified"], read.header("last-modified"));
    assert!(line["age"].as_u64().is_some_and(|age| age < 60), "{line}");

    let head = door.ask(Method::HEAD, "/cache").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    for (name, figure) in [("keys", "2"), ("directory-bytes", "10"), ("hits", "1"), ("misses", "2")] {
        assert_eq!(head.header(&format!("cache-api-{name}")), figure, "{name}");
    }
    let stats = door.get("/stats").await.json();
    for (name, figure) in [("keys", 2), ("directory_keys", 2), ("fills", 2), ("memory_hits", 1), ("errors", 0)] {
        assert_eq!(stats[name], figure, "{name} in {stats}");
    }
    let health = door.get("/health").await;
    assert_eq!((health.status.as_u16(), health.json()), (200, json!({"status": "ok"})));
}

/// Pitfall 23: an error is cached as a result. Absence is remembered for a moment, and a refresh forgets it.
#[tokio::test]
async fn an_object_that_has_just_come_is_there_after_a_refresh() {
    let door = Door::open(&[]).await;
    let target = "/cache/late.csv";
    let absent = door.get(target).await;
    door.assert_problem(&absent, 404, "not-found");
    assert_eq!(absent.header("cache-status"), "cache-api; fwd=uri-miss; fwd-status=404");
    fs::write(door.source.path().join("late.csv"), "late").unwrap();
    assert_eq!(door.ask(Method::PUT, target).await.status, 200);
    assert_eq!(door.get(target).await.text(), "late");
}

/// Pitfall 4: a tier answers 304 or 416 although it is itself stale. The record is asked first, then the condition answered, then
/// the range.
#[tokio::test]
async fn a_condition_is_answered_by_what_the_record_has_and_not_by_what_is_held() {
    let (source, held) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let object = source.path().join("a.txt");
    fs::write(&object, "short").unwrap();
    let variables = vars([
        ("LOCAL_DATA_DIR", held.path().as_os_str()),
        ("CACHE_API_MEMORY_MAX_AGE", "0s".as_ref()),
        ("CACHE_API_LOCAL_MAX_AGE", "0s".as_ref()),
    ]);
    let server = Serve::start(&["--source", source.path().to_str().unwrap()], variables).await;
    let ask = async |headers: &[(&str, &str)]| send(server.address(), Method::GET, "/cache/a.txt", headers, "").await;
    let old = ask(&[]).await;
    let (etag, modified) = (old.header("etag").to_owned(), old.header("last-modified").to_owned());
    assert_eq!(ask(&[("if-none-match", &etag)]).await.status, 304, "while it is so");
    let body = "a longer one";
    // Each asks about what is held, of which the record has another version by then.
    type Case<'a> = (&'a [(&'a str, &'a str)], u16, &'a str);
    let cases: [Case; 4] = [
        (&[("if-none-match", &etag)], 200, body),
        (&[("if-modified-since", &modified)], 200, body),
        (&[("range", "bytes=9-")], 206, "one"),
        (&[("range", "bytes=9-"), ("if-range", &etag)], 200, body),
    ];
    for (headers, status, expected) in cases {
        fs::write(&object, "short").unwrap();
        ask(&[]).await;
        fs::write(&object, body).unwrap();
        let later = fs::metadata(&object).unwrap().modified().unwrap() + std::time::Duration::from_secs(2);
        fs::File::options().write(true).open(&object).unwrap().set_modified(later).unwrap();
        let answer = ask(headers).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, expected), "{headers:?}");
    }
}
