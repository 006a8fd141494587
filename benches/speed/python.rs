//! A Python function that answers its argument, called over a connection that stays: one call after the other, each with
//! another argument. Beside warm GETs of 4 KB over the same connection, which is what HTTP costs.

use std::path::Path;

use cache_api::freshness::Stopwatch;

use crate::http_door::Server;
use crate::reader::Reader;
use crate::table::{Row, Target, Unit, median};
use crate::{OBJECT, OBJECT_KEY, RUNS};

/// Calls of a run, and GETs.
const CALLS: usize = 1_000;

/// The function, in this repository and in the record.
const FUNCTION: &str = "functions/echo_py.py";

pub async fn rows() -> Vec<Row> {
    let target = Some(Target::MoreByAtMost(300.0));
    let mut row = Row::new("call of a Python function", "GET", Unit::Microseconds, target);
    let [source, local] = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    std::fs::write(source.path().join(OBJECT_KEY), OBJECT).expect("a written file");
    std::fs::create_dir(source.path().join("functions")).expect("a directory");
    let function = Path::new(env!("CARGO_MANIFEST_DIR")).join(FUNCTION);
    std::fs::copy(function, source.path().join(FUNCTION)).expect("a copied file");
    let server = Server::serve([
        ("CACHE_API_SOURCE_DIR", source.path().as_os_str()),
        ("LOCAL_DATA_DIR", local.path().as_os_str()),
        ("AWS_FUNCTION_DIR", "functions".as_ref()),
    ])
    .await;
    let mut reader = Reader::connect(server.address()).await;
    // Compiles the function, starts its process and brings the object into memory.
    call(&mut reader, 0).await;
    get(&mut reader).await;
    for run in 0..RUNS {
        row.add(calls_micros(&mut reader, run * CALLS).await, gets_micros(&mut reader).await);
    }
    vec![row]
}

/// The median of µs for a call; the arguments are the numbers from `first` on.
async fn calls_micros(reader: &mut Reader, first: usize) -> f64 {
    let mut micros = Vec::new();
    for number in first..first + CALLS {
        let stopwatch = Stopwatch::start();
        call(reader, number).await;
        micros.push(stopwatch.elapsed().as_secs_f64() * 1e6);
    }
    median(&micros)
}

/// The median of µs for a GET.
async fn gets_micros(reader: &mut Reader) -> f64 {
    let mut micros = Vec::new();
    for _ in 0..CALLS {
        let stopwatch = Stopwatch::start();
        get(reader).await;
        micros.push(stopwatch.elapsed().as_secs_f64() * 1e6);
    }
    median(&micros)
}

/// Calls the function, which answers `number` as a text in JSON. Nothing is kept of it.
async fn call(reader: &mut Reader, number: usize) {
    let head = reader.get(&format!("/functions/echo_py?message={number}")).await;
    head.assert_is(format!("\"{number}\"").len(), "cache-api-result; fwd=miss");
}

async fn get(reader: &mut Reader) {
    reader.get(&format!("/cache/{OBJECT_KEY}")).await.assert_is(OBJECT.len(), "");
}
