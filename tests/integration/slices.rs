//! Parts of tables, from outside: which rows and columns are answered, and how what cannot be is refused.

use serde_json::json;

use super::formats::Tables;
use super::support::repository::{in_repository, sample};

const CSV: &str = "n,price,type\n1,2.5,bond\n2,,note\n3,1.0,bond\n4,9.75,\n";

async fn table() -> Tables {
    Tables::of(&[("t.csv", CSV.as_bytes()), ("bonds.parquet", &sample("bonds.parquet"))]).await
}

fn encoded(query: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish()
}

#[tokio::test]
async fn a_slice_is_in_the_format_of_its_table_unless_another_is_asked_for() {
    let tables = table().await;
    for (query, body) in [
        (vec![("where", "price > 2 AND type = 'bond'")], "n,price,type\n1,2.5,bond\n"),
        (vec![("columns", "type,n"), ("order_by", "n desc"), ("limit", "2")], "type,n\n,4\nbond,3\n"),
        (vec![("offset", "1"), ("limit", "1")], "n,price,type\n2,,note\n"),
        (vec![("offset", "4")], "n,price,type\n"),
        (vec![("limit", "0")], "n,price,type\n"),
        (vec![("where", "price / 0 > 1")], "n,price,type\n"),
        (vec![("where", "price IS NULL"), ("format", "ndjson")], "{\"n\":2,\"price\":null,\"type\":\"note\"}\n"),
    ] {
        let answer = tables.get(&format!("t.csv?{}", encoded(&query)), &[]).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, body), "{query:?}");
    }
}

#[tokio::test]
async fn a_sample_is_so_many_rows_and_the_same_ones_for_a_version() {
    let tables = table().await;
    let sample = async || tables.get("bonds.parquet?sample=10&format=csv", &[]).await.text().to_owned();
    let first = sample().await;
    assert_eq!(first.lines().count(), 11);
    // Another request, so that it is made anew.
    let again = tables.get("bonds.parquet?sample=10&format=csv&offset=0", &[]).await;
    assert_eq!(again.text(), first);
}

#[tokio::test]
async fn the_schema_says_names_types_rows_and_nulls() {
    let tables = table().await;
    let columns = json!([
        {"name": "n", "type": "i64", "nulls": 0},
        {"name": "price", "type": "f64", "nulls": 1},
        {"name": "type", "type": "str", "nulls": 1},
    ]);
    let schema = tables.get("t.csv?schema", &[]).await;
    assert_eq!(schema.header("content-type"), "application/json");
    assert_eq!(schema.json(), json!({"rows": 4, "columns": columns}));
    let of_slice = tables.get(&format!("t.csv?schema&{}", encoded(&[("where", "price > 2"), ("columns", "price")])), &[]).await;
    assert_eq!(of_slice.json(), json!({"rows": 2, "columns": [{"name": "price", "type": "f64", "nulls": 0}]}));
}

/// Issue 5, bad input: "`where` that is no condition, names no column, divides by zero, nests 10 000 parentheses, chains 200 000
/// ANDs, calls a function that reads files; limits and offsets beyond the end, negative, no numbers".
#[tokio::test]
async fn what_cannot_be_cut_is_refused_and_says_why() {
    let tables = table().await;
    let deep = format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000));
    let long = vec!["n=1"; 3_000].join(" AND ");
    for (name, value, says) in [
        ("where", "price >", "ends where a column or a value should be"),
        ("where", "cost > 2", "names the column `cost`, which is not there; there are: n, price, type"),
        ("where", "type > 2", "compares `type`, which is str with a number"),
        ("where", "n > 1; DROP TABLE t", "`;` is not understood"),
        ("where", "read_csv('/etc/passwd') = 1", "there is no function `read_csv`; there are: abs,"),
        ("where", deep.as_str(), "more than 16384"),
        ("where", long.as_str(), "more than 16384"),
        ("where", "", "is empty"),
        ("columns", "m", "names the column `m`, which is not there; there are: n, price, type"),
        ("columns", "", "has a name that is empty"),
        ("order_by", "n sideways", "names the column `n sideways`"),
        ("limit", "-1", "write a number of rows, 0 or more"),
        ("offset", "ten", "write a number of rows, 0 or more"),
        ("sample", "0.1", "write a number of rows, 0 or more"),
        ("format", "stored&limit=1", "a part of a table is not stored"),
    ] {
        let query = encoded(&[(name, value)]).replace("stored%26limit%3D1", "stored&limit=1");
        let answer = tables.get(&format!("t.csv?{query}"), &[]).await;
        assert_eq!(answer.status.as_u16(), 400, "{name}={value:.80}: {answer:?}");
        let problem = answer.json();
        assert_eq!((&problem["type"], problem["title"].is_string()), (&json!("/problems/bad-parameter"), true));
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("`{name}`")) && detail.contains(says), "{detail}");
    }
    let twice = tables.get("t.csv?limit=1&limit=2", &[]).await;
    assert_eq!(twice.status.as_u16(), 400, "{twice:?}");
    assert_eq!(tables.get("t.csv", &[]).await.status.as_u16(), 200);
}

/// Issue 5, bad input: "a slice of what does not parse (415 naming why); ragged csv, mixed json".
#[tokio::test]
async fn a_slice_of_what_is_no_table_is_refused_and_says_why() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let files: [(&str, &[u8]); 12] = [
        ("ragged.csv", b"a,b\n1,2\n3\n"),
        ("open.csv", b"a,b\n1,\"2\n"),
        ("mixed.json", br#"[{"a": 1}, {"a": "x"}]"#),
        ("mixed.ndjson", b"{\"a\": 1}\n{\"a\": [1]}\n"),
        ("cut.ndjson", b"{\"a\": 1}\n{\"a\": \n"),
        ("value.json", b"{\"a\": 1}"),
        ("deep.json", deep.as_bytes()),
        ("t.parquet", b"PAR1 and no more than that"),
        ("t.arrow", b"ARROW1\0\0 no"),
        ("t.arrows", b"no such stream"),
        ("empty.csv", b""),
        ("t.xlsx", b"PK"),
    ];
    let tables = Tables::of(&files).await;
    for (key, says) in [
        ("ragged.csv", "line 3 has 1 fields, where the first has 2"),
        ("open.csv", "a quote is not closed in line 2"),
        ("mixed.json", "row 2.a is a text, where those before are a number"),
        ("mixed.ndjson", "row 2.a is a list, where those before are a number"),
        ("cut.ndjson", "line 2:"),
        ("value.json", "a table is an array of objects, at least one"),
        ("deep.json", "nested deeper than 128"),
        ("t.parquet", "it may be cut"),
        ("t.arrow", "it may be cut"),
        ("t.arrows", "does not parse as arrow"),
        ("empty.csv", "the body is empty"),
        ("t.xlsx", "is not of a format that can be computed on; these are: parquet, arrow (file and stream), csv, json, ndjson"),
    ] {
        for query in ["limit=1", "format=json", "schema"] {
            let answer = tables.get(&format!("{key}?{query}"), &[]).await;
            assert_eq!(answer.status.as_u16(), 415, "{key}?{query}: {answer:?}");
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(says), "{key}: {detail}");
        }
        assert_eq!(tables.get(key, &[]).await.status.as_u16(), 200, "the bytes of {key} are there");
    }
}

#[tokio::test]
async fn a_condition_on_parquet_gives_the_same_rows_by_row_groups_and_by_the_whole_frame() {
    let body = std::fs::read(in_repository("tests/fixtures/pandas/row_groups.parquet")).unwrap();
    let tables = Tables::of(&[("by_part.parquet", &body), ("whole.parquet", &body)]).await;
    let schema = tables.get("whole.parquet?schema", &[]).await.json();
    let columns = schema["columns"].as_array().unwrap();
    // Parsed whole, and kept: slices of it are cut from the frame.
    assert_eq!(tables.get("whole.parquet?format=json", &[]).await.status.as_u16(), 200);
    for column in columns {
        let name = column["name"].as_str().unwrap();
        for condition in ["IS NULL", "IS NOT NULL", "= 1", "> 5", "<= 5", "BETWEEN 3 AND 70", "IN (1, 1000000)", "<> 1"] {
            let query = encoded(&[("where", &format!("\"{name}\" {condition}")), ("format", "ndjson")]);
            let by_part = tables.get(&format!("by_part.parquet?{query}"), &[]).await;
            let whole = tables.get(&format!("whole.parquet?{query}"), &[]).await;
            assert_eq!(by_part.status, whole.status, "{name} {condition}");
            // A problem names its object.
            assert!(by_part.body == whole.body || whole.status == 400, "{name} {condition}");
        }
    }
}
