//! All functions by name, and the one place where calls are checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::function::{Answer, Arguments, Function, Given, Spec, View};

use self::files::Files;

mod files;

pub use self::files::{Directory, is_function_name};

/// Most names that a refusal repeats.
const NAMED_MAX: usize = 50;

/// The functions that can be called: those that come with the service, and those in files of the record.
pub struct Registry {
    built_in: BTreeMap<String, Arc<dyn Function>>,
    files: Option<Files>,
}

impl Registry {
    /// Takes functions by the names in their specs; of two of one name the later.
    pub fn new(functions: Vec<Box<dyn Function>>) -> Self {
        let built_in =
            functions.into_iter().map(Arc::from).map(|function: Arc<dyn Function>| (function.spec().name.clone(), function));
        Self { built_in: built_in.collect(), files: None }
    }

    /// The same, and the functions in the files of `directory`.
    #[must_use]
    pub fn with_files(self, directory: Directory) -> Self {
        Self { files: Some(Files::of(directory)), ..self }
    }

    /// What comes with the service, by name.
    pub fn specs(&self) -> impl Iterator<Item = &Spec> {
        self.built_in.values().map(|function| function.spec())
    }

    /// The names of all functions, in order. A file that has the name of a built-in is not one.
    ///
    /// # Errors
    /// `NotListed`.
    pub async fn names(&self, view: &View) -> Result<Vec<String>> {
        let mut names: BTreeSet<String> = self.built_in.keys().cloned().collect();
        if let Some(files) = &self.files {
            names.extend(files.names(view).await?);
        }
        Ok(names.into_iter().collect())
    }

    /// The function of this name, as its file is now; compiled where that is new.
    ///
    /// # Errors
    /// `UnknownFunction`, `BadFunction`, and what reading its file says.
    pub async fn find(&self, name: &str, view: &View) -> Result<Arc<dyn Function>> {
        if let Some(function) = self.built_in.get(name) {
            return Ok(Arc::clone(function));
        }
        if let Some(files) = &self.files
            && let Some(function) = files.find(name, view).await?
        {
            return Ok(function);
        }
        Err(self.unknown(name, view).await)
    }

    /// The text of a function's file; `None` for one that comes with the service.
    ///
    /// # Errors
    /// As [`Registry::find`].
    pub async fn source(&self, name: &str, view: &View) -> Result<Option<Arc<str>>> {
        if self.built_in.contains_key(name) {
            return Ok(None);
        }
        if let Some(files) = &self.files
            && let Some(text) = files.source(name, view).await?
        {
            return Ok(Some(text));
        }
        Err(self.unknown(name, view).await)
    }

    /// Calls a function with arguments as they came, in any order.
    ///
    /// # Errors
    /// `UnknownFunction`, `BadFunction`, `InvalidArgument`, and what the function says.
    pub async fn call(&self, name: &str, given: &[(String, Given)], view: &View) -> Result<Answer> {
        let function = self.find(name, view).await?;
        let arguments = Arguments::parse(function.spec(), given, |text| view.key(text))?;
        function.call(&arguments, view).await
    }

    async fn unknown(&self, name: &str, view: &View) -> Error {
        // That the files cannot be listed is no reason not to say so.
        let names = self.names(view).await.unwrap_or_else(|_| self.built_in.keys().cloned().collect());
        let more = names.len().saturating_sub(NAMED_MAX);
        let mut known = names.into_iter().take(NAMED_MAX).collect::<Vec<_>>().join(", ");
        if more > 0 {
            known.push_str(&format!(" and {more} more"));
        }
        Error::UnknownFunction { name: name.to_owned(), known }
    }
}
