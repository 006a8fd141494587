//! What a file of Python declares: `main`, what it takes, how its answers are kept. Read without running any of it. Pure.
//!
//! The parser bounds how deep a file may nest; a chain of a hundred thousand `+` is not deep to it, and takes as much of the
//! stack when it is looked through and dropped. So this runs in a process of its own (`parser.rs`).

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Decorator, Expr, ModModule, Parameters, Stmt, StmtFunctionDef};
use ruff_python_parser::parse_module;
use ruff_text_size::{Ranged, TextSize};
use serde::{Deserialize, Serialize};

use self::literal::literal;
use self::rewrite::Rewrite;
use crate::function::{Kind, Parameter, Retention};

mod decorator;
mod literal;
mod rewrite;

pub(super) use self::rewrite::OURS;

/// What `main` is called by, whoever names it otherwise.
const MAIN: &str = "main";

/// What a file declares.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Declaration {
    /// The first paragraph of `main`'s docstring; empty where it has none.
    pub doc: String,
    /// What goes by its place, in the order of the places. The cache itself is not among them.
    pub positional: Vec<Parameter>,
    /// What goes by its name alone.
    pub named: Vec<Parameter>,
    /// The name of `*args`, which takes a list.
    pub rest: Option<String>,
    /// The name of `**kwargs`, which takes what has no name of its own here.
    pub others: Option<String>,
    /// How answers are kept.
    pub retention: Retention,
    /// What of chance or time it uses: "`import random` in line 3".
    pub chance: Option<String>,
    /// The file as the interpreter gets it, line by line the same.
    pub program: String,
}

/// Why a file is no function. Each says where and what to write instead.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Undeclared(pub String);

/// Looks at a file.
///
/// # Errors
/// What is wrong with it.
pub fn describe(source: &str) -> Result<Declaration, Undeclared> {
    let lines = Lines(source);
    let parsed = parse_module(source).map_err(|error| lines.wrong(error.location.start(), error.error))?;
    let module = parsed.into_syntax();
    let main = find_main(&module).ok_or_else(|| Undeclared(NO_MAIN.to_owned()))?;
    if main.is_async {
        return Err(lines.wrong(main.name.start(), "`main` is `async`; write `def main(cache, …)`"));
    }
    let docstring = docstring(main);
    let takes = Takes::of(&main.parameters, &docstring, &lines)?;
    let mut rewrite = Rewrite::new(source, takes.cache);
    let mut retention = None;
    for decorator in &main.decorator_list {
        let kept = decorator::retention(decorator).map_err(|what| lines.wrong(decorator.start(), what))?;
        if retention.replace(kept).is_some() {
            return Err(lines.wrong(decorator.start(), "how answers are kept is said twice; write one decorator"));
        }
        rewrite.blank(decorator.range());
    }
    for statement in &module.body {
        rewrite.visit_stmt(statement);
    }
    let mut chance = Chance::default();
    for statement in &module.body {
        chance.visit_stmt(statement);
    }
    let chance = chance.found.map(|(place, what)| format!("{what} in line {}", lines.number(place)));
    let program = rewrite.finish().map_err(|(place, what)| lines.wrong(place, what))?;
    Ok(Declaration {
        doc: first_paragraph(&docstring),
        positional: takes.positional,
        named: takes.named,
        rest: takes.rest,
        others: takes.others,
        retention: if chance.is_some() { Retention::Nowhere } else { retention.unwrap_or_default() },
        chance,
        program,
    })
}

const NO_MAIN: &str = "there is no `def main(cache, …)` in it; write one, not within anything else";

/// What `main` takes, read off its signature.
struct Takes<'a> {
    /// What the function calls the cache.
    cache: &'a str,
    positional: Vec<Parameter>,
    named: Vec<Parameter>,
    rest: Option<String>,
    others: Option<String>,
}

impl<'a> Takes<'a> {
    fn of(parameters: &'a Parameters, docstring: &str, lines: &Lines<'_>) -> Result<Self, Undeclared> {
        let mut by_place = parameters.posonlyargs.iter().chain(&parameters.args);
        let cache = by_place.next().filter(|first| first.default.is_none());
        let cache = cache.ok_or_else(|| {
            lines.wrong(parameters.start(), "the first parameter of `main` is the cache; write `def main(cache, …)`")
        })?;
        let declare = |parameter: &ruff_python_ast::ParameterWithDefault| {
            let name = parameter.parameter.name.as_str();
            let kind = parameter.parameter.annotation.as_deref().map_or(Kind::Any, kind);
            let default = match &parameter.default {
                None => None,
                Some(default) => Some(literal(default).ok_or_else(|| {
                    let what = "is no literal; a number, a text, True, False, None, or a list or dict of these is one";
                    lines.wrong(default.start(), format_args!("the default of `{name}` {what}"))
                })?),
            };
            if let Some(default) = default.as_ref().filter(|default| !default.is_null() && !kind.fits(default)) {
                let what = format_args!("the default of `{name}`, {default}, is not {kind}, as its annotation says");
                return Err(lines.wrong(parameter.start(), what));
            }
            Ok(Parameter { name: name.to_owned(), kind, default, doc: parameter_doc(docstring, name) })
        };
        Ok(Self {
            cache: cache.parameter.name.as_str(),
            positional: by_place.map(declare).collect::<Result<_, _>>()?,
            named: parameters.kwonlyargs.iter().map(declare).collect::<Result<_, _>>()?,
            rest: parameters.vararg.as_ref().map(|rest| rest.name.to_string()),
            others: parameters.kwarg.as_ref().map(|others| others.name.to_string()),
        })
    }
}

/// The last one counts, as in Python.
fn find_main(module: &ModModule) -> Option<&StmtFunctionDef> {
    module.body.iter().rev().find_map(|statement| match statement {
        Stmt::FunctionDef(function) if function.name.as_str() == MAIN => Some(function),
        _ => None,
    })
}

/// What an annotation asks for. `int | None` and `Optional[int]` ask for an `int`, of which `None` can be the default.
fn kind(annotation: &Expr) -> Kind {
    match annotation {
        Expr::Name(name) => match name.id.as_str() {
            "int" => Kind::Integer { min: i64::MIN, max: i64::MAX },
            "float" => Kind::Float,
            "str" => Kind::Text,
            "bool" => Kind::Boolean,
            _ => Kind::Any,
        },
        Expr::BinOp(either) if either.right.is_none_literal_expr() => kind(&either.left),
        Expr::Subscript(subscript) if subscript.value.as_name_expr().is_some_and(|name| name.id == "Optional") => {
            kind(&subscript.slice)
        }
        _ => Kind::Any,
    }
}

fn docstring(function: &StmtFunctionDef) -> String {
    let first = function.body.first().and_then(Stmt::as_expr_stmt);
    let text = first.and_then(|statement| statement.value.as_string_literal_expr());
    text.map(|text| text.value.to_str().to_owned()).unwrap_or_default()
}

fn first_paragraph(docstring: &str) -> String {
    let lines = docstring.trim().lines().map(str::trim).take_while(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// What the docstring says of a parameter, in a line `name: what it is`; empty where there is none.
fn parameter_doc(docstring: &str, name: &str) -> String {
    let said = docstring.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
    said.map(|said| said.trim().to_owned()).unwrap_or_default()
}

/// Finds what answers differently each time.
#[derive(Default)]
struct Chance {
    found: Option<(TextSize, String)>,
}

impl Chance {
    fn find(&mut self, place: TextSize, what: String) {
        self.found.get_or_insert((place, what));
    }
}

impl<'a> Visitor<'a> for Chance {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        if let Stmt::Import(import) = statement {
            for alias in &import.names {
                if rewrite::GIVEN_MODULES.contains(&alias.name.as_str()) {
                    self.find(alias.start(), format!("`import {}`", alias.name));
                }
            }
        }
        walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Attribute(attribute) = expression
            && ["now", "today", "utcnow"].contains(&attribute.attr.as_str())
        {
            self.find(attribute.start(), format!("`{}`", attribute.attr));
        }
        walk_expr(self, expression);
    }

    // A decorator of `main` is not run.
    fn visit_decorator(&mut self, _: &'a Decorator) {}
}

/// Where something is, as an editor says it.
struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn number(&self, place: TextSize) -> usize {
        let before = self.0.get(..place.to_usize()).unwrap_or(self.0);
        before.bytes().filter(|byte| *byte == b'\n').count() + 1
    }

    fn wrong(&self, place: TextSize, what: impl std::fmt::Display) -> Undeclared {
        Undeclared(format!("line {}: {what}", self.number(place)))
    }
}

#[cfg(test)]
mod tests;
