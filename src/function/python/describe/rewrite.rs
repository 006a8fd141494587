//! What the interpreter has no way to say, said in a way that it has. No line moves: tracebacks name the lines of the file.
//!
//! - The decorators of `main` go, and with them what imports their names: they are read, not run.
//! - `cache[key]` becomes `cache.read(key)`, and `key in cache` becomes `cache.has(key)`: an object of the host answers calls and
//!   attributes, and no operators. Only in functions whose first parameter is called as that of `main` and is not assigned to.
//! - `import random` and `import time` bind an object of the host: the interpreter has neither.

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{CmpOp, Expr, ExprCompare, ExprSubscript, Stmt, StmtFunctionDef, StmtImport, StmtImportFrom};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::decorator;

/// What is imported from the host, and how that is called in a program.
pub(super) const GIVEN_MODULES: [&str; 2] = ["random", "time"];

/// What stands before the names that only a rewritten program uses.
pub(in crate::function::python) const OURS: &str = "_cache_api_";

/// Where a decorator can be imported from: Python's own place, and one that is nowhere.
const DECORATORS_FROM: [&str; 2] = ["functools", "cache_api"];

/// Takes down what is to be changed in a program, and changes it.
pub(super) struct Rewrite<'a> {
    source: &'a str,
    cache: &'a str,
    /// Whether the function that is looked at has the cache.
    has_cache: bool,
    edits: Vec<(TextRange, String)>,
    wrong: Option<(TextSize, String)>,
}

impl<'a> Rewrite<'a> {
    /// `cache` is what `main` calls its first parameter.
    pub(super) fn new(source: &'a str, cache: &'a str) -> Self {
        Self { source, cache, has_cache: false, edits: Vec::new(), wrong: None }
    }

    /// Takes something away; its lines stay.
    pub(super) fn blank(&mut self, range: TextRange) {
        self.replace(range, "");
    }

    /// The program.
    ///
    /// # Errors
    /// Where it uses what it cannot have, and what to write.
    pub(super) fn finish(mut self) -> Result<String, (TextSize, String)> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        // What begins at the same place was found from the outside to the inside, and is written in that order.
        self.edits.sort_by_key(|(range, _)| range.start());
        let mut program = String::with_capacity(self.source.len() + 16 * self.edits.len());
        let mut done = 0;
        for (range, text) in self.edits {
            let (start, end) = (range.start().to_usize(), range.end().to_usize());
            program.push_str(&self.source[done.min(start)..start]);
            program.push_str(&text);
            done = done.max(end);
        }
        program.push_str(&self.source[done..]);
        Ok(program)
    }

    /// Puts `text` in the place of `range`, and as many line ends as were there.
    fn replace(&mut self, range: TextRange, text: &str) {
        let lines = self.source[range].matches('\n').count();
        self.edits.push((range, format!("{text}{}", "\n".repeat(lines))));
    }

    fn insert(&mut self, at: TextSize, text: String) {
        self.edits.push((TextRange::empty(at), text));
    }

    fn is_cache(&self, expression: &Expr) -> bool {
        self.has_cache && expression.as_name_expr().is_some_and(|name| name.id == self.cache)
    }

    /// `cache[key]`; a slice is left to be refused.
    fn subscript(&mut self, subscript: &ExprSubscript) {
        let between = &self.source[TextRange::new(subscript.value.end(), subscript.slice.start())];
        let opens = between.find('[').filter(|at| between[..*at].chars().all(|char| char.is_whitespace() || char == '\\'));
        let (Some(opens), false) = (opens, subscript.slice.is_slice_expr() || subscript.slice.is_tuple_expr()) else { return };
        let opens = subscript.value.end() + TextSize::of(&between[..opens]);
        self.replace(TextRange::at(opens, TextSize::new(1)), ".read(");
        self.replace(TextRange::new(subscript.end() - TextSize::new(1), subscript.end()), ")");
    }

    /// `key in cache`, `key not in cache`.
    fn membership(&mut self, compare: &ExprCompare) {
        let tail = TextRange::new(compare.left.end(), compare.end());
        let text = &self.source[tail];
        let Some(operator) = text.find(|char: char| char != ')' && !char.is_whitespace()) else { return };
        // A comment between the two is nothing to be clever about.
        if text.contains('#') {
            return;
        }
        let not = if compare.ops[0] == CmpOp::NotIn { "not " } else { "" };
        self.insert(compare.start(), format!("({not}{}.has(", self.cache));
        let operator = TextRange::new(tail.start() + TextSize::of(&text[..operator]), compare.end());
        // Within the parentheses an end of line means nothing.
        let lines = self.source[operator].matches('\n').count();
        self.edits.push((operator, format!("{}))", "\n".repeat(lines))));
    }

    fn import(&mut self, import: &StmtImport) {
        let (given, others): (Vec<_>, Vec<_>) =
            import.names.iter().partition(|alias| GIVEN_MODULES.contains(&alias.name.as_str()));
        if given.is_empty() {
            return;
        }
        let mut statements: Vec<String> = given
            .iter()
            .map(|alias| format!("{} = {OURS}{}", alias.asname.as_ref().unwrap_or(&alias.name), alias.name))
            .collect();
        statements.extend(others.iter().map(|alias| format!("import {}", &self.source[alias.range()])));
        self.replace(import.range(), &statements.join("; "));
    }

    fn import_from(&mut self, import: &StmtImportFrom) {
        let module = import.module.as_ref().map_or("", |module| module.as_str());
        if GIVEN_MODULES.contains(&module) {
            let what = format!("write `import {module}`, and its name before what is called: `{module}.…`");
            self.wrong.get_or_insert((import.start(), what));
        }
        if !DECORATORS_FROM.contains(&module) {
            return;
        }
        let others = import.names.iter().filter(|alias| !decorator::NAMES.contains(&alias.name.as_str()));
        let others: Vec<&str> = others.map(|alias| &self.source[alias.range()]).collect();
        if others.len() < import.names.len() {
            let rest = if others.is_empty() { "pass".to_owned() } else { format!("from {module} import {}", others.join(", ")) };
            self.replace(import.range(), &rest);
        }
    }

    /// Whether this function has the cache as its first parameter, for good.
    fn has_cache_of_its_own(&self, function: &StmtFunctionDef) -> bool {
        let first = function.parameters.posonlyargs.iter().chain(&function.parameters.args).next();
        let is_named_so = first.is_some_and(|first| first.parameter.name.as_str() == self.cache && first.default.is_none());
        is_named_so && !is_assigned(self.cache, &function.body)
    }
}

impl<'a> Visitor<'a> for Rewrite<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                let takes_name = function.parameters.iter().any(|parameter| parameter.name().as_str() == self.cache);
                let inherits = self.has_cache && !takes_name && !is_assigned(self.cache, &function.body);
                let has_cache = inherits || self.has_cache_of_its_own(function);
                let outer = std::mem::replace(&mut self.has_cache, has_cache);
                walk_stmt(self, statement);
                self.has_cache = outer;
            }
            Stmt::Import(import) => self.import(import),
            Stmt::ImportFrom(import) => self.import_from(import),
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Subscript(subscript) if subscript.ctx.is_load() && self.is_cache(&subscript.value) => self.subscript(subscript),
            Expr::Compare(compare) => {
                if let ([CmpOp::In | CmpOp::NotIn], [right]) = (&*compare.ops, &*compare.comparators)
                    && self.is_cache(right)
                {
                    self.membership(compare);
                }
            }
            _ => {}
        }
        walk_expr(self, expression);
    }
}

/// Whether `name` is given another value in `body`; what is within other functions has names of its own.
fn is_assigned(name: &str, body: &[Stmt]) -> bool {
    struct Assigned<'n> {
        name: &'n str,
        is_found: bool,
    }
    impl<'a> Visitor<'a> for Assigned<'_> {
        fn visit_stmt(&mut self, statement: &'a Stmt) {
            if !matches!(statement, Stmt::FunctionDef(_) | Stmt::ClassDef(_)) {
                walk_stmt(self, statement);
            }
        }

        fn visit_expr(&mut self, expression: &'a Expr) {
            let stored = expression.as_name_expr().filter(|name| !name.ctx.is_load());
            self.is_found |= stored.is_some_and(|stored| stored.id == self.name);
            walk_expr(self, expression);
        }
    }
    let mut assigned = Assigned { name, is_found: false };
    for statement in body {
        assigned.visit_stmt(statement);
    }
    assigned.is_found
}
