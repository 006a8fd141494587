//! What runs on the cache: named functions with typed parameters. Knows no HTTP.
//!
//! A function sees the cache through a [`View`] and nothing else. Its arguments come as text and are checked once, by the
//! [`Engine`], against its [`Spec`].

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[cfg(feature = "frames")]
use crate::error::Error;
use crate::error::Result;
#[cfg(feature = "frames")]
use crate::frame::encode::{self, Titles};
#[cfg(feature = "frames")]
use crate::frame::{Form, Frame};
use crate::python_value::PythonValue;
use crate::tier::memory::{Derived, Weighed};

mod argument;
pub mod builtin;
mod compile;
mod deploy;
mod engine;
#[cfg(feature = "python")]
pub mod python;
#[cfg(feature = "frames")]
mod query;
mod registry;
mod result;
mod seen;
#[cfg(feature = "frames")]
mod sql;
mod view;
#[cfg(feature = "frames")]
pub mod worker;

pub use argument::{Arguments, Given, Kind, Parameter};
pub use compile::{Compile, SourceFile};
pub use engine::{Engine, Outside};
#[cfg(feature = "frames")]
pub use query::{Opened, Queries};
pub use registry::{Directory, Registry, is_function_name};
pub use result::{Called, Origin};
pub use seen::{Inputs, Listing, Seen};
#[cfg(feature = "frames")]
pub use sql::SqlCompiler;
pub use view::View;

/// Something with a name that runs on the cache.
#[async_trait]
pub trait Function: Send + Sync + 'static {
    /// What it is called and what it takes.
    fn spec(&self) -> &Spec;

    /// Runs. `arguments` are as the spec says, each parameter has one. What takes long must not hold an async worker.
    ///
    /// # Errors
    /// What reading says, `FunctionFailed`, and `InvalidArgument` where arguments do not fit each other.
    async fn call(&self, arguments: &Arguments, view: &View) -> Result<Answer>;
}

/// What a function is called and what it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Its name in calls.
    pub name: String,
    /// One sentence on what it answers.
    pub doc: String,
    /// What it takes, in the order to show it in.
    pub parameters: Vec<Parameter>,
    /// What it is written in.
    pub language: Language,
    /// What tells it from what it was before it was changed: the version of its file, or of this program. What it answered before
    /// is no answer of the new one.
    pub version: String,
    /// How what it answers is kept.
    pub retention: Retention,
    /// What it calls arguments that no parameter is named for, as `kwargs`; `None` where it takes none.
    pub others: Option<String>,
}

/// What a function is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Rust: it comes with the service.
    BuiltIn,
    /// A SELECT in a file.
    Sql,
    /// Python's syntax, in a file.
    Python,
}

/// How the answers of a function are kept: while everything that it read is as it was, and no longer than this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Retention {
    /// Not at all: it uses chance or time, or costs less than keeping.
    #[default]
    Nowhere,
    /// In memory, `calls_max` different calls at most.
    Memory {
        /// As many as the memory has room for, where there is none.
        calls_max: Option<u64>,
    },
    /// In memory and in the shared tier, for `max_age` at most.
    Tiers {
        /// As long as it is true, where there is none.
        max_age: Option<Duration>,
    },
}

impl Language {
    /// The name it is told by: `builtin`, `sql`, `python`.
    pub fn name(self) -> &'static str {
        match self {
            Self::BuiltIn => "builtin",
            Self::Sql => "sql",
            Self::Python => "python",
        }
    }
}

impl Spec {
    /// A function that comes with the service, takes nothing yet and keeps nothing; see [`Spec::takes`].
    pub fn new(name: impl Into<String>, doc: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            doc: doc.into(),
            parameters: Vec::new(),
            language: Language::BuiltIn,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            retention: Retention::Nowhere,
            others: None,
        }
    }

    /// Adds a parameter that every call must give.
    #[must_use]
    pub fn takes(mut self, name: impl Into<String>, kind: Kind, doc: impl Into<String>) -> Self {
        self.parameters.push(Parameter { name: name.into(), kind, default: None, doc: doc.into() });
        self
    }

    /// Adds a parameter that is `default` where a call does not give it.
    #[must_use]
    pub fn takes_or(mut self, name: impl Into<String>, kind: Kind, default: impl Into<Value>, doc: impl Into<String>) -> Self {
        self.parameters.push(Parameter { name: name.into(), kind, default: Some(default.into()), doc: doc.into() });
        self
    }

    /// Keeps what it answers so.
    #[must_use]
    pub fn kept(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }
}

/// What a function answers: once as the original's API prints it, and once as JSON.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A text, printed as it is.
    Text(String),
    /// A value, printed as JSON.
    Json(Value),
    /// A value, printed by rules of its own. Shared with memory, which keeps it: it may be as long as an object.
    Printed(Arc<Derived<Printed>>),
    /// A table.
    #[cfg(feature = "frames")]
    Table(Arc<Derived<Frame>>),
}

/// A value and what is printed of it.
#[derive(Debug)]
pub struct Printed {
    /// What is printed.
    pub text: String,
    /// What the text says.
    pub said: Said,
}

/// What a text says, in a form that takes little memory.
#[derive(Debug)]
pub enum Said {
    /// This.
    Value(PythonValue),
    /// What this JSON says, which is read again when it is asked for: as values it takes many times as much.
    Json(Bytes),
}

impl Weighed for Printed {
    fn weight_bytes(&self) -> u64 {
        let said = match &self.said {
            Said::Value(value) => value.weight_bytes(),
            // A body has room of its own, for as long as anybody has it.
            Said::Json(_) => 0,
        };
        self.text.capacity() as u64 + said
    }
}

impl Answer {
    /// What it takes of memory, but for what has taken its room already.
    fn own_bytes(&self) -> u64 {
        match self {
            Self::Text(text) => text.capacity() as u64,
            Self::Json(value) => json_bytes(value),
            Self::Printed(_) => 0,
            #[cfg(feature = "frames")]
            Self::Table(_) => 0,
        }
    }

    /// What it keeps alive that has taken its room already.
    fn held_bytes(&self) -> u64 {
        match self {
            Self::Text(_) | Self::Json(_) => 0,
            Self::Printed(printed) => printed.weight_bytes(),
            #[cfg(feature = "frames")]
            Self::Table(frame) => frame.weight_bytes(),
        }
    }

    /// The `value` of the original's API, always a text. Of a long table it takes long.
    ///
    /// # Errors
    /// `BadAnswer` where JSON cannot say it.
    pub fn to_text(&self) -> Result<Cow<'_, str>> {
        Ok(match self {
            Self::Text(text) => text.into(),
            Self::Json(value) => value.to_string().into(),
            Self::Printed(printed) => printed.text.as_str().into(),
            #[cfg(feature = "frames")]
            Self::Table(frame) => String::from_utf8(rows(frame)?).map_err(|error| bad_answer(&error))?.into(),
        })
    }

    /// The answer as structured JSON; a table is a list of its rows. Of a long table it takes long.
    ///
    /// # Errors
    /// `BadAnswer` where JSON cannot say it.
    pub fn to_json(&self) -> Result<Value> {
        Ok(match self {
            Self::Text(text) => Value::from(text.as_str()),
            Self::Json(value) => value.clone(),
            Self::Printed(printed) => match &printed.said {
                Said::Value(value) => value.to_json(),
                Said::Json(body) => PythonValue::from_json(body).map_or(Value::Null, |value| value.to_json()),
            },
            #[cfg(feature = "frames")]
            Self::Table(frame) => serde_json::from_slice(&rows(frame)?).map_err(|error| bad_answer(&error))?,
        })
    }
}

/// What a value takes of memory: each has its place, and each name and text a piece of the heap.
fn json_bytes(value: &Value) -> u64 {
    const PIECE_BYTES: u64 = 32;
    let within = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => PIECE_BYTES + text.len() as u64,
        Value::Array(values) => values.iter().map(json_bytes).sum(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| 2 * PIECE_BYTES + name.len() as u64 + json_bytes(value)).sum()
        }
    };
    size_of::<Value>() as u64 + within
}

#[cfg(feature = "frames")]
fn rows(frame: &Frame) -> Result<Vec<u8>> {
    let titles = Titles { name: "", links: &[], note: "" };
    encode::encode(frame.table().clone(), Form::Json, titles, u64::MAX).map_err(|error| bad_answer(&error))
}

#[cfg(feature = "frames")]
fn bad_answer(reason: &dyn std::fmt::Display) -> Error {
    Error::BadAnswer { reason: reason.to_string() }
}

#[cfg(test)]
pub(crate) mod tests;
