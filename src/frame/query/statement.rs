//! A statement that was judged, and what becomes of it with its parameters' values.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::thread;

use sqlparser::ast::{Expr, Query, Select, Statement as Parsed, TableFactor, Visit, Visitor};
use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserOptions};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

use crate::frame::condition::Condition;
use crate::frame::query::shape::Shape;
use crate::frame::query::write::{PARAMETER_TABLE, Writer};
use crate::frame::query::{BadQuery, NODES_MAX, Scalar, TEXT_BYTES_MAX, prune};

/// The most words and signs: the parser goes no deeper than there are of these, and five make a node.
const TOKENS_MAX: usize = 5 * NODES_MAX;

/// How deep brackets may nest: the parser tries some of them as one thing and then as another, which doubles its work with every
/// second one.
const BRACKETS_MAX: usize = 24;

/// How deep nodes may lie: polars follows them by recursion, on threads whose stacks are not ours.
const DEPTH_MAX: usize = 200;

/// The most SELECTs: polars plans each of a chain of UNIONs within the one before.
const SELECTS_MAX: usize = 64;

/// The stack that a text is parsed on, and polars plans on: several kilobytes for each of [`TOKENS_MAX`]. Only what is touched of it
/// takes memory.
const STACK_BYTES: usize = 128 << 20;

/// One SELECT that may be answered. Which tables it reads and which parameters it takes is known; their values are not.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Not deeper than [`DEPTH_MAX`], so that any thread may walk over it and drop it.
    tree: Box<Query>,
    tables: Vec<Table>,
    parameters: BTreeSet<String>,
    shape: Shape,
    stem: String,
}

/// A table that a statement reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Table {
    /// The key, or the glob over keys, that stands in the statement.
    Named(String),
    /// What the parameter of this name says, which is one or the other: `FROM :prices`.
    Parameter(String),
}

/// A statement with values in place of its parameters, as polars reads it.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The statement. The first of `tables` is called by the first of `names`, and so on.
    pub text: String,
    /// Keys, or globs over keys; each once.
    pub tables: Vec<String>,
    /// What the tables are called in `text`.
    pub names: Vec<String>,
    /// What it may cost.
    pub shape: Shape,
    /// What every row of the only table that it looks at meets; `None` where that is not known.
    pub condition: Option<Condition>,
}

impl Statement {
    /// Parses and judges a statement. Takes some milliseconds at most; call it off the async workers.
    ///
    /// # Errors
    /// What is not answered, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, BadQuery> {
        if text.contains('\0') {
            return Err(BadQuery::new("the statement has a NUL character"));
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(BadQuery::new(format_args!("the statement has {} bytes, more than {TEXT_BYTES_MAX}", text.len())));
        }
        // What is too deep is dropped there too.
        on_deep_stack(|| Self::of(parse(text, TOKENS_MAX, BRACKETS_MAX)?)).unwrap_or_else(|| Err(BadQuery::unparsable()))
    }

    /// Parses what [`Bound`] says, in another process: its size was judged before values were put into it.
    ///
    /// # Errors
    /// As [`Statement::parse`].
    pub fn judged(text: &str) -> Result<Self, BadQuery> {
        on_deep_stack(|| Self::looked_at(parse(text, usize::MAX, usize::MAX)?, 0)).unwrap_or_else(|| Err(BadQuery::unparsable()))
    }

    fn of(tree: Box<Query>) -> Result<Self, BadQuery> {
        let mut count = Count::default();
        if let ControlFlow::Break(reason) = tree.visit(&mut count) {
            return Err(BadQuery::new(reason));
        }
        Self::looked_at(tree, count.nodes)
    }

    fn looked_at(tree: Box<Query>, nodes: usize) -> Result<Self, BadQuery> {
        let mut writer = Writer::looking();
        writer.query(&tree)?;
        let mut found = writer.found;
        found.shape.nodes = nodes;
        let mut stem = "t".to_owned();
        while found.names.iter().any(|name| name.starts_with(&stem)) {
            stem.push('_');
        }
        Ok(Self { tree, tables: found.tables, parameters: found.parameters, shape: found.shape, stem })
    }

    /// The tables it reads, each once.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// The names of the parameters it takes, those of tables included.
    pub fn parameters(&self) -> &BTreeSet<String> {
        &self.parameters
    }

    /// Puts `values` in place of the parameters.
    ///
    /// # Errors
    /// A parameter without a value, a value without a parameter, and what cannot stand where it is to.
    pub fn bind(&self, values: &BTreeMap<String, Scalar>) -> Result<Bound, BadQuery> {
        if let Some(unknown) = values.keys().find(|name| !self.parameters.contains(*name)) {
            return Err(BadQuery::new(format_args!("the statement has no parameter `:{unknown}`")));
        }
        let members = |value: &Scalar| if let Scalar::List(members) = value { members.len() } else { 1 };
        if values.values().map(members).sum::<usize>() > NODES_MAX {
            return Err(BadQuery::new(format_args!("the parameters have more than {NODES_MAX} values")));
        }
        let mut writer = Writer::binding(values, &self.stem);
        writer.query(&self.tree)?;
        let named = |table: &Table| match table {
            Table::Named(name) => Ok(name.clone()),
            Table::Parameter(name) => match values.get(name) {
                Some(Scalar::Text(key)) => Ok(key.clone()),
                _ => Err(BadQuery::new(format_args!("`:{name}` stands for a table, and takes the name of an object"))),
            },
        };
        let tables = self.tables.iter().map(named).collect::<Result<Vec<_>, _>>()?;
        let names = (0..tables.len()).map(|place| format!("{}{place}", self.stem)).collect();
        let condition = (!self.shape.is_unbounded).then(|| prune::condition(&self.tree, values)).flatten();
        let shape = Shape { nodes: self.shape.nodes, ..writer.found.shape };
        Ok(Bound { text: writer.text, tables, names, shape, condition })
    }
}

/// Runs `work` on a stack of its own that is deep enough for a statement; `None` where it panics, or there is no thread.
pub(super) fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("query".to_owned()).stack_size(STACK_BYTES);
        thread.spawn_scoped(scope, work).ok()?.join().ok()
    })
}

/// Parses as polars will. Source: polars-sql 0.55.2, `SQLContext::execute`.
fn parse(text: &str, tokens_max: usize, brackets_max: usize) -> Result<Box<Query>, BadQuery> {
    let unparsable = |reason: String| BadQuery::new(format_args!("the statement does not parse: {}", short(&reason)));
    let mut tokens =
        Tokenizer::new(&GenericDialect, text).tokenize_with_location().map_err(|error| unparsable(error.to_string()))?;
    if tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).count() > tokens_max {
        return Err(BadQuery::new(format_args!("the statement has more than {tokens_max} words and signs")));
    }
    if nesting(&tokens) > brackets_max {
        return Err(BadQuery::new(format_args!("the statement has brackets that nest deeper than {brackets_max}")));
    }
    name_tables_of_parameters(&mut tokens);
    let options = ParserOptions { trailing_commas: true, ..ParserOptions::default() };
    let parser = Parser::new(&GenericDialect).with_options(options).with_tokens_with_locations(tokens);
    let mut statements = { parser }.parse_statements().map_err(|error| unparsable(error.to_string()))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(Parsed::Query(query)), true) => Ok(query),
        (Some(_), true) => Err(BadQuery::new("only a SELECT is answered; nothing here is ever changed")),
        (None, _) => {
            Err(BadQuery::new("the statement is empty; write a SELECT, as in SELECT * FROM \"prices/2024.parquet\" LIMIT 10"))
        }
        (Some(_), false) => Err(BadQuery::new("there is more than one statement; send one at a time")),
    }
}

/// How deep brackets nest, of whatever kind.
fn nesting(tokens: &[TokenWithSpan]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for token in tokens {
        match token.token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The parser takes no placeholder for a table; what stands behind FROM or JOIN becomes a name that nobody can write.
fn name_tables_of_parameters(tokens: &mut Vec<TokenWithSpan>) {
    let mut is_table = false;
    let mut place = 0;
    while place < tokens.len() {
        let named = match (&tokens[place].token, tokens.get(place + 1).map(|next| &next.token)) {
            (Token::Whitespace(_), _) => {
                place += 1;
                continue;
            }
            (Token::Colon, Some(Token::Word(word))) if is_table && word.quote_style.is_none() => Some((word.value.clone(), 2)),
            (Token::Placeholder(name), _) if is_table => name.strip_prefix('$').map(|name| (name.to_owned(), 1)),
            _ => None,
        };
        is_table =
            matches!(&tokens[place].token, Token::Word(Word { keyword: Keyword::FROM | Keyword::JOIN, quote_style: None, .. }));
        if let Some((name, length)) = named {
            tokens[place].token = Token::make_word(&format!("{PARAMETER_TABLE}{name}"), Some('"'));
            tokens.drain(place + 1..place + length);
        }
        place += 1;
    }
}

/// What a parser says may quote half of the statement.
fn short(reason: &str) -> String {
    const CHARS_MAX: usize = 200;
    match reason.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.to_owned(),
    }
}

/// Counts nodes, and stops where there are too many or they lie too deep.
#[derive(Default)]
struct Count {
    nodes: usize,
    selects: usize,
    depth: usize,
}

impl Count {
    fn node(&mut self) -> ControlFlow<String> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return ControlFlow::Break(format!("the statement has more than {NODES_MAX} expressions, tables and SELECTs"));
        }
        ControlFlow::Continue(())
    }

    fn deeper(&mut self) -> ControlFlow<String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return ControlFlow::Break(format!(
                "the statement nests deeper than {DEPTH_MAX}; a long chain of OR is better written with IN"
            ));
        }
        self.node()
    }

    fn shallower(&mut self) -> ControlFlow<String> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

impl Visitor for Count {
    type Break = String;

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<String> {
        self.deeper()
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<String> {
        self.shallower()
    }

    fn pre_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<String> {
        self.deeper()
    }

    fn post_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<String> {
        self.shallower()
    }

    fn pre_visit_select(&mut self, _select: &Select) -> ControlFlow<String> {
        self.selects += 1;
        if self.selects > SELECTS_MAX {
            return ControlFlow::Break(format!("the statement has more than {SELECTS_MAX} SELECTs"));
        }
        self.node()
    }

    fn pre_visit_table_factor(&mut self, _table: &TableFactor) -> ControlFlow<String> {
        self.node()
    }
}
