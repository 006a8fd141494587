//! All functions by name, and the one place where calls are checked.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::function::{Answer, Arguments, Function, Given, Spec, View};

/// The functions that can be called.
pub struct Registry {
    functions: BTreeMap<String, Box<dyn Function>>,
}

impl Registry {
    /// Takes functions by the names in their specs; of two of one name the later.
    pub fn new(functions: Vec<Box<dyn Function>>) -> Self {
        Self { functions: functions.into_iter().map(|function| (function.spec().name.clone(), function)).collect() }
    }

    /// What there is, by name.
    pub fn specs(&self) -> impl Iterator<Item = &Spec> {
        self.functions.values().map(|function| function.spec())
    }

    /// Calls a function with arguments as they came, in any order.
    ///
    /// # Errors
    /// `UnknownFunction`, `InvalidArgument`, and what the function says.
    pub async fn call(&self, name: &str, given: &[(String, Given)], view: &View) -> Result<Answer> {
        let Some(function) = self.functions.get(name) else {
            let known: Vec<&str> = self.functions.keys().map(String::as_str).collect();
            return Err(Error::UnknownFunction { name: name.to_owned(), known: known.join(", ") });
        };
        let arguments = Arguments::parse(function.spec(), given, |text| view.key(text))?;
        function.call(&arguments, view).await
    }
}
