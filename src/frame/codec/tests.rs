use polars::prelude::{DataFrame, DataType, IntoColumn, NamedFrom, ParquetWriter, Series};
use proptest::prelude::{any, prop, proptest};

use super::*;
use crate::frame::pandas;
use crate::frame::stats::Stats;
use crate::key::Prefix;

mod formats;

fn key() -> Key {
    Key::parse("k", &Prefix::default()).unwrap()
}

fn parse(format: Format, body: impl Into<Bytes>) -> Result<Frame> {
    Source { key: &key(), format, body: &body.into(), frame_bytes_max: 1 << 20 }.frame()
}

fn reason(format: Format, body: impl Into<Bytes>) -> String {
    match parse(format, body) {
        Err(Error::Unparsable { reason, .. }) => reason,
        other => panic!("{other:?} is not unparsable"),
    }
}

fn parquet() -> Vec<u8> {
    let numbers = Series::new("n".into(), [Some(1_i64), None, Some(3)]).into_column();
    let words = Series::new("w".into(), ["a", "b", "c"]).into_column();
    let lists = Series::new(
        "l".into(),
        [numbers.as_materialized_series().clone(), Series::new("".into(), [7_i64]), Series::new("".into(), [0_i64; 0])],
    );
    let mut frame = DataFrame::new(3, vec![numbers, words, lists.into_column()]).unwrap();
    let mut file = Vec::new();
    ParquetWriter::new(&mut file).finish(&mut frame).unwrap();
    file
}

#[test]
fn a_parquet_file_becomes_a_frame() {
    let frame = parse(Format::Parquet, parquet()).unwrap();
    assert_eq!((frame.table().height(), frame.table().width()), (3, 3));
    assert_eq!(frame.notes(), None);
}

/// Issue 2, bad input: "truncated parquet".
#[test]
fn a_parquet_file_cut_anywhere_is_unparsable() {
    let file = parquet();
    for length in 1..file.len() {
        assert!(!reason(Format::Parquet, file[..length].to_vec()).is_empty());
    }
    assert_eq!(reason(Format::Parquet, Bytes::new()), "the body is empty");
}

/// Issue 2, bad input: "json of 10 000 nested arrays".
#[test]
fn json_nested_ten_thousand_deep_is_unparsable() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(reason(Format::Json, deep.clone()), "nested deeper than 128 at byte 128");
    let error = parse_json(&key(), &deep.into()).unwrap_err();
    assert_eq!(error.to_string(), "`k` does not parse as json: nested deeper than 128 at byte 128");
}

#[test]
fn a_json_array_of_objects_becomes_a_frame() {
    let frame = parse(Format::Json, "\u{feff}[{\"a\": 1, \"b\": null}, {\"a\": 2.5, \"b\": \"x\"}, {\"c\": [1]}]").unwrap();
    let stats = Stats::of(&frame);
    let columns: Vec<_> = stats.columns.iter().map(|column| (&*column.name, &*column.dtype, column.non_null)).collect();
    assert_eq!(stats.rows, 3);
    assert_eq!(columns, [("a", "float64", 2), ("b", "object", 1), ("c", "object", 1)]);
}

#[test]
fn json_that_is_no_table_is_unparsable_as_a_frame() {
    for body in ["{}", "[]", "[1]", "[{}, []]", "1", "null"] {
        assert_eq!(reason(Format::Json, body), "a table is an array of objects, at least one", "{body}");
    }
    assert_eq!(reason(Format::Json, ""), "the body is empty");
    assert_eq!(reason(Format::Json, "[{\"a\": 1}"), "neither `,` nor `]` at byte 9");
    assert_eq!(reason(Format::Json, "[\"\u{ff}\"]".replace('\u{ff}', "\\ud800")), "half a surrogate pair at byte 2");
}

#[test]
fn a_file_that_claims_more_than_fits_is_refused_before_it_is_unpacked() {
    let ones = Series::new("n".into(), vec![1_i64; 200_000]).into_column();
    let mut frame = DataFrame::new(200_000, vec![ones]).unwrap();
    let mut file = Vec::new();
    ParquetWriter::new(&mut file).finish(&mut frame).unwrap();
    assert!(file.len() < 10_000, "two hundred thousand ones pack well");
    let error = parse(Format::Parquet, file).unwrap_err();
    assert!(matches!(error, Error::TooLarge { size: 1_600_000.., size_max: 1_048_576, .. }), "{error}");
}

/// Polars reads 16-bit floats from parquet in release builds only, so that they come from memory here.
#[test]
fn half_floats_print_as_pandas_prints_them() {
    let halves = Series::new("f2".into(), [0.1_f32, 65504.0, -0.0]).cast(&DataType::Float16).unwrap();
    let frame = Frame::new(DataFrame::new(3, vec![halves.into_column()]).unwrap(), None);
    let text = pandas::Table::of(&frame).repr();
    assert_eq!(text, "             f2\n0      0.099976\n1  65504.000000\n2     -0.000000");
}

#[test]
fn a_reason_is_one_line_and_not_a_book() {
    let Error::Unparsable { reason, .. } = unparsable(&key(), Format::Json, &"no\n good ".repeat(1_000)) else {
        panic!("it makes one kind of error");
    };
    assert!(reason.starts_with("no good no good ") && reason.ends_with('…'), "{reason}");
    assert_eq!(reason.chars().count(), REASON_CHARS_MAX + 1);
}

/// A count below zero, taken for a length, would ask for sixteen exabytes and end the process.
#[test]
fn a_page_that_counts_below_zero_is_unparsable() {
    let file = parquet();
    let reasons = (4..file.len() - 8).map(|place| {
        let mut damaged = file.clone();
        // Thrift writes -64 as 0x7f; wherever the count of a page stands, it is one of these.
        damaged[place] = 0x7f;
        match parse(Format::Parquet, damaged) {
            Err(Error::Unparsable { reason, .. }) => reason,
            _ => String::new(),
        }
    });
    assert!(reasons.filter(|reason| reason == "a page header contradicts itself").count() > 2);
}

/// Runs the readers over every kind of column there is.
#[test]
fn damage_to_any_of_the_fixtures_is_survived() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pandas");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).collect();
    assert!(files.len() > 40, "the fixtures are there");
    for path in files {
        let file = std::fs::read(&path).unwrap();
        // Spread by an odd step, another start for each file; the large ones differ in length only.
        for place in (file.len() % 61..file.len()).step_by(61 + file.len() / 60) {
            let mut damaged = file.clone();
            damaged[place] ^= 0x55;
            if let Ok(frame) = parse(Format::Parquet, damaged) {
                assert!(pandas::item_stats(&frame).starts_with('('), "{}", path.display());
            }
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        for format in [Format::Parquet, Format::Json] {
            proptest::prop_assert!(parse(format, body.clone()).is_err());
        }
    }

    #[test]
    fn a_damaged_parquet_file_parses_or_says_why_and_what_parses_prints(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
    ) {
        let mut file = parquet();
        for (place, byte) in damage {
            let place = place.index(file.len());
            file[place] = byte;
        }
        if let Ok(frame) = parse(Format::Parquet, file) {
            proptest::prop_assert!(pandas::item_stats(&frame).starts_with('('));
        }
    }
}
