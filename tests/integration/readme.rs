//! The curl lines of the README and of docs/API.md answer as printed.

use std::process::Command;

use crate::support::serve::Serve;

/// A command line of a document and what it says is printed.
struct Example {
    line: String,
    printed: String,
}

fn examples(document: &str) -> Vec<Example> {
    let mut examples = Vec::<Example>::new();
    for block in document.split("```console\n").skip(1) {
        let (block, _) = block.split_once("```").expect("a block ends");
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(line) => examples.push(Example { line: line.to_owned(), printed: String::new() }),
                None => {
                    let example = examples.last_mut().expect("a block begins with a command");
                    example.printed.push_str(line);
                    example.printed.push('\n');
                }
            }
        }
    }
    examples
}

/// Runs the examples of `document` in their order, on a server that has answered nothing yet.
async fn try_examples(document: &str, examples_min: usize) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/sample-data");
    let server = Serve::start(&["--source", source], vec![]).await;
    let examples = examples(document);
    assert!(examples.len() >= examples_min, "{} examples", examples.len());
    for Example { line, printed } in examples {
        let here = line.replace("127.0.0.1:5000", server.address());
        let output = tokio::task::spawn_blocking(move || Command::new("bash").args(["-c", &here]).output()).await;
        let output = output.expect("it runs").expect("bash is there");
        let text = String::from_utf8(output.stdout).expect("text");
        // curl prints header lines as they came, ended by a carriage return as well.
        assert_eq!(text.replace('\r', "").trim_end(), printed.trim_end(), "{line}");
    }
}

#[tokio::test]
async fn the_readme_s_curl_lines_answer_as_printed() {
    try_examples(include_str!("../../README.md"), 5).await;
}

#[cfg(feature = "frames")]
#[tokio::test]
async fn the_lines_that_show_queries_answer_as_printed() {
    try_examples(include_str!("../../docs/QUERIES.md"), 2).await;
}

#[tokio::test]
async fn the_lines_that_show_the_headers_answer_as_printed() {
    try_examples(include_str!("../../docs/API.md"), 15).await;
}
