//! What a thousand functions cost while nobody calls one: the start of a process, up to its first answer, and what it takes of
//! memory once it has answered an object. Beside the same over a source that has none.

use cache_api::freshness::Stopwatch;
use tempfile::TempDir;

use crate::http_door::Server;
use crate::reader::Reader;
use crate::resident::resident_megabytes;
use crate::table::{Row, Target, Unit, median};
use crate::{OBJECT, OBJECT_KEY, RUNS};

/// Half of them SQL, half Python.
const FUNCTIONS: usize = 1_000;

/// Processes of a run.
const PROCESSES: usize = 5;

pub async fn rows() -> Vec<Row> {
    let mut start = Row::new("start with 1000 functions", "with none", Unit::Milliseconds, Some(Target::MoreByAtMost(20.0)));
    let mut memory = Row::new("memory with 1000 functions", "with none", Unit::Megabytes, Some(Target::RatioAtMost(1.1)));
    let (many, none) = (source(FUNCTIONS), source(0));
    call_last(&many).await;
    for _ in 0..RUNS {
        let (ours, other) = (Started::over(&many).await, Started::over(&none).await);
        start.add(ours.millis, other.millis);
        memory.add(ours.megabytes, other.megabytes);
    }
    vec![start, memory]
}

/// Processes that have just started: the median of each.
struct Started {
    /// From the start to the first answer.
    millis: f64,
    /// Resident, once an object was answered.
    megabytes: f64,
}

impl Started {
    async fn over(source: &TempDir) -> Self {
        let (mut millis, mut megabytes) = (Vec::new(), Vec::new());
        for _ in 0..PROCESSES {
            let local = tempfile::tempdir().expect("a directory");
            let stopwatch = Stopwatch::start();
            let server = serve(source, &local).await;
            let mut reader = Reader::connect(server.address()).await;
            let head = reader.get("/health").await;
            millis.push(stopwatch.elapsed().as_secs_f64() * 1e3);
            assert_eq!(head.status(), 200, "{head:?}");
            reader.get(&format!("/cache/{OBJECT_KEY}")).await.assert_is(OBJECT.len(), "");
            megabytes.push(resident_megabytes(server.id(), "VmRSS"));
        }
        Self { millis: median(&millis), megabytes: median(&megabytes) }
    }
}

async fn serve(source: &TempDir, local: &TempDir) -> Server {
    Server::serve([
        ("CACHE_API_SOURCE_DIR", source.path().as_os_str()),
        ("LOCAL_DATA_DIR", local.path().as_os_str()),
        ("AWS_FUNCTION_DIR", "functions".as_ref()),
    ])
    .await
}

/// A record with the object and so many functions.
fn source(functions: usize) -> TempDir {
    let source = tempfile::tempdir().expect("a directory");
    std::fs::write(source.path().join(OBJECT_KEY), OBJECT).expect("a written file");
    let folder = source.path().join("functions");
    std::fs::create_dir(&folder).expect("a directory");
    for number in 0..functions {
        let (name, text) = match number % 2 {
            0 => (format!("f{number}.sql"), format!("SELECT count(*) + {number} AS n FROM \"prices.csv\"\n")),
            _ => (format!("f{number}.py"), format!("def main(cache):\n    return {number}\n")),
        };
        std::fs::write(folder.join(name), text).expect("a written file");
    }
    source
}

/// Sees that what nobody calls in the runs could be called: the last function answers its number.
async fn call_last(source: &TempDir) {
    let local = tempfile::tempdir().expect("a directory");
    let server = serve(source, &local).await;
    let last = FUNCTIONS - 1;
    let head = Reader::connect(server.address()).await.get(&format!("/functions/f{last}")).await;
    head.assert_is(last.to_string().len(), "");
}
