//! Functions on a cache whose record does as it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use serde_json::json;

use super::{
    Answer, Arguments, Called, Compile, Directory, Engine, Function, Given, Kind, Language, Origin, Outside, Registry, Retention,
    SourceFile, Spec, View,
};
use crate::cache::Ask;
use crate::cache::tests::world::{Instance, World};
use crate::error::{Error, Result};
use crate::key::{KeyPatterns, Prefix};
use crate::tier::TierName;

mod deploying;
mod files;
mod results;

/// What a function of these tests does; each run is counted.
#[derive(Clone, Copy)]
enum Does {
    /// Answers the body of `key`, or that there is none.
    Reads,
    /// Answers how many objects match `key`.
    Counts,
    /// Answers the names below `key`.
    Lists,
    /// Answers whether there is a `key`.
    Asks,
    /// Calls `reads`.
    Calls,
    /// Calls `calls`.
    CallsDeep,
    /// Reads `key` and fails.
    Fails,
    /// Calls itself.
    Recurs,
}

struct Doing {
    spec: Spec,
    does: Does,
    runs: Arc<AtomicU64>,
}

#[async_trait]
impl Function for Doing {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    async fn call(&self, arguments: &Arguments, view: &View) -> Result<Answer> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        // Whoever comes at the same time comes now.
        tokio::task::yield_now().await;
        let text = arguments.text("key");
        let given = [("key".to_owned(), Given::Text(text.to_owned()))];
        let key = || view.key(text).map_err(Error::from);
        match self.does {
            Does::Reads => match view.read(&key()?).await {
                Ok(read) => {
                    let body = view.body(&key()?, &read.entry).await?;
                    Ok(Answer::Text(String::from_utf8_lossy(&body).into_owned()))
                }
                Err(Error::NotFound { .. }) => Ok(Answer::Text("none".to_owned())),
                Err(error) => Err(error),
            },
            Does::Counts => Ok(Answer::Json(json!(view.matching(&KeyPatterns::parse([text]).unwrap()).await?.len()))),
            Does::Lists => {
                let names: Vec<String> = view.below(text).await?.iter().map(ToString::to_string).collect();
                Ok(Answer::Json(json!(names)))
            }
            Does::Asks => Ok(Answer::Json(json!(view.has(&key()?).await?))),
            Does::Calls => view.call("reads", &given).await,
            Does::CallsDeep => view.call("calls", &given).await,
            Does::Fails => {
                let _read = view.read(&key()?).await;
                Err(Error::FunctionFailed { function: "fails".to_owned(), cause: "as it should".into() })
            }
            Does::Recurs => view.call("recurs", &given).await,
        }
    }
}

/// Compiles files of a text that functions answer; a text that begins with `bad` is refused.
#[derive(Default)]
struct Words {
    compiled: AtomicU64,
}

struct Word(Spec, String);

#[async_trait]
impl Function for Word {
    fn spec(&self) -> &Spec {
        &self.0
    }

    async fn call(&self, _arguments: &Arguments, _view: &View) -> Result<Answer> {
        Ok(Answer::Text(self.1.clone()))
    }
}

/// The same in files of another ending.
struct OtherWords(Words);

#[async_trait]
impl Compile for Words {
    fn language(&self) -> Language {
        Language::Sql
    }

    fn extension(&self) -> &'static str {
        "sql"
    }

    async fn compile(&self, file: &SourceFile) -> Result<Arc<dyn Function>> {
        self.compiled.fetch_add(1, Ordering::SeqCst);
        if file.text.starts_with("bad") {
            return Err(Error::BadFunction { function: file.name.clone(), reason: file.text.to_string() });
        }
        let spec = Spec { language: Language::Sql, version: file.version.clone(), ..Spec::new(file.name.clone(), "A word.") };
        Ok(Arc::new(Word(spec, file.text.to_string())))
    }
}

#[async_trait]
impl Compile for OtherWords {
    fn language(&self) -> Language {
        Language::Python
    }

    fn extension(&self) -> &'static str {
        "py"
    }

    async fn compile(&self, file: &SourceFile) -> Result<Arc<dyn Function>> {
        self.0.compile(file).await
    }
}

/// Functions over an instance of a world.
struct Bench {
    one: Instance,
    engine: Arc<Engine>,
    runs: Arc<AtomicU64>,
    words: Arc<Words>,
}

impl Bench {
    /// Its functions keep what `retention` says.
    fn over(one: Instance, retention: Retention) -> Self {
        Self::with(one, retention, Outside::default())
    }

    /// The same, with more than a cache.
    fn with(one: Instance, retention: Retention, outside: Outside) -> Self {
        let runs = Arc::<AtomicU64>::default();
        let names = [
            ("reads", Does::Reads),
            ("counts", Does::Counts),
            ("lists", Does::Lists),
            ("asks", Does::Asks),
            ("calls", Does::Calls),
            ("calls_deep", Does::CallsDeep),
            ("fails", Does::Fails),
            ("recurs", Does::Recurs),
        ];
        let doing = |(name, does): (&str, Does)| {
            let spec = Spec::new(name, "For tests.").takes("key", Kind::Text, "Some text.");
            let spec = Spec { retention, ..spec };
            Box::new(Doing { spec, does, runs: Arc::clone(&runs) }) as Box<dyn Function>
        };
        let words = Arc::<Words>::default();
        let compilers: Vec<Arc<dyn Compile>> = vec![Arc::clone(&words) as _, Arc::new(OtherWords(Words::default()))];
        let directory = Directory { below: Prefix::normalise("functions").unwrap(), compilers };
        let registry = Registry::new(names.into_iter().map(doing).collect()).with_files(directory);
        let engine = Engine::with(Arc::clone(&one.cache), registry, 1 << 20, outside);
        Self { one, engine, runs, words }
    }

    async fn call(&self, function: &str, key: &str, ask: Ask) -> Result<Called> {
        let given = if key.is_empty() { vec![] } else { vec![("key".to_owned(), Given::Text(key.to_owned()))] };
        self.engine.call(function, &given, ask).await
    }

    /// What a call answers so long after the world began, and how often functions ran for it.
    async fn told(&self, function: &str, key: &str, millis: u64) -> (String, u64) {
        let before = self.runs.load(Ordering::SeqCst);
        let called = self.call(function, key, self.one.at(millis)).await.unwrap();
        (called.answer.to_text().unwrap().into_owned(), self.runs.load(Ordering::SeqCst) - before)
    }

    async fn word(&self, function: &str, millis: u64) -> Result<String> {
        let called = self.call(function, "", self.one.at(millis)).await?;
        Ok(called.answer.to_text()?.into_owned())
    }
}
