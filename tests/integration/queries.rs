//! SQL over cached objects, from outside: what is answered, where it runs, and what becomes of what may not be.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use cache_api::error::{Error, Stopped};
use cache_api::frame::Format;
use cache_api::frame::query::{Input, Part, Piece, Statement};
use cache_api::function::worker::{Order, Workers};
use cache_api::key::{Key, Prefix};
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::support::client::{Answer, get, send};
use super::support::repository::in_repository;
use super::support::serve::{Serve, vars};
use super::support::server::installed;

/// A server over a directory of tables.
struct Site {
    server: Serve,
    source: tempfile::TempDir,
    // Goes with the server.
    _held: tempfile::TempDir,
}

impl Site {
    async fn of(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Self {
        let source = tempfile::tempdir().unwrap();
        for (name, body) in files {
            let path = source.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, body).unwrap();
        }
        Self::over(source, variables).await
    }

    async fn over(source: tempfile::TempDir, variables: &[(&str, &str)]) -> Self {
        let held = tempfile::tempdir().unwrap();
        let mut all = vars([("LOCAL_DATA_DIR", held.path())]);
        all.extend(vars(variables.iter().copied()));
        let server = Serve::start(&["--source", source.path().to_str().unwrap()], all).await;
        Self { server, source, _held: held }
    }

    async fn ask(&self, pairs: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        send(self.server.address(), Method::GET, &format!("/query?{query}"), headers, "").await
    }

    async fn sql(&self, sql: &str) -> Answer {
        self.ask(&[("sql", sql), ("format", "csv")], &[]).await
    }

    async fn post(&self, form: &Value) -> Answer {
        send(self.server.address(), Method::POST, "/query", &[], form.to_string()).await
    }
}

const PRICES: &str = "cusip,price\nA,1.5\nB,2.5\nA,3.5\n";
const FILES: [(&str, &str); 4] = [
    ("prices.csv", PRICES),
    ("y/2023.csv", "n,old\n1,x\n"),
    ("y/2024.csv", "n\n2\n"),
    ("names.json", r#"[{"cusip":"A","name":"Alpha"}]"#),
];

#[tokio::test]
async fn a_statement_is_answered_by_get_and_by_post_in_every_form() {
    let site = Site::of(&FILES, &[]).await;
    for (sql, body) in [
        ("SELECT cusip, avg(price) AS mean FROM \"prices.csv\" GROUP BY cusip ORDER BY cusip", "cusip,mean\nA,2.5\nB,2.5\n"),
        ("SELECT price FROM \"prices.csv\" WHERE price > 2 ORDER BY price DESC LIMIT 1", "price\n3.5\n"),
        // Stacked by names; what one has no column for is null.
        ("SELECT n, old FROM \"y/*.csv\" ORDER BY n", "n,old\n1,x\n2,\n"),
        // In a process of its own.
        (
            "SELECT p.price, n.name FROM \"prices.csv\" AS p JOIN \"names.json\" AS n ON p.cusip = n.cusip ORDER BY p.price",
            "price,name\n1.5,Alpha\n3.5,Alpha\n",
        ),
        ("WITH a AS (SELECT max(price) AS high FROM \"prices.csv\") SELECT high || '!' AS high FROM a", "high\n3.5!\n"),
    ] {
        let answer = site.sql(sql).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, body), "{sql}: {answer:?}");
        assert!(answer.header("server-timing").contains("query;dur="), "{answer:?}");
        let posted = site.post(&json!({"sql": sql, "format": "csv"})).await;
        assert_eq!(posted.text(), body, "{sql}");
    }
    let sql = "SELECT cusip FROM \"prices.csv\" WHERE price > :least AND cusip IN (:few)";
    let posted = site.post(&json!({"sql": sql, "params": {"least": 2, "few": ["A", "'; DROP"]}})).await;
    assert_eq!(posted.json(), json!([{"cusip": "A"}]));
    let asked =
        site.ask(&[("sql", sql), ("params", r#"{"least": 2.0, "few": "B"}"#)], &[("accept", "application/x-ndjson")]).await;
    assert_eq!((asked.text(), asked.header("content-type")), ("{\"cusip\":\"B\"}\n", "application/x-ndjson"));
    let table = site.ask(&[("sql", "SELECT * FROM :file"), ("params", r#"{"file": "y/2024.csv"}"#)], &[]).await;
    assert_eq!(table.json(), json!([{"n": 2}]));
    for (format, begin) in [("parquet", &b"PAR1"[..]), ("arrow", b"ARROW1"), ("arrows", &[0xff, 0xff]), ("html", b"<!DOCTYPE")] {
        let answer = site.ask(&[("sql", "SELECT * FROM \"prices.csv\""), ("format", format)], &[]).await;
        assert!(answer.status == 200 && answer.body.to_ascii_lowercase().starts_with(&begin.to_ascii_lowercase()), "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_not_answered_says_what_to_mend() {
    let site = Site::of(&[("a.csv", "x\n1\n"), ("b.csv", "x\ntext\n"), ("c.bin", "?"), ("d.json", "[")], &[]).await;
    for (sql, status, kind, word) in [
        ("SELECT * FROM read_csv('/proc/self/environ')", 400, "bad-query", "read_csv"),
        ("SELECT 1; SELECT 2", 400, "bad-query", "one at a time"),
        ("SELECT nothing FROM \"a.csv\"", 400, "bad-query", "nothing"),
        ("SELECT * FROM \"nothing.csv\"", 404, "not-found", "nothing.csv"),
        ("SELECT * FROM \"no*.csv\"", 400, "bad-query", "no object matches"),
        ("SELECT * FROM \"[ab].csv\"", 400, "bad-query", "another type in `x`"),
        ("SELECT * FROM \"../etc/passwd\"", 400, "invalid-key", ".."),
        ("SELECT * FROM \"/etc/passwd\"", 400, "invalid-key", "/"),
        ("SELECT * FROM \"c.bin\"", 415, "unknown-format", "c.bin"),
        ("SELECT * FROM \"d.json\"", 415, "unparsable", "d.json"),
        ("SELECT * FROM \"d.json\" AS d JOIN \"a.csv\" AS a ON a.x = d.x", 415, "unparsable", "d.json"),
        ("SELECT * FROM \"a.csv\" WHERE x = :v", 400, "bad-query", "`:v` has no value"),
    ] {
        let answer = site.sql(sql).await;
        let problem = answer.json();
        assert_eq!((answer.status.as_u16(), &problem["type"]), (status, &json!(format!("/problems/{kind}"))), "{sql}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{sql}: {problem}");
    }
    for pairs in [
        vec![],
        vec![("sql", "SELECT 1"), ("sql", "SELECT 2")],
        vec![("sql", "SELECT 1"), ("format", "xlsx")],
        vec![("path", "a")],
    ] {
        assert_eq!(site.ask(&pairs, &[]).await.status.as_u16(), 400, "{pairs:?}");
    }
    for form in [json!({}), json!({"sql": 1}), json!({"sql": "SELECT 1", "params": [1]}), json!({"sql": "SELECT 1", "more": 1})] {
        assert_eq!(site.post(&form).await.status.as_u16(), 400, "{form}");
    }
}

/// Pitfall 22: "Normalising a query by lower-casing or stripping white space inside literals: `'Foo'` and `'foo'` collide. Leaving out
/// bound parameters or the database likewise."
#[tokio::test]
async fn pitfall_22_what_differs_in_anything_has_another_tag() {
    let site = Site::of(&FILES, &[]).await;
    let mut tags = Vec::new();
    for (sql, params) in [
        ("SELECT 'Foo' AS x, cusip FROM \"prices.csv\"", "{}"),
        ("SELECT 'foo' AS x, cusip FROM \"prices.csv\"", "{}"),
        ("SELECT ' foo' AS x, cusip FROM \"prices.csv\"", "{}"),
        ("SELECT 'foo' AS x, * FROM \"y/2023.csv\"", "{}"),
        ("SELECT 'foo' AS x, * FROM \"y/*.csv\"", "{}"),
        ("SELECT :x AS x, cusip FROM \"prices.csv\"", r#"{"x": "foo"}"#),
        ("SELECT :x AS x, cusip FROM \"prices.csv\"", r#"{"x": "Foo"}"#),
        ("SELECT :x AS x, cusip FROM \"prices.csv\"", r#"{"x": 1}"#),
        ("SELECT :x AS x, cusip FROM \"prices.csv\"", r#"{"x": "1"}"#),
    ] {
        let pairs = [("sql", sql), ("params", params)];
        let answer = site.ask(&pairs, &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let tag = answer.header("etag").to_owned();
        let again = site.ask(&pairs, &[("if-none-match", &tag)]).await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{sql}");
        assert!(!tags.contains(&tag), "{sql} with {params}");
        tags.push(tag);
    }
    // A file that matches a glob makes another answer, and so does one that changed.
    let glob = [("sql", "SELECT count(*) AS n FROM \"y/*.csv\"")];
    let before = site.ask(&glob, &[("cache-control", "no-cache")]).await;
    fs::write(site.source.path().join("y/2025.csv"), "n\n3\n").unwrap();
    let mut after = site.ask(&glob, &[]).await;
    let begun = Instant::now();
    while after.json() != json!([{"n": 3}]) && begun.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        after = site.ask(&glob, &[]).await;
    }
    assert_eq!(after.json(), json!([{"n": 3}]));
    assert_ne!(before.header("etag"), after.header("etag"));
}

/// "After any refused or killed query the server's memory is back and a warm GET answers in 5 ms." How many they are is for
/// `make bench-frames` to measure (benches/speed/pool.rs): here other tests have the cores meanwhile.
#[tokio::test]
async fn a_query_that_explodes_ends_alone() {
    let lines: String = std::iter::once("x\n".to_owned()).chain((0..20_000).map(|row| format!("{row}\n"))).collect();
    let site = Site::of(&[("a.csv", &lines), ("warm.csv", PRICES)], &[("CACHE_API_QUERY_MEMORY", "64MiB")]).await;
    let warm = async || assert_eq!(get(site.server.address(), "/cache/warm.csv").await.text(), PRICES);
    warm().await;
    site.sql("SELECT count(*) AS n FROM \"a.csv\"").await;
    let before = site.server.resident_mib();
    for sql in [
        "SELECT a.x FROM \"a.csv\" AS a CROSS JOIN \"a.csv\" AS b CROSS JOIN \"a.csv\" AS c ORDER BY a.x",
        "SELECT lpad(CAST(x AS TEXT), 100000000, 'x') AS y FROM \"a.csv\"",
        "SELECT string_agg(a.x) AS y FROM \"a.csv\" AS a, \"a.csv\" AS b, \"a.csv\" AS c",
    ] {
        let answer = site.sql(sql).await;
        let problem = answer.json();
        assert_eq!((answer.status.as_u16(), &problem["type"]), (422, &json!("/problems/query-too-large")), "{sql}: {problem}");
        warm().await;
    }
    let after = site.server.resident_mib();
    assert!(after < before + 64, "{before} MiB before, {after} MiB after");
    assert_eq!(site.sql("SELECT max(x) AS n FROM \"a.csv\"").await.text(), "n\n19999\n");
}

/// "A bounded pool sized to the cores, with a queue limit (503 with Retry-After)."
#[tokio::test]
async fn who_finds_no_place_in_the_queue_is_told_to_come_again() {
    let lines: String = std::iter::once("x\n".to_owned()).chain((0..500).map(|row| format!("{row}\n"))).collect();
    let site = Site::of(&[("a.csv", &lines)], &[]).await;
    let joined = "SELECT count(*) AS n FROM \"a.csv\" AS a JOIN \"a.csv\" AS b ON a.x = b.x";
    let cores = std::thread::available_parallelism().unwrap().get();
    let answers = join_all((0..cores * 17 + 20).map(|_| site.sql(joined))).await;
    let (answered, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert!(!answered.is_empty() && !refused.is_empty(), "{} of {}", answered.len(), answered.len() + refused.len());
    for answer in &answered {
        assert_eq!(answer.text(), "n\n500\n");
    }
    for answer in &refused {
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"), "{answer:?}");
    }
    assert_eq!(site.sql(joined).await.text(), "n\n500\n");
}

/// "A query worker: killed at its time limit." And whatever else it may be: it takes its query alone.
#[tokio::test]
async fn a_worker_that_is_late_or_dies_or_is_none_is_said_to_be() {
    let statement = Statement::parse("SELECT count(*) AS n FROM a JOIN b ON a.x < b.x").unwrap();
    let bound = statement.bind(&BTreeMap::new()).unwrap();
    let lines: String = std::iter::once("x\n".to_owned()).chain((0..30_000).map(|row| format!("{row}\n"))).collect();
    let key = Key::parse("a.csv", &Prefix::default()).unwrap();
    let piece = Piece { key, part: Part::Body(Format::Csv, lines.into()) };
    let inputs = ["a", "b"].map(|table| Input { table: table.to_owned(), pieces: vec![piece.clone()] });
    let run = async |program: &str, time: Duration| {
        let workers = Workers::new(program.into(), 8 << 30);
        let order = Order { bound: &bound, inputs: &inputs, answer_bytes_max: 1 << 20, frame_bytes_max: 1 << 30 };
        let now = Instant::now().into_std();
        workers.run(order, now, now + time).await
    };
    let begun = Instant::now();
    let late = run(env!("CARGO_BIN_EXE_cache-api"), Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(late, Error::QueryStopped { why: Stopped::TimedOut }), "{late}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for program in ["/bin/true", "/bin/cat", "/bin/false"] {
        let died = run(program, Duration::from_secs(20)).await.unwrap_err();
        assert!(matches!(died, Error::QueryStopped { why: Stopped::Died { .. } }), "{program}: {died}");
    }
    let none = run("/nonexistent", Duration::from_secs(20)).await.unwrap_err();
    assert!(matches!(none, Error::FunctionFailed { .. }), "{none}");
}

/// "Answers compared with DuckDB and pandas on the same files", of several writers.
#[tokio::test]
async fn duckdb_and_pandas_say_the_same() {
    let source = tempfile::tempdir().unwrap();
    let python = |script: &str, arguments: Vec<String>| {
        let script = in_repository(&format!("tests/integration/support/{script}"));
        let output = Command::new(installed(".venv", "bin/python", "pyarrow")).arg(script).args(arguments).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let folder = source.path().to_str().unwrap().to_owned();
    python("tables.py", vec!["make".to_owned(), folder.clone()]);
    let site = Site::over(source, &[]).await;
    let url = format!("http://{}", site.server.address());
    let said = tokio::task::spawn_blocking(move || python("queries.py", vec![folder, url])).await.unwrap();
    assert!(said.contains("28 of 28 alike"), "{said}");
}
