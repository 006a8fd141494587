//! Results: recomputed when, and only when, what they were computed from has changed.

use std::time::Duration;

use super::*;
use crate::freshness::{Demand, Keeping, Source};
use crate::key::RecordId;
use crate::tier::DirectoryTier;

const KEPT: Retention = Retention::Memory { calls_max: None };

/// What happens to the record between two calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happens {
    Nothing,
    /// The same content is confirmed after a doubt.
    Confirmed,
    Changed,
    Added,
    Removed,
    /// Something else changes.
    OtherChanged,
    /// An object appears that matches what was listed.
    OtherAdded,
}

impl Happens {
    async fn to(self, world: &World, bench: &Bench) {
        match self {
            Self::Nothing => {}
            Self::Confirmed => bench.one.doubt("in/a").await,
            Self::Changed | Self::Added => world.record.set("in/a", "2"),
            Self::Removed => world.record.remove("in/a"),
            Self::OtherChanged => world.record.set("in/b", "new"),
            Self::OtherAdded => world.record.set("in/c", "c"),
        }
        let doubted = match self {
            Self::Nothing | Self::Confirmed => return,
            Self::Changed | Self::Added | Self::Removed => "in/a",
            Self::OtherChanged => "in/b",
            Self::OtherAdded => "in/c",
        };
        bench.one.doubt(doubted).await;
    }
}

/// "A table test covers (function, arguments, input changed / added / removed / nothing → recomputed or not)."
///
/// Promise 30: "What a function answered before is answered again only while everything that it read is what a read would say now:
/// objects, objects that were not there, and listings, its own and those of the functions that it called."
/// Pitfall 7: a derived result is not dropped when the input of its input changes (`calls`, `calls_deep`). Pitfall 8: a refresh
/// drops every dependent result at once (`Confirmed`).
#[tokio::test]
async fn a_result_is_computed_anew_when_what_it_read_has_changed_and_not_otherwise() {
    use Happens::{Added, Changed, Confirmed, Nothing, OtherAdded, OtherChanged, Removed};
    let key = "in/a";
    let cases: &[(&str, &str, bool, Happens, &str, bool)] = &[
        // Function, argument, whether there is in/a, what happens, the answer after, whether it is computed anew.
        ("reads", key, true, Nothing, "1", false),
        ("reads", key, true, Confirmed, "1", false),
        ("reads", key, true, Changed, "2", true),
        ("reads", key, true, Removed, "none", true),
        ("reads", key, true, OtherChanged, "1", false),
        ("reads", key, true, OtherAdded, "1", false),
        ("reads", key, false, Nothing, "none", false),
        ("reads", key, false, Added, "2", true),
        ("reads", key, false, OtherAdded, "none", false),
        ("asks", key, true, Nothing, "true", false),
        ("asks", key, true, Confirmed, "true", false),
        ("asks", key, true, Removed, "false", true),
        ("asks", key, false, Added, "true", true),
        ("asks", key, false, Nothing, "false", false),
        ("counts", "in/*", true, Nothing, "2", false),
        ("counts", "in/*", true, Confirmed, "2", false),
        ("counts", "in/*", true, Changed, "2", false),
        ("counts", "in/*", true, Removed, "1", true),
        ("counts", "in/*", true, OtherAdded, "3", true),
        ("counts", "in/*", false, Added, "2", true),
        ("counts", "in/a*", true, OtherAdded, "1", false),
        ("counts", "out/*", true, OtherAdded, "0", false),
        ("lists", "in/", true, Nothing, r#"["in/a","in/b"]"#, false),
        ("lists", "in/", true, OtherAdded, r#"["in/a","in/b","in/c"]"#, true),
        ("lists", "in/", true, Removed, r#"["in/b"]"#, true),
        ("lists", "in/a", true, OtherAdded, r#"["in/a"]"#, false),
        ("calls", key, true, Nothing, "1", false),
        ("calls", key, true, Confirmed, "1", false),
        ("calls", key, true, Changed, "2", true),
        ("calls", key, true, Removed, "none", true),
        ("calls", key, true, OtherChanged, "1", false),
        ("calls", key, false, Added, "2", true),
        ("calls_deep", key, true, Confirmed, "1", false),
        ("calls_deep", key, true, Changed, "2", true),
        ("calls_deep", key, true, OtherAdded, "1", false),
    ];
    for case @ (function, argument, is_there, happens, expected, anew) in cases {
        let world = World::new();
        world.record.set("in/b", "b");
        if *is_there {
            world.record.set("in/a", "1");
        }
        for one in [world.instance().await, world.alone()] {
            let bench = Bench::over(one, KEPT);
            let depth = match *function {
                "calls" => 2,
                "calls_deep" => 3,
                _ => 1,
            };
            assert_eq!(bench.told(function, argument, 0).await.1, depth, "{case:?}: the first is computed");
            happens.to(&world, &bench).await;
            let (answer, runs) = bench.told(function, argument, 10).await;
            assert_eq!((answer.as_str(), runs), (*expected, if *anew { depth } else { 0 }), "{case:?}");
            // Back to what it was, for the other instance.
            world.record.remove("in/c");
            world.record.set("in/b", "b");
            match is_there {
                true => world.record.set("in/a", "1"),
                false => world.record.remove("in/a"),
            }
        }
    }
}

/// A result is no older than a read of its inputs would be, on an instance that no event reached too.
#[tokio::test]
async fn a_change_that_nobody_told_of_is_seen_when_a_read_would_see_it() {
    let world = World::new();
    world.record.set("a", "1");
    let bench = Bench::over(world.instance().await, KEPT);
    assert_eq!(bench.told("calls", "a", 0).await, ("1".to_owned(), 2));
    world.record.set("a", "2");
    assert_eq!(bench.told("calls", "a", 59_000).await, ("1".to_owned(), 0), "fresh, as a read is");
    assert_eq!(bench.told("calls", "a", 60_001).await, ("2".to_owned(), 2));
}

/// Pitfall 22: "normalising a query … `'Foo'` and `'foo'` collide." A key covers everything that can change the answer.
#[tokio::test]
async fn calls_that_differ_in_anything_have_results_of_their_own() {
    let world = World::new();
    let texts = ["Foo", "foo", " foo", "foo ", "f oo", "foo\u{0}", "\"foo\"", "f\u{f6}o", "fo\u{308}o", "1", "1.0", "01"];
    let bench = Bench::over(world.alone(), KEPT);
    let spec = Spec::new("f", "For tests.").takes("x", Kind::Any, "Anything.").takes_or("y", Kind::Any, "", "More.");
    let name = |spec: &Spec, given: Vec<(&str, serde_json::Value)>| {
        let given: Vec<_> = given.into_iter().map(|(name, value)| (name.to_owned(), Given::Value(value))).collect();
        let arguments = Arguments::parse(spec, &given, |text| bench.one.cache.key(text)).unwrap();
        super::super::result::Call::of(spec, &arguments)
    };
    let mut names: Vec<_> = texts.iter().map(|text| name(&spec, vec![("x", json!(text))])).collect();
    let others =
        [json!(1), json!(1.0), json!(-0.0), json!(0), json!(null), json!([1]), json!([[1]]), json!({"a": 1}), json!(true)];
    names.extend(others.into_iter().map(|value| name(&spec, vec![("x", value)])));
    names.push(name(&spec, vec![("x", json!("")), ("y", json!("foo"))]));
    names.push(name(&Spec { version: "2".to_owned(), ..spec.clone() }, vec![("x", json!("foo"))]));
    names.push(name(&Spec { name: "g".to_owned(), ..spec.clone() }, vec![("x", json!("foo"))]));
    names.push(name(&Spec { language: Language::Sql, ..spec.clone() }, vec![("x", json!("foo"))]));
    let distinct: std::collections::HashSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
    let given_or_default = name(&spec, vec![("x", json!("foo")), ("y", json!(""))]);
    assert_eq!(given_or_default, name(&spec, vec![("x", json!("foo"))]), "a default is as if it were given");
}

/// Pitfall 23: "an error is cached as a result."
#[tokio::test]
async fn an_error_is_not_kept() {
    let world = World::new();
    world.record.set("a", "1");
    let bench = Bench::over(world.alone(), KEPT);
    for runs in 1..4 {
        bench.call("fails", "a", bench.one.at(0)).await.unwrap_err();
        assert_eq!(bench.runs.load(Ordering::SeqCst), runs);
    }
}

#[tokio::test]
async fn what_uses_chance_is_not_kept_and_nothing_is_where_a_request_forbids_it() {
    let world = World::new();
    world.record.set("a", "1");
    let never = Bench::over(world.alone(), Retention::Nowhere);
    assert_eq!([never.told("reads", "a", 0).await.1, never.told("reads", "a", 0).await.1], [1, 1]);
    let bench = Bench::over(world.alone(), KEPT);
    let unkept = Ask { demand: Demand { keeping: Keeping::Dropped, ..Demand::default() }, ..bench.one.at(0) };
    let called = bench.call("reads", "a", unkept).await.unwrap();
    assert_eq!(called.origin, Origin::Computed { is_kept: false });
    assert_eq!(bench.told("reads", "a", 0).await.1, 1);
}

/// "`Cache-Control: no-cache` computes anew", and what it computes is kept in place of the other.
#[tokio::test]
async fn who_asks_for_a_new_answer_has_it_computed() {
    let world = World::new();
    world.record.set("a", "1");
    let bench = Bench::over(world.alone(), KEPT);
    let anew = Ask { demand: Demand { source: Source::Record, ..Demand::default() }, ..bench.one.at(0) };
    let origin = async |ask| bench.call("reads", "a", ask).await.unwrap().origin;
    assert_eq!(origin(bench.one.at(0)).await, Origin::Computed { is_kept: true });
    assert_eq!(origin(bench.one.at(0)).await, Origin::Kept(TierName::Memory));
    assert_eq!(origin(anew).await, Origin::Computed { is_kept: true });
    assert_eq!(origin(bench.one.at(0)).await, Origin::Kept(TierName::Memory));
}

/// "Equal calls at the same time compute once."
#[tokio::test]
async fn equal_calls_at_the_same_time_compute_once() {
    let world = World::new();
    world.record.set("a", "1");
    let bench = Arc::new(Bench::over(world.alone(), KEPT));
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.call("calls", "a", bench.one.at(0)).await.unwrap() })
        })
        .collect();
    let mut origins = Vec::new();
    for call in calls {
        let called = call.await.unwrap();
        assert_eq!(called.answer.to_text().unwrap(), "1");
        origins.push(called.origin);
    }
    assert_eq!(bench.runs.load(Ordering::SeqCst), 2, "itself, and what it calls");
    assert_eq!(origins.iter().filter(|origin| matches!(origin, Origin::Computed { .. })).count(), 1);
}

/// Who comes after a doubt is not answered with what an equal call had read before it.
#[tokio::test]
async fn a_call_after_a_doubt_does_not_share_what_was_read_before_it() {
    let world = World::new();
    world.record.set("a", "1");
    let bench = Arc::new(Bench::over(world.alone(), KEPT));
    let gate = world.record.hold_back();
    let first = {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.call("reads", "a", bench.one.at(0)).await.unwrap() })
    };
    gate.asked().await;
    world.record.set("a", "2");
    bench.one.doubt("a").await;
    let second = {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.call("reads", "a", bench.one.at(1)).await.unwrap() })
    };
    tokio::task::yield_now().await;
    gate.release();
    first.await.unwrap();
    assert_eq!(second.await.unwrap().answer.to_text().unwrap(), "2");
}

#[tokio::test]
async fn a_function_that_calls_itself_without_end_is_told_so() {
    let world = World::new();
    let bench = Bench::over(world.alone(), KEPT);
    let error = bench.call("recurs", "a", bench.one.at(0)).await.unwrap_err();
    assert!(matches!(&error, Error::FunctionFailed { cause, .. } if cause.to_string().contains("within each other")), "{error}");
}

/// `@lru_cache(maxsize=2)`: the call that was not used for longest makes room.
#[tokio::test]
async fn a_function_keeps_as_many_calls_as_it_says() {
    let world = World::new();
    let bench = Bench::over(world.alone(), Retention::Memory { calls_max: Some(2) });
    let runs = async |key| bench.told("reads", key, 0).await.1;
    assert_eq!([runs("a").await, runs("b").await, runs("a").await], [1, 1, 0]);
    assert_eq!([runs("c").await, runs("a").await, runs("b").await], [1, 0, 1], "b was not used for longest");
    let none = Bench::over(world.alone(), Retention::Memory { calls_max: Some(0) });
    assert_eq!([none.told("reads", "a", 0).await.1, none.told("reads", "a", 0).await.1], [1, 1]);
}

/// "A call reads one version of a key throughout", what it is handed by other functions included.
#[tokio::test]
async fn a_call_reads_one_version_of_a_key_throughout() {
    let world = World::new();
    world.record.set("a", "1");
    let bench = Bench::over(world.alone(), KEPT);
    let view = View::new(Arc::clone(&bench.engine), bench.one.at(0));
    let given = [("key".to_owned(), Given::Text("a".to_owned()))];
    let key = view.key("a").unwrap();
    let first = view.read(&key).await.unwrap().entry.version.clone();
    world.record.set("a", "2");
    bench.one.doubt("a").await;
    assert_eq!(view.read(&key).await.unwrap().entry.version, first);
    assert_eq!(view.call("reads", &given).await.unwrap().to_text().unwrap(), "1", "and so do those it calls");
    // What somebody else's call keeps of the new version is not handed to this one.
    assert_eq!(bench.told("reads", "a", 0).await.0, "2");
    assert_eq!(view.call("reads", &given).await.unwrap().to_text().unwrap(), "1");
    // What rests on a version that is gone cannot be read on; a whole call is then made anew.
    assert_eq!(bench.told("reads", "a", 0).await.0, "2");
    let later = View::new(Arc::clone(&bench.engine), bench.one.at(0));
    assert_eq!(later.call("reads", &given).await.unwrap().to_text().unwrap(), "2");
    world.record.set("a", "3");
    bench.one.doubt("a").await;
    assert!(matches!(later.read(&key).await, Err(Error::Changed { .. })));
}

const TIERS: Retention = Retention::Tiers { max_age: Some(Duration::from_secs(600)) };

/// An instance whose functions keep what they answer in the shared directory, too.
async fn sharing(world: &World) -> Bench {
    let tier = DirectoryTier::open(world.directory(), &RecordId::of(&["fake"])).await.unwrap();
    let outside = Outside { results: Some(Arc::new(tier)), ..Outside::default() };
    Bench::with(world.instance().await, TIERS, outside)
}

/// The files of results.
fn kept_files(world: &World) -> Vec<std::path::PathBuf> {
    world.files().into_keys().filter(|path| path.extension().is_some_and(|extension| extension == "result")).collect()
}

/// "In both tiers": what one instance computed another answers, as long as it is true, and no longer than `max_age`.
#[tokio::test]
async fn a_result_in_the_shared_tier_is_answered_by_every_instance_while_it_is_true() {
    let world = World::new();
    world.record.set("in/a", "1");
    let one = sharing(&world).await;
    for (function, argument) in [("calls", "in/a"), ("counts", "in/*"), ("lists", "in/")] {
        let computed = one.call(function, argument, one.one.at(0)).await.unwrap();
        assert_eq!(computed.origin, Origin::Computed { is_kept: true });
        let other = sharing(&world).await;
        let origin = async |millis| {
            let called = other.call(function, argument, other.one.at(millis)).await.unwrap();
            assert_eq!(called.answer.to_text().unwrap(), computed.answer.to_text().unwrap());
            called.origin
        };
        assert_eq!(origin(0).await, Origin::Kept(TierName::Directory), "{function}");
        assert_eq!(origin(0).await, Origin::Kept(TierName::Memory));
        assert_eq!(origin(599_999).await, Origin::Kept(TierName::Memory));
        assert_eq!(origin(600_000).await, Origin::Computed { is_kept: true }, "it is too old");
    }
    world.record.set("in/a", "2");
    one.one.doubt("in/a").await;
    let other = sharing(&world).await;
    assert_eq!(other.told("calls", "in/a", 600_000).await, ("2".to_owned(), 2));
    let third = sharing(&world).await;
    assert_eq!(third.told("calls", "in/a", 600_000).await, ("2".to_owned(), 0), "and that is kept in place of the other");
}

/// Whatever happens to the files costs a computation, and no answer.
#[tokio::test]
async fn a_result_that_is_damaged_or_gone_is_computed_anew() {
    let world = World::new();
    world.record.set("in/a", "1");
    sharing(&world).await.told("reads", "in/a", 0).await;
    let files = kept_files(&world);
    let [file] = &files[..] else { panic!("{files:?}") };
    let whole = std::fs::read(file).unwrap();
    for damage in [&whole[..whole.len() - 1], &b""[..], &[&whole[..], b" "].concat()] {
        std::fs::write(file, damage).unwrap();
        assert_eq!(sharing(&world).await.told("reads", "in/a", 0).await, ("1".to_owned(), 1));
    }
    std::fs::remove_file(file).unwrap();
    assert_eq!(sharing(&world).await.told("reads", "in/a", 0).await, ("1".to_owned(), 1));
    assert_eq!(sharing(&world).await.told("reads", "in/a", 0).await, ("1".to_owned(), 0));
}

/// What is asked not to be kept leaves no file, and neither does an error.
#[tokio::test]
async fn nothing_is_written_that_is_not_to_be_kept() {
    let world = World::new();
    world.record.set("in/a", "1");
    let bench = sharing(&world).await;
    let unkept = Ask { demand: Demand { keeping: Keeping::Dropped, ..Demand::default() }, ..bench.one.at(0) };
    bench.call("reads", "in/a", unkept).await.unwrap();
    bench.call("fails", "in/a", bench.one.at(0)).await.unwrap_err();
    assert_eq!(kept_files(&world), [""; 0].map(std::path::PathBuf::from));
}
