//! The lines of docs/FUNCTIONS.md, with the functions that it speaks of.

use std::fs;
use std::path::Path;

use super::try_examples_on;
use crate::support::serve::{Serve, vars};

/// "The examples run": those of functions/, and the one that the document shows, beside the sample data.
#[tokio::test]
async fn the_lines_that_show_functions_answer_as_printed() {
    let document = include_str!("../../../docs/FUNCTIONS.md");
    let (source, root) = (tempfile::tempdir().unwrap(), Path::new(env!("CARGO_MANIFEST_DIR")));
    let folder = source.path().join("functions");
    fs::create_dir(&folder).unwrap();
    for (from, to) in [("sample-data", source.path()), ("functions", &folder)] {
        for file in fs::read_dir(root.join(from)).unwrap().map(|file| file.unwrap().path()).filter(|file| file.is_file()) {
            fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
    }
    let (_, shown) = document.split_once("# sample-data/functions/").expect("a function is shown");
    let (name, text) = shown.split_once('\n').expect("its file's name, then its text");
    fs::write(folder.join(name), text.split_once("```").expect("a block ends").0).unwrap();
    let arguments = ["--source", source.path().to_str().unwrap()];
    let server = Serve::start(&arguments, vars([("AWS_FUNCTION_DIR", "functions")])).await;
    try_examples_on(server, document, 3).await;
}
