//! Calls in this process of functions whose results are kept. Beside functions of the same lines that keep nothing.

use std::sync::Arc;
#[cfg(feature = "python")]
use std::time::Duration;

use cache_api::cache::Cache;
use cache_api::entry::Budget;
use cache_api::freshness::Policy;
#[cfg(feature = "python")]
use cache_api::function::python::{Limits, Python};
use cache_api::function::{Compile, Directory, Engine, Given, Origin, Registry, SqlCompiler, builtin};
use cache_api::key::Prefix;
use cache_api::record::DirectoryRecord;
use cache_api::tier::{MemoryTier, TierName};

use crate::ask;

/// Calls of a run that are answered with what is kept, and calls that are computed.
pub const HITS: u32 = 10_000;
pub const COMPUTED: u32 = 100;

const BUDGET_BYTES: u64 = 256 << 20;

/// More than any of these functions needs.
#[cfg(feature = "python")]
const LIMITS: Limits = Limits { time: Duration::from_secs(10), memory_bytes: 256 << 20 };

const SQL: &str = "\
-- param: least float
SELECT cusip, max(price) AS price FROM \"prices.csv\" WHERE price > :least GROUP BY cusip
";

const PYTHON: &str = "\
def main(cache, least: float):
    sql = 'SELECT cusip, max(price) AS price FROM \"prices.csv\" WHERE price > :least GROUP BY cusip'
    return cache.sql(sql, least=least).rows()
";

/// Two functions of the same lines.
pub struct Pair {
    /// How the results of the one are kept.
    pub how: &'static str,
    kept: &'static str,
    computed: &'static str,
}

pub const PAIRS: &[Pair] = &[
    Pair { how: "SQL, `-- keep: memory`", kept: "kept_sql", computed: "computed_sql" },
    #[cfg(feature = "python")]
    Pair { how: "Python, `@lru_cache`", kept: "lru_cache_py", computed: "computed_py" },
    #[cfg(feature = "python")]
    Pair { how: "Python, `@compute_result`", kept: "compute_result_py", computed: "computed_py" },
];

/// The functions, in files of a directory, which is the record.
pub struct Functions {
    engine: Arc<Engine>,
    runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl Functions {
    /// Writes the files, and has each kept result computed.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(folder.path().join("functions")).expect("a directory");
        let prices: String = (0..1_000_u32).map(|row| format!("{},{}\n", row % 100, f64::from(row) / 8.0)).collect();
        for (name, text) in [
            ("prices.csv", format!("cusip,price\n{prices}")),
            ("functions/kept_sql.sql", format!("-- keep: memory\n{SQL}")),
            ("functions/computed_sql.sql", format!("-- keep: no\n{SQL}")),
            ("functions/lru_cache_py.py", format!("@lru_cache\n{PYTHON}")),
            ("functions/compute_result_py.py", format!("@compute_result\n{PYTHON}")),
            ("functions/computed_py.py", PYTHON.to_owned()),
        ] {
            std::fs::write(folder.path().join(name), text).expect("a written file");
        }
        let record = DirectoryRecord::open(folder.path(), Budget::new(BUDGET_BYTES)).expect("a directory");
        let cache = Cache::new(MemoryTier::new(BUDGET_BYTES), None, Arc::new(record), Policy::default());
        let directory = Directory { below: Prefix::normalise("functions").expect("a prefix"), compilers: compilers() };
        let engine = Engine::new(cache, Registry::new(builtin::all()).with_files(directory), BUDGET_BYTES);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
        let functions = Self { engine, runtime, _folder: folder };
        for pair in PAIRS {
            functions.call(pair.kept, 1, Origin::Computed { is_kept: true });
        }
        functions
    }

    /// Calls the one [`HITS`] times.
    pub fn hits(&self, pair: &Pair) {
        self.call(pair.kept, HITS, Origin::Kept(TierName::Memory));
    }

    /// Calls the other [`COMPUTED`] times.
    pub fn computed(&self, pair: &Pair) {
        self.call(pair.computed, COMPUTED, Origin::Computed { is_kept: false });
    }

    fn call(&self, name: &str, times: u32, origin: Origin) {
        let given = [("least".to_owned(), Given::Text("95".to_owned()))];
        self.runtime.block_on(async {
            for _ in 0..times {
                let called = self.engine.call(name, &given, ask()).await.expect("an answer");
                assert_eq!(called.origin, origin, "{name}");
                std::hint::black_box(called.answer);
            }
        });
    }
}

fn compilers() -> Vec<Arc<dyn Compile>> {
    vec![
        Arc::new(SqlCompiler),
        #[cfg(feature = "python")]
        Arc::new(Python::new(env!("CARGO_BIN_EXE_cache-api").into(), LIMITS)),
    ]
}
