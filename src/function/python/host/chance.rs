//! `random` and `time`, for functions that import them. What they answer is another thing each time.

use monty_types::{ExcType, MontyObject};
use rand::RngExt;

use super::arguments::Given;
use super::{Answered, python};
use crate::freshness::Timestamp;

/// `random.random()`, `uniform(a, b)`, `randint(a, b)`, `randrange(…)`, `choice(list)`.
pub(super) fn random(mut given: Given) -> Answered {
    let mut chance = rand::rng();
    let value = match given.method() {
        "random" => {
            given.finish()?;
            MontyObject::Float(chance.random())
        }
        "uniform" => {
            let (a, b) = (given.number("a")?, given.number("b")?);
            given.finish()?;
            MontyObject::Float(a + (b - a) * chance.random::<f64>())
        }
        "randint" => {
            let (a, b) = (given.integer("a", None)?, given.integer("b", None)?);
            given.finish()?;
            if a > b {
                return Err(python(ExcType::ValueError, format!("empty range in randint({a}, {b})")));
            }
            MontyObject::Int(chance.random_range(a..=b))
        }
        "choice" => {
            let values = given.take("seq")?;
            given.finish()?;
            match values {
                Some(MontyObject::List(mut values) | MontyObject::Tuple(mut values)) if !values.is_empty() => {
                    values.swap_remove(chance.random_range(..values.len()))
                }
                _ => return Err(python(ExcType::IndexError, "choice() takes a list or tuple that is not empty")),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}

/// `time.time()`: the moment of the call, the same throughout.
pub(super) fn time(given: Given, now: Timestamp) -> Answered {
    match given.method() {
        "time" => {
            given.finish()?;
            Ok(Some(MontyObject::Float(now.as_millis() as f64 / 1e3)))
        }
        _ => Ok(None),
    }
}
