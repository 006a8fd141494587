//! The functions that come with the service, over a real cache on a real directory.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cache_api::cache::{Ask, Cache};
use cache_api::entry::Budget;
use cache_api::error::{Error, Result};
use cache_api::freshness::{Moment, Policy, Timestamp};
use cache_api::function::{Answer, Engine, Given, Registry, View, builtin};
use cache_api::record::DirectoryRecord;
use cache_api::tier::MemoryTier;
use serde_json::{Value, json};

use crate::golden::fixtures;

const BUDGET_BYTES: u64 = 64 << 20;

/// A cache over a directory, and the functions.
pub struct Bench {
    engine: Arc<Engine>,
}

impl Bench {
    /// Serves what is in `folder`.
    pub fn over(folder: &Path) -> Self {
        let record = DirectoryRecord::open(folder, Budget::new(BUDGET_BYTES)).unwrap();
        let cache = Cache::new(MemoryTier::new(BUDGET_BYTES), None, Arc::new(record), Policy::default());
        Self { engine: Engine::new(cache, Registry::new(builtin::all()), BUDGET_BYTES) }
    }

    /// Calls a function with arguments as they come from a query.
    pub async fn call(&self, function: &str, given: &[(String, String)]) -> Result<Answer> {
        let given: Vec<_> = given.iter().cloned().map(|(name, text)| (name, Given::Text(text))).collect();
        self.engine.call(function, &given, ask()).await
    }

    async fn ask(&self, function: &str, given: &[(&str, &str)]) -> Result<Answer> {
        let given: Vec<(String, String)> = given.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        self.call(function, &given).await
    }

    async fn json(&self, function: &str, given: &[(&str, &str)]) -> Value {
        self.ask(function, given).await.unwrap().to_json().unwrap()
    }

    async fn refusal(&self, function: &str, given: &[(&str, &str)]) -> String {
        self.ask(function, given).await.unwrap_err().to_string()
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is an edge")]
fn ask() -> Ask {
    let monotonic = Instant::now();
    let now = Moment { wall: Timestamp::from(SystemTime::now()), monotonic };
    Ask::new(now, monotonic + Duration::from_secs(20))
}

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, body) in files {
        std::fs::write(folder.path().join(name), body).unwrap();
    }
    folder
}

#[tokio::test]
async fn the_functions_are_those_that_are_documented() {
    let bench = Bench::over(&fixtures("golden"));
    let names = ["cache_item_stats", "echo", "filelist", "pi", "random_number", "say_hello", "stats_cache", "stats_cache_item"];
    assert_eq!(bench.engine.registry().specs().map(|spec| spec.name.as_str()).collect::<Vec<_>>(), names);
    let listed = bench.ask("filelist", &[]).await.unwrap();
    assert_eq!(listed.to_json().unwrap(), json!(names));
    assert_eq!(listed.to_text().unwrap(), listed.to_json().unwrap().to_string());
    let refusal = bench.refusal("Echo", &[]).await;
    assert_eq!(refusal, format!("there is no function `Echo`; there are: {}", names.join(", ")));
}

#[tokio::test]
async fn a_message_comes_back_as_it_went() {
    let bench = Bench::over(&fixtures("golden"));
    for function in ["echo", "say_hello"] {
        for message in ["hello world", "", "it's \"é\"\n🎈"] {
            let answer = bench.ask(function, &[("message", message)]).await.unwrap();
            assert!(matches!(&answer, Answer::Text(text) if text == message), "{answer:?}");
        }
        let refusal = bench.refusal(function, &[("massage", "x")]).await;
        assert_eq!(refusal, format!("function `{function}`: it has no parameter `massage`; it takes `message`"));
    }
}

#[tokio::test]
async fn a_random_number_lies_between_its_ends() {
    let bench = Bench::over(&fixtures("golden"));
    let answer = bench.ask("random_number", &[("stop", "2.5"), ("start", "-1")]).await.unwrap();
    let number = answer.to_json().unwrap().as_f64().unwrap();
    assert!((-1.0..=2.5).contains(&number), "{number}");
    assert_eq!(answer.to_text().unwrap().parse::<f64>().unwrap(), number);
    assert_eq!(bench.json("random_number", &[("start", "7"), ("stop", "7")]).await, json!(7.0));
    let refusal = bench.refusal("random_number", &[("start", "2"), ("stop", "1")]).await;
    assert_eq!(refusal, "function `random_number`: `stop` must not be less than `start`");
    let refusal = bench.refusal("random_number", &[("start", "inf"), ("stop", "1")]).await;
    assert_eq!(refusal, "function `random_number`: `start` takes a finite number");
}

#[tokio::test]
async fn pi_has_as_many_digits_as_asked_for() {
    let bench = Bench::over(&fixtures("golden"));
    let pi = async |digits: &str| {
        bench.ask("pi", &[("significant_digits", digits)]).await.map(|answer| answer.to_text().unwrap().into_owned())
    };
    assert_eq!(pi("10").await.unwrap(), "3.141592653");
    assert_eq!(pi("10000").await.unwrap().len(), 10_001);
    for digits in ["0", "10001", "-1", "ten", "3.0", ""] {
        let refusal = pi(digits).await.unwrap_err().to_string();
        assert_eq!(refusal, "function `pi`: `significant_digits` takes a whole number from 1 to 10000", "{digits}");
    }
}

#[tokio::test]
async fn what_is_cached_is_listed_by_name() {
    let bench = Bench::over(&fixtures("golden"));
    assert_eq!(bench.json("stats_cache", &[]).await, json!([]));
    for key in ["small.parquet", "nested.json"] {
        bench.ask("stats_cache_item", &[("key", key)]).await.unwrap();
    }
    assert_eq!(bench.json("stats_cache", &[]).await, json!(["nested.json", "small.parquet"]));
    assert_eq!(bench.ask("stats_cache", &[]).await.unwrap().to_text().unwrap(), r#"["nested.json","small.parquet"]"#);
}

#[tokio::test]
async fn a_cached_item_has_its_facts_and_columns() {
    let bench = Bench::over(&fixtures("golden"));
    let mut facts = bench.json("stats_cache_item", &[("key", "small.parquet")]).await;
    assert_eq!(facts["tier"], Value::Null);
    assert_eq!(bench.json("stats_cache_item", &[("key", "small.parquet")]).await["tier"], "memory");
    for (fact, looks_right) in [("etag", "\""), ("last_modified", "20")] {
        let text = facts[fact].take();
        assert!(text.as_str().is_some_and(|text| text.starts_with(looks_right)), "{fact}: {text}");
    }
    let columns = json!([
        {"name": "cusip", "dtype": "object", "non_null": 3}, {"name": "price", "dtype": "float64", "non_null": 3},
        {"name": "qty", "dtype": "int64", "non_null": 3}, {"name": "live", "dtype": "bool", "non_null": 3},
    ]);
    let size = std::fs::metadata(fixtures("golden").join("small.parquet")).unwrap().len();
    let content_type = facts["content_type"].clone();
    assert_eq!(
        facts,
        json!({
            "key": "small.parquet", "size": size, "etag": null, "last_modified": null, "content_type": content_type,
            "age": 0, "tier": null, "rows": 3, "columns": columns,
        })
    );
    let facts = bench.json("stats_cache_item", &[("key", "nested.json")]).await;
    assert_eq!((&facts["rows"], &facts["columns"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn the_stats_of_an_item_are_structured_as_well() {
    let folder = folder(&[
        ("big.json", br#"{"n": 123456789012345678901234567890, "x": [NaN, 1e22, true]}"#),
        ("text.json", b"\"it's\""),
        ("list.json", b"[1, \"a\"]"),
    ]);
    let bench = Bench::over(folder.path());
    let answer = bench.ask("cache_item_stats", &[("key", "big.json")]).await.unwrap();
    assert_eq!(answer.to_text().unwrap(), "{'n': 123456789012345678901234567890, 'x': [nan, 1e+22, True]}");
    assert_eq!(answer.to_json().unwrap(), json!({"n": 123456789012345678901234567890_f64, "x": [null, 1e22, true]}));
    assert_eq!(bench.ask("cache_item_stats", &[("key", "text.json")]).await.unwrap().to_text().unwrap(), "it's");
    assert_eq!(bench.ask("cache_item_stats", &[("key", "list.json")]).await.unwrap().to_text().unwrap(), "[1, 'a']");
    let golden = Bench::over(&fixtures("golden"));
    let stats = golden.json("cache_item_stats", &[("key", "nulls.parquet")]).await;
    let columns = json!([{"name": "x", "dtype": "float64", "non_null": 0}, {"name": "y", "dtype": "object", "non_null": 8}]);
    assert_eq!(stats, json!({"rows": 12, "columns": columns}));
}

/// Issue 2: "Each gets a clear, tested error, and the next request works."
#[tokio::test]
async fn what_cannot_be_computed_on_says_why_and_the_next_call_works() {
    let whole = std::fs::read(fixtures("golden").join("bonds.parquet")).unwrap();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let folder = folder(&[
        ("cut.parquet", &whole[..whole.len() / 2]),
        ("no.parquet", b""),
        ("deep.json", deep.as_bytes()),
        ("no.json", b""),
        ("latin.json", b"[\"\xe9\"]"),
        ("prices.tsv", b"a,b\n1,2\n"),
        ("good.json", b"{}"),
    ]);
    let bench = Bench::over(folder.path());
    let table = [
        ("cut.parquet", "`cut.parquet` does not parse as parquet: it does not begin and end with PAR1; it may be cut"),
        ("no.parquet", "`no.parquet` does not parse as parquet: the body is empty"),
        ("deep.json", "`deep.json` does not parse as json: nested deeper than 128 at byte 128"),
        ("no.json", "`no.json` does not parse as json: a value is missing at byte 0"),
        ("latin.json", "`latin.json` does not parse as json: not UTF-8 at byte 2"),
        (
            "prices.tsv",
            "`prices.tsv` is not of a format that can be computed on; these are: parquet, arrow (file and stream), csv, json, ndjson (none \
             of them compressed as a whole)",
        ),
        ("gone.json", "the record has no object `gone.json`"),
        ("../x.json", "function `cache_item_stats`: `key`: a key must not have a segment `.` or `..`"),
    ];
    for (key, message) in table {
        assert_eq!(bench.refusal("cache_item_stats", &[("key", key)]).await, message);
        assert_eq!(bench.ask("cache_item_stats", &[("key", "good.json")]).await.unwrap().to_text().unwrap(), "{}");
    }
    let facts = bench.json("stats_cache_item", &[("key", "cut.parquet")]).await;
    assert_eq!((facts["size"].as_u64(), &facts["rows"]), (Some(whole.len() as u64 / 2), &Value::Null));
    assert!(matches!(bench.ask("stats_cache_item", &[("key", "gone.json")]).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_call_whose_time_is_up_waits_no_longer() {
    let bench = Bench::over(&fixtures("golden"));
    let view = View::new(Arc::clone(&bench.engine), ask());
    let key = view.key("bonds.parquet").unwrap();
    let entry = view.read(&key).await.unwrap().entry;
    let late = Ask { deadline: ask().now.monotonic, ..ask() };
    let late = View::new(Arc::clone(&bench.engine), late);
    let Err(error) = late.frame(&key, &entry).await else { panic!("there was no time") };
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
    assert_eq!(view.frame(&key, &entry).await.unwrap().table().height(), 781);
}
