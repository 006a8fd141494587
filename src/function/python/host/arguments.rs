//! What a method was called with.

use monty_types::{ExcType, MontyObject};

use super::{Raised, python};
use crate::function::python::value::text_of;

/// The arguments of one call, taken out one by one.
pub(super) struct Given {
    method: String,
    positional: std::vec::IntoIter<MontyObject>,
    taken: usize,
    named: Vec<(String, MontyObject)>,
}

impl Given {
    pub(super) fn new(method: &str, positional: Vec<MontyObject>, named: Vec<(MontyObject, MontyObject)>) -> Self {
        let named = named.into_iter().filter_map(|(name, value)| Some((text_of(&name)?.to_owned(), value)));
        Self { method: method.to_owned(), positional: positional.into_iter(), taken: 0, named: named.collect() }
    }

    pub(super) fn method(&self) -> &str {
        &self.method
    }

    /// The next by its place, or the one called `name`; `None` where neither is given.
    pub(super) fn take(&mut self, name: &str) -> Result<Option<MontyObject>, Raised> {
        self.taken += 1;
        let by_name = self.named.iter().position(|(given, _)| given == name).map(|place| self.named.remove(place).1);
        match (self.positional.next(), by_name) {
            (Some(_), Some(_)) => Err(self.wrong(&format!("got multiple values for argument '{name}'"))),
            (value, by_name) => Ok(value.or(by_name)),
        }
    }

    /// The text that must be given.
    pub(super) fn text(&mut self, name: &str) -> Result<String, Raised> {
        match self.take(name)? {
            Some(MontyObject::String(text) | MontyObject::Path(text)) => Ok(text),
            Some(other) => Err(self.wrong(&format!("argument '{name}' must be str, not {}", other.type_name()))),
            None => Err(self.wrong(&format!("missing a required argument: '{name}'"))),
        }
    }

    /// A whole number; `default` where none is given, which `None` says there must be.
    pub(super) fn integer(&mut self, name: &str, default: Option<i64>) -> Result<i64, Raised> {
        match (self.take(name)?, default) {
            (Some(MontyObject::Int(integer)), _) => Ok(integer),
            (Some(other), _) => Err(self.wrong(&format!("argument '{name}' must be int, not {}", other.type_name()))),
            (None, Some(default)) => Ok(default),
            (None, None) => Err(self.wrong(&format!("missing a required argument: '{name}'"))),
        }
    }

    /// A number; `None` where none is given.
    pub(super) fn number(&mut self, name: &str) -> Result<f64, Raised> {
        match self.take(name)? {
            Some(MontyObject::Float(float)) => Ok(float),
            Some(MontyObject::Int(integer)) => Ok(integer as f64),
            Some(other) => Err(self.wrong(&format!("argument '{name}' must be a number, not {}", other.type_name()))),
            None => Err(self.wrong(&format!("missing a required argument: '{name}'"))),
        }
    }

    /// What is left by name, where the method takes any.
    pub(super) fn others(&mut self) -> Vec<(String, MontyObject)> {
        std::mem::take(&mut self.named)
    }

    /// Nothing may be left.
    pub(super) fn finish(mut self) -> Result<(), Raised> {
        if let Some((name, _)) = self.named.first() {
            return Err(self.wrong(&format!("got an unexpected keyword argument '{name}'")));
        }
        let more = self.positional.by_ref().count();
        if more > 0 {
            let (taken, given) = (self.taken, self.taken + more);
            return Err(self.wrong(&format!("takes at most {taken} arguments, {given} were given")));
        }
        Ok(())
    }

    fn wrong(&self, what: &str) -> Raised {
        python(ExcType::TypeError, format!("{}() {what}", self.method))
    }
}
