//! 64 MB that the directory tier has and memory has not, for the process has just started: lifted whole into memory, or, under a
//! budget that is too small for that, streamed. Beside an axum handler that reads the same file, in a new process as well.

use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use cache_api::freshness::Stopwatch;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::http_door::{Server, this_program};
use crate::reader::Reader;
use crate::table::{Row, Target, Unit, median};
use crate::{PART, RUNS};

/// The part of the server that ours is held against.
pub const FILE_HANDLER: &str = "file-handler";

const OBJECT_BYTES: usize = 64 << 20;
const OBJECT_KEY: &str = "large.bin";

/// What is asked for first, so that what a process needs for its first answer is there.
const SMALL_BYTES: usize = 4096;
const SMALL_KEY: &str = "small.bin";

/// Processes of a run.
const PROCESSES: usize = 5;

/// A budget whose eighth the object is, so that it is held whole; and one in which it is large.
const BUDGETS: [(&str, &str); 2] =
    [("64 MB from the directory, lifted", "512MiB"), ("64 MB from the directory, streamed", "256MiB")];

pub async fn rows() -> Vec<Row> {
    let files = Files::new();
    let mut rows = Vec::new();
    for (name, budget) in BUDGETS {
        let target = Some(Target::RatioAtLeast(0.8));
        let mut row = Row::new(name, "axum handler, same file", Unit::MegabytesPerSecond, target);
        files.fill(budget).await;
        for _ in 0..RUNS {
            row.add(files.ours(budget).await, files.bare().await);
        }
        rows.push(row);
    }
    rows
}

/// The record, which the other side reads as it is, and our directory tier.
struct Files {
    source: TempDir,
    local: TempDir,
}

impl Files {
    fn new() -> Self {
        let [source, local] = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
        std::fs::write(source.path().join(OBJECT_KEY), vec![7; OBJECT_BYTES]).expect("a written file");
        std::fs::write(source.path().join(SMALL_KEY), [7; SMALL_BYTES]).expect("a written file");
        Self { source, local }
    }

    async fn serve(&self, budget: &str) -> Server {
        Server::serve([
            ("CACHE_API_SOURCE_DIR", self.source.path().as_os_str()),
            ("LOCAL_DATA_DIR", self.local.path().as_os_str()),
            ("CACHE_API_MEMORY_BUDGET", budget.as_ref()),
            // What was filled first is fresh still in the last run.
            ("CACHE_API_LOCAL_MAX_AGE", "1d".as_ref()),
        ])
        .await
    }

    /// Sees to it that the directory tier has both.
    async fn fill(&self, budget: &str) {
        let server = self.serve(budget).await;
        let mut reader = Reader::connect(server.address()).await;
        for key in [SMALL_KEY, OBJECT_KEY] {
            reader.get(&format!("/cache/{key}")).await;
        }
    }

    /// The median of MB/s.
    async fn ours(&self, budget: &str) -> f64 {
        let mut speeds = Vec::new();
        for _ in 0..PROCESSES {
            let server = self.serve(budget).await;
            speeds.push(megabytes_per_second(&server, "detail=directory").await);
        }
        median(&speeds)
    }

    /// The same of the other side.
    async fn bare(&self) -> f64 {
        let mut speeds = Vec::new();
        for _ in 0..PROCESSES {
            let mut bare = Command::new(this_program());
            bare.env_clear().env(PART, FILE_HANDLER).current_dir(self.source.path());
            speeds.push(megabytes_per_second(&Server::start(bare).await, "").await);
        }
        median(&speeds)
    }
}

async fn megabytes_per_second(server: &Server, cache_status: &str) -> f64 {
    let mut reader = Reader::connect(server.address()).await;
    reader.get(&format!("/cache/{SMALL_KEY}")).await.assert_is(SMALL_BYTES, cache_status);
    let stopwatch = Stopwatch::start();
    let head = reader.get(&format!("/cache/{OBJECT_KEY}")).await;
    let took = stopwatch.elapsed();
    head.assert_is(OBJECT_BYTES, cache_status);
    OBJECT_BYTES as f64 / 1e6 / took.as_secs_f64()
}

/// Reads the file that the URL names, from the directory it was started in, and answers it.
pub async fn serve_file_handler() {
    let answer = |request: Request| async move {
        let name = request.uri().path().strip_prefix("/cache/").expect("the route's path").to_owned();
        let read = tokio::task::spawn_blocking(|| std::fs::read(name)).await;
        read.expect("a thread that ended").expect("a file")
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("the file handler serves http://{}", listener.local_addr().expect("an address"));
    axum::serve(listener, Router::new().route("/cache/{*key}", get(answer))).await.expect("a server without an end");
}
