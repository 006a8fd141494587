//! Literals of Python as values. What has to be run to be known is none.

use ruff_python_ast::{Expr, Number, UnaryOp};
use serde_json::{Map, Value};

/// The value that an expression is; `None` where it is more than a literal.
pub(super) fn literal(expression: &Expr) -> Option<Value> {
    match expression {
        Expr::NoneLiteral(_) => Some(Value::Null),
        Expr::BooleanLiteral(boolean) => Some(boolean.value.into()),
        Expr::StringLiteral(text) => Some(text.value.to_str().into()),
        Expr::NumberLiteral(number) => match &number.value {
            Number::Int(integer) => integer.as_u64().map(Value::from),
            Number::Float(float) => serde_json::Number::from_f64(*float).map(Value::from),
            Number::Complex { .. } => None,
        },
        Expr::UnaryOp(minus) if minus.op == UnaryOp::USub && minus.operand.is_number_literal_expr() => {
            let number = literal(&minus.operand)?;
            match number.as_u64() {
                Some(integer) => i64::try_from(-i128::from(integer)).ok().map(Value::from),
                None => Some((-number.as_f64()?).into()),
            }
        }
        Expr::List(list) => list.elts.iter().map(literal).collect(),
        Expr::Tuple(tuple) => tuple.elts.iter().map(literal).collect(),
        Expr::Dict(dict) => {
            let pairs = dict.items.iter().map(|item| {
                let key = item.key.as_ref()?.as_string_literal_expr()?;
                Some((key.value.to_str().to_owned(), literal(&item.value)?))
            });
            pairs.collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        _ => None,
    }
}
