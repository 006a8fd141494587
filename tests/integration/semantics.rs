//! docs/SEMANTICS.md makes no promise that no test quotes, and no test quotes one that it does not make.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What a promise says, by its number; white space is one space.
type Promises = BTreeMap<u32, String>;

fn promises_of(document: &str) -> Promises {
    let items = document.split("\n- **Promise ").skip(1).map(|item| {
        let (number, text) = item.split_once(".**").expect("a number, then what is promised");
        // An item goes on in lines that are indented.
        let lines = text.split('\n').enumerate().take_while(|(line, text)| *line == 0 || text.starts_with("  "));
        (number.parse().expect("a number"), spaced(lines.map(|(_, text)| text)))
    });
    items.collect()
}

/// The quotes above the tests of a source file: "Promise 4: what it says", after `///`.
fn quotes_of(source: &str) -> Vec<(u32, String)> {
    let mut quotes = Vec::new();
    let mut comment = String::new();
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            comment = format!("{comment} {text}");
        } else if line.starts_with("#[") {
            // Between the comment and the function.
        } else {
            for quote in std::mem::take(&mut comment).split("Promise ").skip(1) {
                let Some((number, text)) = quote.split_once(": \"") else { continue };
                let text = text.split_once('"').expect("the quote ends").0;
                quotes.push((number.parse().expect("a number"), spaced([text])));
            }
        }
    }
    quotes
}

fn spaced<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

fn sources(dir: &Path, found: &mut Vec<String>) {
    for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_promise_is_quoted_by_a_test_and_word_by_word() {
    let promises = promises_of(include_str!("../../docs/SEMANTICS.md"));
    assert_eq!(promises.keys().copied().collect::<Vec<_>>(), (1..=promises.len() as u32).collect::<Vec<_>>());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    sources(&root.join("src"), &mut found);
    sources(&root.join("tests"), &mut found);
    let quotes: Vec<_> = found.iter().flat_map(|source| quotes_of(source)).collect();
    for (number, quote) in &quotes {
        // A test may show a part of what is promised.
        let is_said = promises.get(number).is_some_and(|promise| {
            quote.split("[...]").try_fold(promise.as_str(), |rest, part| Some(rest.split_once(part.trim())?.1)).is_some()
        });
        assert!(is_said, "promise {number} does not say \"{quote}\"");
    }
    let quoted: BTreeSet<_> = quotes.iter().map(|(number, _)| *number).collect();
    let unquoted: Vec<_> = promises.keys().filter(|number| !quoted.contains(number)).collect();
    assert!(unquoted.is_empty(), "no test quotes {unquoted:?}");
}

#[test]
fn a_quote_is_read_over_its_lines_and_a_promise_over_its_own() {
    // In pieces, or this file would quote a promise itself.
    let source = ["/// Promise", " 7: \"It\n/// is [...] so.\"\n#[test]\nfn f() {}"].concat();
    assert_eq!(quotes_of(&source), [(7, "It is [...] so.".to_owned())]);
    let document = "# x\n\n- **Promise 7.** It\n  is so.\n- **Promise 8.** Or not.\n\nPromise 9.\n";
    assert_eq!(promises_of(document), BTreeMap::from([(7, "It is so.".to_owned()), (8, "Or not.".to_owned())]));
}
