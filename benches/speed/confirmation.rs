//! A key that is stale at each read and has never changed: one request to the record, and no body. Beside the same request by
//! whoever asks the record himself: the difference is ours, the signing and the file calls included.

use std::path::Path;
use std::time::Duration;

use cache_api::freshness::Stopwatch;

use crate::http_door::Server;
use crate::instant_record::{BUCKET, InstantRecord, VERSION};
use crate::reader::Reader;
use crate::table::{Row, Target, Unit, median};
use crate::{OBJECT, RUNS};

/// Confirmations of a run.
const READS: usize = 1_000;

pub async fn rows() -> Vec<Row> {
    let record = InstantRecord::start(Duration::ZERO).await;
    let in_memory = tempfile::tempdir_in("/dev/shm").expect("a directory");
    let on_disk = tempfile::tempdir().expect("a directory");
    let mut rows = Vec::new();
    // The target is for our own time; what the disk takes to sync is not.
    let places = [
        ("confirmation, directory in memory", &in_memory, Some(Target::MoreByAtMost(1000.0))),
        ("confirmation, directory on disk", &on_disk, None),
    ];
    for (name, local, target) in places {
        let mut row = Row::new(name, "the record's 304", Unit::Microseconds, target);
        let server = serve(&record, local.path()).await;
        let (mut ours, mut direct) = (Reader::connect(server.address()).await, Reader::connect(record.address()).await);
        ours.get("/cache/object").await.assert_is(OBJECT.len(), "");
        for _ in 0..RUNS {
            record.take_asked();
            let micros = confirmation_micros(&mut ours).await;
            assert_eq!(record.take_asked(), READS as u64, "one request for each confirmation");
            row.add(micros, direct_micros(&mut direct).await);
        }
        rows.push(row);
    }
    rows
}

/// A server for whom everything is stale at once.
async fn serve(record: &InstantRecord, local: &Path) -> Server {
    let mut settings = record.settings();
    settings.push(("LOCAL_DATA_DIR", local.to_string_lossy().into_owned()));
    settings.push(("CACHE_API_LOCAL_MAX_AGE", "0s".to_owned()));
    Server::serve(settings).await
}

/// The median of µs for a GET of 4 KB, which are in memory.
async fn confirmation_micros(reader: &mut Reader) -> f64 {
    let mut micros = Vec::new();
    for _ in 0..READS {
        let stopwatch = Stopwatch::start();
        let head = reader.get("/cache/object").await;
        micros.push(stopwatch.elapsed().as_secs_f64() * 1e6);
        head.assert_is(OBJECT.len(), "fwd-status=304");
    }
    median(&micros)
}

/// The median of µs for what the record is asked, without a signature.
async fn direct_micros(reader: &mut Reader) -> f64 {
    let (target, condition) = (format!("/{BUCKET}/object"), format!("if-none-match: {VERSION}\r\n"));
    let mut micros = Vec::new();
    for _ in 0..READS {
        let stopwatch = Stopwatch::start();
        let head = reader.get_with(&target, &condition).await;
        micros.push(stopwatch.elapsed().as_secs_f64() * 1e6);
        assert!(head.is_not_modified(), "{head:?}");
    }
    median(&micros)
}
