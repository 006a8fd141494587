//! `NAME.sql`: one SELECT, with a header in comments that says what it takes and how its answers are kept.
//!
//! ```sql
//! -- doc: The cusips whose price moved most.
//! -- param: prices key = 'prices/2024.parquet' -- What to look at; a glob is one table.
//! -- param: rows integer = 10 -- How many.
//! -- keep: tiers 10m
//! SELECT cusip, max(price) - min(price) AS moved FROM :prices GROUP BY cusip ORDER BY moved DESC LIMIT :rows
//! ```
//!
//! Everything that a parameter is reaches the statement as a literal of its kind, never as text (`frame/query`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::spawn_blocking;

use crate::error::{Error, Result};
use crate::frame::query::{Statement, Table};
use crate::function::{Answer, Arguments, Compile, Function, Language, SourceFile, Spec, View};

use self::header::{Header, Takes};

mod header;

/// Compiles `NAME.sql`.
pub struct SqlCompiler;

/// A SELECT that is called by name.
struct SqlFunction {
    spec: Spec,
    takes: Vec<(String, Takes)>,
    statement: String,
}

#[async_trait]
impl Compile for SqlCompiler {
    fn language(&self) -> Language {
        Language::Sql
    }

    fn extension(&self) -> &'static str {
        "sql"
    }

    async fn compile(&self, file: &SourceFile) -> Result<Arc<dyn Function>> {
        let owned = file.clone();
        // A statement may take milliseconds to judge.
        let compiling = spawn_blocking(move || compile(&owned)).await;
        let compiled = compiling.unwrap_or_else(|_| Err("the statement cannot be parsed".to_owned()));
        let function = compiled.map_err(|reason| Error::BadFunction { function: file.name.clone(), reason })?;
        Ok(Arc::new(function))
    }
}

#[async_trait]
impl Function for SqlFunction {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    async fn call(&self, arguments: &Arguments, view: &View) -> Result<Answer> {
        let mut values = BTreeMap::new();
        for (name, takes) in &self.takes {
            let invalid = |reason: String| Error::InvalidArgument { function: self.spec.name.clone(), reason };
            let scalar = takes.scalar(&arguments.value(name)).map_err(|reason| invalid(format!("`{name}` {reason}")))?;
            values.insert(name.clone(), scalar);
        }
        Ok(Answer::Table(view.sql(self.statement.clone(), values).await?))
    }
}

/// Why a file is no function, with the number of the line where that is known.
type Reason = String;

fn compile(file: &SourceFile) -> Result<SqlFunction, Reason> {
    let Header { doc, takes, retention } = Header::parse(&file.text)?;
    let statement = Statement::parse(&file.text).map_err(|bad| bad.to_string())?;
    let declared: BTreeSet<&str> = takes.iter().map(|(parameter, _)| &*parameter.name).collect();
    if let Some(name) = statement.parameters().iter().find(|name| !declared.contains(&***name)) {
        return Err(format!("`:{name}` is not declared; write a line such as `-- param: {name} text -- What it is.`"));
    }
    if let Some(name) = declared.iter().find(|name| !statement.parameters().contains(**name)) {
        return Err(format!("`{name}` is declared and not used; take its line away, or write `:{name}` in the statement"));
    }
    for (parameter, takes) in &takes {
        let is_table = statement.tables().contains(&Table::Parameter(parameter.name.clone()));
        match (is_table, takes) {
            (true, Takes::Key) | (false, _) => {}
            (true, _) => return Err(format!("`{0}` stands for a table; declare it as `-- param: {0} key`", parameter.name)),
        }
    }
    let parameters = takes.iter().map(|(parameter, _)| parameter.clone()).collect();
    let spec =
        Spec { language: Language::Sql, version: file.version.clone(), retention, parameters, ..Spec::new(&*file.name, doc) };
    let takes = takes.into_iter().map(|(parameter, takes)| (parameter.name, takes)).collect();
    Ok(SqlFunction { spec, takes, statement: file.text.to_string() })
}

#[cfg(test)]
mod tests;
