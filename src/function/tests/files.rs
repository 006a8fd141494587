//! Functions in files: saving one deploys it.

use super::*;

fn told(word: &str) -> (String, u64) {
    (word.to_owned(), 0)
}

/// "Saving a file deploys it on every instance within the staleness bound, with no restart and no lost memory."
#[tokio::test]
async fn a_file_that_is_saved_changes_the_answer_of_every_instance_within_the_bound() {
    let world = World::new();
    world.record.set("functions/greet.sql", "hello");
    world.record.set("a", "1");
    let benches = [world.instance().await, world.instance().await, world.alone()].map(|one| Bench::over(one, Retention::Nowhere));
    for bench in &benches {
        assert_eq!(bench.told("greet", "", 0).await, told("hello"));
        bench.one.read("a", 0).await.unwrap();
    }
    world.record.set("functions/greet.sql", "good day");
    // An event reaches one instance.
    benches[0].one.doubt("functions/greet.sql").await;
    assert_eq!(benches[0].word("greet", 1).await.unwrap(), "good day");
    for bench in &benches[1..] {
        assert_eq!(bench.word("greet", 1_001).await.unwrap(), "good day", "within memory's age");
        assert_eq!(bench.words.compiled.load(Ordering::SeqCst), 2, "once a version");
    }
    let hits = benches[0].one.cache.head().await.counts.memory_hits;
    benches[0].one.read("a", 2).await.unwrap();
    assert_eq!(benches[0].one.cache.head().await.counts.memory_hits, hits + 1, "no lost memory");
}

/// A file that is not there is asked for again after NEGATIVE_MAX_AGE, and that it is gone is an answer too.
#[tokio::test]
async fn a_function_comes_and_goes_with_its_file() {
    let world = World::new();
    let bench = Bench::over(world.alone(), Retention::Nowhere);
    let unknown = bench.word("greet", 0).await.unwrap_err().to_string();
    let known = "asks, calls, calls_deep, counts, fails, lists, reads, recurs";
    assert_eq!(unknown, format!("there is no function `greet`; there are: {known}"));
    world.record.set("functions/greet.py", "hello");
    assert_eq!(bench.word("greet", 5_001).await.unwrap(), "hello");
    world.record.remove("functions/greet.py");
    assert!(matches!(bench.word("greet", 6_002).await, Err(Error::UnknownFunction { .. })));
}

#[tokio::test]
async fn of_two_files_of_one_name_neither_is_called_and_a_built_in_is_never_shadowed() {
    let world = World::new();
    world.record.set("functions/greet.py", "hello");
    world.record.set("functions/greet.sql", "SELECT 1");
    world.record.set("functions/lists.sql", "shadow");
    let bench = Bench::over(world.alone(), Retention::Nowhere);
    let refused = bench.word("greet", 0).await.unwrap_err().to_string();
    assert_eq!(refused, "function `greet`: both `functions/greet.sql` and `functions/greet.py` have its name; delete one");
    let lists = bench.call("lists", "functions/", bench.one.at(0)).await.unwrap().answer.to_json().unwrap();
    assert_eq!(lists, json!(["functions/greet.py", "functions/greet.sql", "functions/lists.sql"]));
    let view = View::new(Arc::clone(&bench.engine), bench.one.at(0));
    let names = bench.engine.registry().names(&view).await.unwrap();
    assert_eq!(names.iter().filter(|name| *name == "lists" || *name == "greet").count(), 2, "{names:?}");
    assert_eq!(bench.engine.registry().source("lists", &view).await.unwrap(), None, "it has no file");
}

/// A file that does not compile says so each time and is compiled once; its mended text is another version.
#[tokio::test]
async fn a_file_that_does_not_compile_is_compiled_once() {
    let world = World::new();
    world.record.set("functions/greet.sql", "bad: line 1");
    let bench = Bench::over(world.alone(), Retention::Nowhere);
    for _ in 0..3 {
        assert_eq!(bench.word("greet", 0).await.unwrap_err().to_string(), "function `greet`: bad: line 1");
    }
    assert_eq!(bench.words.compiled.load(Ordering::SeqCst), 1);
    world.record.set("functions/greet.sql", "\u{feff}mended");
    assert_eq!(bench.word("greet", 60_001).await.unwrap(), "mended");
}

/// Names that could lead out of the directory, or that no file may have, are names of nothing.
#[tokio::test]
async fn what_is_no_name_asks_the_record_for_no_file() {
    let world = World::new();
    world.record.set("secret.sql", "secret");
    world.record.set("functions/Loud.sql", "loud");
    let bench = Bench::over(world.alone(), Retention::Nowhere);
    for name in ["../secret", "functions/greet", "Loud", "", "a.b", "greet.sql"] {
        assert!(matches!(bench.word(name, 0).await, Err(Error::UnknownFunction { .. })), "{name}");
    }
    assert_eq!(world.record.asked().requests, 0);
}

/// "1000 functions: memory and start-up stay flat until they are called."
#[tokio::test]
async fn a_thousand_functions_cost_nothing_before_they_are_called() {
    let world = World::new();
    for number in 0..1000 {
        world.record.set(&format!("functions/f{number}.sql"), &number.to_string());
    }
    let bench = Bench::over(world.alone(), Retention::Nowhere);
    assert_eq!(bench.word("f7", 0).await.unwrap(), "7");
    assert_eq!((bench.words.compiled.load(Ordering::SeqCst), world.record.asked().bodies), (1, 1));
}
