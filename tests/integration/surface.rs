//! What the service says of itself and of many keys at a time: listings, batches, problems, `/openapi.json` and `/docs`, from
//! outside; and the command line that asks a server.

use std::collections::BTreeSet;
use std::fs;

use http::Method;
use serde_json::{Value, json};

use super::support::client::{Answer, get, send};
use super::support::serve::{Serve, run_to_end, vars};

mod document;

/// A server over a directory of these files.
struct Site {
    server: Serve,
    source: tempfile::TempDir,
    // Goes with the server.
    _held: tempfile::TempDir,
}

impl Site {
    async fn open(names: &[&str]) -> Self {
        Self::open_with(names, &[]).await
    }

    async fn open_with(names: &[&str], variables: &[(&str, &str)]) -> Self {
        let (source, held) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in names {
            let path = source.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let mut all = vars([("LOCAL_DATA_DIR", held.path())]);
        all.extend(vars(variables.iter().copied()));
        let server = Serve::start(&["--source", source.path().to_str().unwrap()], all).await;
        Self { server, source, _held: held }
    }

    async fn get(&self, target: &str) -> Answer {
        get(self.server.address(), target).await
    }

    async fn post(&self, target: &str, body: &str) -> Answer {
        send(self.server.address(), Method::POST, target, &[], body.to_owned()).await
    }

    /// All names of a listing, page by page as `next` says.
    async fn names(&self, first: &str) -> Vec<String> {
        let (mut names, mut next) = (Vec::new(), Some(first.to_owned()));
        while let Some(target) = next {
            let answer = self.get(&target).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let page = answer.json();
            let keys = page["keys"].as_array().unwrap().iter().map(|line| line["key"].as_str().unwrap().to_owned());
            let prefixes = page["prefixes"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap().to_owned());
            let mut lines: Vec<_> = keys.chain(prefixes).collect();
            lines.sort();
            names.extend(lines);
            next = page["next"].as_str().map(str::to_owned);
            let link = answer.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
            assert_eq!(link, next.as_ref().map(|next| format!("<{next}>; rel=\"next\"")));
        }
        names
    }
}

const NAMES: [&str; 7] = ["a.csv", "a/1.csv", "a/2.csv", "a0.csv", "b c/x/y.csv", "b c/é+&.csv", "z.csv"];

/// "`GET /cache?prefix=&delimiter=&limit=&after=` in stable pages of what is cached (size, version, age, tier)."
#[tokio::test]
async fn what_is_cached_is_listed_page_by_page() {
    let site = Site::open(&NAMES).await;
    assert_eq!(site.get("/cache").await.json(), json!({ "keys": [], "next": null }));
    site.post("/cache", r#"{"patterns": ["**"]}"#).await;
    assert_eq!(site.names("/cache").await, NAMES);
    for limit in 1..9 {
        assert_eq!(site.names(&format!("/cache?limit={limit}")).await, NAMES, "{limit}");
        let expected = ["a.csv", "a/", "a0.csv", "b c/", "z.csv"];
        assert_eq!(site.names(&format!("/cache?delimiter=/&limit={limit}")).await, expected, "{limit}");
    }
    assert_eq!(site.names("/cache?prefix=b+c/&delimiter=/&limit=1").await, ["b c/x/", "b c/é+&.csv"]);
    assert_eq!(site.names("/cache?prefix=a/&after=a/1.csv").await, ["a/2.csv"]);
    assert_eq!(site.names("/cache?prefix=nothing").await, [""; 0]);
    let object = site.get("/cache/a.csv").await;
    let line = &site.get("/cache?prefix=a.csv").await.json()["keys"][0];
    assert_eq!((&line["key"], &line["size"], &line["tiers"]), (&json!("a.csv"), &json!(5), &json!(["memory", "directory"])));
    assert_eq!((&line["etag"], &line["last_modified"]), (&json!(object.header("etag")), &json!(object.header("last-modified"))));
    assert!(line["age"].is_u64(), "{line}");
}

/// "`source=record` of what the record holds."
#[tokio::test]
async fn what_the_record_holds_is_listed_without_caching_it() {
    let site = Site::open(&NAMES).await;
    for limit in 1..9 {
        assert_eq!(site.names(&format!("/cache?source=record&limit={limit}")).await, NAMES, "{limit}");
        let expected = ["a.csv", "a/", "a0.csv", "b c/", "z.csv"];
        assert_eq!(site.names(&format!("/cache?source=record&delimiter=/&limit={limit}")).await, expected, "{limit}");
    }
    let line = &site.get("/cache?source=record&prefix=a.csv").await.json()["keys"][0];
    assert_eq!((&line["key"], &line["size"]), (&json!("a.csv"), &json!(5)));
    assert_eq!(site.names("/cache").await, [""; 0]);
}

#[tokio::test]
async fn a_parameter_of_a_listing_that_does_not_fit_is_named() {
    let site = Site::open(&[]).await;
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=ten", "limit"),
        ("source=tape", "source"),
        ("prefix=a&prefix=b", "prefix"),
        ("prefix=%ff", "prefix"),
        ("page=2", "page"),
    ] {
        let refused = site.get(&format!("/cache?{query}")).await;
        assert_eq!(refused.status.as_u16(), 400, "{query}");
        let problem = refused.json();
        assert_eq!(problem["type"], "/problems/bad-parameter");
        assert!(problem["detail"].as_str().unwrap().starts_with(&format!("`{name}` ")), "{problem}");
    }
}

/// The lines of a batch by key, and its summary.
fn lines(answer: &Answer) -> (Vec<(String, String)>, Value) {
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/x-ndjson"));
    let mut lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.pop().unwrap()["summary"].clone();
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_else(|| panic!("no {name} in {line}")).to_owned();
    let mut outcomes: Vec<_> = lines.iter().map(|line| (text(line, "key"), text(line, "outcome"))).collect();
    outcomes.sort();
    (outcomes, summary)
}

/// "`POST /cache` with {"keys": […]} or {"patterns": […]} creates or refreshes them … and streams NDJSON, one line a key,
/// failures included."
#[tokio::test]
async fn many_keys_are_brought_in_and_each_says_how_it_went() {
    let site = Site::open(&["a.csv", "b.csv", "c/d.csv"]).await;
    // A listing of a directory tells versions apart by their seconds.
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    fs::File::options().write(true).open(site.source.path().join("a.csv")).unwrap().set_modified(long_ago).unwrap();
    let outcome = |key: &str, outcome: &str| (key.to_owned(), outcome.to_owned());
    let answer = site.post("/cache", r#"{"keys": ["a.csv", "gone.csv"]}"#).await;
    let (outcomes, summary) = lines(&answer);
    assert_eq!(outcomes, [outcome("a.csv", "created"), outcome("gone.csv", "failed")]);
    let counts = |created, refreshed, already, failed, matched| {
        json!({ "listed": matched, "matched": matched, "created": created, "refreshed": refreshed, "already": already, "failed": failed,
                "left": 0, "listed_all": true })
    };
    assert_eq!(summary, counts(1, 0, 0, 1, 2));
    let failed = answer.text().lines().find(|line| line.contains("gone.csv")).unwrap();
    let failed: Value = serde_json::from_str(failed).unwrap();
    assert_eq!((&failed["problem"]["type"], &failed["problem"]["status"]), (&json!("/problems/not-found"), &json!(404)));

    fs::write(site.source.path().join("a.csv"), "another").unwrap();
    let (outcomes, summary) = lines(&site.post("/cache", r#"{"patterns": ["*.csv"]}"#).await);
    assert_eq!(outcomes, [outcome("a.csv", "refreshed"), outcome("b.csv", "created")]);
    assert_eq!(
        summary,
        json!({ "listed": 3, "matched": 2, "created": 1, "refreshed": 1, "already": 0, "failed": 0, "left": 0, "listed_all": true })
    );
    assert_eq!(site.get("/cache/a.csv").await.text(), "another");
    let (outcomes, summary) = lines(&site.post("/cache", r#"{"keys": ["a.csv", "b.csv"]}"#).await);
    assert_eq!(outcomes, [outcome("a.csv", "already"), outcome("b.csv", "already")]);
    assert_eq!(summary, counts(0, 0, 2, 0, 2));
    assert_eq!(lines(&site.post("/cache", r#"{"keys": []}"#).await), (vec![], counts(0, 0, 0, 0, 0)));
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused_before_anything_is_fetched() {
    let site = Site::open(&["a.csv"]).await;
    let many = json!({ "keys": vec!["a.csv"; 10_001] }).to_string();
    for (body, status, slug) in [
        ("", 400, "missing-parameter"),
        ("a.csv", 400, "bad-form"),
        ("[]", 400, "bad-form"),
        ("{}", 400, "bad-form"),
        (r#"{"keys": "a.csv"}"#, 400, "bad-form"),
        (r#"{"keys": ["a.csv"], "patterns": ["*"]}"#, 400, "bad-form"),
        (r#"{"keys": ["a.csv"], "keys": ["b.csv"]}"#, 400, "bad-form"),
        (r#"{"keys": ["a.csv"], "more": 1}"#, 400, "bad-form"),
        (r#"{"patterns": ["["]}"#, 400, "bad-form"),
        (r#"{"keys": ["a.csv", "../b"]}"#, 400, "invalid-key"),
        (&many, 400, "bad-form"),
        (&"x".repeat((2 << 20) + 1), 413, "form-too-large"),
    ] {
        let refused = site.post("/cache", body).await;
        assert_eq!(refused.status.as_u16(), status, "{:.60}: {refused:?}", body);
        assert_eq!(refused.json()["type"], format!("/problems/{slug}"), "{body:.60}");
    }
    assert_eq!(site.post("/cache?prefix=a", "{}").await.status.as_u16(), 400);
    assert_eq!(site.names("/cache").await, [""; 0]);
    assert_eq!(site.post("/cache?path=a.csv", "").await.status, 201, "with a path it is that object");
}

/// "`cache-api warm PATTERN… [--url URL]` does the same from a shell with … a non-zero exit when a key failed; `cache-api stats [--url
/// URL]`", and CACHE_API_TOKEN is sent.
#[tokio::test]
async fn the_command_line_asks_a_server() {
    const TOKEN: (&str, &str) = ("CACHE_API_TOKEN", "0123456789abcdef");
    let site = Site::open_with(&["a.csv", "b.csv"], &[TOKEN]).await;
    let url = format!("http://{}/", site.server.address());
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--url", &url]).map(str::to_owned).collect();
        let variables = vars(variables.iter().copied());
        async move { run_to_end(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), variables).await }
    };
    let refused = run(&["warm", "*.csv"], &[]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("says 401: send `Authorization: Bearer TOKEN`"), "{}", refused.stderr);
    let warmed = run(&["warm", "*.csv"], &[TOKEN]).await;
    assert!(warmed.status.success(), "{warmed:?}");
    assert_eq!(serde_json::from_str::<Value>(&warmed.stdout).unwrap()["created"], 2);
    assert_eq!(warmed.stderr, "", "no bar where there is no terminal");
    let stats = run(&["stats"], &[TOKEN]).await;
    assert_eq!(serde_json::from_str::<Value>(&stats.stdout).unwrap()["keys"], 2, "{stats:?}");
    // Listed, and not to be read; but by root, who reads everything.
    let path = site.source.path().join("c.csv");
    fs::write(&path, "c").unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    if fs::read(&path).is_err() {
        let failed = run(&["warm", "*.csv"], &[TOKEN]).await;
        assert_eq!(failed.status.code(), Some(1), "{failed:?}");
        assert!(failed.stderr.contains("c.csv: ") && failed.stderr.contains("1 keys failed"), "{}", failed.stderr);
    }
    let nobody = run_to_end(&["stats", "--url", "http://127.0.0.1:1"], vars([TOKEN])).await;
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        nobody.stderr.contains("no answer from http://127.0.0.1:1: ") && !nobody.stderr.contains(TOKEN.1),
        "{}",
        nobody.stderr
    );
    assert_eq!(run_to_end(&["stats", "--url", "127.0.0.1"], vars([TOKEN])).await.status.code(), Some(2));
}

/// Without a server it is the directory that is meant.
#[tokio::test]
async fn the_command_line_says_what_a_directory_holds() {
    let (source, held) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(source.path().join("a.csv"), "a").unwrap();
    let settings = || vars([("LOCAL_DATA_DIR", held.path()), ("CACHE_API_SOURCE_DIR", source.path())]);
    assert!(run_to_end(&["warm", "*"], settings()).await.status.success());
    let stats = run_to_end(&["stats"], settings()).await;
    assert_eq!(serde_json::from_str::<Value>(&stats.stdout).unwrap()["directory_keys"], 1, "{stats:?}");
}

/// "One catalogue of problem types, each with a page at `/problems/{slug}`: what it means, what to do."
#[tokio::test]
async fn each_problem_has_a_page_for_people_and_for_programs() {
    let site = Site::open(&[]).await;
    let ask = |target: String, accept: &'static str| {
        let address = site.server.address().to_owned();
        async move { send(&address, Method::GET, &target, &[("accept", accept)], "").await }
    };
    let all = ask("/problems".to_owned(), "application/json").await.json();
    let kinds = all["problems"].as_array().unwrap();
    assert!(kinds.len() > 25, "{all}");
    for kind in kinds {
        let (target, meaning) = (kind["type"].as_str().unwrap().to_owned(), kind["meaning"].as_str().unwrap());
        let [html, text, json] = [
            ask(target.clone(), "text/html,*/*;q=0.8").await,
            ask(target.clone(), "*/*").await,
            ask(target.clone(), "application/json").await,
        ];
        assert_eq!(json.json(), *kind);
        assert_eq!(html.header("content-type"), "text/html; charset=utf-8");
        assert!(html.header("content-security-policy").starts_with("default-src 'none'"));
        assert!(text.text().contains(meaning) && text.header("content-type").starts_with("text/markdown"), "{text:?}");
        assert!(html.text().contains("What to do:"), "{target}");
    }
    // What a problem is called leads to its page.
    let absent = site.get("/cache/nothing").await.json();
    assert_eq!(site.get(absent["type"].as_str().unwrap()).await.status, 200);
    assert_eq!(site.get("/problems/no-such").await.status.as_u16(), 404);
    let slugs: BTreeSet<_> = kinds.iter().map(|kind| kind["type"].as_str().unwrap()).collect();
    let unknown = site.get("/problems/no-such").await.json();
    assert!(slugs.contains(unknown["type"].as_str().unwrap()));
}
