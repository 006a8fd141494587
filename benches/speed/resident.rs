//! What a process takes of memory while ten times its budget goes through it, each key once, to eight clients at a time. In a
//! build with frames every tenth key is parsed besides: prices as JSON and as parquet, the value of the one and the frame of the
//! other kept as long as there is room.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::RUNS;
use crate::http_door::Server;
use crate::reader::Reader;
use crate::table::{Row, Target, Unit};

const BUDGET: &str = "256MiB";
const BUDGET_BYTES: usize = 256 << 20;

/// All objects together, as a multiple of the budget.
const TIMES: usize = 10;

/// Half of the bytes are of objects of these sizes, half of those; in both as many of each order of magnitude.
const SIZES: [(f64, f64); 2] = [(1e3, 1e6), (1e6, 50e6)];

const CLIENTS: usize = 8;

pub async fn rows() -> Vec<Row> {
    let name = if cfg!(feature = "frames") { "resident, over idle, parsing" } else { "resident, over idle" };
    let mut row = Row::new(name, "1.2 × the budget", Unit::Megabytes, Some(Target::RatioAtMost(1.0)));
    let source = tempfile::tempdir().expect("a directory");
    let objects = Arc::new(write_objects(source.path()));
    for _ in 0..RUNS {
        row.add(megabytes_over_idle(&source, &objects).await, BUDGET_BYTES as f64 * 1.2 / 1e6);
    }
    vec![row]
}

struct Object {
    key: String,
    bytes: usize,
    is_parsed: bool,
}

async fn megabytes_over_idle(source: &TempDir, objects: &Arc<Vec<Object>>) -> f64 {
    let local = tempfile::tempdir().expect("a directory");
    let server = Server::serve([
        ("CACHE_API_SOURCE_DIR", source.path().as_os_str()),
        ("LOCAL_DATA_DIR", local.path().as_os_str()),
        ("CACHE_API_MEMORY_BUDGET", BUDGET.as_ref()),
    ])
    .await;
    // What is needed for a first answer belongs to the idle process.
    Reader::connect(server.address()).await.get("/health").await;
    let idle = resident_megabytes(server.id(), "VmRSS");
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (objects, next, mut reader) = (Arc::clone(objects), Arc::clone(&next), Reader::connect(server.address()).await);
        clients.spawn(async move {
            while let Some(Object { key, bytes, is_parsed }) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                reader.get(&format!("/cache/{key}")).await.assert_is(*bytes, "");
                if *is_parsed {
                    reader.get(&format!("/cache/api/v1.0/?function=cache_item_stats&key={key}")).await.assert_is_well(key);
                }
            }
        });
    }
    clients.join_all().await;
    resident_megabytes(server.id(), "VmHWM") - idle
}

/// A figure of a process's memory by its name in `/proc`, which has it in kB of 1024.
pub fn resident_megabytes(process: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux has it");
    let kibibytes: f64 = line.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number");
    kibibytes * 1024.0 / 1e6
}

/// Writes ten times the budget, the same in every run, in an order that has nothing to do with their sizes.
fn write_objects(source: &Path) -> Vec<Object> {
    let mut random = StdRng::seed_from_u64(20_261_128);
    let mut objects = Vec::new();
    for (least, most) in SIZES {
        let mut left = BUDGET_BYTES * TIMES / 2;
        while left > 0 {
            let bytes = ((least * (most / least).powf(random.random::<f64>())) as usize).min(left);
            left -= bytes;
            objects.push(write_object(source, objects.len(), bytes));
        }
    }
    objects.shuffle(&mut random);
    objects
}

#[cfg(not(feature = "frames"))]
fn write_object(source: &Path, number: usize, bytes: usize) -> Object {
    write(source, format!("{number}.bin"), &vec![7; bytes], false)
}

/// Every twentieth is prices as JSON, every twentieth prices as parquet.
#[cfg(feature = "frames")]
fn write_object(source: &Path, number: usize, bytes: usize) -> Object {
    match number % 20 {
        0 => write(source, format!("{number}.json"), &prices::json(bytes), true),
        10 => write(source, format!("{number}.parquet"), &prices::parquet(bytes), true),
        _ => write(source, format!("{number}.bin"), &vec![7; bytes], false),
    }
}

fn write(source: &Path, key: String, body: &[u8], is_parsed: bool) -> Object {
    std::fs::write(source.join(&key), body).expect("a written file");
    Object { key, bytes: body.len(), is_parsed }
}

/// Prices of so many bytes, or a little more.
#[cfg(feature = "frames")]
mod prices {
    use polars::prelude::{Column, DataFrame, NamedFrom, ParquetWriter, Series};
    use serde_json::json;

    pub fn json(bytes: usize) -> Vec<u8> {
        let mut rows = Vec::with_capacity(bytes + 128);
        rows.push(b'[');
        for row in 0.. {
            let price = json!({"date": format!("2024-01-{:02}", row % 28 + 1), "close": price(row), "volume": row * 100});
            rows.extend(price.to_string().into_bytes());
            if rows.len() >= bytes {
                break;
            }
            rows.push(b',');
        }
        rows.push(b']');
        rows
    }

    pub fn parquet(bytes: usize) -> Vec<u8> {
        // Two columns of eight bytes, which hardly compress.
        let rows = (bytes / 16).max(1);
        let closes: Vec<_> = (0..rows).map(price).collect();
        let volumes: Vec<_> = (0..rows as i64).map(|row| row.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64)).collect();
        let columns = [Series::new("close".into(), closes).into(), Series::new("volume".into(), volumes).into()];
        let mut frame = DataFrame::new(rows, Vec::<Column>::from(columns)).expect("columns of one length");
        let mut body = Vec::new();
        ParquetWriter::new(&mut body).finish(&mut frame).expect("a frame in memory");
        body
    }

    fn price(row: usize) -> f64 {
        100.0 + (row as f64).sin()
    }
}
