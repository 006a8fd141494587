//! Deploying: compiled, written, and known everywhere.

use std::time::Instant;

use bytes::Bytes;

use super::*;
use crate::cache::tests::fake_record::FakeRecord;
use crate::key::Key;
use crate::record::FunctionDeploy;

#[async_trait]
impl FunctionDeploy for FakeRecord {
    async fn put_function(&self, key: &Key, text: Bytes, _deadline: Instant) -> Result<()> {
        self.set(key.as_str(), std::str::from_utf8(&text).unwrap());
        Ok(())
    }
}

fn deploying(world: &World, one: Instance) -> Bench {
    let outside = Outside { deploys: Some(Arc::clone(&world.record) as _), ..Outside::default() };
    Bench::with(one, Retention::Nowhere, outside)
}

async fn deploy(bench: &Bench, name: &str, language: Language, text: &str) -> Result<String> {
    Ok(bench.engine.deploy(name, language, text, bench.one.at(0)).await?.version)
}

#[tokio::test]
async fn what_is_deployed_is_answered_here_at_once_and_elsewhere_within_memorys_age() {
    let world = World::new();
    let (one, other) = (deploying(&world, world.instance().await), deploying(&world, world.instance().await));
    assert!(other.word("greet", 0).await.is_err());
    let first = deploy(&one, "greet", Language::Sql, "hello").await.unwrap();
    assert_eq!(one.word("greet", 0).await.unwrap(), "hello");
    assert_eq!(other.word("greet", 5_001).await.unwrap(), "hello", "that there was none is remembered for 5 s");
    let second = deploy(&one, "greet", Language::Sql, "good day").await.unwrap();
    assert_ne!(first, second);
    assert_eq!(one.word("greet", 0).await.unwrap(), "good day");
    assert_eq!(other.word("greet", 6_002).await.unwrap(), "good day");
}

#[tokio::test]
async fn what_does_not_compile_or_may_not_be_is_not_written() {
    let world = World::new();
    world.record.set("functions/there.py", "hello");
    let bench = deploying(&world, world.alone());
    let long = "x".repeat((256 << 10) + 1);
    for (name, language, text, said) in [
        ("greet", Language::Sql, "bad: line 1", "bad: line 1"),
        ("Greet", Language::Sql, "hello", "no file may have that name"),
        ("../greet", Language::Sql, "hello", "no file may have that name"),
        ("lists", Language::Sql, "hello", "comes with the service"),
        ("there", Language::Sql, "hello", "`functions/there.py` has that name already"),
        ("greet", Language::BuiltIn, "hello", "no builtin functions"),
        ("greet", Language::Sql, &long, "at most 262144"),
    ] {
        let refused = deploy(&bench, name, language, text).await.unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
    assert_eq!(
        bench.call("lists", "", bench.one.at(0)).await.unwrap_err().to_string(),
        "function `lists`: `key` is missing; it takes a text"
    );
    let listed = bench.call("lists", "functions/", bench.one.at(0)).await.unwrap().answer.to_json().unwrap();
    assert_eq!(listed, json!(["functions/there.py"]));
}

#[tokio::test]
async fn where_deploying_is_off_nothing_is_written() {
    let world = World::new();
    let bench = Bench::over(world.alone(), Retention::Nowhere);
    assert!(matches!(deploy(&bench, "greet", Language::Sql, "hello").await, Err(Error::NoDeploys)));
    assert!(bench.engine.compile("greet", Language::Sql, "hello", bench.one.at(0)).await.is_ok(), "to compile writes nothing");
    assert!(matches!(bench.word("greet", 0).await, Err(Error::UnknownFunction { .. })));
}
