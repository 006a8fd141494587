//! Every pair that was recorded of the original, asked of the real server.

use serde_json::Value;

use crate::support::client::get;
use crate::support::serve::Serve;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/golden");

/// The figures of memory differ by nature: they are Python's objects.
fn without_memory(answer: &Value) -> String {
    let value = answer["return"]["value"].as_str().expect("`value` is always a text");
    match value.split_once("memory usage: ") {
        Some((before, after)) => format!("{before}memory usage: …{}", &after[after.find(r"\n").expect("the line ends")..]),
        None => value.to_owned(),
    }
}

#[tokio::test]
async fn the_original_s_answers_are_given_to_the_letter() {
    let server = Serve::start(&["--source", FOLDER], vec![]).await;
    let pairs = std::fs::read_to_string(format!("{FOLDER}/pairs.json")).expect("the pairs are there");
    let pairs: Vec<Value> = serde_json::from_str(&pairs).expect("a list");
    assert!(pairs.len() >= 13, "all pairs are there");
    for pair in pairs {
        let request = pair["request"].as_str().expect("a target");
        let answer = get(server.address(), request).await;
        assert_eq!(answer.status.as_u16(), pair["status"], "{request}: {}", answer.text());
        let (ours, theirs) = (answer.json(), &pair["answer"]);
        assert_eq!(without_memory(&ours), without_memory(theirs), "{request}");
        let facts = |answer: &Value| (answer["return"]["uri"].clone(), answer["return"].get("path").cloned());
        assert_eq!(facts(&ours), facts(theirs), "{request}");
        assert_eq!(answer.header("cache-control"), "no-store", "{request}");
    }
}
