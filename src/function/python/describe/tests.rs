use std::time::Duration;

use serde_json::json;

use super::*;

fn wrong(source: &str) -> String {
    describe(source).unwrap_err().0
}

#[test]
fn a_file_is_described_without_being_run() {
    let source = r#"
import math

SCALE = 1 / 0

@compute_result(max_age='10m')
def main(cache, path, n: int = 5, scale: float = 1, name: str = 'x', deep: bool = False, *rest, tag=None, **others):
    """Says what
    there is.

    Args:
        path: which object
        n: how many rows
    """
    return path
"#;
    let declared = describe(source).unwrap();
    assert_eq!(declared.doc, "Says what there is.");
    let parameter = |name: &str, kind, default, doc: &str| Parameter { name: name.into(), kind, default, doc: doc.into() };
    let expected = [
        parameter("path", Kind::Any, None, "which object"),
        parameter("n", Kind::Integer { min: i64::MIN, max: i64::MAX }, Some(json!(5)), "how many rows"),
        parameter("scale", Kind::Float, Some(json!(1)), ""),
        parameter("name", Kind::Text, Some(json!("x")), ""),
        parameter("deep", Kind::Boolean, Some(json!(false)), ""),
    ];
    assert_eq!(declared.positional, expected);
    assert_eq!(declared.named, [parameter("tag", Kind::Any, Some(json!(null)), "")]);
    assert_eq!((declared.rest.as_deref(), declared.others.as_deref()), (Some("rest"), Some("others")));
    assert_eq!(declared.retention, Retention::Tiers { max_age: Some(Duration::from_secs(600)) });
    assert_eq!(declared.chance, None);
    assert_eq!(declared.program, source.replace("@compute_result(max_age='10m')", ""));
    let text = serde_json::to_string(&Ok::<_, Undeclared>(&declared)).unwrap();
    assert_eq!(
        serde_json::from_str::<Result<Declaration, Undeclared>>(&text).unwrap(),
        Ok(declared),
        "it crosses between processes"
    );
}

#[test]
fn an_annotation_is_a_kind_and_none_may_be_the_default_of_any() {
    let declared =
        describe("def main(c, a: int | None = None, b: Optional[str] = None, d: list = [1, -2.5], e: date = None): pass")
            .unwrap();
    let kinds: Vec<_> = declared.positional.iter().map(|parameter| parameter.kind).collect();
    assert_eq!(kinds, [Kind::Integer { min: i64::MIN, max: i64::MAX }, Kind::Text, Kind::Any, Kind::Any]);
    let defaults: Vec<_> = declared.positional.into_iter().map(|parameter| parameter.default.unwrap()).collect();
    assert_eq!(defaults, [json!(null), json!(null), json!([1, -2.5]), json!(null)]);
}

#[test]
fn decorators_say_how_answers_are_kept() {
    let kept = |decorator: &str| describe(&format!("{decorator}\ndef main(cache): pass")).unwrap().retention;
    assert_eq!(kept(""), Retention::Nowhere);
    assert_eq!(kept("@lru_cache"), Retention::Memory { calls_max: Some(128) });
    assert_eq!(kept("@functools.lru_cache(maxsize=7)"), Retention::Memory { calls_max: Some(7) });
    assert_eq!(kept("@lru_cache(None)"), Retention::Memory { calls_max: None });
    assert_eq!(kept("@compute_result"), Retention::Tiers { max_age: None });
    assert_eq!(kept("@compute_result('1d')"), Retention::Tiers { max_age: Some(Duration::from_secs(86_400)) });
}

#[test]
fn what_is_no_function_says_what_to_write() {
    let table = [
        ("x = 1", "there is no `def main(cache, …)` in it; write one, not within anything else"),
        ("if x:\n    def main(cache): pass", "there is no `def main(cache, …)` in it; write one, not within anything else"),
        ("\ndef main(): pass", "line 2: the first parameter of `main` is the cache; write `def main(cache, …)`"),
        ("def main(cache=1): pass", "line 1: the first parameter of `main` is the cache; write `def main(cache, …)`"),
        ("def main(*cache): pass", "line 1: the first parameter of `main` is the cache; write `def main(cache, …)`"),
        ("async def main(cache): pass", "line 1: `main` is `async`; write `def main(cache, …)`"),
        ("def main(cache, n: int = 'x'): pass", "line 1: the default of `n`, \"x\", is not a whole number"),
        ("def main(cache, n=f()): pass", "line 1: the default of `n` is no literal"),
        ("@cached\ndef main(cache): pass", "line 1: no decorator of `main` is called `@cached`; `@lru_cache`"),
        ("@sql_result\ndef main(cache): pass", "line 1: `@sql_result` is not there yet"),
        ("@compute_result(max_age=5)\ndef main(cache): pass", "line 1: `max_age` of `@compute_result` is a duration in quotes"),
        ("@compute_result(ttl='1m')\ndef main(cache): pass", "line 1: `@compute_result` does not take this"),
        ("@lru_cache(maxsize=-1)\ndef main(cache): pass", "line 1: `maxsize` of `@lru_cache` is a number of calls"),
        ("@lru_cache\n@compute_result\ndef main(cache): pass", "line 2: how answers are kept is said twice"),
        ("from random import choice\ndef main(cache): pass", "line 1: write `import random`"),
        ("def main(cache):\n    return (1", "line 2: "),
        ("def main(cache):\n  x = '\n", "line 2: "),
    ];
    for (source, expected) in table {
        let said = wrong(source);
        assert!(said.starts_with(expected), "{source}\n{said}");
    }
    assert!(wrong(&"(".repeat(100_000)).starts_with("line 1: "));
}

#[test]
fn chance_and_time_are_seen_and_keep_nothing() {
    let chance = |source: &str| {
        let declared = describe(source).unwrap();
        assert!(declared.chance.is_none() || declared.retention == Retention::Nowhere);
        declared.chance
    };
    let main = "@lru_cache\ndef main(cache): return 1\n";
    assert_eq!(chance(main), None);
    assert_eq!(chance(&format!("import math, random\n{main}")).as_deref(), Some("`import random` in line 1"));
    assert_eq!(chance(&format!("{main}def f():\n    import time as t\n")).as_deref(), Some("`import time` in line 4"));
    assert_eq!(chance(&format!("from datetime import datetime\n{main}x = datetime.now\n")).as_deref(), Some("`now` in line 4"));
}

/// What the interpreter gets instead. Each has as many lines as before.
#[test]
fn the_program_says_what_the_interpreter_has_no_way_to_say() {
    let table = [
        ("return cache['a']", "return cache.read('a')"),
        ("return cache [ key ].json", "return cache .read( key ).json"),
        ("return cache[cache['a'].text]", "return cache.read(cache.read('a').text)"),
        ("return 'a' in cache", "return (cache.has('a' ))"),
        ("return (a, b)[0] not in cache and x", "return (not cache.has((a, b)[0] )) and x"),
        ("return ('a') in (cache)", "return (cache.has(('a') ))"),
        ("return cache['a'] in cache", "return (cache.has(cache.read('a') ))"),
        ("return f\"{cache['a'].text}\"", "return f\"{cache.read('a').text}\""),
        ("return (key\n        in cache)", "return ((cache.has(key\n        )))"),
        ("return [k for k in names if k in cache]", "return [k for k in names if (cache.has(k ))]"),
        ("f = lambda k: cache[k]", "f = lambda k: cache.read(k)"),
        ("return other['a'], 'a' in other", "return other['a'], 'a' in other"),
        ("return cache.frame('a')", "return cache.frame('a')"),
        ("return cache[1:2]", "return cache[1:2]"),
        ("import random, math", "random = _cache_api_random; import math"),
        ("import time as t", "t = _cache_api_time"),
        ("from functools import lru_cache", "pass"),
        ("from functools import reduce, lru_cache as l", "from functools import reduce"),
        ("cache = {}\n    return cache['a']", "cache = {}\n    return cache['a']"),
    ];
    for (body, expected) in table {
        let source = format!("def main(cache, key):\n    {body}\n");
        let declared = describe(&source).unwrap();
        assert_eq!(declared.program, format!("def main(cache, key):\n    {expected}\n"));
        assert_eq!(declared.program.lines().count(), source.lines().count());
    }
}

#[test]
fn what_is_only_called_like_the_cache_is_left_alone() {
    let source = "
def fib(n, cache={}):
    return cache[n] if n in cache else n
def helper(cache, key):
    return cache[key]
def main(cache):
    def inner():
        return cache['b']
    def memo(cache):
        cache = {}
        return cache[1]
    return helper(cache, 'a')
";
    let program = describe(source).unwrap().program;
    assert!(program.contains("return cache[n] if n in cache else n"), "{program}");
    assert!(program.contains("    return cache.read(key)\n"), "{program}");
    assert!(program.contains("        return cache.read('b')\n"), "{program}");
    assert!(program.contains("        return cache[1]\n"), "{program}");
}
