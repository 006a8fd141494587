//! 100 clients of 3 processes on one directory, who ask for the same 100 files that nobody has, in the same order. Beside one
//! client of one process who asks for them.

use std::time::Duration;

use cache_api::freshness::Stopwatch;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::http_door::Server;
use crate::instant_record::InstantRecord;
use crate::reader::Reader;
use crate::table::{Row, Unit, median};
use crate::{OBJECT, RUNS};

const CLIENTS: usize = 100;
const PROCESSES: usize = 3;
const FILES: usize = 100;

/// How long the record takes: what S3 takes for the first byte of a small object, at its quickest.
const LATENCY: Duration = Duration::from_millis(20);

pub async fn rows() -> Vec<Row> {
    // No target but the one that the runs assert: one request for each file.
    let mut row = Row::new("p99 of 100 clients, cold", "one client's cold read", Unit::Milliseconds, None);
    let record = InstantRecord::start(LATENCY).await;
    for _ in 0..RUNS {
        let mut took = asked(&record, PROCESSES, CLIENTS).await;
        took.sort_by(f64::total_cmp);
        let p99 = took[took.len() * 99 / 100];
        row.add(p99, median(&asked(&record, 1, 1).await));
    }
    vec![row]
}

/// How many ms each request took.
async fn asked(record: &InstantRecord, processes: usize, clients: usize) -> Vec<f64> {
    let local = tempfile::tempdir().expect("a directory");
    let mut servers = Vec::new();
    for _ in 0..processes {
        servers.push(serve(record, &local).await);
    }
    let mut readers = Vec::new();
    for client in 0..clients {
        readers.push(Reader::connect(servers[client % processes].address()).await);
    }
    let mut asking = JoinSet::new();
    for mut reader in readers {
        asking.spawn(async move {
            let mut took = Vec::new();
            for file in 0..FILES {
                let stopwatch = Stopwatch::start();
                let head = reader.get(&format!("/cache/{file}")).await;
                took.push(stopwatch.elapsed().as_secs_f64() * 1e3);
                head.assert_is(OBJECT.len(), "");
            }
            took
        });
    }
    let took = asking.join_all().await.concat();
    assert_eq!(record.take_asked(), FILES as u64, "one request for each file");
    took
}

async fn serve(record: &InstantRecord, local: &TempDir) -> Server {
    let mut settings = record.settings();
    settings.push(("LOCAL_DATA_DIR", local.path().to_string_lossy().into_owned()));
    Server::serve(settings).await
}
