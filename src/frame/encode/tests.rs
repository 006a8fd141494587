use polars::prelude::{DataType, IntoColumn, NamedFrom, Series};

use super::*;

const TITLES: Titles<'_> = Titles { name: "k", links: &[], note: "" };

fn text(table: &DataFrame, form: Form) -> String {
    String::from_utf8(encode(table.clone(), form, TITLES, 1 << 20).unwrap()).unwrap()
}

fn table() -> DataFrame {
    let lists = [Series::new("".into(), [1_i64, 2]), Series::new("".into(), [0_i64; 0])];
    let columns = vec![
        Series::new("n".into(), [Some(1_i64), None]).into_column(),
        Series::new("w,\"q\"".into(), [Some("<b>a\"\n,b</b>"), Some("")]).into_column(),
        Series::new("x".into(), [f64::NAN, 0.1]).into_column(),
        Series::new("l".into(), lists).into_column(),
        Series::new("b".into(), [&b"\x00\xff"[..], b"a"]).into_column(),
        Series::new("d".into(), [0_i32, 19_723]).cast(&DataType::Date).unwrap().into_column(),
    ];
    DataFrame::new(2, columns).unwrap()
}

#[test]
fn each_text_form_says_all_values() {
    let table = table();
    let csv = "n,\"w,\"\"q\"\"\",x,l,b,d\n1,\"<b>a\"\"\n,b</b>\",NaN,\"[1,2]\",00ff,1970-01-01\n,\"\",0.1,[],61,2024-01-01\n";
    assert_eq!(text(&table, Form::Csv), csv);
    let rows = [
        r#"{"n":1,"w,\"q\"":"<b>a\"\n,b</b>","x":null,"l":[1,2],"b":"00ff","d":"1970-01-01"}"#,
        r#"{"n":null,"w,\"q\"":"","x":0.1,"l":[],"b":"61","d":"2024-01-01"}"#,
    ];
    assert_eq!(text(&table, Form::Ndjson), format!("{}\n{}\n", rows[0], rows[1]));
    assert_eq!(text(&table, Form::Json), format!("[{},{}]", rows[0], rows[1]));
    let columns = r#"{"n":[1,null],"w,\"q\"":["<b>a\"\n,b</b>",""],"x":[null,0.1],"l":[[1,2],[]],"b":["00ff","61"],"d":["1970-01-01","2024-01-01"]}"#;
    assert_eq!(text(&table, Form::JsonColumns).trim_end(), columns);
    let schema = r#"{"rows":2,"columns":[{"name":"n","type":"i64","nulls":1},{"name":"w,\"q\"","type":"str","nulls":0},{"name":"x","type":"f64","nulls":0},{"name":"l","type":"list[i64]","nulls":0},{"name":"b","type":"binary","nulls":0},{"name":"d","type":"date","nulls":0}]}"#;
    assert_eq!(text(&table, Form::Schema), schema);
}

/// Issue 5: "tables escaped".
#[test]
fn a_page_escapes_what_comes_from_a_body() {
    let hostile = "</td><script>alert('1')</script>&amp;\"";
    let column = Series::new(hostile.into(), [hostile]).into_column();
    let table = DataFrame::new(1, vec![column]).unwrap();
    let links = [(hostile.to_owned(), "?a=\"><script>".to_owned())];
    let titles = Titles { name: hostile, links: &links, note: hostile };
    let page = String::from_utf8(encode(table, Form::Html, titles, 1 << 20).unwrap()).unwrap();
    assert!(!page.contains("<script"), "{page}");
    assert_eq!(page.matches("&lt;/td&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;&quot;").count(), 6, "{page}");
}

#[test]
fn a_table_without_rows_has_every_form() {
    let empty = table().head(Some(0));
    for form in Form::ALL.into_iter().chain([Form::Schema]) {
        assert!(!encode(empty.clone(), form, TITLES, 1 << 20).unwrap().is_empty() || form == Form::Ndjson, "{form:?}");
    }
    assert_eq!(text(&empty, Form::Json), "[]");
    assert_eq!(text(&empty, Form::JsonColumns).trim_end(), r#"{"n":[],"w,\"q\"":[],"x":[],"l":[],"b":[],"d":[]}"#);
}

#[test]
fn what_is_too_long_is_refused_as_soon_as_it_is() {
    for form in Form::ALL {
        assert_eq!(encode(table(), form, TITLES, 10), Err(Unencoded::TooLong { bytes_max: 10 }), "{form:?}");
    }
}
