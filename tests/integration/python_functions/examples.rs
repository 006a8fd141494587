//! The examples in `functions/` do what they say, on the sample data.

use super::*;

fn desk() -> Desk {
    let desk = Desk::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["prices.csv", "terms.json", "bonds.parquet"] {
        desk.put(file, std::fs::read(root.join("sample-data").join(file)).unwrap());
    }
    for entry in std::fs::read_dir(root.join("functions")).unwrap() {
        let path = entry.unwrap().path();
        if let (Some("py"), Some(name)) = (path.extension().and_then(|end| end.to_str()), path.file_stem()) {
            desk.save(name.to_str().unwrap(), &std::fs::read_to_string(&path).unwrap());
        }
    }
    desk
}

#[tokio::test(flavor = "multi_thread")]
async fn the_yield_curve_joins_two_files() {
    let desk = desk();
    let curve = desk.call("yield_curve", &[]).await.unwrap().to_json().unwrap();
    let points = curve.as_array().unwrap();
    assert_eq!(points.len(), 12, "{curve}");
    let years: Vec<f64> = points.iter().map(|point| point["years"].as_f64().unwrap()).collect();
    assert!(years.is_sorted(), "{years:?}");
    let known = points.iter().find(|point| point["cusip"] == "991042A10").unwrap();
    assert_eq!((&known["issuer"], &known["years"]), (&json!("Meridian Rail Holdings"), &json!(15.46)));
    assert_eq!(points.iter().filter(|point| point["issuer"].is_null()).count(), 9, "terms.json has three bonds");
    let error = desk.call("yield_curve", &[("day", text("1999-01-01"))]).await.unwrap_err();
    assert_eq!(raised(&error).0, "ValueError: no prices of 1999-01-01 in prices.csv");
}

/// Those of the original that Python can say, beside those that are built in.
#[tokio::test(flavor = "multi_thread")]
async fn the_original_s_functions_in_python_answer_as_those_that_are_built_in() {
    let desk = desk();
    for (name, given) in [
        ("echo", ("message", "Foo 'bar'")),
        ("pi", ("significant_digits", "1")),
        ("pi", ("significant_digits", "2")),
        ("pi", ("significant_digits", "1000")),
        ("cache_item_stats", ("key", "bonds.parquet")),
        ("cache_item_stats", ("key", "prices.csv")),
        ("cache_item_stats", ("key", "terms.json")),
    ] {
        let given = [(given.0, text(given.1))];
        let built_in = desk.call(name, &given).await.unwrap().to_json().unwrap();
        let in_python = desk.call(&format!("{name}_py"), &given).await.unwrap().to_json().unwrap();
        assert_eq!(in_python, built_in, "{name} {given:?}");
    }
    for _ in 0..20 {
        let given = [("start", text("-1")), ("stop", text("2.5"))];
        let number = desk.call("random_number_py", &given).await.unwrap().to_json().unwrap();
        assert!((-1.0..=2.5).contains(&number.as_f64().unwrap()), "{number}");
    }
    let stats = desk.call("stats_cache_item_py", &[("key", text("terms.json"))]).await.unwrap().to_json().unwrap();
    assert_eq!(stats["size"], json!(std::fs::metadata(desk.folder.path().join("terms.json")).unwrap().len()));
    let stats = desk.call("stats_cache_item_py", &[("key", text("nowhere"))]).await.unwrap().to_json().unwrap();
    assert_eq!(stats, json!({"key": "nowhere", "size": null}));
}
