//! SQL over a table that is held, beside polars in process on the same frame, and DuckDB and pandas on the file.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use cache_api::cache::Cache;
use cache_api::entry::Budget;
use cache_api::freshness::Policy;
use cache_api::function::{Engine, Registry, View, builtin};
use cache_api::record::DirectoryRecord;
use cache_api::tier::MemoryTier;
use polars::prelude::{Column, DataFrame, IntoColumn, IntoLazy, NamedFrom, ParquetWriter, Series};
use polars::sql::SQLContext;

use crate::ask;

const ROWS: i64 = 10_000_000;

/// Two thirds of it for the frame, the rest for what a query makes.
const BUDGET_BYTES: u64 = 12 << 30;

/// What is asked: by 10,000 identifiers, and by 4 kinds. tools/bench_query.py says the same in pandas' words.
pub const STATEMENTS: [&str; 2] = [
    "SELECT cusip, avg(price) AS mean, sum(lots) AS lots, count(*) AS n FROM \"t.parquet\" GROUP BY cusip",
    "SELECT kind, max(price) AS top FROM \"t.parquet\" WHERE lots > 10 GROUP BY kind ORDER BY kind",
];

/// An engine that holds the frame of a file, and the frame.
pub struct Held {
    engine: Arc<Engine>,
    table: DataFrame,
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
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
        let held = Self { engine, table, runtime, folder };
        held.ours(STATEMENTS[0]);
        held.ours(STATEMENTS[0]);
        held
    }

    /// As `/query` has it answered, but for the form.
    pub fn ours(&self, sql: &str) {
        let view = View::new(Arc::clone(&self.engine), ask());
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

    /// What DuckDB and pandas take from the file, in `python`: of each statement the end of a row, two cells in ms.
    pub fn elsewhere(&self, python: &str) -> Vec<String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/bench_query.py");
        let mut command = Command::new(python);
        command.arg(script).arg(self.folder.path().join("t.parquet")).args(STATEMENTS).stderr(Stdio::inherit());
        let output = command.output().expect("a program");
        assert!(output.status.success(), "{command:?} ended with {}", output.status);
        let cells: Vec<_> = String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect();
        assert_eq!(cells.len(), STATEMENTS.len(), "{cells:?}");
        cells
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
