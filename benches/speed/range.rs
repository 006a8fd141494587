//! What a process takes of memory for 1 KB out of an object of 1 GB that it does not hold.

use std::fs::File;
use std::time::Duration;

use crate::RUNS;
use crate::http_door::Server;
use crate::reader::Reader;
use crate::resident::resident_megabytes;
use crate::table::{Row, Target, Unit};

const KEY: &str = "gigabyte.bin";
const BYTES: u64 = 1 << 30;

pub async fn rows() -> Vec<Row> {
    let mut row = Row::new("1 KB of 1 GB, resident", "idle", Unit::Megabytes, Some(Target::MoreByAtMost(64.0)));
    let source = tempfile::tempdir().expect("a directory");
    // All holes: as long to read as zeros that are there, and no gigabyte of disk.
    let file = File::create(source.path().join(KEY)).expect("a file");
    file.set_len(BYTES).expect("as long as that");
    // What has just changed is told by its content, all of it.
    tokio::time::sleep(Duration::from_secs(5)).await;
    for _ in 0..RUNS {
        let (most, idle) = megabytes(source.path().as_os_str()).await;
        row.add(most, idle);
    }
    vec![row]
}

/// The most that a process took, and what it took before it was asked.
async fn megabytes(source: &std::ffi::OsStr) -> (f64, f64) {
    let local = tempfile::tempdir().expect("a directory");
    let server = Server::serve([("CACHE_API_SOURCE_DIR", source), ("LOCAL_DATA_DIR", local.path().as_os_str())]).await;
    let mut reader = Reader::connect(server.address()).await;
    // What is needed for a first answer belongs to the idle process.
    reader.get("/health").await;
    let idle = resident_megabytes(server.id(), "VmRSS");
    for first in [0, BYTES / 2, BYTES - 1024] {
        let range = format!("range: bytes={first}-{}\r\n", first + 1023);
        let head = reader.get_with(&format!("/cache/{KEY}"), &range).await;
        assert_eq!(
            (head.body_bytes(), head.header("content-range")),
            (1024, &*format!("bytes {first}-{}/{BYTES}", first + 1023))
        );
    }
    (resident_megabytes(server.id(), "VmHWM"), idle)
}
