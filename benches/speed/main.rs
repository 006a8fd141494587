//! `make bench`: what a warm answer costs, beside what it would cost without us. Prints the table of docs/PERFORMANCE.md.
//!
//! Each row is the median of five runs of ours and five of what it is held against, in turn, so that whatever else the
//! machine does meets both. Each side over HTTP and in Lambda is a process of its own: ours is the real binary, the other
//! this program once more, told by a variable which part to play. Queries and functions are measured by `make bench-frames`, in
//! a build that has them.

use std::process::ExitCode;

use futures_util::future::BoxFuture;
use table::Row;

#[path = "../../tests/integration/support/client.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod client;
mod cold;
mod confirmation;
mod directory_hit;
#[path = "../../tests/integration/support/emulator.rs"]
mod emulator;
mod events;
#[cfg(feature = "python")]
mod functions;
mod http_door;
mod instant_record;
mod lambda_door;
#[cfg(feature = "frames")]
mod pool;
#[cfg(feature = "python")]
mod python;
mod range;
mod read;
mod reader;
mod resident;
#[path = "../../tests/integration/support/runtime_api.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod runtime_api;
#[path = "../../tests/integration/support/seaweed.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod seaweed;
#[path = "../../tests/integration/support/server.rs"]
mod server;
mod stampede;
mod stream_door;
mod table;
mod wrk;

/// Names the variable that tells a process which part it plays.
const PART: &str = "CACHE_API_BENCH_PART";

const RUNS: usize = 5;

/// 4 KB of what is answered as text, so that neither door encodes it.
const OBJECT: [u8; 4096] = [b'7'; 4096];
const OBJECT_KEY: &str = "object.json";

/// Measures a row or some.
type Measure = fn() -> BoxFuture<'static, Vec<Row>>;

/// What is measured, by name: `make bench PARTS="http cold"` measures these alone.
const PARTS: &[(&str, Measure)] = &[
    ("read", || Box::pin(read::rows())),
    ("http", || Box::pin(http_door::rows())),
    ("wrk", || Box::pin(wrk::rows())),
    ("range", || Box::pin(range::rows())),
    ("lambda", || Box::pin(lambda_door::rows())),
    ("stream", || Box::pin(stream_door::rows())),
    ("events", || Box::pin(events::rows())),
    ("directory", || Box::pin(directory_hit::rows())),
    ("confirmation", || Box::pin(confirmation::rows())),
    ("stampede", || Box::pin(stampede::rows())),
    ("cold", || Box::pin(cold::rows())),
    ("resident", || Box::pin(resident::rows())),
    #[cfg(feature = "python")]
    ("python", || Box::pin(python::rows())),
    #[cfg(feature = "python")]
    ("functions", || Box::pin(functions::rows())),
    #[cfg(feature = "frames")]
    ("pool", || Box::pin(pool::rows())),
];

#[tokio::main]
async fn main() -> ExitCode {
    match part().as_deref() {
        // cargo adds an argument of its own.
        None => bench(&std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect::<Vec<_>>()).await,
        Some(http_door::BARE_HANDLER) => http_door::serve_bare_handler().await,
        Some(wrk::BARE_OBJECTS) => wrk::serve_bare_objects().await,
        Some(directory_hit::FILE_HANDLER) => directory_hit::serve_file_handler().await,
        Some(lambda_door::EMPTY_FUNCTION) => lambda_door::run_empty_function().await,
        Some(stream_door::STREAMING_FUNCTION) => stream_door::run_streaming_function().await,
        Some(lambda_door::BARE_FUNCTION) => lambda_door::run_bare_function().await,
        Some(other) => panic!("{PART} cannot be {other}"),
    }
    ExitCode::SUCCESS
}

#[expect(clippy::disallowed_methods, reason = "Lambda's emulator hands on variables and no arguments")]
fn part() -> Option<String> {
    std::env::var(PART).ok()
}

/// Measures what is named, or everything, and prints it.
async fn bench(named: &[String]) {
    let unknown = named.iter().find(|name| PARTS.iter().all(|(part, _)| part != name));
    assert!(unknown.is_none(), "{unknown:?} is none of {:?}", PARTS.iter().map(|(part, _)| part).collect::<Vec<_>>());
    let load_before = table::load();
    let mut rows = Vec::new();
    for (_, measure) in PARTS.iter().filter(|(part, _)| named.is_empty() || named.iter().any(|name| name == part)) {
        rows.extend(measure().await);
    }
    println!("load of the machine before: {load_before}; after, this included: {}\n", table::load());
    table::print(&rows);
}
