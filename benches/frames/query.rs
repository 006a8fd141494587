//! SQL over a table that is held, beside polars in process on the same frame.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cache_api::cache::{Ask, Cache};
use cache_api::entry::Budget;
use cache_api::freshness::{Moment, Policy};
use cache_api::function::{Engine, Registry, View, builtin};
use cache_api::record::DirectoryRecord;
use cache_api::tier::MemoryTier;
use polars::prelude::{Column, DataFrame, IntoColumn, IntoLazy, NamedFrom, ParquetWriter, Series};
use polars::sql::SQLContext;

const ROWS: i64 = 10_000_000;

/// Two thirds of it for the frame, the rest for what a query makes.
const BUDGET_BYTES: u64 = 12 << 30;

/// What is asked: by 10,000 identifiers, and by 4 kinds.
pub const STATEMENTS: [&str; 2] = [
    "SELECT cusip, avg(price) AS mean, sum(lots) AS lots, count(*) AS n FROM \"t.parquet\" GROUP BY cusip",
    "SELECT kind, max(price) AS top FROM \"t.parquet\" WHERE lots > 10 GROUP BY kind ORDER BY kind",
];

/// An engine that holds the frame of a file, and the frame.
pub struct Held {
    engine: Arc<Engine>,
    table: DataFrame,
    runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl Held {
    /// Writes the file, and has it asked until its frame is held.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let mut table = table();
        let file = std::fs::File::create(folder.path().join("t.parquet")).expect("a file");
        ParquetWriter::new(file).finish(&mut table).expect("a file on disk");
        let record = DirectoryRecord::open(folder.path(), Budget::new(BUDGET_BYTES)).expect("a directory");
        let cache = Cache::new(MemoryTier::new(BUDGET_BYTES), None, Arc::new(record), Policy::default());
        let engine = Engine::new(cache, Registry::new(builtin::all()), BUDGET_BYTES);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
        let held = Self { engine, table, runtime, _folder: folder };
        held.ours(STATEMENTS[0]);
        held.ours(STATEMENTS[0]);
        held
    }

    /// As `/query` has it answered, but for the form.
    pub fn ours(&self, sql: &str) {
        let now = Moment { wall: SystemTime::now().into(), monotonic: Instant::now() };
        let view = View::new(Arc::clone(&self.engine), Ask::new(now, now.monotonic + Duration::from_secs(600)));
        let answer = self.runtime.block_on(view.sql(sql.to_owned(), BTreeMap::new())).expect("an answer");
        std::hint::black_box(answer);
    }

    /// As polars alone answers it.
    pub fn polars(&self, sql: &str) {
        let mut context = SQLContext::new();
        context.register("t.parquet", self.table.clone().lazy());
        let answer = context.execute(sql).and_then(|answer| answer.collect()).expect("an answer");
        std::hint::black_box(answer);
    }
}

fn table() -> DataFrame {
    let column = |name: &str, series: Series| -> Column { series.with_name(name.into()).into_column() };
    let cusips: Vec<_> = (0..ROWS).map(|row| format!("9128{:05}", row * 7919 % 10_000)).collect();
    let kinds: Vec<_> = (0..ROWS).map(|row| ["bond", "note", "bill", "strip"][(row % 4) as usize]).collect();
    let prices: Vec<_> = (0..ROWS).map(|row| (row * 7919 % 100_003) as f64 / 8.0).collect();
    let lots: Vec<_> = (0..ROWS).map(|row| row % 97).collect();
    let columns = vec![
        column("cusip", Series::new("".into(), cusips)),
        column("kind", Series::new("".into(), kinds)),
        column("price", Series::new("".into(), prices)),
        column("lots", Series::new("".into(), lots)),
    ];
    DataFrame::new(ROWS as usize, columns).expect("columns of one length")
}
