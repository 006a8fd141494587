//! Text into a condition, within bounds that hold before anything goes deeper.

use super::text::Pattern;
use super::token::{Token, What, tokens};
use super::{Comparison, Condition, Function, Literal, Node, Operator};
use crate::frame::moment::Moment;

/// The longest condition, in bytes: more than any query line that a person or a program writes by hand.
const BYTES_MAX: usize = 16 * 1024;

/// The most words of a condition: each becomes a node at most, and a node is a pass over all rows.
const WORDS_MAX: usize = 1_000;

/// How deep brackets, NOTs and signs may nest: the parser follows them by recursion, with some eight frames each.
const DEPTH_MAX: usize = 32;

/// Words that cannot be a column's name unless they are quoted.
const KEYWORDS: [&str; 14] =
    ["and", "or", "not", "is", "null", "true", "false", "in", "like", "between", "date", "timestamp", "escape", "nan"];

/// Why a text is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadCondition(pub(in crate::frame) String);

impl Condition {
    /// Parses a condition: comparisons, IS NULL, IN, BETWEEN, LIKE, AND, OR, NOT, arithmetic and some functions.
    ///
    /// # Errors
    /// What is not understood, and at which character.
    pub fn parse(text: &str) -> Result<Self, BadCondition> {
        if text.len() > BYTES_MAX {
            return Err(BadCondition(format!("has {} bytes, more than {BYTES_MAX}", text.len())));
        }
        let tokens = tokens(text).map_err(BadCondition)?;
        if tokens.len() > WORDS_MAX {
            return Err(BadCondition(format!("has {} words, more than {WORDS_MAX}", tokens.len())));
        }
        if tokens.is_empty() {
            return Err(BadCondition("is empty; write a condition, as in `price > 2 AND type = 'bond'`".to_owned()));
        }
        let mut parser = Parser { tokens, next: 0, depth: 0, columns: Vec::new() };
        let root = parser.any().map_err(BadCondition)?;
        match parser.peek() {
            Some(_) => Err(BadCondition(parser.unexpected("AND, OR or the end"))),
            None => Ok(Self { root, columns: parser.columns }),
        }
    }
}

/// A method a rank of precedence, from OR down to single values.
struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    columns: Vec<String>,
}

type Parsed = Result<Node, String>;

impl Parser {
    fn any(&mut self) -> Parsed {
        let mut parts = vec![self.all()?];
        while self.take_word("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Node::Any(parts) })
    }

    fn all(&mut self) -> Parsed {
        let mut parts = vec![self.not()?];
        while self.take_word("and") {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Node::All(parts) })
    }

    fn not(&mut self) -> Parsed {
        if self.take_word("not") {
            return self.deeper(|parser| Ok(Node::Not(Box::new(parser.not()?))));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Parsed {
        let left = Box::new(self.sum()?);
        if let Some(comparison) = self.take_comparison() {
            return Ok(Node::Compare(comparison, left, Box::new(self.sum()?)));
        }
        if self.take_word("is") {
            let is_not = self.take_word("not");
            let node = if self.take_word("null") {
                Node::IsNull(left)
            } else if self.peek_word("true") || self.peek_word("false") {
                let is_true = self.take_word("true") || !self.take_word("false");
                // Never null, other than `=`.
                let is = Node::Compare(Comparison::Equal, left, Box::new(Node::Literal(Literal::Truth(is_true))));
                Node::Call(Function::Coalesce, vec![is, Node::Literal(Literal::Truth(false))])
            } else {
                return Err(self.unexpected("NULL, TRUE or FALSE after IS"));
            };
            return Ok(if is_not { Node::Not(Box::new(node)) } else { node });
        }
        let is_not = self.take_word("not");
        let node = if self.take_word("in") {
            self.members(left)?
        } else if self.take_word("like") {
            Node::Like(left, self.pattern()?)
        } else if self.take_word("between") {
            let low = self.sum()?;
            self.expect_word("and")?;
            let high = self.sum()?;
            Node::Between(left, Box::new([low, high]))
        } else if is_not {
            return Err(self.unexpected("IN, LIKE or BETWEEN after NOT"));
        } else {
            return Ok(*left);
        };
        Ok(if is_not { Node::Not(Box::new(node)) } else { node })
    }

    fn members(&mut self, left: Box<Node>) -> Parsed {
        self.expect("(")?;
        let mut members = vec![self.sum()?];
        while self.take(",") {
            members.push(self.sum()?);
        }
        self.expect(")")?;
        Ok(Node::In(left, members))
    }

    fn pattern(&mut self) -> Result<Pattern, String> {
        let pattern = self.text("a text after LIKE, as in LIKE 'a%'")?;
        let escape = if self.take_word("escape") { Some(self.text("one character after ESCAPE")?) } else { None };
        Pattern::parse(&pattern, escape.as_deref())
    }

    fn text(&mut self, right: &str) -> Result<String, String> {
        match self.peek() {
            Some(What::Text(text)) => {
                let text = text.clone();
                self.next += 1;
                Ok(text)
            }
            _ => Err(self.unexpected(right)),
        }
    }

    fn sum(&mut self) -> Parsed {
        self.chain(Self::product, &[("+", Operator::Plus), ("-", Operator::Minus)])
    }

    fn product(&mut self) -> Parsed {
        self.chain(Self::signed, &[("*", Operator::Times), ("/", Operator::DividedBy), ("%", Operator::Modulo)])
    }

    fn chain(&mut self, part: fn(&mut Self) -> Parsed, operators: &[(&'static str, Operator)]) -> Parsed {
        let first = part(self)?;
        let mut more = Vec::new();
        while let Some((_, operator)) = operators.iter().find(|(symbol, _)| self.take(symbol)) {
            more.push((*operator, part(self)?));
        }
        Ok(if more.is_empty() { first } else { Node::Arithmetic(Box::new(first), more) })
    }

    fn signed(&mut self) -> Parsed {
        if self.take("-") {
            return self.deeper(|parser| {
                Ok(match parser.signed()? {
                    Node::Literal(Literal::Integer(number)) => Node::Literal(Literal::Integer(-number)),
                    Node::Literal(Literal::Float(number)) => Node::Literal(Literal::Float(-number)),
                    other => Node::Negative(Box::new(other)),
                })
            });
        }
        self.value()
    }

    fn value(&mut self) -> Parsed {
        let Some(what) = self.peek().cloned() else { return Err(self.unexpected("a column or a value")) };
        let after = self.next + 1;
        match what {
            What::Symbol("(") => {
                self.next = after;
                let node = self.deeper(Self::any)?;
                self.expect(")")?;
                Ok(node)
            }
            What::Number(number) => {
                let literal = literal(&number).ok_or_else(|| self.unexpected("a number"))?;
                self.next = after;
                Ok(Node::Literal(literal))
            }
            What::Text(text) => {
                self.next = after;
                Ok(Node::Literal(Literal::Text(text)))
            }
            What::Quoted(name) => {
                self.next = after;
                Ok(self.column(name))
            }
            What::Word(word) => self.word(word),
            What::Symbol(_) => Err(self.unexpected("a column or a value")),
        }
    }

    fn word(&mut self, word: String) -> Parsed {
        let keyword = word.to_lowercase();
        let is_call = matches!(self.tokens.get(self.next + 1), Some(Token { what: What::Symbol("("), .. }));
        if is_call && !KEYWORDS.contains(&&*keyword) {
            return self.call(&keyword);
        }
        let literal = match &*keyword {
            "null" => Literal::Null,
            "true" => Literal::Truth(true),
            "false" => Literal::Truth(false),
            "nan" => Literal::Float(f64::NAN),
            "date" | "timestamp" if matches!(self.tokens.get(self.next + 1), Some(Token { what: What::Text(_), .. })) => {
                self.next += 1;
                let text = self.text("a text")?;
                let moment = Moment::parse(&text)
                    .ok_or_else(|| format!("`{text}` is no {keyword}; write 2024-12-31 or 2024-12-31 23:59:59"))?;
                return Ok(Node::Literal(Literal::Moment(moment)));
            }
            // Columns are called that.
            "date" | "timestamp" => {
                self.next += 1;
                return Ok(self.column(word));
            }
            reserved if KEYWORDS.contains(&reserved) => return Err(self.unexpected("a column or a value")),
            _ => {
                self.next += 1;
                return Ok(self.column(word));
            }
        };
        self.next += 1;
        Ok(Node::Literal(literal))
    }

    fn call(&mut self, name: &str) -> Parsed {
        let Some((name, function, takes)) = Function::ALL.iter().find(|(known, ..)| *known == name) else {
            let known: Vec<_> = Function::ALL.iter().map(|(name, ..)| *name).collect();
            return Err(format!("there is no function `{name}`; there are: {}", known.join(", ")));
        };
        self.next += 1;
        self.expect("(")?;
        let arguments = self.deeper(|parser| {
            let mut arguments = vec![parser.any()?];
            while parser.take(",") {
                arguments.push(parser.any()?);
            }
            Ok(arguments)
        })?;
        self.expect(")")?;
        if !takes.contains(&arguments.len()) {
            let right =
                if takes.start() == takes.end() { takes.start().to_string() } else { format!("{} or more", takes.start()) };
            return Err(format!("`{name}` takes {right} and not {} values", arguments.len()));
        }
        Ok(Node::Call(*function, arguments))
    }

    fn column(&mut self, name: String) -> Node {
        if !self.columns.contains(&name) {
            self.columns.push(name.clone());
        }
        Node::Column(name)
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if self.depth == DEPTH_MAX {
            return Err(format!("nests deeper than {DEPTH_MAX}"));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn peek(&self) -> Option<&What> {
        self.tokens.get(self.next).map(|token| &token.what)
    }

    fn peek_word(&self, keyword: &str) -> bool {
        matches!(self.peek(), Some(What::Word(word)) if word.eq_ignore_ascii_case(keyword))
    }

    fn take_word(&mut self, keyword: &str) -> bool {
        let is_there = self.peek_word(keyword);
        self.next += usize::from(is_there);
        is_there
    }

    fn expect_word(&mut self, keyword: &str) -> Result<(), String> {
        if self.take_word(keyword) { Ok(()) } else { Err(self.unexpected(&keyword.to_uppercase())) }
    }

    fn take(&mut self, symbol: &str) -> bool {
        let is_there = matches!(self.peek(), Some(What::Symbol(there)) if *there == symbol);
        self.next += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.take(symbol) { Ok(()) } else { Err(self.unexpected(&format!("`{symbol}`"))) }
    }

    fn take_comparison(&mut self) -> Option<Comparison> {
        let comparison = match self.peek()? {
            What::Symbol("=" | "==") => Comparison::Equal,
            What::Symbol("<>" | "!=") => Comparison::NotEqual,
            What::Symbol("<") => Comparison::Less,
            What::Symbol("<=") => Comparison::LessOrEqual,
            What::Symbol(">") => Comparison::Greater,
            What::Symbol(">=") => Comparison::GreaterOrEqual,
            _ => return None,
        };
        self.next += 1;
        Some(comparison)
    }

    /// What is said where `right` should stand and does not.
    fn unexpected(&self, right: &str) -> String {
        match self.tokens.get(self.next) {
            Some(Token { what, place }) => format!("has {what} at character {}, where {right} should be", place + 1),
            None => format!("ends where {right} should be"),
        }
    }
}

/// A number in decimal; past what 128 bits hold it is a fraction.
fn literal(number: &str) -> Option<Literal> {
    let is_decimal = number.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    match number.parse::<i128>() {
        Ok(integer) => Some(Literal::Integer(integer)),
        Err(_) if is_decimal => number.parse().ok().filter(|number: &f64| number.is_finite()).map(Literal::Float),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests;
