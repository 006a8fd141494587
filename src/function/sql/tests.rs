use serde_json::json;

use super::*;
use crate::function::Retention;

fn compiled(text: &str) -> Result<Spec, String> {
    let file = SourceFile { name: "f".to_owned(), version: "v".to_owned(), text: text.into() };
    compile(&file).map(|function| function.spec)
}

#[test]
fn a_header_declares_everything() {
    let spec = compiled(
        "-- Top movers.\n\n-- doc: The cusips whose price\n-- doc: moved most.\n\
         -- param: prices key = 'it''s/*.parquet' -- Where -- and what.\n--param: rows integer=10\n\
         -- param: least float = -1.5 -- Least.\n-- param: day date = '2024-12-31'\n-- param: only list = ['a', 'b']\n\
         -- param: name text -- Whose.\n-- keep: tiers 10m\n\
         SELECT cusip FROM :prices WHERE moved > :least AND day = :day AND cusip IN (:only) AND name = :name LIMIT 10 + :rows",
    );
    let spec = match spec {
        Ok(spec) => spec,
        Err(reason) => panic!("{reason}"),
    };
    assert_eq!((&*spec.doc, spec.language, &*spec.version), ("The cusips whose price moved most.", Language::Sql, "v"));
    assert_eq!(spec.retention, Retention::Tiers { max_age: Some(std::time::Duration::from_secs(600)) });
    let told: Vec<_> = spec.parameters.iter().map(|it| (&*it.name, it.default.clone(), &*it.doc)).collect();
    assert_eq!(
        told,
        [
            ("prices", Some(json!("it's/*.parquet")), "Where -- and what."),
            ("rows", Some(json!(10)), ""),
            ("least", Some(json!(-1.5)), "Least."),
            ("day", Some(json!("2024-12-31")), ""),
            ("only", Some(json!(["a", "b"])), ""),
            ("name", None, "Whose."),
        ]
    );
}

#[test]
fn how_answers_are_kept() {
    for (line, retention) in [
        ("", Retention::Memory { calls_max: None }),
        ("-- keep: no\n", Retention::Nowhere),
        ("-- keep: memory\n", Retention::Memory { calls_max: None }),
        ("-- keep: memory 100\n", Retention::Memory { calls_max: Some(100) }),
        ("-- keep: tiers\n", Retention::Tiers { max_age: None }),
    ] {
        assert_eq!(compiled(&format!("{line}SELECT a FROM \"a.csv\"")).unwrap().retention, retention, "{line}");
    }
}

/// "SQL files: bad headers, undeclared or unused parameters."
#[test]
fn what_is_wrong_with_a_file_is_said_with_its_line() {
    let select = "SELECT a FROM \"a.csv\" WHERE a = :x";
    for (header, said) in [
        ("", "`:x` is not declared"),
        ("-- param: x text\n-- param: y text\n", "`y` is declared and not used"),
        ("-- param: x text\n-- param: x text\n", "line 2: `x` is declared twice"),
        ("-- param: x\n", "line 1: write `-- param:"),
        ("\n-- param: x string\n", "line 2: `string` is no kind"),
        ("-- param: 1x text\n", "`1x` is no name"),
        ("-- param: format text\n", "choose another name"),
        ("-- param: x text = a\n", "is no literal"),
        ("-- param: x text = 'a\n", "is no literal"),
        ("-- param: x text = 1\n", "not of its kind, text"),
        ("-- param: x integer = 1.5\n", "not of its kind, integer"),
        ("-- param: x date = 'yesterday'\n", "not of its kind, date"),
        ("-- param: x list = []\n", "is no literal"),
        ("-- param: x text = 'a' what it is\n", "write `-- param:"),
        ("-- param: x text\n-- keep: forever\n", "line 2: write `-- keep: no`"),
        ("-- param: x text\n-- keep: tiers 10\n", "`10` is no duration"),
        ("-- param: x text\n-- keep: no\n-- keep: no\n", "line 3: there is a second"),
        ("-- params: x text\n", "line 1: `params:` is none of"),
    ] {
        let reason = compiled(&format!("{header}{select}")).unwrap_err();
        assert!(reason.contains(said), "{header:?}: {reason}");
    }
    let table = compiled("-- param: t text\nSELECT a FROM :t").unwrap_err();
    assert!(table.contains("declare it as `-- param: t key`"), "{table}");
    for statement in ["", "-- doc: nothing", "SELECT 1; SELECT 2", "DROP TABLE t", "SELECT * FROM read_csv('/etc/passwd')"] {
        assert!(compiled(statement).is_err(), "{statement}");
    }
}
