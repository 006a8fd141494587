//! What the original answered, to the letter: the pairs in `fixtures/golden`, and pandas' own words on `fixtures/pandas`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use cache_api::frame::{Format, codec, pandas};
use cache_api::key::{Key, Prefix};

fn fixtures(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder)
}

/// The figures of memory differ by nature: they are Python's objects.
fn without_memory(text: &str) -> String {
    let Some((before, after)) = text.split_once("memory usage: ") else { return text.to_owned() };
    let end = after.find(r"\n").unwrap_or(after.len());
    format!("{before}memory usage: _{}", &after[end..])
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
        let ours = match codec::parse_frame(&key, Format::Parquet, &body, u64::MAX) {
            Ok(frame) => pandas::item_stats(&frame),
            Err(error) => error.to_string(),
        };
        if without_memory(&ours) != without_memory(text) {
            different.push(format!("## {name}\npandas: {text}\n  ours: {ours}"));
        }
    }
    assert!(different.is_empty(), "{} of {} differ\n{}", different.len(), texts.len(), different.join("\n"));
}
