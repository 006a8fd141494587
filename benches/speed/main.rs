//! `make bench`: what a warm answer costs, beside what it would cost without us. Prints the table of docs/PERFORMANCE.md.
//!
//! Each row is the median of five runs of ours and five of what it is held against, in turn, so that whatever else the
//! machine does meets both. Each side over HTTP and in Lambda is a process of its own: ours is the real binary, the other
//! this program once more, told by a variable which part to play.

use std::process::ExitCode;

use table::{Row, Target, Unit};

#[path = "../../tests/integration/support/client.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod client;
mod cold;
#[path = "../../tests/integration/support/emulator.rs"]
mod emulator;
mod events;
mod http_door;
mod lambda_door;
mod read;
#[path = "../../tests/integration/support/runtime_api.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod runtime_api;
#[path = "../../tests/integration/support/seaweed.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod seaweed;
#[path = "../../tests/integration/support/server.rs"]
mod server;
mod stream_door;
mod table;

/// Names the variable that tells a process which part it plays.
const PART: &str = "CACHE_API_BENCH_PART";

const RUNS: usize = 5;

/// 4 KB of what is answered as text, so that neither door encodes it.
const OBJECT: [u8; 4096] = [b'7'; 4096];
const OBJECT_KEY: &str = "object.json";

#[tokio::main]
async fn main() -> ExitCode {
    match part().as_deref() {
        None => bench().await,
        Some(http_door::BARE_HANDLER) => http_door::serve_bare_handler().await,
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

async fn bench() {
    let mut reads = Row::new("`Cache::read`", "two clocks read", Unit::Nanoseconds, Some(Target::Below(2000.0)));
    let mut gets = Row::new("GET over HTTP", "bare axum handler", Unit::PerSecond, Some(Target::RatioAtLeast(0.85)));
    let mut invocations = Row::new("GET in Lambda", "empty lambda_http", Unit::Microseconds, Some(Target::RatioAtMost(1.15)));
    // No target: it splits the row above into what the bytes cost and what we do.
    let mut same_bytes = Row::new("GET in Lambda", "lambda_http, same 4 KB", Unit::Microseconds, None);

    // No target either: what it costs to send 64 MB is in both.
    let mut streams = Row::new("64 MB streamed in Lambda", "lambda_runtime, same 64 MB", Unit::Milliseconds, None);
    // No targets but those that the runs assert: at most a confirmation a key, and nothing left of what nobody reads.
    let mut batches = Row::new("1000 events, 100 keys", "100 updates in turn", Unit::Milliseconds, None);
    let mut cold =
        Row::new("cold 256 MiB, streamed", "curl of it from S3", Unit::MegabytesPerSecond, Some(Target::RatioAtLeast(0.8)));
    let mut memory = Row::new("memory of that, over idle", "idle", Unit::Megabytes, Some(Target::Below(96.0)));
    let mut unread = Row::new("10^5 events, unread keys", "mkdir and rmdir, in turn", Unit::Milliseconds, None);

    let cache = read::WarmCache::start().await;
    let told = events::Told::start().await;
    let servers = http_door::Servers::start().await;
    let functions = lambda_door::Functions::start().await;
    let streaming = stream_door::Functions::start().await;
    let bucket = cold::Bucket::start().await;
    let load_before = table::load();
    for _ in 0..RUNS {
        reads.add(cache.read_nanos().await, read::clock_nanos());
        gets.add(servers.ours.gets_per_second().await, servers.bare.gets_per_second().await);
        let ours = functions.ours.invocation_micros().await;
        invocations.add(ours, functions.empty.invocation_micros().await);
        same_bytes.add(ours, functions.bare.invocation_micros().await);
        streams.add(streaming.ours_millis().await, streaming.bare_millis().await);
        batches.add(told.batch_millis().await, told.updates_millis().await);
        let streamed = bucket.ours().await;
        cold.add(streamed.megabytes_per_second, bucket.megabytes_per_second().await);
        memory.add(streamed.megabytes_over_idle, streamed.megabytes_idle);
        unread.add(told.unread_millis().await, told.directories_millis());
    }
    println!("load of the machine before: {load_before}; after, this included: {}\n", table::load());
    table::print(&[reads, gets, invocations, same_bytes, streams, batches, unread, cold, memory]);
}
