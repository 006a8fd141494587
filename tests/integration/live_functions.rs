//! Functions in files, from outside: saved, deployed, called and kept, by processes that share a directory.

use std::fs;
use std::path::Path;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::support::client::{Answer, get, send};
use super::support::serve::{Serve, Vars, run_to_end, vars};

mod bucket;

/// Two servers over one record and one shared directory.
struct Pair {
    source: tempfile::TempDir,
    held: tempfile::TempDir,
    servers: [Serve; 2],
}

impl Pair {
    async fn open(deploys: &str) -> Self {
        let (source, held) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(source.path().join("functions")).unwrap();
        fs::write(source.path().join("prices.csv"), "cusip,price\na,1.0\na,4.0\nb,2.0\nb,2.5\n").unwrap();
        let vars = settings(&held, deploys);
        let arguments = ["--source", source.path().to_str().unwrap()];
        let servers = [Serve::start(&arguments, vars.clone()).await, Serve::start(&arguments, vars).await];
        Self { source, held, servers }
    }

    fn save(&self, name: &str, text: &str) {
        // A finished file is renamed into its place.
        let aside = self.source.path().join(".aside");
        fs::write(&aside, text).unwrap();
        fs::rename(aside, self.source.path().join("functions").join(name)).unwrap();
    }

    async fn get(&self, server: usize, target: &str) -> Answer {
        get(self.servers[server].address(), target).await
    }

    /// As [`becomes`], of one of them.
    async fn becomes(&self, server: usize, target: &str, expected: &Value) {
        becomes(self.servers[server].address(), target, expected).await;
    }
}

/// Waits until the server at `address` answers `target` with `expected`, for no longer than that may take: NEGATIVE_MAX_AGE, and
/// what a busy machine takes.
async fn becomes(address: &str, target: &str, expected: &Value) {
    let since = Instant::now();
    loop {
        let answer = get(address, target).await;
        if answer.status == 200 && answer.json() == *expected {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(8), "{target} answers {answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn settings(held: &tempfile::TempDir, deploys: &str) -> Vars {
    let mut all = vars([("LOCAL_DATA_DIR", held.path())]);
    all.extend(vars([("AWS_FUNCTION_DIR", "functions"), ("CACHE_API_FUNCTION_DEPLOY", deploys)]));
    all
}

fn moved(rows: &str) -> String {
    format!(
        "-- doc: For tests.\n-- param: prices key = 'prices.csv' -- Where.\n-- keep: tiers 1h\n\
         SELECT cusip, max(price) - min(price) AS moved FROM :prices GROUP BY cusip ORDER BY moved DESC LIMIT {rows}"
    )
}

/// "A file saved to the bucket changes the answer of two running processes within the bound."
#[tokio::test]
async fn a_file_that_is_saved_changes_the_answers_of_two_running_processes() {
    let pair = Pair::open("off").await;
    pair.save("moved.sql", &moved("1"));
    let first = json!([{ "cusip": "a", "moved": 3.0 }]);
    for server in 0..2 {
        pair.becomes(server, "/functions/moved", &first).await;
    }
    pair.save("moved.sql", &moved("2"));
    // As an event of the bucket would, to one of them.
    let told = send(pair.servers[0].address(), Method::PUT, "/cache/functions/moved.sql", &[], "").await;
    assert_eq!(told.status, 200);
    let second = json!([{ "cusip": "a", "moved": 3.0 }, { "cusip": "b", "moved": 0.5 }]);
    assert_eq!(pair.get(0, "/functions/moved").await.json(), second);
    pair.becomes(1, "/functions/moved", &second).await;
}

/// "Cache-Status tells result hits; `Cache-Control: no-cache` computes anew", and another process has what one has computed.
#[tokio::test]
async fn a_kept_answer_says_so_and_is_gone_when_its_input_changes() {
    let pair = Pair::open("off").await;
    pair.save("moved.sql", &moved("1"));
    let status = async |server: usize| pair.get(server, "/functions/moved").await.header("cache-status").to_owned();
    assert_eq!(status(0).await, "cache-api-result; fwd=miss; stored");
    assert_eq!(status(0).await, "cache-api-result; hit; detail=memory");
    assert_eq!(status(1).await, "cache-api-result; hit; detail=directory");
    let anew = send(pair.servers[0].address(), Method::GET, "/functions/moved", &[("cache-control", "no-cache")], "").await;
    assert_eq!(anew.header("cache-status"), "cache-api-result; fwd=miss; stored");
    fs::write(pair.source.path().join("prices.csv"), "cusip,price\nc,1.0\nc,9.0\n").unwrap();
    send(pair.servers[0].address(), Method::PUT, "/cache/prices.csv", &[], "").await;
    let answer = pair.get(0, "/functions/moved").await;
    assert_eq!(
        (answer.header("cache-status"), answer.json()),
        ("cache-api-result; fwd=miss; stored", json!([{ "cusip": "c", "moved": 8.0 }]))
    );
}

/// Forms, arguments and refusals.
#[tokio::test]
async fn a_function_is_called_listed_and_shown() {
    let pair = Pair::open("off").await;
    pair.save("moved.sql", &moved("1"));
    pair.save("broken.sql", "SELECT * FROM read_csv('/etc/passwd')");
    pair.save("Loud.sql", "SELECT 1");
    assert_eq!(pair.get(0, "/functions/moved?format=csv").await.text(), "cusip,moved\na,3.0\n");
    let body = r#"{"prices": "prices.*"}"#;
    let posted = send(pair.servers[0].address(), Method::POST, "/functions/moved", &[], body).await;
    assert_eq!(posted.json(), json!([{ "cusip": "a", "moved": 3.0 }]));
    let envelope = pair.get(0, "/cache/api/v1.0/?function=moved").await.json();
    assert_eq!(envelope["return"]["value"], r#"[{"cusip":"a","moved":3.0}]"#);
    for (target, status, kind) in [
        ("/functions/moved?format=xlsx", 400, "bad-parameter"),
        ("/functions/moved?rows=1", 400, "invalid-argument"),
        ("/functions/moved?prices=../x.csv", 400, "invalid-key"),
        ("/functions/moved?prices=nothing.csv", 404, "not-found"),
        ("/functions/broken", 422, "bad-function"),
        ("/functions/nothing", 404, "unknown-function"),
        ("/functions/Loud", 404, "unknown-function"),
        ("/functions/echo/source", 404, "no-source"),
        ("/functions?limit=0", 400, "bad-parameter"),
    ] {
        let refused = pair.get(0, target).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["type"]), (status, &json!(format!("/problems/{kind}"))), "{target}");
    }
    assert_eq!(pair.get(0, "/functions/moved/source").await.text(), moved("1"));
    let mut names = Vec::new();
    let mut next = Some("/functions?limit=3".to_owned());
    while let Some(target) = next {
        let page = pair.get(0, &target).await.json();
        names.extend(page["functions"].as_array().unwrap().clone());
        next = page["next"].as_str().map(str::to_owned);
    }
    let described = |name: &str| names.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("{name}: {names:?}"));
    assert_eq!(names.iter().filter(|it| it["name"] == "Loud").count(), 0);
    assert!(described("broken")["problem"].as_str().unwrap().contains("broken"));
    assert_eq!(described("echo")["kind"], "builtin");
    let moved = described("moved");
    let parameter = json!({ "name": "prices", "kind": "a text", "required": false, "default": "prices.csv", "doc": "Where." });
    assert_eq!(
        (&moved["kind"], &moved["doc"], &moved["kept"], &moved["parameters"]),
        (&json!("sql"), &json!("For tests."), &json!("tiers"), &json!([parameter]))
    );
}

/// "`PUT /functions/{name}` (only with CACHE_API_FUNCTION_DEPLOY=on), `function_create` (POST only) and `cache-api functions deploy`."
#[tokio::test]
async fn a_function_is_deployed_by_each_way_there_is() {
    let pair = Pair::open("on").await;
    let address = pair.servers[0].address();
    let put = send(address, Method::PUT, "/functions/moved?language=sql", &[], moved("1")).await;
    assert_eq!((put.status.as_u16(), &put.json()["kind"]), (200, &json!("sql")), "{put:?}");
    let first = json!([{ "cusip": "a", "moved": 3.0 }]);
    assert_eq!(pair.get(0, "/functions/moved").await.json(), first);
    pair.becomes(1, "/functions/moved", &first).await;
    let form = json!({ "data": { "function": "function_create", "function_name": "two", "language": "sql", "function_body": moved("2") } });
    let created = send(address, Method::POST, "/cache/api/v1.0/", &[], form.to_string()).await;
    assert_eq!(
        (created.status.as_u16(), &created.json()["return"]["value"]),
        (200, &json!("{'result': 'success'}")),
        "{created:?}"
    );
    assert_eq!(pair.get(0, "/functions/two").await.json().as_array().unwrap().len(), 2);
    let by_get = pair.get(0, "/cache/api/v1.0/?function=function_create&function_name=three&function_body=x").await;
    assert_eq!((by_get.status.as_u16(), by_get.header("allow")), (405, "POST"));
    let bad = send(address, Method::PUT, "/functions/moved", &[("content-type", "application/sql")], "DROP TABLE t").await;
    assert_eq!(bad.json()["type"], "/problems/bad-function");
    let untold = send(address, Method::PUT, "/functions/moved", &[], moved("1")).await;
    assert_eq!(untold.json()["type"], "/problems/missing-parameter");
    assert_eq!(pair.get(0, "/functions/moved/source").await.text(), moved("1"), "what is refused is not written");

    let file = pair.held.path().join("four.sql");
    fs::write(&file, moved("2")).unwrap();
    let source = pair.source.path().to_str().unwrap();
    let check =
        run_to_end(&["functions", "check", file.to_str().unwrap(), "--source", source], settings(&pair.held, "off")).await;
    assert!(check.status.success(), "{check:?}");
    assert_eq!(serde_json::from_str::<Value>(&check.stdout).unwrap()["name"], "four");
    assert!(!written(&pair, "four.sql").exists());
    let deploy =
        run_to_end(&["functions", "deploy", file.to_str().unwrap(), "--source", source], settings(&pair.held, "off")).await;
    assert!(deploy.status.success(), "{deploy:?}");
    assert_eq!(fs::read_to_string(written(&pair, "four.sql")).unwrap(), moved("2"));
    fs::write(&file, "SELECT").unwrap();
    let refused =
        run_to_end(&["functions", "deploy", file.to_str().unwrap(), "--source", source], settings(&pair.held, "off")).await;
    assert!(!refused.status.success() && refused.stderr.contains("four"), "{refused:?}");
    let misnamed = run_to_end(&["functions", "deploy", "four.txt", "--source", source], settings(&pair.held, "off")).await;
    assert!(misnamed.stderr.contains("NAME.sql or NAME.py"), "{misnamed:?}");
}

#[tokio::test]
async fn nothing_is_deployed_where_that_is_off() {
    let pair = Pair::open("off").await;
    let refused = send(pair.servers[0].address(), Method::PUT, "/functions/moved?language=sql", &[], moved("1")).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["type"]), (403, &json!("/problems/no-deploys")));
    assert!(!written(&pair, "moved.sql").exists());
}

/// "Injection through every type": whatever an argument is, it is a value and no part of the statement.
#[tokio::test]
async fn an_argument_is_never_a_part_of_the_statement() {
    let pair = Pair::open("off").await;
    pair.save(
        "echoed.sql",
        "-- param: t text = 'x'\n-- param: i integer = 1\n-- param: f float = 1.5\n-- param: b boolean = true\n\
         -- param: d date = '2024-12-31'\n-- param: l list = ['a', 'b']\n\
         SELECT :t AS t, :i + 1 AS i, :f AS f, :b AS b FROM \"prices.csv\" WHERE cusip IN (:l) OR :d = DATE '2000-01-01' LIMIT 1",
    );
    let call = async |arguments: Value| {
        send(pair.servers[0].address(), Method::POST, "/functions/echoed", &[], arguments.to_string()).await
    };
    for text in
        ["'", "''", "\\", "\\'", "x' OR '1'='1", "\"; DROP TABLE t; --", "\u{0}é\n\t", ":t", "$1", "/* */ --", "'); SELECT 1"]
    {
        let answer = call(json!({ "t": text })).await;
        assert_eq!((answer.status.as_u16(), &answer.json()[0]["t"]), (200, &json!(text)), "{answer:?}");
    }
    for arguments in [
        json!({ "i": "1; DROP TABLE t" }),
        json!({ "i": 1.5 }),
        json!({ "f": "1 OR 1" }),
        json!({ "b": "true OR true" }),
        json!({ "d": "2024-12-31' OR '1'='1" }),
        json!({ "d": "2024-02-30" }),
        json!({ "l": "('a')" }),
        json!({ "l": ["a", ["b"]] }),
        json!({ "l": [] }),
        json!({ "x": 1 }),
    ] {
        let answer = call(arguments.clone()).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["type"]), (400, &json!("/problems/invalid-argument")), "{arguments}");
    }
    assert_eq!(call(json!({ "l": ["a') OR ('1'='1"] })).await.json(), json!([]), "nothing is in that list");
}

/// The example in functions/, over the sample data.
#[tokio::test]
async fn the_example_answers_from_the_sample_data() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pair = Pair::open("off").await;
    fs::copy(root.join("sample-data/prices.csv"), pair.source.path().join("sample.csv")).unwrap();
    pair.save("top_movers.sql", &fs::read_to_string(root.join("functions/top_movers.sql")).unwrap());
    let answer = pair.get(0, "/functions/top_movers?prices=sample.csv&rows=3").await.json();
    let rows = answer.as_array().unwrap();
    let moved: Vec<f64> = rows.iter().map(|row| row["moved"].as_f64().unwrap()).collect();
    assert!(moved.len() == 3 && moved.is_sorted_by(|one, other| one >= other) && moved[2] > 0.0, "{answer}");
    // Reckoned once more, from the file's own lines.
    let text = fs::read_to_string(root.join("sample-data/prices.csv")).unwrap();
    let cusip = rows[0]["cusip"].as_str().unwrap();
    let prices =
        text.lines().filter(|line| line.contains(cusip)).map(|line| line.split(',').nth(5).unwrap().parse::<f64>().unwrap());
    let (least, most) = prices.fold((f64::MAX, f64::MIN), |(least, most), price| (least.min(price), most.max(price)));
    assert!((moved[0] - (most - least)).abs() < 1e-9, "{answer}");
}

fn written(pair: &Pair, name: &str) -> std::path::PathBuf {
    pair.source.path().join("functions").join(name)
}
