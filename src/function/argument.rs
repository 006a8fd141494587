//! Parameters, and the arguments of one call.

use std::collections::HashMap;
use std::fmt;

use crate::error::{Error, Result};
use crate::function::Spec;
use crate::key::{InvalidKey, Key};

/// Something that a function takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name in calls.
    pub name: String,
    /// What is taken.
    pub kind: Kind,
    /// What is taken where a call gives nothing; `None` where it must give something.
    pub default: Option<String>,
    /// One sentence on what it is.
    pub doc: String,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Any text.
    Text,
    /// The name of an object.
    Key,
    /// A whole number from `min` to `max`.
    Integer {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// A finite number.
    Float,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("a text"),
            Self::Key => f.write_str("the name of an object"),
            Self::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Float => f.write_str("a finite number"),
        }
    }
}

/// The arguments of one call: each of the function's parameters has one, of its kind.
#[derive(Clone, Debug)]
pub struct Arguments(HashMap<String, Argument>);

#[derive(Clone, Debug)]
enum Argument {
    Text(String),
    Key(Key),
    Integer(i64),
    Float(f64),
}

impl Arguments {
    /// Checks what a call gives against what the function takes. `parse_key` makes keys.
    ///
    /// # Errors
    /// `InvalidArgument` where something is missing, too much, given twice or not of its kind; it says what fits.
    pub fn parse(spec: &Spec, given: &[(String, String)], parse_key: impl Fn(&str) -> Result<Key, InvalidKey>) -> Result<Self> {
        let invalid = |reason: String| Error::InvalidArgument { function: spec.name.clone(), reason };
        if let Some((name, _)) = given.iter().find(|(name, _)| spec.parameters.iter().all(|parameter| parameter.name != *name)) {
            let names: Vec<String> = spec.parameters.iter().map(|parameter| format!("`{}`", parameter.name)).collect();
            let takes = if names.is_empty() { "no parameters".to_owned() } else { names.join(", ") };
            return Err(invalid(format!("it has no parameter `{name}`; it takes {takes}")));
        }
        let mut arguments = HashMap::with_capacity(spec.parameters.len());
        for parameter in &spec.parameters {
            let Parameter { name, kind, default, .. } = parameter;
            let mut values = given.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_str());
            let value = values.next().or(default.as_deref());
            let value = value.ok_or_else(|| invalid(format!("`{name}` is missing; it takes {kind}")))?;
            if values.next().is_some() {
                return Err(invalid(format!("`{name}` is given twice")));
            }
            let argument = match kind {
                Kind::Text => Some(Argument::Text(value.to_owned())),
                Kind::Key => Some(Argument::Key(parse_key(value).map_err(|rule| invalid(format!("`{name}`: {rule}")))?)),
                Kind::Integer { min, max } => {
                    value.parse().ok().filter(|integer| (min..=max).contains(&integer)).map(Argument::Integer)
                }
                Kind::Float => value.parse().ok().filter(|float: &f64| float.is_finite()).map(Argument::Float),
            };
            let argument = argument.ok_or_else(|| invalid(format!("`{name}` takes {kind}")))?;
            arguments.insert(name.clone(), argument);
        }
        Ok(Self(arguments))
    }

    /// The argument of a parameter of kind `Text`.
    pub fn text(&self, name: &str) -> &str {
        match self.of(name) {
            Argument::Text(text) => text,
            other => unfit(name, other),
        }
    }

    /// The argument of a parameter of kind `Key`.
    pub fn key(&self, name: &str) -> &Key {
        match self.of(name) {
            Argument::Key(key) => key,
            other => unfit(name, other),
        }
    }

    /// The argument of a parameter of kind `Integer`, within its bounds.
    pub fn integer(&self, name: &str) -> i64 {
        match self.of(name) {
            Argument::Integer(integer) => *integer,
            other => unfit(name, other),
        }
    }

    /// The argument of a parameter of kind `Float`.
    pub fn float(&self, name: &str) -> f64 {
        match self.of(name) {
            Argument::Float(float) => *float,
            other => unfit(name, other),
        }
    }

    fn of(&self, name: &str) -> &Argument {
        self.0.get(name).expect("a function asks for the parameters that its spec names")
    }
}

fn unfit(name: &str, argument: &Argument) -> ! {
    unreachable!("a function asks for `{name}` as its spec declares it, not as {argument:?}")
}
