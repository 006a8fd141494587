//! What requests demand of freshness, and what answers say to caches and of themselves.

use std::fs;

use http::Method;
use sfv::{BareItem, Dictionary, List, ListEntry, Parser};
use sha2::{Digest, Sha256, Sha512};

use super::Door;
use crate::support::client::Answer;

/// What `Cache-Status` says: the cache's name, and its parameters in order.
#[track_caller]
fn status(answer: &Answer) -> Vec<(String, BareItem)> {
    let list: List = Parser::new(answer.header("cache-status")).parse().expect("a list of structured fields");
    let [ListEntry::Item(item)] = list.as_slice() else { panic!("one cache: {list:?}") };
    assert_eq!(item.bare_item.as_token().map(|token| token.as_str()), Some("cache-api"));
    item.params.iter().map(|(name, value)| (name.as_str().to_owned(), value.clone())).collect()
}

fn names(status: &[(String, BareItem)]) -> Vec<&str> {
    status.iter().map(|(name, _)| name.as_str()).collect()
}

#[track_caller]
fn assert_starts(answer: &Answer, start: &str) {
    let status = answer.header("cache-status");
    assert!(status.starts_with(start), "{status}");
}

impl Door {
    async fn demand(&self, name: &str, value: &str) -> Answer {
        self.send(Method::GET, "/cache/a.csv", &[(name, value)], "").await
    }
}

#[tokio::test]
async fn an_answer_tells_caches_to_ask_each_time() {
    let door = Door::open(&["a.csv"]).await;
    let whole = door.get("/cache/a.csv").await;
    let etag = whole.header("etag");
    for headers in [&[][..], &[("range", "bytes=0-1")], &[("if-none-match", etag)]] {
        let answer = door.send(Method::GET, "/cache/a.csv", headers, "").await;
        assert_eq!(answer.header("cache-control"), "no-cache", "{headers:?}");
        assert_eq!(answer.header("vary"), "accept, sec-fetch-mode", "a table has other forms");
    }
    for target in ["/cache/absent", "/nothing", "/cache?path="] {
        assert_eq!(door.get(target).await.header("cache-control"), "no-store", "{target}");
    }
}

#[tokio::test]
async fn a_body_is_opened_in_a_sandbox() {
    let door = Door::open(&["page.html"]).await;
    for headers in [&[][..], &[("range", "bytes=0-1")]] {
        let answer = door.send(Method::GET, "/cache/page.html", headers, "").await;
        assert_eq!(answer.header("content-security-policy"), "sandbox; default-src 'none'");
        assert_eq!((answer.header("x-content-type-options"), answer.header("content-type")), ("nosniff", "text/html"));
    }
}

#[tokio::test]
async fn where_an_answer_came_from_is_a_structured_field() {
    let door = Door::open(&["a b\"é\\.csv"]).await;
    let target = "/cache/a%20b%22%C3%A9%5C.csv";
    let [first, second] = [door.get(target).await, door.get(target).await];
    let asked = door.send(Method::GET, target, &[("cache-control", "no-cache")], "").await;
    let updated = door.ask(Method::PUT, target).await;
    let absent = door.get("/cache/absent").await;
    assert_eq!(names(&status(&first)), ["fwd", "fwd-status", "stored", "key"]);
    assert_eq!(names(&status(&second)), ["hit", "ttl", "key", "detail"]);
    assert_eq!(names(&status(&asked)), ["fwd", "fwd-status", "stored", "key", "detail"]);
    assert_eq!(names(&status(&updated)), ["fwd", "fwd-status", "stored", "key", "detail"]);
    assert_eq!(names(&status(&absent)), ["fwd", "fwd-status"]);
    let fwd = |answer| status(answer)[0].1.as_token().map(|token| token.as_str().to_owned());
    assert_eq!([&first, &asked, &updated].map(fwd), ["uri-miss", "request", "stale"].map(|why| Some(why.to_owned())));
    let key = status(&second).into_iter().find(|(name, _)| name == "key").unwrap().1;
    assert_eq!(format!("/cache/{}", key.as_string().expect("a text").as_str()), target);
    let ttl = i64::from(status(&second)[1].1.as_integer().expect("seconds"));
    assert!((50..60).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn a_demand_for_something_newer_asks_the_record() {
    let door = Door::open(&["a.csv"]).await;
    door.get("/cache/a.csv").await;
    let confirmed = "cache-api; fwd=request; fwd-status=304; stored";
    for (name, value, start) in [
        ("cache-control", "max-age=0", confirmed),
        ("cache-control", "no-cache", confirmed),
        ("cache-control", "min-fresh=61", confirmed),
        ("pragma", "no-cache", confirmed),
        ("cache-control", "max-age=1000, min-fresh=10, max-stale", "cache-api; hit"),
        ("cache-control", "max-age=soon", "cache-api; hit"),
        ("cache-control", "no-store", "cache-api; hit"),
        ("cache-control", "only-if-cached", "cache-api; hit"),
    ] {
        assert_starts(&door.demand(name, value).await, start);
    }
    // And tells what it finds.
    fs::write(door.source.path().join("a.csv"), "something else").unwrap();
    assert_eq!(door.get("/cache/a.csv").await.text(), "a.csv");
    let replaced = door.demand("cache-control", "no-cache").await;
    assert_eq!(replaced.text(), "something else");
    assert_starts(&replaced, "cache-api; fwd=request; fwd-status=200; stored");
    assert_eq!(door.get("/cache/a.csv").await.text(), "something else");
}

#[tokio::test]
async fn what_is_not_cached_is_not_fetched_for_who_does_not_want_that() {
    let door = Door::open(&["a.csv"]).await;
    let answer = door.demand("cache-control", "only-if-cached").await;
    let problem = door.assert_problem(&answer, 504, "not-cached");
    assert_eq!((&problem["key"], answer.header("cache-status")), (&"a.csv".into(), "cache-api; detail=not-cached"));
    let unkept = door.demand("cache-control", "no-store").await;
    assert_eq!(
        (unkept.text(), unkept.header("cache-status")),
        ("a.csv", "cache-api; fwd=uri-miss; fwd-status=200; key=\"a.csv\"")
    );
    assert_eq!(door.demand("cache-control", "only-if-cached").await.status, 504);
    assert_eq!(door.get("/stats").await.json()["not_cached"], 2);
    door.get("/cache/a.csv").await;
    assert_eq!(door.demand("cache-control", "only-if-cached").await.text(), "a.csv");
    assert_eq!(door.demand("cache-control", "only-if-cached, no-cache").await.status, 504);
}

#[tokio::test]
async fn a_digest_is_of_the_whole_and_given_to_who_wants_it() {
    let long = "0123456789".repeat(10_000);
    let door = Door::open(&["a.csv", "long.csv"]).await;
    fs::write(door.source.path().join("long.csv"), &long).unwrap();
    for (target, body) in [("/cache/a.csv", "a.csv"), ("/cache/long.csv", long.as_str())] {
        assert!(!door.get(target).await.headers.contains_key("repr-digest"), "unasked");
        for (wanted, name, digest) in [
            ("sha-256=1", "sha-256", Sha256::digest(body).to_vec()),
            ("sha-256=1, sha-512=9", "sha-512", Sha512::digest(body).to_vec()),
        ] {
            for (method, header) in
                [(Method::GET, ("range", "bytes=1-2")), (Method::GET, ("accept", "*/*")), (Method::HEAD, ("accept", "*/*"))]
            {
                let answer = door.send(method, target, &[("want-repr-digest", wanted), header], "").await;
                let field: Dictionary = Parser::new(answer.header("repr-digest")).parse().expect("a dictionary");
                let Some(ListEntry::Item(item)) = field.get(name) else { panic!("{field:?}") };
                assert_eq!((field.len(), item.bare_item.as_byte_sequence()), (1, Some(digest.as_slice())), "{target} {header:?}");
            }
        }
        for unwanted in ["md5=10", "sha-256=0", "sha-256"] {
            let answer = door.send(Method::GET, target, &[("want-repr-digest", unwanted)], "").await;
            assert!(!answer.headers.contains_key("repr-digest"), "{unwanted}");
        }
    }
}
