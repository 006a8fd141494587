use std::collections::BTreeMap;

use polars::prelude::{AnyValue, DataFrame, IntoLazy, df};
use polars::sql::SQLContext;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use serde_json::json;

use super::*;

fn refusal(text: &str) -> String {
    match Statement::parse(text) {
        Err(bad) => bad.to_string(),
        Ok(statement) => panic!("{text:?} was taken: {statement:?}"),
    }
}

fn bound(text: &str, values: &[(&str, Scalar)]) -> Bound {
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Statement::parse(text)
        .unwrap_or_else(|bad| panic!("{text:?}: {bad}"))
        .bind(&values)
        .unwrap_or_else(|bad| panic!("{text:?}: {bad}"))
}

fn prices() -> DataFrame {
    df!("cusip" => ["A", "B", "A", "C"], "price" => [1.5, 2.5, 3.5, f64::NAN], "lots" => [1_i64, 2, 3, 4]).unwrap()
}

/// Polars' answer to a statement over one table, which it has by the name that the statement gives it.
fn answer(text: &str, values: &[(&str, Scalar)]) -> DataFrame {
    let bound = bound(text, values);
    let mut context = SQLContext::new();
    for name in &bound.names {
        context.register(name, prices().lazy());
    }
    statement::on_deep_stack(|| context.execute(&bound.text).and_then(|table| table.collect()))
        .expect("no panic")
        .unwrap_or_else(|error| panic!("{}: {error}", bound.text))
}

/// Pitfall 30: "SQL engines read files: `read_csv('/proc/self/environ')` hands out the credentials." In every disguise that SQL has.
#[test]
fn pitfall_30_no_statement_reads_a_file() {
    for text in [
        "SELECT * FROM read_csv('/proc/self/environ')",
        "SELECT * FROM READ_CSV('/proc/self/environ')",
        "SELECT * FROM \"read_csv\"('/proc/self/environ')",
        "SELECT * FROM `Read_Csv`('/proc/self/environ')",
        "SELECT * FROM read_csv /* ( */ ('/etc/passwd')",
        "SELECT * FROM read_parquet('s3://bucket/key')",
        "SELECT * FROM read_ipc('http://169.254.169.254/latest')",
        "SELECT * FROM read_json('/etc/passwd')",
        "SELECT * FROM scan_csv('/etc/passwd')",
        "WITH a AS (SELECT * FROM read_csv('/etc/passwd')) SELECT * FROM a",
        "SELECT * FROM (SELECT * FROM read_csv('/etc/passwd')) AS a",
        "SELECT * FROM a UNION ALL SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM a JOIN read_csv('/etc/passwd') AS b ON a.x = b.x",
        "SELECT * FROM a, read_csv('/etc/passwd')",
        "SELECT * FROM a, LATERAL read_csv('/etc/passwd')",
        "SELECT * FROM (a CROSS JOIN read_csv('/etc/passwd') AS b)",
        "SELECT * FROM TABLE(read_csv('/etc/passwd'))",
        "SELECT * FROM a WHERE x IN (SELECT * FROM read_csv('/etc/passwd'))",
        "SELECT * FROM a WHERE EXISTS (SELECT * FROM read_csv('/etc/passwd'))",
        "SELECT x = ANY(SELECT * FROM read_csv('/etc/passwd')) FROM a",
        "SELECT (SELECT * FROM read_csv('/etc/passwd')) FROM a",
        "SELECT * FROM a ORDER BY (SELECT * FROM read_csv('/etc/passwd'))",
        "SELECT * FROM a LIMIT (SELECT * FROM read_csv('/etc/passwd'))",
        "SELECT count(*) FILTER (WHERE x IN (SELECT * FROM read_csv('/etc/passwd'))) FROM a",
        "SELECT sum(x) OVER (PARTITION BY (SELECT * FROM read_csv('/etc/passwd'))) FROM a",
        "SELECT * REPLACE ((SELECT * FROM read_csv('/etc/passwd')) AS x) FROM a",
        "SELECT read_csv('/etc/passwd') FROM a",
        "SELECT read_csv('/etc/passwd')",
        "FROM read_csv('/etc/passwd')",
        "TABLE read_csv",
        "SELECT read_text('/etc/passwd'), load_extension('x') FROM a",
    ] {
        refusal(text);
    }
}

/// "SQL: two statements, DDL, DML, COPY."
#[test]
fn only_one_select_is_answered() {
    for text in [
        "",
        " -- nothing",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE a",
        "CREATE TABLE b AS SELECT * FROM a",
        "CREATE TABLE b AS SELECT * FROM read_csv('/etc/passwd')",
        "DROP TABLE a",
        "TRUNCATE TABLE a",
        "DELETE FROM a",
        "INSERT INTO a VALUES (1)",
        "UPDATE a SET x = 1",
        "WITH b AS (SELECT 1) DELETE FROM a",
        "MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN DELETE",
        "COPY a TO '/tmp/a'",
        "COPY (SELECT 1) TO '/tmp/a'",
        "EXPLAIN SELECT * FROM a",
        "SHOW TABLES",
        "SET a = 1",
        "INSTALL httpfs",
        "ATTACH DATABASE 'a' AS b",
        "PRAGMA a",
        "SELECT * INTO b FROM a",
        "SELECT * FROM a FOR UPDATE",
        "SELECT * FROM a SETTINGS x = 1",
        "SELECT * FROM a FORMAT JSON",
        "SELECT * FROM a |> DROP x",
        "WITH RECURSIVE b AS (SELECT 1 UNION ALL SELECT * FROM b) SELECT * FROM b",
        "SELECT * FROM a.b",
        "SELECT 'a' COLLATE \"C\" FROM a",
        "SELECT E'a\\'b' FROM a",
        "SELECT N'a', X'00' FROM a",
        "SELECT ?",
        "SELECT :1",
    ] {
        refusal(text);
    }
    assert!(refusal("SELECT nosuch(x) FROM a").contains("no function `nosuch`"));
    assert!(refusal("SELECT averg(x) FROM a").ends_with("did you mean avg?"), "{}", refusal("SELECT averg(x) FROM a"));
}

/// "Chains of 200 000 AND, +, UNION ALL and IN members, 1 MB of parentheses", and as many as fit into 64 KB.
#[test]
fn what_is_long_or_deep_is_refused_at_once() {
    let chain = |head: &str, link: &str, length: usize| format!("{head}{}", link.repeat(length));
    for length in [200_000, 12_000, 3_000] {
        for (head, link) in [
            ("SELECT * FROM a WHERE x", " AND x"),
            ("SELECT 1", "+1"),
            ("SELECT ", "-"),
            ("SELECT ", "- "),
            ("SELECT ", "NOT "),
            ("SELECT ", "("),
            ("SELECT * FROM ", "("),
            ("SELECT * FROM a WHERE x IN (1", ",1"),
            ("SELECT 1", " UNION ALL SELECT 1"),
            ("SELECT CASE WHEN ", "CASE WHEN "),
            ("SELECT CAST(x AS ", "ARRAY<"),
            ("SELECT x", "[1]"),
            ("SELECT x", "::INT"),
            ("SELECT ", "ABS("),
            ("SELECT ", "[["),
            ("SELECT ", "{a:"),
            ("SELECT * FROM a", " JOIN a USING (x)"),
            ("WITH a AS (SELECT 1)", ", b AS (SELECT 1)"),
            ("", "("),
        ] {
            let text = chain(head, link, length);
            if text.len() <= TEXT_BYTES_MAX || length == 200_000 {
                refusal(&text);
            }
        }
    }
    let within = |count: usize| format!("SELECT lots FROM a WHERE lots IN ({})", vec!["1"; count].join(","));
    assert!(Statement::parse(&within(1_900)).is_ok());
    refusal(&within(2_100));
}

/// Parentheses that are tried as one thing and then as another must not double the work with each.
#[test]
fn nesting_takes_no_time_that_doubles() {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for open in ["(", "((a ", "(SELECT * FROM (", "CASE WHEN (", "ABS((", "x IN (", "CAST((", "[(", "(a, ("] {
            for depth in [12, 24, 48] {
                let _ = Statement::parse(&format!("SELECT * FROM {}", open.repeat(depth)));
                let _ = Statement::parse(&format!("SELECT {}", open.repeat(depth)));
                let _ = Statement::parse(&format!("SELECT {}1{}", open.repeat(depth), ")".repeat(depth)));
                let _ = Statement::parse(&format!("SELECT * FROM {}a{}", open.repeat(depth), ")".repeat(depth)));
            }
        }
        let _ = sender.send(());
    });
    receiver.recv_timeout(std::time::Duration::from_secs(60)).expect("each is parsed in milliseconds");
}

#[test]
fn tables_and_parameters_are_known_beforehand() {
    let text = "WITH a AS (SELECT * FROM \"x/*.csv\") SELECT * FROM a JOIN \"b.parquet\" AS p ON a.k = p.k JOIN a AS c ON c.k = p.k \
                JOIN \"x/*.csv\" AS d ON d.k = p.k JOIN :more AS m ON m.k = EXTRACT(year FROM :day) WHERE p.x = $limit";
    let statement = Statement::parse(text).unwrap();
    let named = |name: &str| Table::Named(name.to_owned());
    assert_eq!(statement.tables(), [named("x/*.csv"), named("b.parquet"), Table::Parameter("more".to_owned())]);
    assert_eq!(statement.parameters().iter().collect::<Vec<_>>(), ["day", "limit", "more"]);
    let values = BTreeMap::from([
        ("more".to_owned(), Scalar::Text("m.csv".to_owned())),
        ("day".to_owned(), Scalar::Date("2024-12-31".to_owned())),
        ("limit".to_owned(), Scalar::Integer(-1)),
    ]);
    let bound = statement.bind(&values).unwrap();
    assert_eq!(bound.tables, ["x/*.csv", "b.parquet", "m.csv"]);
    assert!(bound.text.contains("EXTRACT(YEAR FROM DATE '2024-12-31')") && bound.text.ends_with("p.x = (-1)"), "{}", bound.text);
    let lacking = values.clone().into_iter().filter(|(name, _)| name != "day").collect();
    assert!(statement.bind(&lacking).unwrap_err().to_string().contains("`:day` has no value"));
    let surplus = values.into_iter().chain([("nobody".to_owned(), Scalar::Null)]).collect();
    assert!(statement.bind(&surplus).unwrap_err().to_string().contains("no parameter `:nobody`"));
}

#[test]
fn a_statement_is_answered_as_polars_answers_it() {
    let one = |text: &str, values: &[(&str, Scalar)]| {
        let table = answer(text, values);
        table.columns()[0].get(0).unwrap().into_static()
    };
    let cases: [(&str, AnyValue<'_>); 22] = [
        ("SELECT \"prices/2024.parquet\".lots FROM \"prices/2024.parquet\" WHERE cusip = 'B'", AnyValue::Int64(2)),
        ("SELECT p.lots FROM \"it's \"\"it\"\"\" AS p WHERE p.cusip = 'C'", AnyValue::Int64(4)),
        ("SELECT sum(lots) FROM a GROUP BY cusip ORDER BY cusip", AnyValue::Int64(4)),
        ("SELECT lots FROM a ORDER BY lots DESC NULLS LAST LIMIT 1 OFFSET 1", AnyValue::Int64(3)),
        ("SELECT * EXCLUDE (cusip, price) FROM a WHERE lots BETWEEN 2 AND 3", AnyValue::Int64(2)),
        ("SELECT DISTINCT lots FROM a WHERE NOT lots IN (1, 2, 3)", AnyValue::Int64(4)),
        ("SELECT CASE WHEN lots > 1 THEN - -lots ELSE -1 END FROM a", AnyValue::Int32(-1)),
        ("SELECT lots + 2 * 3 - (4 - 1) FROM a", AnyValue::Int64(4)),
        ("SELECT CAST(price AS BIGINT) FROM a WHERE price < 1e1 AND cusip LIKE 'A%'", AnyValue::Int64(1)),
        ("SELECT price::INT8 FROM a WHERE cusip NOT LIKE 'A%' AND lots < 4", AnyValue::Int64(2)),
        ("SELECT lots FROM a WHERE cusip || 'x' = 'Bx'", AnyValue::Int64(2)),
        (
            "SELECT lots, cusip FROM a QUALIFY row_number() OVER (PARTITION BY cusip ORDER BY lots DESC) = 1 ORDER BY lots",
            AnyValue::Int64(2),
        ),
        ("SELECT sum(lots) OVER w FROM a WINDOW w AS (PARTITION BY cusip)", AnyValue::Int64(4)),
        ("WITH b AS (SELECT lots AS n FROM a) SELECT max(n) FROM b", AnyValue::Int64(4)),
        ("SELECT max(n) FROM (SELECT lots AS n FROM a UNION ALL SELECT 9 AS n FROM a) AS u", AnyValue::Int64(9)),
        ("SELECT a.lots FROM a JOIN b ON a.lots = b.lots WHERE b.cusip = 'C'", AnyValue::Int64(4)),
        ("SELECT lots FROM a WHERE lots IN (SELECT max(lots) FROM b)", AnyValue::Int64(4)),
        ("SELECT count(*) FROM a", AnyValue::UInt32(4)),
        ("SELECT count(DISTINCT cusip) FILTER (WHERE lots > 1) FROM a", AnyValue::UInt32(3)),
        ("SELECT strpos(cusip, 'B') FROM a WHERE lots = 2", AnyValue::UInt32(1)),
        ("SELECT x FROM (VALUES (1), (2)) AS v(x) ORDER BY x DESC", AnyValue::Int32(2)),
        ("SELECT lots FROM a WHERE TRIM(BOTH ' ' FROM cusip) = 'B' AND SUBSTRING(cusip FROM 1 FOR 1) = 'B'", AnyValue::Int64(2)),
    ];
    for (text, expected) in cases {
        let found = one(text, &[]);
        assert!(found.to_string() == expected.to_string(), "{text}: {found} and not {expected}");
    }
    let lists = [("few", Scalar::List(vec![Scalar::Integer(2), Scalar::Integer(3)]))];
    assert_eq!(answer("SELECT * FROM a WHERE lots IN (:few)", &lists).height(), 2);
    assert_eq!(answer("SELECT * FROM a WHERE lots NOT IN (1, :few)", &lists).height(), 1);
    assert_eq!(answer("SELECT * FROM a LIMIT :n OFFSET $n", &[("n", Scalar::Integer(3))]).height(), 1);
    let six = answer("SELECT - :n - :n AS six", &[("n", Scalar::Integer(-3))]);
    assert_eq!(six.columns()[0].get(0).unwrap().to_string(), "6");
}

/// As deep as may be: neither polars' planner nor its threads run out of stack.
#[test]
fn the_deepest_statement_is_answered() {
    for link in [" + lots", " OR lots > 0", " - lots"] {
        let text = format!("SELECT lots{} AS x FROM a", link.repeat(190).replacen(" OR", " > 0 OR", 1));
        assert_eq!(answer(&text, &[]).height(), 4, "{link}");
    }
    let unions = format!("SELECT lots FROM a{}", " UNION ALL SELECT lots FROM a".repeat(40));
    assert_eq!(answer(&unions, &[]).height(), 41 * 4);
}

#[test]
fn parameters_are_values_of_json() {
    let of = |value: serde_json::Value| Scalar::of_json(&value).map_err(|bad| bad.to_string());
    assert_eq!(of(json!(null)), Ok(Scalar::Null));
    assert_eq!(of(json!(-3)), Ok(Scalar::Integer(-3)));
    assert_eq!(of(json!(2.0)), Ok(Scalar::Float(2.0)));
    assert_eq!(of(json!({"date": "2024-12-31"})), Ok(Scalar::Date("2024-12-31".to_owned())));
    assert_eq!(of(json!({"timestamp": "2024-12-31T01:02:03"})), Ok(Scalar::Timestamp("2024-12-31 01:02:03".to_owned())));
    for value in
        [json!([]), json!([[1]]), json!({"date": "2024-13-31"}), json!({"date": "' OR 1"}), json!({"a": 1}), json!(u64::MAX)]
    {
        assert!(of(value.clone()).is_err(), "{value}");
    }
}

fn scalars() -> impl Strategy<Value = Scalar> {
    let texts = prop_oneof![any::<String>(), "['\"\\\\`$:;%_^ \n\t\0a-]{0,12}"];
    prop_oneof![
        any::<bool>().prop_map(Scalar::Boolean),
        prop_oneof![any::<i64>(), proptest::prelude::Just(i64::MIN)].prop_map(Scalar::Integer),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Scalar::Float),
        texts.prop_map(Scalar::Text),
    ]
}

fn is(found: &AnyValue<'_>, scalar: &Scalar) -> bool {
    match (found, scalar) {
        (AnyValue::Boolean(found), Scalar::Boolean(boolean)) => found == boolean,
        (AnyValue::Int32(found), Scalar::Integer(integer)) => i64::from(*found) == *integer,
        (AnyValue::Int64(found), Scalar::Integer(integer)) => found == integer,
        (AnyValue::Float64(found), Scalar::Float(float)) => found.to_bits() == float.to_bits(),
        (found, Scalar::Text(text)) => found.get_str() == Some(text),
        _ => false,
    }
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    /// "Parameters are typed literal nodes put into the tree, never text": of whatever characters, they come back from polars as they
    /// are, wherever they stand, and so does what stands in the statement itself.
    #[test]
    fn no_value_is_read_as_anything_else(value in scalars()) {
        let values = [("v", value.clone())];
        let direct = answer("SELECT :v AS x, - 1 AS y", &values);
        proptest::prop_assert!(is(&direct.columns()[0].get(0).unwrap(), &value), "{direct}");
        let chosen = answer("SELECT CASE WHEN lots IN (1) THEN :v END AS x, 'it''s' AS y FROM a", &values);
        proptest::prop_assert!(is(&chosen.columns()[0].get(0).unwrap(), &value), "{chosen}");
        if let Scalar::Text(text) = &value {
            let quoted = text.replace('\'', "''");
            if !text.contains('\0') {
                let written = answer(&format!("SELECT '{quoted}' AS x"), &[]);
                proptest::prop_assert!(is(&written.columns()[0].get(0).unwrap(), &value), "{written}");
                let name = text.replace('"', "\"\"");
                // Names that polars takes for patterns are its own; an empty one is none.
                if !text.is_empty() && !text.starts_with('^') && text != "*" {
                    let named = answer(&format!("SELECT 1 AS \"{name}\""), &[]);
                    proptest::prop_assert_eq!(named.get_column_names()[0].as_str(), text.as_str());
                }
            }
            let member = answer("SELECT count(*) AS n FROM a WHERE :v IN ('', :v)", &values);
            proptest::prop_assert!(member.columns()[0].get(0).unwrap().to_string() == "4", "{member}");
        }
    }
}
