//! `make bench-frames`: what a table in another form costs beside polars doing the same, what a slice of wide parquet costs by
//! the columns that are asked for, what a result costs that is kept, and what a query costs beside polars and, with
//! `--python PATH`, beside the DuckDB and pandas of that Python. Prints the tables of docs/PERFORMANCE.md.

#![expect(clippy::disallowed_methods, reason = "who measures asks for the time")]

use std::io::Cursor;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use cache_api::cache::Ask;
use cache_api::frame::encode::{Titles, encode};
use cache_api::frame::{Form, Format, Slice, Source};
use cache_api::freshness::Moment;
use cache_api::key::{Key, Prefix};
use polars::prelude::{
    Column, CompatLevel, DataFrame, IntoColumn, IpcWriter, NamedFrom, ParquetReader, ParquetWriter, SerReader, SerWriter, Series,
};

mod kept;
mod query;

/// What is printed is the median of so many runs, ours and the other's in turn.
const RUNS: usize = 5;

/// The most that a frame may take: none of these comes near.
const FRAME_BYTES_MAX: u64 = 4 << 30;

/// What a call may take whose result is kept.
const HIT_MAX: Duration = Duration::from_micros(50);

const TITLES: Titles<'_> = Titles { name: "", links: &[], note: "" };

fn main() {
    let tall = parquet(tall());
    println!("| parquet of a million rows as | ours, ms | polars in process, ms | ours / polars |");
    println!("|---|---|---|---|");
    let (ours, other) = alternately(|| arrow(&tall), || arrow_by_polars(&tall));
    println!("| an Arrow file | {:.1} | {:.1} | {:.2} |", millis(ours), millis(other), ours.as_secs_f64() / other.as_secs_f64());
    let wide = parquet(wide());
    println!("\n| `columns=` of 200 | ms | of all, % |");
    println!("|---|---|---|");
    let (all, _) = alternately(|| slice(&wide, 200), || ());
    for count in [1, 10, 50, 100, 200] {
        let (some, _) = alternately(|| slice(&wide, count), || ());
        println!("| {count} | {:.1} | {:.0} |", millis(some), some.as_secs_f64() / all.as_secs_f64() * 100.0);
    }
    print_kept();
    print_queries();
}

fn print_kept() {
    let functions = kept::Functions::new();
    println!("\n| a call in process, its result kept | ours, µs | computed each time, µs | target | met |");
    println!("|---|---|---|---|---|");
    for pair in kept::PAIRS {
        let (hits, computed) = alternately(|| functions.hits(pair), || functions.computed(pair));
        let (hit, computed) = (hits / kept::HITS, computed / kept::COMPUTED);
        let met = if hit <= HIT_MAX { "yes" } else { "**no**" };
        println!("| {} | {:.1} | {:.0} | at most 50 µs | {met} |", pair.how, micros(hit), micros(computed));
    }
}

fn print_queries() {
    let held = query::Held::new();
    let elsewhere = match python() {
        Some(python) => held.elsewhere(&python),
        None => vec!["| | |".to_owned(); query::STATEMENTS.len()],
    };
    println!(
        "\n| SQL over ten million rows that are held | ours, ms | polars in process, ms | ours / polars \
         | DuckDB from the file, ms | pandas from the file, ms |"
    );
    println!("|---|---|---|---|---|---|");
    for (sql, cells) in query::STATEMENTS.into_iter().zip(elsewhere) {
        let (ours, other) = alternately(|| held.ours(sql), || held.polars(sql));
        let ratio = ours.as_secs_f64() / other.as_secs_f64();
        println!("| `{sql}` | {:.1} | {:.1} | {ratio:.2} {cells}", millis(ours), millis(other));
    }
}

/// The Python that has DuckDB and pandas, where one is named.
fn python() -> Option<String> {
    std::env::args().skip_while(|argument| argument != "--python").nth(1)
}

/// Now, with more time than anything here takes.
fn ask() -> Ask {
    let now = Moment { wall: SystemTime::now().into(), monotonic: Instant::now() };
    Ask::new(now, now.monotonic + Duration::from_secs(600))
}

/// A million rows of what tables have: numbers, fractions with nulls, words that repeat and words that do not.
fn tall() -> DataFrame {
    let rows = 1_000_000_i64;
    let fractions: Vec<_> = (0..rows).map(|row| (row % 17 != 0).then_some((row * 7919 % 100_003) as f64 / 8.0)).collect();
    let kinds: Vec<_> = (0..rows).map(|row| ["bond", "note", "bill", "strip"][(row % 4) as usize]).collect();
    let names: Vec<_> = (0..rows).map(|row| format!("9128{row:07}")).collect();
    let columns = vec![
        Series::new("n".into(), (0..rows).collect::<Vec<_>>()).into_column(),
        Series::new("price".into(), fractions).into_column(),
        Series::new("kind".into(), kinds).into_column(),
        Series::new("name".into(), names).into_column(),
    ];
    DataFrame::new(rows as usize, columns).expect("columns of one length")
}

fn wide() -> DataFrame {
    let rows = 50_000_i64;
    let column = |place: i64| -> Column {
        let numbers: Vec<_> = (0..rows).map(|row| row * 7919 % (1_000 + place)).collect();
        Series::new(format!("c{place}").into(), numbers).into_column()
    };
    DataFrame::new(rows as usize, (0..200).map(column).collect()).expect("columns of one length")
}

fn parquet(mut table: DataFrame) -> Bytes {
    let mut file = Vec::new();
    ParquetWriter::new(&mut file).finish(&mut table).expect("a file in memory");
    file.into()
}

/// As a request for `?format=arrow` has it made: checked, parsed, written.
fn arrow(body: &Bytes) {
    let key = key();
    let source = Source { key: &key, format: Format::Parquet, body, frame_bytes_max: FRAME_BYTES_MAX };
    let frame = source.frame().expect("a table");
    let bytes = encode(frame.table().clone(), Form::ArrowFile, TITLES, FRAME_BYTES_MAX).expect("an Arrow file");
    std::hint::black_box(bytes);
}

fn arrow_by_polars(body: &Bytes) {
    let reader = ParquetReader::new(Cursor::new(body.clone())).set_rechunk(true);
    let mut table = reader.finish().expect("a table");
    let mut bytes = Vec::new();
    IpcWriter::new(&mut bytes).with_compat_level(CompatLevel::oldest()).finish(&mut table).expect("an Arrow file");
    std::hint::black_box(bytes);
}

/// As a request for `?columns=…&format=arrow` has it made.
fn slice(body: &Bytes, count: usize) {
    let key = key();
    let source = Source { key: &key, format: Format::Parquet, body, frame_bytes_max: FRAME_BYTES_MAX };
    let columns = (0..count).map(|place| format!("c{place}")).collect();
    let table = source.slice(&Slice { columns: Some(columns), ..Slice::default() }, 0).expect("a slice");
    let bytes = encode(table, Form::ArrowFile, TITLES, FRAME_BYTES_MAX).expect("an Arrow file");
    std::hint::black_box(bytes);
}

fn key() -> Key {
    Key::parse("t.parquet", &Prefix::default()).expect("a key")
}

/// The medians of both, each run of the one followed by one of the other; a run of each goes before and does not count.
fn alternately(ours: impl Fn(), other: impl Fn()) -> (Duration, Duration) {
    let timed = |work: &dyn Fn()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    let mut runs: Vec<_> = (0..=RUNS).map(|_| (timed(&ours), timed(&other))).skip(1).collect();
    let mut median = |of: fn(&(Duration, Duration)) -> Duration| {
        runs.sort_by_key(of);
        of(&runs[RUNS / 2])
    };
    (median(|run| run.0), median(|run| run.1))
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
