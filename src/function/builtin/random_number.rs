//! `random_number`: a float between two others.

use async_trait::async_trait;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::function::{Answer, Arguments, Function, Kind, Spec, View};

pub(super) struct RandomNumber(Spec);

impl RandomNumber {
    pub(super) fn new() -> Self {
        let spec = Spec::new("random_number", "Answers a random float from start to stop, all equally likely.");
        let spec = spec.takes("start", Kind::Float, "The least it may be.");
        Self(spec.takes("stop", Kind::Float, "The most it may be; not less than start."))
    }
}

#[async_trait]
impl Function for RandomNumber {
    fn spec(&self) -> &Spec {
        &self.0
    }

    async fn call(&self, arguments: &Arguments, view: &View) -> Result<Answer> {
        let (start, stop) = (arguments.float("start"), arguments.float("stop"));
        if start > stop {
            let reason = "`stop` must not be less than `start`".to_owned();
            return Err(Error::InvalidArgument { function: self.0.name.clone(), reason });
        }
        view.seen().note_chance();
        Ok(Answer::Json(Value::from(between(start, stop, rand::random()))))
    }
}

/// `part`, from 0 to 1, of the way from `start` to `stop`.
fn between(start: f64, stop: f64, part: f64) -> f64 {
    // Not `start + part * (stop - start)`: the difference of two finite numbers may be infinite.
    (start * (1.0 - part) + stop * part).clamp(start, stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_way_lies_between_the_ends() {
        for (start, stop) in [(0.0, 1.0), (-5.0, -5.0), (0.1, 0.3), (f64::MIN, f64::MAX), (-0.0, 5e-324)] {
            for part in [0.0, 0.1, 0.5, 1.0 - f64::EPSILON] {
                let number = between(start, stop, part);
                assert!((start..=stop).contains(&number), "{number} between {start} and {stop}");
            }
        }
        assert_eq!(between(10.0, 20.0, 0.25), 12.5);
    }
}
