//! Conditions over the columns of a frame, in the words of SQL: `price > 2 AND security_type = 'bond'`. Pure.
//!
//! A condition is parsed into a tree that has a node for whatever is allowed and for nothing else, and only the tree is
//! looked at afterwards: there is no text that could be pasted anywhere, and no function here reaches beyond a column.
//! Our own parser, of the few words that a condition has, and not a whole SQL's: what it does not know cannot be asked for,
//! and its bounds hold before it goes deeper.

use crate::frame::moment::Moment;

mod evaluate;
mod number;
mod parse;
mod text;
mod token;
mod value;

pub(in crate::frame) use evaluate::rows;
pub use parse::BadCondition;

/// A condition that was parsed; about which columns is not known yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    root: Node,
    columns: Vec<String>,
}

impl Condition {
    /// Takes a tree and the columns that it names.
    pub(in crate::frame) fn of(root: Node, columns: Vec<String>) -> Self {
        Self { root, columns }
    }

    /// The columns that it names, each once.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(in crate::frame) fn root(&self) -> &Node {
        &self.root
    }
}

/// A part of a condition. Chains are lists, so that a node is as deep as its brackets and no deeper.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::frame) enum Node {
    Column(String),
    Literal(Literal),
    /// Parts joined by AND; at least two.
    All(Vec<Node>),
    /// Parts joined by OR; at least two.
    Any(Vec<Node>),
    Not(Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    IsNull(Box<Node>),
    /// Whether the first is one of the others.
    In(Box<Node>, Vec<Node>),
    Like(Box<Node>, text::Pattern),
    /// Whether the first lies between the others, or is one of them.
    Between(Box<Node>, Box<[Node; 2]>),
    /// What a chain of operators of one rank begins with, and what follows.
    Arithmetic(Box<Node>, Vec<(Operator, Node)>),
    Negative(Box<Node>),
    Call(Function, Vec<Node>),
}

/// A value that stands in the condition.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::frame) enum Literal {
    Null,
    Truth(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    Moment(Moment),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::frame) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// The same with its sides exchanged.
    pub(in crate::frame) fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Equal | Self::NotEqual => self,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::frame) enum Operator {
    Plus,
    Minus,
    Times,
    /// Of fractions, also between integers; by zero: null.
    DividedBy,
    /// What is left of a division, with the sign of what was divided; by zero: null.
    Modulo,
}

/// What may be called. Each works on values of a row and reaches nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::frame) enum Function {
    Abs,
    Ceil,
    Coalesce,
    Contains,
    EndsWith,
    Floor,
    IsNan,
    Length,
    Lower,
    Round,
    StartsWith,
    Trim,
    Upper,
}

impl Function {
    /// Each by its name, and how many arguments it takes.
    const ALL: [(&'static str, Self, std::ops::RangeInclusive<usize>); 13] = [
        ("abs", Self::Abs, 1..=1),
        ("ceil", Self::Ceil, 1..=1),
        ("coalesce", Self::Coalesce, 2..=16),
        ("contains", Self::Contains, 2..=2),
        ("ends_with", Self::EndsWith, 2..=2),
        ("floor", Self::Floor, 1..=1),
        ("isnan", Self::IsNan, 1..=1),
        ("length", Self::Length, 1..=1),
        ("lower", Self::Lower, 1..=1),
        ("round", Self::Round, 1..=1),
        ("starts_with", Self::StartsWith, 2..=2),
        ("trim", Self::Trim, 1..=1),
        ("upper", Self::Upper, 1..=1),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, function, _)| *function == self).map_or("", |(name, ..)| name)
    }
}
