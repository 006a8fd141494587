use proptest::prelude::{Strategy, any, prop, proptest};
use serde_json::Value;

use super::{PythonValue, str_repr};

fn parse(text: &str) -> Option<PythonValue> {
    PythonValue::from_json(text.as_bytes()).ok()
}

#[test]
fn json_reads_and_prints_as_python_reads_and_prints_it() {
    let table = include_str!("../../tests/fixtures/python/reprs.json");
    let rows: Vec<(String, Option<String>)> = serde_json::from_str(table).unwrap();
    assert!(rows.len() > 100, "the table is there");
    for (text, repr) in rows {
        assert_eq!(parse(&text).map(|value| value.to_string()), repr, "{text}");
    }
}

#[test]
fn a_list_that_is_read_by_its_members_is_printed_and_refused_as_one_that_is_read_whole() {
    let table = include_str!("../../tests/fixtures/python/reprs.json");
    let rows: Vec<(String, Option<String>)> = serde_json::from_str(table).unwrap();
    let lists = rows.iter().flat_map(|(text, _)| [text.clone(), format!(" [{text} , {text}]\n"), format!("[{text}]]")]);
    let broken = ["[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1] x", "[]", "[ ]", "\u{feff}[ 1]"].map(str::to_owned);
    for text in lists.chain(broken) {
        let whole = PythonValue::from_json(text.as_bytes()).map(|value| value.to_str());
        assert_eq!(PythonValue::str_of_json(text.as_bytes()), whole, "{text}");
    }
    let deep = "[".repeat(129) + &"]".repeat(129);
    let whole = PythonValue::from_json(deep.as_bytes()).map(|value| value.to_str());
    assert_eq!(PythonValue::str_of_json(deep.as_bytes()), whole);
    let members = PythonValue::members_of_json(b"[ {\"a\": 1} ,[2]]").unwrap().unwrap();
    assert_eq!(members.map(|member| member.unwrap().text).collect::<Vec<_>>(), ["{\"a\": 1}", "[2]"]);
}

#[test]
fn nesting_is_followed_to_a_depth_that_every_stack_has() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nested(128)).is_some());
    for deep in [nested(129), nested(10_000), "[".repeat(1_000_000), r#"{"a":"#.repeat(10_000)] {
        assert_eq!(parse(&deep), None);
    }
}

#[test]
fn a_byte_order_mark_is_skipped_and_bytes_that_are_no_text_are_refused() {
    assert_eq!(parse("\u{feff}[1]"), Some(PythonValue::List(vec![PythonValue::Int(1)])));
    let error = PythonValue::from_json(b"[\"\xff\"]").unwrap_err();
    assert_eq!(error.to_string(), "not UTF-8 at byte 2");
    assert_eq!(PythonValue::from_json(b"{\"a\": 01}").unwrap_err().to_string(), "not a number at byte 6");
}

#[test]
fn half_a_surrogate_pair_is_refused_as_no_answer_could_carry_it() {
    for text in [r#""\ud83c""#, r#""\udf88""#, r#""\ud83cx""#, r#""\ud83c\ud83c""#, r#""\ud83c\u0041""#, r#""\ud83c\u""#] {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn a_value_as_json_keeps_what_json_can_say() {
    let value = parse(r#"{"a": [1, 2.5, NaN, 18446744073709551615, 18446744073709551616], "b": null}"#).unwrap();
    let json = serde_json::json!({"a": [1, 2.5, null, u64::MAX, 18446744073709551616.0], "b": null});
    assert_eq!(value.to_json(), json);
    assert_eq!(PythonValue::Str("it's".into()).to_str(), "it's");
    assert_eq!(PythonValue::None.to_str(), "None");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = proptest::prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        proptest::prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6).prop_map(|items| Value::Object(items.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_serde_writes_reads_as_the_same_value(value in any_json()) {
        let read = parse(&value.to_string()).unwrap();
        proptest::prop_assert_eq!(&read, &PythonValue::from(value.clone()));
        proptest::prop_assert_eq!(read.to_json(), value);
    }

    #[test]
    fn no_bytes_and_no_text_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in r#"[\[\]{}:,"\\ue0-9.aé+-]{0,40}"#) {
        for bytes in [&bytes, text.as_bytes()] {
            if let Ok(value) = PythonValue::from_json(bytes) {
                proptest::prop_assert!(!value.to_string().is_empty());
            }
        }
    }

    #[test]
    fn a_text_in_quotes_has_none_of_its_quotes_inside_unescaped(text in any::<String>()) {
        let repr = str_repr(&text);
        let quote = repr.chars().next().unwrap();
        let inner = repr[1..repr.len() - 1].replace(r"\\", "").replace(&format!("\\{quote}"), "");
        proptest::prop_assert!(repr.ends_with(quote) && !inner.contains(quote));
    }
}
