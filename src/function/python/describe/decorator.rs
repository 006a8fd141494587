//! The decorators of `main`, which say how its answers are kept. They are ours, and read, not run.

use std::time::Duration;

use ruff_python_ast::{Decorator, Expr};
use serde_json::Value;

use super::literal::literal;
use crate::function::Retention;

/// Where a decorator may be imported from, so that a file is right to an editor too.
pub(super) const NAMES: [&str; 4] = ["compute_result", "lru_cache", "sql_result", "athena_result"];

/// What can be written.
const KNOWN: &str =
    "`@lru_cache`, `@lru_cache(maxsize=100)`, `@compute_result` and `@compute_result(max_age='10m')` can be there";

/// How long an answer can be kept for. A year is as long as any setting may be.
const AGE_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How a decorator says that answers are kept.
///
/// # Errors
/// What is wrong with it.
pub(super) fn retention(decorator: &Decorator) -> Result<Retention, String> {
    let (named, call) = match &decorator.expression {
        Expr::Call(call) => (&*call.func, Some(&call.arguments)),
        other => (other, None),
    };
    // `@functools.lru_cache` is the same.
    let name = match named {
        Expr::Name(name) => name.id.as_str(),
        Expr::Attribute(attribute) => attribute.attr.as_str(),
        _ => return Err(format!("no decorator of `main` that is known; {KNOWN}")),
    };
    let mut arguments = Vec::new();
    if let Some(call) = call {
        arguments.extend(call.args.iter().map(|argument| (None, argument)));
        arguments.extend(call.keywords.iter().map(|keyword| (keyword.arg.as_deref(), &keyword.value)));
    }
    match (name, &arguments[..]) {
        ("lru_cache", []) => Ok(Retention::Memory { calls_max: Some(PYTHONS_CALLS_MAX) }),
        ("lru_cache", [(None | Some("maxsize"), most)]) => match literal(most) {
            Some(Value::Null) => Ok(Retention::Memory { calls_max: None }),
            Some(most) if most.as_u64().is_some_and(|most| most > 0) => Ok(Retention::Memory { calls_max: most.as_u64() }),
            _ => {
                Err("`maxsize` of `@lru_cache` is a number of calls, as 100, or None for as many as there is room for".to_owned())
            }
        },
        ("compute_result", []) => Ok(Retention::Tiers { max_age: None }),
        ("compute_result", [(None | Some("max_age"), age)]) => {
            let age = literal(age).and_then(|age| humantime::parse_duration(age.as_str()?).ok()).filter(|age| *age <= AGE_MAX);
            let age = age.ok_or("`max_age` of `@compute_result` is a duration in quotes, such as '90s', '10m' or '1d'")?;
            Ok(Retention::Tiers { max_age: Some(age) })
        }
        ("lru_cache" | "compute_result", _) => Err(format!("`@{name}` does not take this; {KNOWN}")),
        ("sql_result" | "athena_result", _) => {
            Err(format!("`@{name}` is not there yet; compute it in `main`, and write `@compute_result` to keep what it answers"))
        }
        _ => Err(format!("no decorator of `main` is called `@{name}`; {KNOWN}")),
    }
}

/// What Python's own `lru_cache` keeps where nothing is said.
const PYTHONS_CALLS_MAX: u64 = 128;
