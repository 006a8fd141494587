//! Functions in files: what makes one of a file's text, a compiler a language.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::function::{Function, Language};

/// Longest file of a function in bytes: a program that a person reads. What is longer reaches no compiler.
pub const SOURCE_BYTES_MAX: u64 = 256 << 10;

/// Makes functions of the files of one language.
#[async_trait]
pub trait Compile: Send + Sync + 'static {
    /// What it compiles.
    fn language(&self) -> Language;

    /// How the names of its files end, without the dot: `sql`.
    fn extension(&self) -> &'static str;

    /// Makes the function that `file` is. Its spec has the file's name and version. Called once a version. What a file does when
    /// it is loaded may be done; no call of it is made.
    ///
    /// # Errors
    /// `BadFunction`, which is remembered with the version; anything else is not.
    async fn compile(&self, file: &SourceFile) -> Result<Arc<dyn Function>>;
}

/// The text of a function, as its file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The function's name: the file's, without its ending.
    pub name: String,
    /// Which content this is; another for each.
    pub version: String,
    /// The text.
    pub text: Arc<str>,
}
