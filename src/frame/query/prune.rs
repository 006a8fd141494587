//! What every row meets that a statement looks at, as far as it compares columns with literals: by that, row groups are left out.
//!
//! What is not understood is left out of it, never the other way round. Polars still judges each row.

use std::collections::BTreeMap;

use sqlparser::ast::{BinaryOperator, Expr, Ident, Query, SetExpr, TableFactor, UnaryOperator, Value, ValueWithSpan};

use crate::frame::condition::{Comparison, Condition, Literal, Node};
use crate::frame::query::Scalar;

/// The condition of the only SELECT of `query`, where it has one that says something.
pub(super) fn condition(query: &Query, values: &BTreeMap<String, Scalar>) -> Option<Condition> {
    let SetExpr::Select(select) = &*query.body else { return None };
    let table = match &select.from.first()?.relation {
        TableFactor::Table { name, alias, .. } => match alias {
            Some(alias) => Some(&alias.name),
            None => name.0.first()?.as_ident(),
        },
        _ => None,
    };
    let mut pruner = Pruner { table, values, columns: Vec::new() };
    let root = pruner.node(select.selection.as_ref()?)?;
    Some(Condition::of(root, pruner.columns))
}

struct Pruner<'a> {
    table: Option<&'a Ident>,
    values: &'a BTreeMap<String, Scalar>,
    columns: Vec<String>,
}

impl Pruner<'_> {
    fn node(&mut self, expression: &Expr) -> Option<Node> {
        match expression {
            Expr::Nested(inner) => self.node(inner),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => match (self.node(left), self.node(right)) {
                (Some(left), Some(right)) => Some(Node::All(vec![left, right])),
                (known, None) | (None, known) => known,
            },
            Expr::BinaryOp { left, op: BinaryOperator::Or, right } => Some(Node::Any(vec![self.node(left)?, self.node(right)?])),
            Expr::BinaryOp { left, op, right } => {
                let comparison = comparison(op)?;
                match self.column(left) {
                    Some(column) => Some(Node::Compare(comparison, column, Box::new(self.literal(right)?))),
                    None => Some(Node::Compare(comparison.mirrored(), self.column(right)?, Box::new(self.literal(left)?))),
                }
            }
            Expr::Between { expr, negated: false, low, high } => {
                let (low, high) = (self.literal(low)?, self.literal(high)?);
                Some(Node::Between(self.column(expr)?, Box::new([low, high])))
            }
            Expr::InList { expr, list, negated: false } => {
                let members = list.iter().map(|member| self.literals(member)).collect::<Option<Vec<_>>>()?;
                Some(Node::In(self.column(expr)?, members.concat()))
            }
            _ => None,
        }
    }

    fn column(&mut self, expression: &Expr) -> Option<Box<Node>> {
        let name = match expression {
            Expr::Identifier(name) => name,
            Expr::CompoundIdentifier(names) => match names.as_slice() {
                [table, name] if self.table.is_some_and(|known| known.value == table.value) => name,
                _ => return None,
            },
            _ => return None,
        };
        if !self.columns.contains(&name.value) {
            self.columns.push(name.value.clone());
        }
        Some(Box::new(Node::Column(name.value.clone())))
    }

    fn literal(&self, expression: &Expr) -> Option<Node> {
        self.literals(expression).filter(|literals| literals.len() == 1).and_then(|mut literals| literals.pop())
    }

    /// The literal that an expression is, or the members of a list.
    fn literals(&self, expression: &Expr) -> Option<Vec<Node>> {
        match expression {
            Expr::Nested(inner) => self.literals(inner),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match self.literal(expr)? {
                Node::Literal(Literal::Integer(integer)) => Some(vec![Node::Literal(Literal::Integer(-integer))]),
                Node::Literal(Literal::Float(float)) => Some(vec![Node::Literal(Literal::Float(-float))]),
                _ => None,
            },
            Expr::Value(ValueWithSpan { value, span: _ }) => match value {
                Value::Number(digits, false) => number(digits).map(|number| vec![Node::Literal(number)]),
                Value::SingleQuotedString(text) => Some(vec![Node::Literal(Literal::Text(text.clone()))]),
                Value::Placeholder(name) => match self.values.get(name.trim_start_matches([':', '$']))? {
                    Scalar::List(members) => members.iter().map(scalar).collect(),
                    one => scalar(one).map(|one| vec![one]),
                },
                _ => None,
            },
            _ => None,
        }
    }
}

fn scalar(value: &Scalar) -> Option<Node> {
    Some(Node::Literal(match value {
        Scalar::Integer(integer) => Literal::Integer((*integer).into()),
        Scalar::Float(float) => Literal::Float(*float),
        Scalar::Text(text) => Literal::Text(text.clone()),
        _ => return None,
    }))
}

fn number(digits: &str) -> Option<Literal> {
    if digits.contains(['.', 'e', 'E']) {
        digits.parse().ok().map(Literal::Float)
    } else {
        digits.parse().ok().map(Literal::Integer)
    }
}

fn comparison(operator: &BinaryOperator) -> Option<Comparison> {
    Some(match operator {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessOrEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}
