//! What a schedule or a person has the function do: `{"task": …}`.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;

use crate::cache::Ask;
use crate::key::KeyPatterns;

/// Does what tasks ask for. Each answers what it did, as JSON for whoever reads the answer.
#[async_trait]
pub trait Chores: Send + Sync + 'static {
    /// Fetches what matches `patterns`; what CACHE_API_KEEP_WARM names where there are none.
    ///
    /// # Errors
    /// Why it was not done.
    async fn warm(&self, patterns: Option<KeyPatterns>, ask: Ask) -> Result<Value, Undone>;

    /// Brings the shared directory within its budget, and takes away what nobody needs.
    ///
    /// # Errors
    /// Why it was not done.
    async fn sweep(&self, ask: Ask) -> Result<Value, Undone>;

    /// Checks what the service stands on.
    ///
    /// # Errors
    /// Why it was not done.
    async fn doctor(&self, ask: Ask) -> Result<Value, Undone>;
}

/// Why a task was not done. Names nothing that the event has in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undone {
    /// There is no such task, or it has another form.
    #[error(r#"no such task; there are {{"task": "warm", "patterns": […]}}, {{"task": "sweep"}} and {{"task": "doctor"}}"#)]
    Unknown,
    /// What is to be warmed is no list of globs.
    #[error("pattern {number} of the task is no glob; write such as prices/*.parquet")]
    BadPattern {
        /// Which one, the first being 1.
        number: usize,
    },
    /// It failed.
    #[error("the task `{task}` failed: {why}")]
    Failed {
        /// Its name.
        task: &'static str,
        /// What happened.
        why: String,
    },
}

/// Something to do.
#[derive(Debug, Deserialize)]
#[serde(tag = "task", rename_all = "lowercase")]
enum Task {
    Warm { patterns: Option<Vec<String>> },
    Sweep,
    Doctor,
}

/// Has `chores` do what `event` asks for.
///
/// # Errors
/// Why it was not done.
pub async fn run(event: &Value, chores: &dyn Chores, ask: Ask) -> Result<Value, Undone> {
    match Task::deserialize(event).map_err(|_| Undone::Unknown)? {
        Task::Warm { patterns } => chores.warm(patterns.as_deref().map(parse).transpose()?, ask).await,
        Task::Sweep => chores.sweep(ask).await,
        Task::Doctor => chores.doctor(ask).await,
    }
}

fn parse(texts: &[String]) -> Result<KeyPatterns, Undone> {
    let bad = texts.iter().position(|text| KeyPatterns::parse([text.as_str()]).is_err());
    let patterns = KeyPatterns::parse(texts.iter().map(String::as_str));
    // Each by itself is one, and together they are too many.
    patterns.map_err(|_| Undone::BadPattern { number: bad.unwrap_or(texts.len() - 1) + 1 })
}
