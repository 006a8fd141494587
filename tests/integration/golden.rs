//! What the original answered, to the letter: the pairs in `fixtures/golden`, and pandas' own words on `fixtures/pandas`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use cache_api::error::Error;
use cache_api::frame::{Format, Source, pandas};
use cache_api::key::{Key, Prefix};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::functions::Bench;
use crate::support::client::get;
use crate::support::serve::Serve;

/// A request to the original, and what it answered.
#[derive(Debug, Deserialize)]
pub struct Pair {
    /// Path and query.
    pub request: String,
    /// The status code.
    pub status: u16,
    /// The body.
    pub answer: Value,
}

/// The pairs that were recorded, over the files beside them.
pub fn pairs() -> Vec<Pair> {
    let pairs = std::fs::read_to_string(fixtures("golden").join("pairs.json")).unwrap();
    let pairs: Vec<Pair> = serde_json::from_str(&pairs).unwrap();
    assert!(pairs.len() > 10, "the pairs are there");
    pairs
}

/// Asks each pair's request of `ask`, which answers a status and a body, and compares with what the original answered.
pub async fn assert_answers_as_the_original(pairs: &[Pair], ask: impl AsyncFn(&str) -> (u16, Vec<u8>)) {
    for pair in pairs {
        let (status, body) = ask(&pair.request).await;
        let body: Value = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{}: no JSON: {error}", pair.request));
        assert_eq!((status, comparable(body)), (pair.status, comparable(pair.answer.clone())), "{}", pair.request);
    }
}

/// The folder of fixtures called `folder`.
pub fn fixtures(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder)
}

fn comparable(mut answer: Value) -> Value {
    if let Some(Value::String(value)) = answer.pointer_mut("/return/value") {
        *value = without_memory(value);
    }
    answer
}

/// The figures of memory differ by nature: they are Python's objects.
fn without_memory(text: &str) -> String {
    let Some((before, after)) = text.split_once("memory usage: ") else { return text.to_owned() };
    let end = after.find(r"\n").unwrap_or(after.len());
    format!("{before}memory usage: _{}", &after[end..])
}

#[tokio::test]
async fn functions_answer_as_the_original_did() {
    let mut pairs = pairs();
    pairs.retain(|pair| pair.request.contains("function="));
    assert!(pairs.len() > 5, "there are functions among the pairs");
    let bench = Bench::over(&fixtures("golden"));
    assert_answers_as_the_original(&pairs, async |request| {
        let (path, query) = request.split_once('?').unwrap();
        let mut given: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let at = given.iter().position(|(name, _)| name == "function").unwrap();
        let (_, function) = given.remove(at);
        let value = bench.call(&function, &given).await.unwrap();
        let value = value.to_text().unwrap();
        (200, serde_json::to_vec(&json!({"return": {"uri": path, "value": value}})).unwrap())
    })
    .await;
}

#[tokio::test]
async fn the_server_answers_as_the_original_did() {
    let source = fixtures("golden");
    let server = Serve::start(&["--source", source.to_str().unwrap()], vec![]).await;
    assert_answers_as_the_original(&pairs(), async |target| {
        let answer = get(server.address(), target).await;
        (answer.status.as_u16(), answer.body.to_vec())
    })
    .await;
}

#[test]
fn frames_print_as_pandas_prints_them() {
    let folder = fixtures("pandas");
    let texts = std::fs::read_to_string(folder.join("texts.json")).unwrap();
    let texts: BTreeMap<String, String> = serde_json::from_str(&texts).unwrap();
    assert!(texts.len() > 40, "the fixtures are there");
    let mut different = Vec::new();
    for (name, text) in &texts {
        let body = Bytes::from(std::fs::read(folder.join(format!("{name}.parquet"))).unwrap());
        let key = Key::parse(name, &Prefix::default()).unwrap();
        let ours = Source { key: &key, format: Format::Parquet, body: &body, frame_bytes_max: u64::MAX }.frame();
        let ours = ours.map(|frame| pandas::item_stats(&frame)).unwrap_or_else(|error: Error| error.to_string());
        if without_memory(&ours) != without_memory(text) {
            different.push(format!("## {name}\npandas: {text}\n  ours: {ours}"));
        }
    }
    assert!(different.is_empty(), "{} of {} differ\n{}", different.len(), texts.len(), different.join("\n"));
}
