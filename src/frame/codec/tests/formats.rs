//! Arrow, csv and ndjson; and parts of parquet.

use polars::prelude::{IpcCompression, IpcStreamWriter, IpcWriter, SerWriter, StatisticsOptions};

use super::*;

fn table() -> DataFrame {
    parse(Format::Parquet, parquet()).unwrap().table().clone()
}

fn arrow_file(compression: Option<IpcCompression>) -> Vec<u8> {
    let mut file = Vec::new();
    IpcWriter::new(&mut file).with_compression(compression).finish(&mut table()).unwrap();
    file
}

fn arrow_stream(compression: Option<IpcCompression>) -> Vec<u8> {
    let mut stream = Vec::new();
    IpcStreamWriter::new(&mut stream).with_compression(compression).finish(&mut table()).unwrap();
    stream
}

fn arrows() -> [Vec<u8>; 5] {
    let zstd = Some(IpcCompression::ZSTD(Default::default()));
    [arrow_file(None), arrow_file(zstd), arrow_file(Some(IpcCompression::LZ4)), arrow_stream(None), arrow_stream(zstd)]
}

#[test]
fn an_arrow_file_or_stream_becomes_a_frame() {
    for body in arrows() {
        assert!(parse(Format::Arrow, body).unwrap().table().equals_missing(&table()));
    }
}

/// A length that is not there, taken for one, would ask for exabytes and end the process.
#[test]
fn an_arrow_file_or_stream_cut_or_damaged_anywhere_parses_or_says_why() {
    for body in arrows() {
        for length in 0..body.len() {
            // A stream that ends after its schema or between two messages is one without an end mark.
            if let Err(error) = parse(Format::Arrow, body[..length].to_vec()) {
                assert!(matches!(error, Error::Unparsable { .. }), "{error}");
            }
        }
        // Three apart, so that each kind of field is met somewhere; a panic that is caught takes long.
        for place in (0..body.len()).step_by(3) {
            for byte in [0x7f, 0xff, body[place] ^ 0x01] {
                let mut damaged = body.clone();
                damaged[place] = byte;
                if let Ok(frame) = parse(Format::Arrow, damaged) {
                    assert!(frame.table().height() <= 1 << 20);
                }
            }
        }
    }
}

#[test]
fn an_arrow_file_that_claims_more_than_fits_is_refused_before_it_is_unpacked() {
    let ones = Series::new("n".into(), vec![1_i64; 200_000]).into_column();
    let mut frame = DataFrame::new(200_000, vec![ones]).unwrap();
    let mut file = Vec::new();
    IpcWriter::new(&mut file).with_compression(Some(IpcCompression::ZSTD(Default::default()))).finish(&mut frame).unwrap();
    assert!(file.len() < 10_000, "two hundred thousand ones pack well");
    let error = parse(Format::Arrow, file).unwrap_err();
    assert!(matches!(error, Error::TooLarge { size: 1_600_000.., size_max: 1_048_576, .. }), "{error}");
}

#[test]
fn arrow_columns_that_nest_too_deep_are_refused_before_they_are_followed() {
    let mut column = Series::new("n".into(), [1_i64]);
    for _ in 0..80 {
        column = Series::new("n".into(), [column]);
    }
    let mut frame = DataFrame::new(1, vec![column.into_column()]).unwrap();
    let mut file = Vec::new();
    IpcWriter::new(&mut file).finish(&mut frame).unwrap();
    assert_eq!(reason(Format::Arrow, file), "its columns nest deeper than 64");
}

#[test]
fn what_is_no_arrow_says_so() {
    assert_eq!(reason(Format::Arrow, "FEA1 and so on"), "it is a Feather file of the first version; write it anew as Arrow");
    assert_eq!(reason(Format::Arrow, "ARROW1"), "it does not end as an Arrow file does; it may be cut");
    assert_eq!(reason(Format::Arrow, "a,b\n1,2\n"), "a message is cut");
}

#[test]
fn a_csv_has_the_types_of_all_its_rows() {
    let rows: String = (0..500).map(|row| format!("{row},{row},true,x\n")).collect();
    let csv = format!("\u{feff}n,late,yes,\"a \"\"b\"\"\"\n{rows}500,5.5,,\"y,\nz\"\r\n,,false,\"\"\n");
    let frame = parse(Format::Csv, csv).unwrap();
    let types: Vec<_> = frame.table().columns().iter().map(|column| (column.name().as_str(), column.dtype().clone())).collect();
    let expected =
        [("n", DataType::Int64), ("late", DataType::Float64), ("yes", DataType::Boolean), ("a \"b\"", DataType::String)];
    assert_eq!(types, expected);
    assert_eq!(frame.table().height(), 502);
    let last = frame.table().column("a \"b\"").unwrap().str().unwrap().get(500).map(str::to_owned);
    assert_eq!(last.as_deref(), Some("y,\nz"));
    let nulls: Vec<_> = frame.table().columns().iter().map(|column| column.null_count()).collect();
    assert_eq!(nulls[..3], [1, 1, 1]);
}

#[test]
fn a_csv_that_is_no_table_says_why() {
    assert_eq!(reason(Format::Csv, "a,b\n1\n"), "line 2 has 1 fields, where the first has 2");
    assert_eq!(reason(Format::Csv, b"a\n\xff\n".to_vec()), "invalid utf-8 sequence");
    let only_names = parse(Format::Csv, "a,b\n").unwrap();
    assert_eq!((only_names.table().height(), only_names.table().width()), (0, 2));
    let wide = parse(Format::Csv, format!("{}a\n", "a,".repeat(20_000)));
    assert!(matches!(wide, Err(Error::Unparsable { .. })));
    let empty_fields = format!("a,b,c,d\n{}", ",,,\n".repeat(40_000));
    assert!(matches!(parse(Format::Csv, empty_fields), Err(Error::TooLarge { .. })));
}

#[test]
fn ndjson_is_a_table_of_its_lines() {
    let body = "\u{feff}{\"a\": 1, \"b\": \"x\"}\r\n\n  {\"b\": null, \"c\": [1.5]}  \n{\"a\": 2}";
    let frame = parse(Format::Ndjson, body).unwrap();
    assert_eq!((frame.table().height(), frame.table().width()), (3, 3));
    assert_eq!(frame.table().column("a").unwrap().null_count(), 1);
    assert_eq!(reason(Format::Ndjson, "{\"a\": 1}\n[1]\n"), "line 2 is no object");
    assert_eq!(reason(Format::Ndjson, "\n\n"), "a table is an object a line, at least one");
    assert!(reason(Format::Ndjson, "{\"a\": 1}\n{\"a\"\n").starts_with("line 2: "));
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(reason(Format::Ndjson, deep).contains("nested deeper than 128"));
}

/// Issue 5, bad input: "mixed json".
#[test]
fn json_written_over_several_lines_is_the_table_of_its_rows() {
    let rows = ["{\"a\": 1, \"b\": {\"c\": [1, 2]}}", "{\"b\": null, \"a\": 2.5}", "{\"a\": 3, \"d\": \"}\\n]\"}"];
    let lines = parse(Format::Ndjson, rows.join("\n")).unwrap();
    let spread = rows.map(|row| row.replace(", ", "\r\n ,\n").replace(": ", "\n:\r"));
    for array in [format!("[{}]", rows.join(",")), format!("\n[\n{}\n]\n", spread.join("\n,\n"))] {
        assert_eq!(parse(Format::Json, array.clone()).unwrap().table(), lines.table(), "{array}");
    }
}

#[test]
fn what_parsing_takes_is_what_a_file_says_that_it_unpacks_to_and_not_what_it_has() {
    let column = |name: &str| Series::new(name.into(), vec![7_i64; 100_000]).into_column();
    let mut table = DataFrame::new(100_000, vec![column("n"), column("m")]).unwrap();
    let mut file = Vec::new();
    ParquetWriter::new(&mut file).finish(&mut table).unwrap();
    let (key, file) = (key(), Bytes::from(file));
    assert!(file.len() < 100_000, "{} bytes", file.len());
    let source = |frame_bytes_max| Source { key: &key, format: Format::Parquet, body: &file, frame_bytes_max };
    let (all, one) = (Slice::default(), Slice { columns: Some(vec!["n".into()]), ..Slice::default() });
    let takes = [&all, &one].map(|slice| source(1 << 21).making_bytes(slice));
    assert!((4_800_000..6_000_000).contains(&takes[0]), "{takes:?}");
    assert!((2_400_000..3_000_000).contains(&takes[1]), "no more than its column: {takes:?}");
    assert_eq!(source(1 << 10).making_bytes(&all), 0, "what is refused takes nothing");
    assert_eq!(Source { body: &"[{}]".into(), format: Format::Json, ..source(1) }.making_bytes(&all), 24);
}

#[test]
fn json_whose_values_are_of_several_kinds_is_no_table() {
    let text = "row 2.a is a text, where those before are a number";
    assert_eq!(reason(Format::Json, "[{\"a\": 1}, {\"a\": \"x\"}]"), text);
    assert_eq!(reason(Format::Ndjson, "{\"a\": 1}\n{\"a\": \"x\"}\n"), text);
}

/// A column for every name times a row for every object: some kilobytes would become gigabytes.
#[test]
fn json_that_would_be_mostly_nulls_is_too_large() {
    let rows: Vec<_> = (0..2_000).map(|row| format!("{{\"c{row}\": 1}}")).collect();
    for (format, body) in [(Format::Json, format!("[{}]", rows.join(","))), (Format::Ndjson, rows.join("\n"))] {
        let error = parse(format, body).unwrap_err();
        assert!(matches!(error, Error::TooLarge { size: 32_000_000.., .. }), "{error}");
    }
}

fn grouped() -> Bytes {
    let numbers: Vec<i64> = (0..1_000).collect();
    let halves: Vec<f64> = numbers.iter().map(|number| *number as f64 / 2.0).collect();
    let words: Vec<String> = numbers.iter().map(|number| format!("w{number:04}")).collect();
    let nothing = vec![None::<i64>; 1_000];
    let columns = vec![
        Series::new("n".into(), numbers.clone()).into_column(),
        Series::new("x".into(), halves).into_column(),
        Series::new("w".into(), words).into_column(),
        Series::new("none".into(), nothing).into_column(),
        Series::new("d".into(), numbers).cast(&DataType::Int32).unwrap().cast(&DataType::Date).unwrap().into_column(),
    ];
    let mut file = Vec::new();
    let writer = ParquetWriter::new(&mut file).with_row_group_size(Some(100));
    writer.finish(&mut DataFrame::new(1_000, columns).unwrap()).unwrap();
    file.into()
}

#[test]
fn only_row_groups_that_can_have_such_rows_are_read() {
    let body = grouped();
    let outline = Outline::of(&body).unwrap();
    assert_eq!(outline.columns(), ["n", "x", "w", "none", "d"]);
    for (condition, expected) in [
        ("n = 250", vec![2]),
        ("250 = n", vec![2]),
        ("n < 100", vec![0]),
        ("n <= 100", vec![0, 1]),
        ("900 < n", vec![9]),
        ("n BETWEEN 150 AND 199", vec![1]),
        ("n IN (5, 999, -1)", vec![0, 9]),
        ("n > 100 AND n < 150 AND w > 'a'", vec![1]),
        ("n = 5 OR w = 'w0999'", vec![0, 9]),
        ("n = 5.5", (0..10).collect()),
        ("x < 50", vec![0]),
        // NaN would be greater, and no note says whether there is one.
        ("x > 450", (0..10).collect()),
        ("x = 499", vec![9]),
        ("w LIKE 'w00%'", (0..10).collect()),
        ("NOT n < 900", (0..10).collect()),
        ("n + 0 = 5", (0..10).collect()),
        ("none = 1", vec![]),
        ("none IS NULL", (0..10).collect()),
        ("d < '1970-02-01'", vec![0]),
        ("d = DATE '1971-01-01'", vec![3]),
        ("n = 'a'", (0..10).collect()),
        ("m = 1", (0..10).collect()),
    ] {
        let mut slice = Slice::default();
        slice.take("where", condition).unwrap();
        assert_eq!(outline.groups(slice.condition.as_ref().unwrap()), expected, "{condition}");
    }
    for (offset, limit, expected) in [
        (0, Some(1), (vec![0], 0)),
        (250, Some(51), (vec![2, 3], 200)),
        (999, None, (vec![9], 900)),
        (1_000, None, (vec![], 1_000)),
        (5, Some(0), (vec![0], 0)),
    ] {
        assert_eq!(outline.groups_of_rows(offset, limit), expected, "{offset}, {limit:?}");
    }
}

#[test]
fn what_a_parquet_file_says_is_what_its_table_does_and_nothing_where_it_does_not_say_it() {
    let (key, body) = (key(), Bytes::from(flat_parquet(StatisticsOptions::full())));
    let named =
        |columns: &[&str]| Slice { columns: Some(columns.iter().map(|&name| name.to_owned()).collect()), ..Slice::default() };
    let whole = source(&key, &body).frame().unwrap();
    for slice in [Slice::default(), named(&["w"]), named(&["w", "n", "b"])] {
        let said = source(&key, &body).said(&slice).unwrap().unwrap();
        let of_table = Said::of(&cut_frame(&key, Format::Parquet, whole.table(), &slice, 0).unwrap());
        assert_eq!((said.table.schema(), said.rows, said.nulls), (of_table.table.schema(), 4, of_table.nulls));
        assert_eq!(said.table.height(), 0, "nothing was unpacked");
    }
    assert!(matches!(source(&key, &body).said(&named(&["x"])), Err(Error::BadSlice { parameter: "columns", .. })));
    let silent = Bytes::from(flat_parquet(StatisticsOptions::empty()));
    assert_eq!(source(&key, &silent).said(&Slice::default()).unwrap(), None);
    // A list's nulls are not those of what is in it.
    let nested = Bytes::from(parquet());
    assert_eq!(source(&key, &nested).said(&Slice::default()).unwrap(), None);
    assert_eq!(source(&key, &nested).said(&named(&["n"])).unwrap().unwrap().nulls, [1]);
}

fn source<'a>(key: &'a Key, body: &'a Bytes) -> Source<'a> {
    Source { key, format: Format::Parquet, body, frame_bytes_max: 1 << 20 }
}

/// Four rows in row groups of two, with what `statistics` note of them.
fn flat_parquet(statistics: StatisticsOptions) -> Vec<u8> {
    let columns = vec![
        Series::new("n".into(), [Some(1_i64), None, Some(3), None]).into_column(),
        Series::new("w".into(), [Some("a"), Some("b"), None, Some("")]).into_column(),
        Series::new("b".into(), [true, false, true, true]).into_column(),
    ];
    let mut file = Vec::new();
    let writer = ParquetWriter::new(&mut file).with_statistics(statistics).with_row_group_size(Some(2));
    writer.finish(&mut DataFrame::new(4, columns).unwrap()).unwrap();
    file
}

#[test]
fn a_slice_of_parquet_is_that_of_the_whole_frame() {
    let (key, body) = (key(), grouped());
    let source = Source { key: &key, format: Format::Parquet, body: &body, frame_bytes_max: 1 << 20 };
    let whole = source.frame().unwrap();
    for pairs in [
        vec![("columns", "w")],
        vec![("columns", "w,n"), ("where", "n > 120 AND n < 180")],
        vec![("where", "x = 77.5 OR none = 1")],
        vec![("where", "none = 1")],
        vec![("offset", "250"), ("limit", "77")],
        vec![("offset", "5000")],
        vec![("limit", "0"), ("columns", "d")],
        vec![("sample", "5"), ("columns", "x")],
        vec![("order_by", "n desc"), ("limit", "3"), ("columns", "w")],
        vec![("where", "d >= '1972-01-01'"), ("offset", "3"), ("limit", "5"), ("order_by", "w desc")],
    ] {
        let mut slice = Slice::default();
        for (name, value) in &pairs {
            slice.take(name, value).unwrap();
        }
        let expected = cut_frame(&key, Format::Parquet, whole.table(), &slice, 7).unwrap();
        assert!(source.slice(&slice, 7).unwrap().equals_missing(&expected), "{pairs:?}");
    }
    let mut slice = Slice::default();
    slice.take("columns", "w,m").unwrap();
    let error = source.slice(&slice, 7).unwrap_err();
    assert_eq!(error.to_string(), "`columns` names the column `m`, which is not there; there are: n, x, w, none, d");
}

/// What is not read is not looked at either: "only the columns and row groups needed are decoded".
#[test]
fn damage_to_what_is_not_needed_is_not_met() {
    let (key, body) = (key(), grouped());
    let mut damaged = body.to_vec();
    // The first row group begins behind the magic, with the column `n`.
    damaged[4..40].fill(0xff);
    let damaged = Bytes::from(damaged);
    let source = Source { key: &key, format: Format::Parquet, body: &damaged, frame_bytes_max: 1 << 20 };
    assert!(source.frame().is_err());
    for (name, value, height) in [("columns", "w", 1_000), ("where", "n > 500", 499)] {
        let mut slice = Slice::default();
        slice.take(name, value).unwrap();
        assert_eq!(source.slice(&slice, 0).unwrap().height(), height);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_of_another_format_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        for format in [Format::Arrow, Format::Csv, Format::Ndjson] {
            if let Err(error) = parse(format, body.clone()) {
                let is_said = matches!(error, Error::Unparsable { .. } | Error::TooLarge { .. });
                proptest::prop_assert!(is_said, "{}", error);
            }
        }
    }

    #[test]
    fn a_csv_of_any_words_parses_or_says_why(body in "[a1,\"\r\n é.-]{0,40}") {
        if let Err(error) = parse(Format::Csv, body) {
            proptest::prop_assert!(matches!(error, Error::Unparsable { .. }), "{}", error);
        }
    }
}
