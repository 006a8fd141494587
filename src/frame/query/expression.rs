//! Expressions of a statement, written down anew: a part of [`super::write`]. Calls are in [`super::call`].

use std::fmt::Display;

use sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DateTimeField, Expr, Interval, Subscript, TypedString,
    UnaryOperator, Value, ValueWithSpan,
};

use crate::frame::query::write::{PARAMETER_TABLE, Writer, Written};
use crate::frame::query::{BadQuery, Scalar, literal};

use self::Part::{E, T};

/// The longest name of a type.
const TYPE_CHARS_MAX: usize = 100;

/// A pattern of LIKE that is longer, or has more signs in it than that, may take any time.
const PATTERN_BYTES_MAX: usize = 64;
const PATTERN_SIGNS_MAX: usize = 4;

/// What an expression is written of.
pub(super) enum Part<'e> {
    /// A text of ours.
    T(&'e str),
    /// Another expression.
    E(&'e Expr),
}

impl Writer<'_> {
    pub(super) fn expression(&mut self, expression: &Expr) -> Written {
        match expression {
            Expr::Identifier(name) => match name.value.strip_prefix(PARAMETER_TABLE) {
                Some(parameter) => self.placeholder(parameter),
                None => {
                    self.column(&name.value);
                    self.name(name)
                }
            },
            Expr::CompoundIdentifier(names) => {
                for (place, name) in names.iter().enumerate() {
                    self.push(if place > 0 { "." } else { "" });
                    self.column(&name.value);
                    self.name(name)?;
                }
                Ok(())
            }
            Expr::Nested(inner) => self.all(&[T("("), E(inner), T(")")]),
            Expr::Value(value) => self.value(value),
            Expr::TypedString(TypedString { data_type, value, uses_odbc_syntax: false }) => {
                self.plain(data_type)?;
                self.push(" ");
                self.value(value)
            }
            Expr::Interval(Interval {
                value,
                leading_field: None,
                leading_precision: None,
                last_field: None,
                fractional_seconds_precision: None,
            }) => self.all(&[T("INTERVAL "), E(value)]),
            Expr::Array(Array { elem, named: _ }) => {
                self.found.shape.is_unbounded = true;
                self.push("ARRAY[");
                self.list(elem, Self::member)?;
                self.push("]");
                Ok(())
            }
            Expr::Wildcard(_) => {
                self.found.shape.has_wildcard = true;
                self.push("*");
                Ok(())
            }
            _ => {
                self.found.shape.makings += 1;
                self.making(expression)
            }
        }
    }

    /// An expression that makes a column of others.
    fn making(&mut self, expression: &Expr) -> Written {
        match expression {
            Expr::BinaryOp { left, op, right } => {
                let op = self.operator(op, right)?;
                self.all(&[E(left), T(" "), T(&op), T(" "), E(right)])
            }
            // With a space: two signs in a row would begin a comment.
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => self.all(&[T("- "), E(expr)]),
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => self.all(&[T("+ "), E(expr)]),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => self.all(&[T("NOT "), E(expr)]),
            Expr::Function(function) => self.function(function),
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                self.push("CASE");
                self.optional(" ", operand.as_deref())?;
                for CaseWhen { condition, result } in conditions {
                    self.all(&[T(" WHEN "), E(condition), T(" THEN "), E(result)])?;
                }
                self.optional(" ELSE ", else_result.as_deref())?;
                self.push(" END");
                Ok(())
            }
            Expr::Cast { kind, expr, data_type, array: false, format: None } => {
                let is_short = *kind == CastKind::DoubleColon;
                let word = match kind {
                    CastKind::Cast => "CAST(",
                    CastKind::TryCast => "TRY_CAST(",
                    CastKind::SafeCast => "SAFE_CAST(",
                    CastKind::DoubleColon => "",
                };
                self.all(&[T(word), E(expr), T(if is_short { "::" } else { " AS " })])?;
                self.plain(data_type)?;
                self.push(if is_short { "" } else { ")" });
                Ok(())
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                let [AccessExpr::Subscript(Subscript::Index { index })] = access_chain.as_slice() else {
                    return Err(BadQuery::new("`[…]` takes one place, and stands alone behind a column"));
                };
                self.all(&[E(root), T("["), E(index), T("]")])
            }
            _ => self.worded(expression),
        }
    }

    /// A call that has words between its arguments.
    fn worded(&mut self, expression: &Expr) -> Written {
        match expression {
            Expr::Extract { field, syntax: _, expr } => {
                self.push("EXTRACT(");
                self.plain(field)?;
                self.all(&[T(" FROM "), E(expr), T(")")])
            }
            Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                self.all(&[T("CEIL("), E(expr), T(")")])
            }
            Expr::Floor { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                self.all(&[T("FLOOR("), E(expr), T(")")])
            }
            Expr::Position { expr, r#in } => self.all(&[T("POSITION("), E(expr), T(" IN "), E(r#in), T(")")]),
            Expr::Substring { expr, substring_from, substring_for, special: _, shorthand: _ } => {
                self.all(&[T("SUBSTRING("), E(expr)])?;
                self.optional(" FROM ", substring_from.as_deref())?;
                self.optional(" FOR ", substring_for.as_deref())?;
                self.push(")");
                Ok(())
            }
            Expr::Trim { trim_where, trim_what, expr, trim_characters: None } => {
                self.push("TRIM(");
                if let Some(place) = trim_where {
                    self.push(&format!("{place} "));
                }
                if let Some(what) = trim_what {
                    self.all(&[E(what), T(" FROM ")])?;
                } else if trim_where.is_some() {
                    self.push("FROM ");
                }
                self.all(&[E(expr), T(")")])
            }
            _ => self.predicate(expression),
        }
    }

    /// An expression that is true or not.
    fn predicate(&mut self, expression: &Expr) -> Written {
        let not = |negated: &bool| if *negated { " NOT" } else { "" };
        match expression {
            Expr::IsFalse(inner) => self.all(&[E(inner), T(" IS FALSE")]),
            Expr::IsNotFalse(inner) => self.all(&[E(inner), T(" IS NOT FALSE")]),
            Expr::IsTrue(inner) => self.all(&[E(inner), T(" IS TRUE")]),
            Expr::IsNotTrue(inner) => self.all(&[E(inner), T(" IS NOT TRUE")]),
            Expr::IsNull(inner) => self.all(&[E(inner), T(" IS NULL")]),
            Expr::IsNotNull(inner) => self.all(&[E(inner), T(" IS NOT NULL")]),
            Expr::IsDistinctFrom(left, right) => self.all(&[E(left), T(" IS DISTINCT FROM "), E(right)]),
            Expr::IsNotDistinctFrom(left, right) => self.all(&[E(left), T(" IS NOT DISTINCT FROM "), E(right)]),
            Expr::Between { expr, negated, low, high } => {
                self.all(&[E(expr), T(not(negated)), T(" BETWEEN "), E(low), T(" AND "), E(high)])
            }
            Expr::InList { expr, list, negated } => {
                self.all(&[E(expr), T(not(negated)), T(" IN (")])?;
                self.list(list, Self::member)?;
                self.push(")");
                Ok(())
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
                self.pattern(pattern);
                self.all(&[E(expr), T(not(negated)), T(" LIKE "), E(pattern)])
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char: None } => {
                self.pattern(pattern);
                self.all(&[E(expr), T(not(negated)), T(" ILIKE "), E(pattern)])
            }
            Expr::RLike { negated, expr, pattern, regexp: _ } => {
                self.found.shape.is_unbounded = true;
                self.all(&[E(expr), T(not(negated)), T(" RLIKE "), E(pattern)])
            }
            Expr::AnyOp { left, compare_op, right, is_some: _ } => {
                let op = self.operator(compare_op, right)?;
                self.all(&[E(left), T(" "), T(&op), T(" ANY("), E(right), T(")")])
            }
            Expr::AllOp { left, compare_op, right } => {
                let op = self.operator(compare_op, right)?;
                self.all(&[E(left), T(" "), T(&op), T(" ALL("), E(right), T(")")])
            }
            _ => self.nested(expression),
        }
    }

    /// An expression that has another SELECT in it.
    fn nested(&mut self, expression: &Expr) -> Written {
        self.found.shape.is_unbounded = true;
        let subquery = match expression {
            Expr::InSubquery { expr, subquery, negated } => {
                self.all(&[E(expr), T(if *negated { " NOT IN (" } else { " IN (" })])?;
                subquery
            }
            Expr::Exists { subquery, negated } => {
                self.push(if *negated { "NOT EXISTS (" } else { "EXISTS (" });
                subquery
            }
            Expr::Subquery(subquery) => {
                self.push("(");
                subquery
            }
            _ => return Err(BadQuery::new("an expression of a kind that is not answered here stands in the statement")),
        };
        self.query(subquery)?;
        self.push(")");
        Ok(())
    }

    pub(super) fn all(&mut self, parts: &[Part<'_>]) -> Written {
        for part in parts {
            match part {
                T(text) => self.push(text),
                E(expression) => self.expression(expression)?,
            }
        }
        Ok(())
    }

    fn optional(&mut self, word: &str, expression: Option<&Expr>) -> Written {
        expression.map_or(Ok(()), |expression| self.all(&[T(word), E(expression)]))
    }

    /// Notes that a column may be meant.
    pub(super) fn column(&mut self, name: &str) {
        let shape = &mut self.found.shape;
        // Polars takes `^…$` for a pattern over the names of columns.
        if name == "*" || (name.starts_with('^') && name.ends_with('$')) {
            shape.has_wildcard = true;
        } else {
            *shape.columns.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// What has nothing in it but a word, brackets and numbers: a type, a part of a date.
    fn plain(&mut self, what: &impl Display) -> Written {
        let text = what.to_string();
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_ (),<>[]".contains(&byte));
        if !is_plain || text.len() > TYPE_CHARS_MAX {
            return Err(BadQuery::new("a type or a part of a date is a word, as in CAST(price AS DOUBLE)"));
        }
        self.push(&text);
        Ok(())
    }

    fn value(&mut self, value: &ValueWithSpan) -> Written {
        match &value.value {
            Value::Placeholder(name) => match name.strip_prefix([':', '$']) {
                Some(name) => self.placeholder(name),
                None => Err(BadQuery::new("a parameter is `:name`, of letters, digits and `_`")),
            },
            other => {
                let literal = literal_of(other)?;
                if let Literal::Text(text) = literal {
                    self.found.shape.text_bytes += text.len();
                    literal::text_literal(text, &mut self.text);
                } else if let Literal::Raw(raw) = literal {
                    self.push(&raw);
                }
                Ok(())
            }
        }
    }

    fn placeholder(&mut self, name: &str) -> Written {
        match self.parameter(name)? {
            Some(value) => {
                self.note(value);
                value.write(&mut self.text).map_err(|bad| BadQuery::new(format_args!("`:{name}`: {bad}")))
            }
            None => {
                self.push("NULL");
                Ok(())
            }
        }
    }

    /// A member of a list, where polars takes literals alone; a list in place of one stands for its members.
    fn member(&mut self, member: &Expr) -> Written {
        let Expr::Value(ValueWithSpan { value: Value::Placeholder(name), span: _ }) = member else {
            return self.expression(member);
        };
        let name = name.trim_start_matches([':', '$']);
        let value = self.parameter(name)?;
        let members = match value {
            None => &[Scalar::Null],
            Some(Scalar::List(members)) => members.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        self.list(members, |writer, member| {
            writer.note(member);
            member.write_member(&mut writer.text).map_err(|bad| BadQuery::new(format_args!("`:{name}`: {bad}")))
        })
    }

    fn note(&mut self, value: &Scalar) {
        if let Scalar::Text(text) = value {
            self.found.shape.text_bytes += text.len();
        }
    }

    /// Notes what a pattern may cost.
    fn pattern(&mut self, pattern: &Expr) {
        let is_short = match pattern {
            Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), span: _ }) => {
                text.len() <= PATTERN_BYTES_MAX && text.matches(['%', '_']).count() <= PATTERN_SIGNS_MAX
            }
            _ => false,
        };
        self.found.shape.is_unbounded |= !is_short;
    }

    fn operator(&mut self, operator: &BinaryOperator, right: &Expr) -> Result<String, BadQuery> {
        use BinaryOperator as B;
        match operator {
            B::Plus | B::Minus | B::Multiply | B::Divide | B::Modulo | B::DuckIntegerDivide => {}
            B::Gt | B::Lt | B::GtEq | B::LtEq | B::Eq | B::NotEq | B::Spaceship => {}
            B::And | B::Or | B::Xor | B::BitwiseAnd | B::BitwiseOr | B::PGStartsWith => {}
            B::Arrow | B::LongArrow | B::HashArrow | B::HashLongArrow => {}
            B::StringConcat | B::PGRegexMatch | B::PGRegexIMatch | B::PGRegexNotMatch | B::PGRegexNotIMatch => {
                self.found.shape.is_unbounded = true;
            }
            B::PGLikeMatch | B::PGILikeMatch | B::PGNotLikeMatch | B::PGNotILikeMatch => self.pattern(right),
            _ => return Err(BadQuery::new("an operator that is not answered here stands in the statement")),
        }
        Ok(operator.to_string())
    }
}

/// A literal that polars knows.
enum Literal<'v> {
    Text(&'v str),
    /// As it is written: of digits, letters and a point.
    Raw(String),
}

fn literal_of(value: &Value) -> Result<Literal<'_>, BadQuery> {
    let is = |text: &str, known: fn(&u8) -> bool| text.as_bytes().iter().all(known);
    Ok(match value {
        Value::Number(digits, false) if is(digits, |byte| byte.is_ascii_digit() || b".eE+-".contains(byte)) => {
            Literal::Raw(literal::with_point(digits))
        }
        Value::SingleQuotedString(text) => Literal::Text(text),
        Value::DollarQuotedString(text) => Literal::Text(&text.value),
        Value::Boolean(true) => Literal::Raw("TRUE".to_owned()),
        Value::Boolean(false) => Literal::Raw("FALSE".to_owned()),
        Value::Null => Literal::Raw("NULL".to_owned()),
        _ => {
            return Err(BadQuery::new("a literal is a number, a text in single quotes, TRUE, FALSE, NULL, or DATE '2024-12-31'"));
        }
    })
}
