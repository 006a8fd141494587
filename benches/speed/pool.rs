//! A warm GET of 4 KB while others ask queries: more at a time than may run and wait, and such as explode in processes of their
//! own. Beside the same GETs while nothing else is asked.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use cache_api::freshness::Stopwatch;
use form_urlencoded::Serializer;
use polars::prelude::{Column, DataFrame, NamedFrom, ParquetWriter, Series};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::http_door::Server;
use crate::reader::Reader;
use crate::table::{Row, Target, Unit};
use crate::{OBJECT, OBJECT_KEY, RUNS};

/// How long a run takes.
const RUN_TIME: Duration = Duration::from_secs(2);

/// How long others ask before a run begins.
const AHEAD: Duration = Duration::from_millis(500);

/// When who was refused asks again; the answer says in a second.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// For each core one query runs, and sixteen wait.
const PLACES_PER_CORE: usize = 17;

/// How many clients find no place. On more than 29 cores the GET would find none either, for the server lets 512 ask at a time.
const REFUSED: usize = 8;

/// Runs in the service itself, over a frame that is held, on all cores.
const QUERY: &str = "SELECT cusip, avg(price) AS mean, min(price) AS low, max(price) AS high, count(*) AS n \
                     FROM \"prices.parquet\" GROUP BY cusip ORDER BY mean DESC LIMIT 10";
const PRICES: i64 = 2_000_000;

/// Each takes all the memory that its worker may have, and with that it ends.
const EXPLODING: [&str; 2] = [
    "SELECT a.x FROM \"numbers.csv\" AS a CROSS JOIN \"numbers.csv\" AS b CROSS JOIN \"numbers.csv\" AS c ORDER BY a.x",
    "SELECT lpad(CAST(x AS TEXT), 100000000, 'x') AS y FROM \"numbers.csv\"",
];
const NUMBERS: usize = 20_000;
const WORKER_MEMORY: &str = "512MiB";

/// As many workers as there may be at a time.
const WORKERS: usize = 2;

pub async fn rows() -> Vec<Row> {
    let row = |name| Row::new(name, "nothing else is asked", Unit::Microseconds, Some(Target::Below(5_000.0)));
    let (mut queued, mut exploding) = (row("p99 of GETs, queries wait"), row("p99 of GETs, queries explode"));
    let asked = Asked::start().await;
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    for _ in 0..RUNS {
        let (micros, statuses) = asked.p99_micros_beside(&[QUERY], cores * PLACES_PER_CORE + REFUSED).await;
        assert!(statuses.contains(&200) && statuses.contains(&503), "not some answered and some refused: {statuses:?}");
        queued.add(micros, asked.p99_micros().await);
        let (micros, statuses) = asked.p99_micros_beside(&EXPLODING, WORKERS).await;
        assert!(!statuses.is_empty() && !statuses.contains(&200), "not all exploded: {statuses:?}");
        exploding.add(micros, asked.p99_micros().await);
    }
    vec![queued, exploding]
}

/// A server that holds the object in memory, and the frame.
struct Asked {
    server: Server,
    // The record and the directory tier; held, so that they stay.
    _dirs: [TempDir; 2],
}

impl Asked {
    async fn start() -> Self {
        let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
        let [source, local] = &dirs;
        std::fs::write(source.path().join(OBJECT_KEY), OBJECT).expect("a written file");
        let numbers: String = (0..NUMBERS).map(|number| format!("{number}\n")).collect();
        std::fs::write(source.path().join("numbers.csv"), format!("x\n{numbers}")).expect("a written file");
        write_prices(&source.path().join("prices.parquet"));
        let server = Server::serve([
            ("CACHE_API_SOURCE_DIR", source.path().as_os_str()),
            ("LOCAL_DATA_DIR", local.path().as_os_str()),
            ("CACHE_API_QUERY_MEMORY", WORKER_MEMORY.as_ref()),
        ])
        .await;
        // The second has the frame made, and from then on it is held.
        let mut reader = Reader::connect(server.address()).await;
        for _ in 0..2 {
            let head = reader.get(&url(QUERY)).await;
            assert_eq!(head.status(), 200, "{head:?}");
        }
        Self { server, _dirs: dirs }
    }

    /// The p99 of µs for a GET, one after the other, over a connection of its own.
    async fn p99_micros(&self) -> f64 {
        let target = format!("/cache/{OBJECT_KEY}");
        let mut reader = Reader::connect(self.server.address()).await;
        reader.get(&target).await;
        let mut micros = Vec::new();
        let run = Stopwatch::start();
        while run.elapsed() < RUN_TIME {
            let stopwatch = Stopwatch::start();
            let head = reader.get(&target).await;
            micros.push(stopwatch.elapsed().as_secs_f64() * 1e6);
            head.assert_is(OBJECT.len(), "");
        }
        micros.sort_by(f64::total_cmp);
        micros[micros.len() * 99 / 100]
    }

    /// The same while so many clients ask `statements`, and what those were answered.
    async fn p99_micros_beside(&self, statements: &[&str], clients: usize) -> (f64, Vec<u16>) {
        let load = Load::start(self.server.address(), statements, clients).await;
        let micros = self.p99_micros().await;
        (micros, load.end().await)
    }
}

/// Clients of a connection each, who ask again as soon as they are answered.
struct Load {
    clients: JoinSet<Vec<u16>>,
    is_over: Arc<AtomicBool>,
}

impl Load {
    async fn start(address: &str, statements: &[&str], clients: usize) -> Self {
        let urls: Arc<[String]> = statements.iter().map(|sql| url(sql)).collect();
        let mut load = Self { clients: JoinSet::new(), is_over: Arc::default() };
        for _ in 0..clients {
            let (urls, is_over, mut reader) = (Arc::clone(&urls), Arc::clone(&load.is_over), Reader::connect(address).await);
            load.clients.spawn(async move {
                let mut statuses = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let status = reader.get(&urls[statuses.len() % urls.len()]).await.status();
                    statuses.push(status);
                    if status == 503 {
                        tokio::time::sleep(AGAIN_AFTER).await;
                    }
                }
                statuses
            });
        }
        tokio::time::sleep(AHEAD).await;
        load
    }

    /// Waits until all have their last answers; the statuses of all.
    async fn end(self) -> Vec<u16> {
        self.is_over.store(true, Ordering::Relaxed);
        self.clients.join_all().await.concat()
    }
}

fn url(sql: &str) -> String {
    format!("/query?{}", Serializer::new(String::new()).append_pair("sql", sql).finish())
}

/// Prices of ten thousand cusips.
fn write_prices(path: &Path) {
    let cusips: Vec<_> = (0..PRICES).map(|row| row * 7919 % 10_000).collect();
    let prices: Vec<_> = (0..PRICES).map(|row| (row * 7919 % 100_003) as f64 / 8.0).collect();
    let columns = [Series::new("cusip".into(), cusips).into(), Series::new("price".into(), prices).into()];
    let mut table = DataFrame::new(PRICES as usize, Vec::<Column>::from(columns)).expect("columns of one length");
    let file = std::fs::File::create(path).expect("a file");
    ParquetWriter::new(file).finish(&mut table).expect("a file on disk");
}
