//! Functions in Python's syntax, in real processes of the real binary, over a real cache on a real directory.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cache_api::cache::{Ask, Cache};
use cache_api::entry::Budget;
use cache_api::error::{Error, Result};
use cache_api::freshness::{Moment, Policy, Timestamp};
use cache_api::function::python::{Limits, Python};
use cache_api::function::{Answer, Directory, Engine, Given, Origin, Registry, builtin};
use cache_api::key::Prefix;
use cache_api::record::DirectoryRecord;
use cache_api::tier::{MemoryTier, TierName};
use serde_json::{Value, json};

mod examples;
mod hostile;
mod killed;

const BUDGET_BYTES: u64 = 64 << 20;

/// More than any of these functions needs, on a machine that does other work as well.
const LIMITS: Limits = Limits { time: Duration::from_secs(20), memory_bytes: 128 << 20 };

/// Functions in files of a directory, which is the record.
pub struct Desk {
    folder: tempfile::TempDir,
    engine: Arc<Engine>,
}

impl Desk {
    /// With limits that tests can wait for.
    fn new() -> Self {
        Self::within(LIMITS)
    }

    fn within(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("functions")).unwrap();
        let engine = engine(folder.path(), limits);
        Self { folder, engine }
    }

    /// Saves a function.
    fn save(&self, name: &str, source: &str) {
        std::fs::write(self.folder.path().join(format!("functions/{name}.py")), source).unwrap();
    }

    fn put(&self, key: &str, body: impl AsRef<[u8]>) {
        let path = self.folder.path().join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, body).unwrap();
    }

    async fn call(&self, name: &str, given: &[(&str, Given)]) -> Result<Answer> {
        let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Ok(self.engine.call(name, &given, ask()).await?.answer)
    }

    /// Saves `body` as `main(cache, …)`'s, of two spaces' indent, calls it and answers as JSON.
    async fn run(&self, name: &str, body: &str) -> Result<Value> {
        self.save(name, &format!("def main(cache):\n{body}\n"));
        self.call(name, &[]).await?.to_json()
    }

    async fn says(&self, name: &str, body: &str) -> Value {
        self.run(name, body).await.unwrap_or_else(|error| panic!("{error:?}"))
    }
}

fn engine(folder: &Path, limits: Limits) -> Arc<Engine> {
    // Whatever is read is confirmed: what was just saved counts.
    let policy = Policy { memory_max_age: Duration::ZERO, local_max_age: Duration::ZERO, ..Policy::default() };
    let record = DirectoryRecord::open(folder, Budget::new(BUDGET_BYTES)).unwrap();
    let cache = Cache::new(MemoryTier::new(BUDGET_BYTES), None, Arc::new(record), policy);
    let python = Python::new(env!("CARGO_BIN_EXE_cache-api").into(), limits);
    let directory = Directory { below: Prefix::normalise("functions").unwrap(), compilers: vec![Arc::new(python)] };
    Engine::new(cache, Registry::new(builtin::all()).with_files(directory), BUDGET_BYTES)
}

#[expect(clippy::disallowed_methods, reason = "a test is an edge")]
fn ask() -> Ask {
    let monotonic = Instant::now();
    let now = Moment { wall: Timestamp::from(SystemTime::now()), monotonic };
    Ask::new(now, monotonic + Duration::from_secs(60))
}

fn text(text: &str) -> Given {
    Given::Text(text.to_owned())
}

fn raised(error: &Error) -> (&str, &str) {
    match error {
        Error::FunctionRaised { exception, traceback, .. } => (exception, traceback),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_go_by_place_by_name_and_beside() {
    let desk = Desk::new();
    desk.save(
        "takes",
        "def main(cache, a, b: int = 2, *rest, c: float = 0.5, **others):\n    return [a, b, list(rest), c, others]\n",
    );
    let answer = |given: Vec<(&'static str, Given)>| {
        let desk = &desk;
        async move { desk.call("takes", &given).await.unwrap().to_json().unwrap() }
    };
    assert_eq!(answer(vec![("a", text("x"))]).await, json!(["x", 2, [], 0.5, {}]));
    let given = vec![("b", text("3")), ("a", Given::Value(json!([1, null]))), ("c", text("1")), ("d", text("y"))];
    assert_eq!(answer(given).await, json!([[1, null], 3, [], 1.0, {"d": "y"}]));
    assert_eq!(answer(vec![("a", text("x")), ("rest", text("[4, \"z\"]"))]).await, json!(["x", 2, [4, "z"], 0.5, {}]));
    assert_eq!(answer(vec![("a", text("x")), ("rest", Given::Value(json!([5])))]).await, json!(["x", 2, [5], 0.5, {}]));
    let refused = desk.call("takes", &[]).await.unwrap_err().to_string();
    assert_eq!(refused, "function `takes`: `a` is missing; it takes any value");
    let refused = desk.call("takes", &[("a", text("x")), ("b", text("many"))]).await.unwrap_err().to_string();
    assert!(refused.starts_with("function `takes`: `b` takes a whole number"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_function_returns_is_json_and_what_python_prints() {
    let desk = Desk::new();
    desk.save("pair", "def main(cache):\n    return {'a': (1, None), 'b': True, 'c': 'it''s'}\n");
    let answer = desk.call("pair", &[]).await.unwrap();
    assert_eq!(answer.to_json().unwrap(), json!({"a": [1, null], "b": true, "c": "its"}));
    assert_eq!(answer.to_text().unwrap(), "{'a': (1, None), 'b': True, 'c': 'its'}");
    desk.save("word", "def main(cache):\n    return 'a\\nb'\n");
    assert_eq!(desk.call("word", &[]).await.unwrap().to_text().unwrap(), "a\nb");
    let refused = desk.run("odd", "  return {'rates': [1, {2}]}").await.unwrap_err().to_string();
    assert!(refused.contains("what it returned['rates'][1] is a set"), "{refused}");
    let refused = desk.run("code", "  return [main]").await.unwrap_err().to_string();
    assert!(refused.contains("what it returned[0] is <function 'main'"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_is_read_as_bytes_text_and_json() {
    let desk = Desk::new();
    desk.put("notes/a.json", r#"{"n": 100000000000000000000, "x": NaN}"#);
    desk.put("notes/b.txt", "héllo");
    desk.put("notes/c.bin", [0xff, 0]);
    assert_eq!(desk.says("keys", "  return cache.keys('notes/')").await, json!(["notes/a.json", "notes/b.txt", "notes/c.bin"]));
    assert_eq!(
        desk.says("has", "  return ['notes/a.json' in cache, 'x' not in cache, cache.has('../x')]").await,
        json!([true, true, false])
    );
    let body = "  item = cache['notes/b.txt']\n  return [item.key, item.size, item.text, item.bytes.hex()]";
    assert_eq!(desk.says("item", body).await, json!(["notes/b.txt", 6, "héllo", "68c3a96c6c6f"]));
    let body = "  found = cache.read('notes/a.json').json\n  return [found['n'] == 10**20, found['x'] == found['x'], str(cache['notes/a.json'].json()['n'])]";
    assert_eq!(desk.says("json", body).await, json!([true, false, "100000000000000000000"]));
    let body = "  try:\n    return cache.read('notes/c.bin').text\n  except ValueError as error:\n    return str(error)";
    assert_eq!(desk.says("bytes", body).await, json!("`notes/c.bin` is no text in UTF-8; its bytes are in `.bytes`"));
    let body = "  try:\n    cache['nowhere']\n  except KeyError as error:\n    return 'none'";
    assert_eq!(desk.says("none", body).await, json!("none"));
    let body = "  def deeper(cache, key):\n    return cache[key].text if key in cache else None\n  return [deeper(cache, 'notes/b.txt'), deeper(cache, 'x')]";
    assert_eq!(desk.says("deeper", body).await, json!(["héllo", null]));
}

/// What nobody catches is answered as if the object had been asked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_cache_says_no_to_is_the_end_where_nobody_catches_it() {
    let desk = Desk::new();
    desk.put("broken.json", "{");
    let error = desk.run("absent", "  return cache['nowhere'].text").await.unwrap_err();
    assert!(matches!(&error, Error::NotFound { key, .. } if key.as_str() == "nowhere"), "{error:?}");
    let error = desk.run("broken", "  return cache.read('broken.json').json").await.unwrap_err();
    assert!(matches!(error, Error::Unparsable { .. }), "{error:?}");
    let error = desk.run("key", "  return cache.read('a/../b')").await.unwrap_err();
    assert!(matches!(error, Error::InvalidKey(_)), "{error:?}");
    let error = desk.run("other", "  try:\n    cache['nowhere']\n  except KeyError:\n    return 1 / 0").await.unwrap_err();
    assert_eq!(raised(&error).0, "ZeroDivisionError: division by zero");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_stays_where_it_is_and_its_values_cross() {
    let desk = Desk::new();
    desk.put("prices.csv", "day,price\n2024-01-02,1.5\n2024-01-03,\n2024-01-04,3.5\n");
    let body = "  f = cache.frame('prices.csv')\n  return [f.shape, f.columns, f.height, f.width, f.dtypes['price'], f.row(-1), f.column('price'), f.head(1).rows(), f.slice(1, 1).row(0)]";
    let row = |day: &str, price: Value| json!({"day": day, "price": price});
    let expected = json!([
        [3, 2],
        ["day", "price"],
        3,
        2,
        "f64",
        row("2024-01-04", json!(3.5)),
        [1.5, null, 3.5],
        [row("2024-01-02", json!(1.5))],
        row("2024-01-03", json!(null)),
    ]);
    assert_eq!(desk.says("frame", body).await, expected);
    let described = desk.says("describe", "  return cache.frame('prices.csv').describe()").await;
    assert_eq!(described["rows"], json!(3));
    assert_eq!(described["columns"][1], json!({"name": "price", "dtype": "float64", "non_null": 2}));
    let answer = desk.run("table", "  return cache.frame('prices.csv').head(2)").await.unwrap();
    assert_eq!(answer, json!([row("2024-01-02", json!(1.5)), row("2024-01-03", json!(null))]));
    for (body, expected) in [
        ("  return cache.frame('prices.csv').column('cost')", "KeyError: no column `cost`; there are: day, price"),
        ("  return cache.frame('prices.csv').row(3)", "IndexError: row 3 of a frame with 3 rows"),
        ("  return cache.frame('prices.csv').tail()", "AttributeError: 'Frame' object has no attribute 'tail'"),
        ("  return cache.frame('prices.csv').head('x')", "TypeError: head() argument 'n' must be int, not str"),
        ("  return cache.frame('prices.csv').head(1, 2)", "TypeError: head() takes at most 1 arguments, 2 were given"),
        ("  return cache.frame('prices.csv').head(m=2)", "TypeError: head() got an unexpected keyword argument 'm'"),
        ("  return cache.frame()", "TypeError: frame() missing a required argument: 'path'"),
        ("  return cache.shape", "AttributeError: 'Cache' object has no attribute 'shape'"),
    ] {
        assert_eq!(raised(&desk.run("wrong", body).await.unwrap_err()).0, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_call_functions() {
    let desk = Desk::new();
    desk.save("twice", "def main(cache, n: int):\n    return n * 2\n");
    let body = "  return [cache.call('twice', n=21), cache.call('echo', message='hello')]";
    assert_eq!(desk.says("caller", body).await, json!([42, "hello"]));
    let error = desk.run("endless", "  return cache.call('endless')").await.unwrap_err().to_string();
    assert!(error.contains("`endless` failed"), "{error}");
    let error = desk.run("nobody", "  return cache.call('nobody_there')").await.unwrap_err();
    assert!(matches!(error, Error::UnknownFunction { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_traceback_has_the_function_s_own_lines() {
    let desk = Desk::new();
    desk.save(
        "rates",
        "@compute_result(\n    max_age='10m'\n)\ndef main(cache):\n    x = 'a' in cache\n    return ratio(1, 0)\n\ndef ratio(a, b):\n    return a / b\n",
    );
    let error = desk.call("rates", &[]).await.unwrap_err();
    let expected = "Traceback (most recent call last):\n  File \"rates.py\", line 6, in main\n    return ratio(1, 0)\n  File \"rates.py\", \
                    line 9, in ratio\n    return a / b\nZeroDivisionError: division by zero";
    assert_eq!(raised(&error), ("ZeroDivisionError: division by zero", expected));
    assert_eq!(error.to_string(), "function `rates` raised ZeroDivisionError: division by zero");
    let error = desk.run("key", "  x = {}\n  return x['in cache']").await.unwrap_err();
    assert!(raised(&error).1.contains("  File \"key.py\", line 3, in main\n    return x['in cache']\n"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_begins_from_the_file_as_it_was_loaded() {
    let desk = Desk::new();
    desk.save("counts", "SEEN = []\ndef main(cache):\n    SEEN.append(1)\n    return len(SEEN)\n");
    for _ in 0..3 {
        assert_eq!(desk.call("counts", &[]).await.unwrap().to_json().unwrap(), json!(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chance_and_the_time_are_there_for_who_imports_them() {
    let desk = Desk::new();
    desk.save(
        "chance",
        "import random, time\nfrom datetime import date, datetime, timezone\n\ndef main(cache):\n    x = random.uniform(2, 3)\n    \
         return [2 <= x <= 3, random.randint(4, 4), random.choice([5]), 0 <= random.random() < 1, time.time() > 1.6e9, \
         datetime.now(timezone.utc).year >= 2024, str(date.today()) == str(datetime.now())[:10]]\n",
    );
    let answer = desk.call("chance", &[]).await.unwrap().to_json().unwrap();
    assert_eq!(answer, json!([true, 4, 5, true, true, true, true]));
    desk.save("early", "import random\nX = random.random()\ndef main(cache):\n    return X\n");
    let error = desk.call("early", &[]).await.unwrap_err().to_string();
    assert!(error.contains("only `main` and what it calls can use this") && error.contains("line 2"), "{error}");
}

/// Pitfall 22: what tells calls apart is all that a function takes, and nothing of it is changed on the way.
#[tokio::test(flavor = "multi_thread")]
async fn arguments_come_byte_for_byte() {
    let desk = Desk::new();
    desk.save("same", "def main(cache, message: str):\n    return message\n");
    for message in ["Foo", "foo", " foo ", "é\u{301}\0\n'\"\\", "{}", "", "1e5"] {
        let answer = desk.call("same", &[("message", text(message))]).await.unwrap();
        assert_eq!(answer.to_text().unwrap(), message);
    }
}

/// "A call reads one version of a key throughout."
#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_changes_while_a_function_runs_does_not_change_for_it() {
    let desk = Arc::new(Desk::new());
    desk.put("a.txt", "before");
    let body = "def main(cache, n: int):\n    first = cache['a.txt'].text\n    for _ in range(n): pass\n    return [first, cache['a.txt'].text]\n";
    desk.save("twice", body);
    let call = |n: &'static str| {
        let desk = Arc::clone(&desk);
        async move { desk.call("twice", &[("n", text(n))]).await.unwrap().to_json().unwrap() }
    };
    assert_eq!(call("0").await, json!(["before", "before"]));
    let slow = tokio::spawn(call("300000"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    desk.put("a.txt", "after it");
    let seen = slow.await.unwrap();
    assert_eq!(seen[0], seen[1]);
    assert_eq!(call("0").await, json!(["after it", "after it"]));
}

/// "A queue limit (503 with Retry-After)."
#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_may_wait_are_refused_and_those_that_wait_are_answered() {
    const WAITING_PER_CORE: usize = 16;
    let desk = Arc::new(Desk::new());
    desk.save("sums", "def main(cache, n: int):\n    return sum(range(n))\n");
    desk.call("sums", &[("n", text("1"))]).await.unwrap();
    let taken = std::thread::available_parallelism().unwrap().get() * (1 + WAITING_PER_CORE);
    let calls = (0..taken + 8).map(|_| {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move { desk.call("sums", &[("n", text("100000"))]).await })
    });
    let (mut answered, mut refused) = (0, 0);
    for call in futures_util::future::join_all(calls).await {
        match call.unwrap() {
            Ok(answer) => {
                assert_eq!(answer.to_json().unwrap(), json!(4_999_950_000_u64));
                answered += 1;
            }
            Err(Error::FunctionBusy { .. }) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused > 0 && answered >= taken, "{answered} answered, {refused} refused");
}

/// Who waits for another call lets it work: else those who wait for a call could take all turns from it.
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_wait_for_one_call_leave_it_its_turn() {
    let desk = Arc::new(Desk::new());
    desk.save("slow", "@lru_cache\ndef main(cache, n: int):\n    return sum(range(n))\n");
    desk.save("waits", "def main(cache):\n    return cache.call('slow', n=100000)\n");
    let calls = (0..24).map(|place| {
        let desk = Arc::clone(&desk);
        let (name, given) = if place % 3 == 0 { ("slow", vec![("n", text("100000"))]) } else { ("waits", Vec::new()) };
        tokio::spawn(async move { desk.call(name, &given).await.unwrap().to_json().unwrap() })
    });
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap(), json!(4_999_950_000_u64));
    }
}

/// "What uses chance or time says so and is not kept", whoever has it from another.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_function_has_from_chance_is_not_kept() {
    let desk = Desk::new();
    desk.save("by_chance", "@lru_cache\ndef main(cache):\n    return cache.call('random_number', start=0, stop=1)\n");
    desk.save("kept", "@lru_cache\ndef main(cache):\n    return 'kept'\n");
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(desk.call("by_chance", &[]).await.unwrap().to_json().unwrap());
    }
    assert_ne!(seen[0], seen[1]);
    let origin = |name: &'static str| {
        let desk = &desk;
        async move { desk.engine.call(name, &[], ask()).await.unwrap().origin }
    };
    assert_eq!(origin("by_chance").await, Origin::Computed { is_kept: false });
    assert_eq!(origin("kept").await, Origin::Computed { is_kept: true });
    assert_eq!(origin("kept").await, Origin::Kept(TierName::Memory));
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_runs_on_objects_and_on_frames_with_values_of_python() {
    let desk = Desk::new();
    desk.put("prices.csv", "day,price,name\n2024-01-02,1.5,a\n2024-01-03,2.5,it's\n2024-01-04,3.5,c\n");
    let body = "  f = cache.sql('SELECT price, name FROM \"prices.csv\" WHERE price > :least AND name IN (:names) ORDER BY price', least=2, \
                names=[\"it's\", 'a'])\n  return f.rows()";
    assert_eq!(desk.says("on_objects", body).await, json!([{"price": 2.5, "name": "it's"}]));
    let body = "  f = cache.frame('prices.csv').sql('SELECT sum(price) AS total FROM self WHERE price < :most', most=3)\n  return f.row(0)";
    assert_eq!(desk.says("on_frame", body).await, json!({"total": 4.0}));
    for body in [
        "  return cache.frame('prices.csv').sql('SELECT * FROM \"prices.csv\"')",
        "  return cache.sql('SELECT * FROM read_csv(\\'/etc/passwd\\')')",
        "  return cache.sql('DROP TABLE x')",
        "  return cache.sql('SELECT 1; SELECT 2')",
    ] {
        let error = desk.run("refused", body).await.unwrap_err();
        assert!(matches!(error, Error::BadQuery { .. }), "{body}: {error:?}");
    }
    let error =
        desk.run("odd", "  return cache.sql('SELECT price FROM \"prices.csv\" WHERE price > :x', x={})").await.unwrap_err();
    let expected = "TypeError: sql() parameter 'x' may be None, a number, text, date, moment without zone or list, not dict";
    assert_eq!(raised(&error).0, expected);
}
