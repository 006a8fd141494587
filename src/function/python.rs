//! Functions in Python's syntax, run by monty in processes of their own: what takes all memory takes no other call with it.
//!
//! A file is looked at once a version (`describe.rs`), then run once, as an import runs it; what that leaves behind is kept as a
//! snapshot. Each call begins from that snapshot, in a process that has nothing of any other call, and sees of this process what
//! `host.rs` gives it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use monty_pool::PoolError;
use monty_types::MontyObject;
use serde_json::Value;
use tokio::time::{timeout, timeout_at};

use self::describe::{Declaration, OURS};
use self::fault::Named;
use self::host::{Fixed, Host};
use self::pool::{Turn, Workers};
use self::prints::Prints;
use crate::error::{Error, Result};
use crate::function::{Answer, Arguments, Compile, Function, Kind, Language, Parameter, Printed, Said, SourceFile, Spec, View};

mod describe;
mod fault;
mod host;
pub mod parser;
mod pool;
mod prints;
mod table;
mod turns;
mod value;
pub mod worker;

pub use pool::Limits;

/// How much later than its own limit a call is cut off from outside: who stops by himself keeps his process.
const GRACE: Duration = Duration::from_millis(250);

/// What an answer may take of memory, other than a frame.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// From how many bytes on an answer is converted elsewhere than on an async worker.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// What part of a function's memory one value may take that it is given, and how much that is at most: the protocol has an end.
const CROSSING_PART: u64 = 4;
const CROSSING_BYTES_MAX: u64 = 64 << 20;

/// What a call runs, over and over.
const CALL: &str = "main(_cache_api_cache, *_cache_api_positional, **_cache_api_named)";

/// Makes functions of files in Python's syntax.
pub struct Python {
    workers: Arc<Workers>,
}

impl Python {
    /// Runs them in processes of `program`, which is this one; none is started before it is needed.
    pub fn new(program: PathBuf, limits: Limits) -> Self {
        Self { workers: Arc::new(Workers::new(program, limits)) }
    }

    /// Runs the file once, and answers what that leaves behind.
    async fn load(&self, program: &str, named: Named<'_>) -> Result<Vec<u8>> {
        let inputs = vec![given_module("random", Fixed::Random), given_module("time", Fixed::Time)];
        let bad = |error: Error| match error {
            Error::FunctionRaised { function, traceback, .. } => Error::BadFunction { function, reason: traceback },
            Error::FunctionStopped { function, reason } => Error::BadFunction { function, reason },
            other => other,
        };
        let loading = async {
            let mut session = self.workers.session(None).await.map_err(|error| named.fault(error))?;
            let mut prints = Prints::of(named.name);
            let flood = prints.flood();
            let mut on_print = |_, text: &str| prints.take(text);
            let loaded = flood.or(turns::feed(&mut session, program, inputs, None, &mut on_print)).await;
            let loaded = loaded.ok_or_else(|| bad(named.stopped(prints::FLOODED.to_owned())))?;
            loaded.map_err(|error| bad(named.fault(error)))?;
            let snapshot = session.dump().await.map_err(|error| named.fault(error))?;
            let _replaced = session.finish().await;
            Ok(snapshot)
        };
        let time_max = self.workers.limits().time + GRACE;
        timeout(time_max, loading).await.unwrap_or_else(|_| Err(bad(named.out_of_time())))
    }
}

#[async_trait]
impl Compile for Python {
    fn language(&self) -> Language {
        Language::Python
    }

    fn extension(&self) -> &'static str {
        "py"
    }

    async fn compile(&self, file: &SourceFile) -> Result<Arc<dyn Function>> {
        let SourceFile { name, version, text } = file;
        let _turn = self.workers.compile_turn().await;
        let described = parser::describe_apart(self.workers.program(), text).await;
        let described = described.map_err(|cause| Error::FunctionFailed { function: name.clone(), cause })?;
        let declared = described.map_err(|undeclared| Error::BadFunction { function: name.clone(), reason: undeclared.0 })?;
        let named = Named { name, source: text, limits: self.workers.limits() };
        let snapshot = self.load(&declared.program, named).await?;
        Ok(Arc::new(PythonFunction::new(name, version, Arc::clone(text), declared, snapshot, Arc::clone(&self.workers))))
    }
}

/// A file that was looked at and run once.
struct PythonFunction {
    spec: Spec,
    source: Arc<str>,
    /// The names of what goes by its place, and of what goes by its name.
    positional: Vec<String>,
    named: Vec<String>,
    /// The name of `*args`.
    rest: Option<String>,
    snapshot: Vec<u8>,
    workers: Arc<Workers>,
}

impl PythonFunction {
    fn new(name: &str, version: &str, source: Arc<str>, declared: Declaration, snapshot: Vec<u8>, workers: Arc<Workers>) -> Self {
        let Declaration { mut doc, positional, named, rest, others, retention, chance, program: _ } = declared;
        if doc.is_empty() {
            doc = format!("Runs `main` of {name}.py.");
        }
        if let Some(what) = chance {
            doc = format!("{doc} What it answers is not kept: it uses chance or time, by {what}.");
        }
        let names = |parameters: &[Parameter]| parameters.iter().map(|parameter| parameter.name.clone()).collect();
        let (by_place, by_name) = (names(&positional), names(&named));
        let rest_parameter = rest.as_ref().map(|name| Parameter {
            name: name.clone(),
            kind: Kind::Any,
            default: Some(Value::Array(Vec::new())),
            doc: "More values, as a list.".to_owned(),
        });
        let spec = Spec {
            parameters: positional.into_iter().chain(rest_parameter).chain(named).collect(),
            language: Language::Python,
            version: version.to_owned(),
            retention,
            others,
            ..Spec::new(name, doc)
        };
        Self { spec, source, positional: by_place, named: by_name, rest, snapshot, workers }
    }

    fn named(&self) -> Named<'_> {
        Named { name: &self.spec.name, source: &self.source, limits: self.workers.limits() }
    }

    async fn run(&self, arguments: &Arguments, view: &View, turn: Turn<'_>) -> Result<Answer> {
        let named = self.named();
        let mut session = self.workers.session(Some(&self.snapshot)).await.map_err(|error| named.fault(error))?;
        let mut host = Host::new(view, turn, (named.limits.memory_bytes / CROSSING_PART).min(CROSSING_BYTES_MAX));
        let mut prints = Prints::of(named.name);
        let flood = prints.flood();
        let mut on_print = |_, text: &str| prints.take(text);
        let done = flood.or(turns::feed(&mut session, CALL, self.inputs(arguments), Some(&mut host), &mut on_print)).await;
        let done = done.ok_or_else(|| named.stopped(prints::FLOODED.to_owned()))?;
        match done {
            Ok(value) => {
                let _replaced = session.finish().await;
                self.answer(value, &host, view).await
            }
            Err(PoolError::Runtime(exception)) => {
                let _replaced = session.finish().await;
                Err(host.refusal_of(&exception).unwrap_or_else(|| named.fault(PoolError::Runtime(exception))))
            }
            Err(error) => Err(named.fault(error)),
        }
    }

    fn inputs(&self, arguments: &Arguments) -> Vec<(String, MontyObject)> {
        let mut positional: Vec<_> = self.positional.iter().map(|name| value::of_json(&arguments.value(name))).collect();
        if let Some(rest) = &self.rest {
            positional.extend(list(arguments.value(rest)).iter().map(value::of_json));
        }
        let named = self.named.iter().map(|name| (name.clone(), arguments.value(name)));
        let others = arguments.others().map(|(name, value)| (name.to_owned(), value.clone()));
        let named = named.chain(others).map(|(name, value)| (MontyObject::String(name), value::of_json(&value)));
        vec![
            ("_cache_api_cache".to_owned(), Fixed::Cache.object()),
            ("_cache_api_positional".to_owned(), MontyObject::List(positional)),
            ("_cache_api_named".to_owned(), MontyObject::dict(named.collect::<Vec<_>>())),
        ]
    }

    async fn answer(&self, value: MontyObject, host: &Host<'_>, view: &View) -> Result<Answer> {
        if let Some(frame) = host.frame_of(&value) {
            return Ok(Answer::Table(frame));
        }
        let bytes = value.deep_host_size();
        if bytes > ANSWER_BYTES_MAX {
            let mib = ANSWER_BYTES_MAX >> 20;
            return Err(Error::BadAnswer {
                reason: format!("it takes {bytes} bytes, more than {mib} MiB; return a frame, or less"),
            });
        }
        let convert = move || match value {
            MontyObject::String(text) => Ok(Converted::Text(text)),
            value => value::to_python(&value)
                .map(|said| Converted::Printed(Printed { text: value.to_string(), said: Said::Value(said) })),
        };
        let converted = if bytes > INLINE_BYTES_MAX {
            let failed =
                |cause| Error::FunctionFailed { function: self.spec.name.clone(), cause: crate::error::Cause::from(cause) };
            tokio::task::spawn_blocking(convert).await.map_err(failed)?
        } else {
            convert()
        };
        match converted.map_err(|unsayable| Error::BadAnswer { reason: unsayable.to_string() })? {
            Converted::Text(text) => Ok(Answer::Text(text)),
            Converted::Printed(printed) => {
                let held = view.hold(printed).await;
                held.map(Answer::Printed).map_err(|_| Error::FunctionBusy { function: self.spec.name.clone() })
            }
        }
    }
}

/// What becomes of a value.
enum Converted {
    Text(String),
    Printed(Printed),
}

#[async_trait]
impl Function for PythonFunction {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    async fn call(&self, arguments: &Arguments, view: &View) -> Result<Answer> {
        let deadline = view.ask().deadline;
        let run = async {
            let busy = |_| Error::FunctionBusy { function: self.spec.name.clone() };
            let turn = match view.is_within_another() {
                true => self.workers.turn_within().await,
                false => self.workers.turn().await.map_err(busy)?,
            };
            let time_max = self.workers.limits().time + GRACE;
            timeout(time_max, self.run(arguments, view, turn)).await.unwrap_or_else(|_| Err(self.named().out_of_time()))
        };
        let in_time = timeout_at(deadline.into(), run).await;
        in_time.unwrap_or_else(|_| Err(self.named().stopped("the request that asked for it had no more time".to_owned())))
    }
}

/// What comes in for `*args`: a list, a list as a text of JSON, or one value.
fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        Value::String(text) if text.starts_with('[') => serde_json::from_str(&text).unwrap_or_else(|_| vec![Value::String(text)]),
        value => vec![value],
    }
}

/// The name that a rewritten program has for a module of the host.
fn given_module(name: &str, module: Fixed) -> (String, MontyObject) {
    (format!("{OURS}{name}"), module.object())
}
