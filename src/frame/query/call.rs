//! Calls of functions and their windows, written down anew: a part of [`super::write`].

use sqlparser::ast::{
    DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList, FunctionArguments,
    ObjectNamePart, WindowFrame, WindowFrameBound, WindowSpec, WindowType,
};

use crate::frame::query::BadQuery;
use crate::frame::query::expression::Part::{E, T};
use crate::frame::query::functions::{self, Growth};
use crate::frame::query::write::{Writer, Written};

impl Writer<'_> {
    pub(super) fn function(&mut self, function: &Function) -> Written {
        let Function { name, uses_odbc_syntax, parameters, args, filter, null_treatment, over, within_group } = function;
        let [ObjectNamePart::Identifier(called)] = name.0.as_slice() else {
            return Err(BadQuery::new("a function is called by one name"));
        };
        let Some((known, growth)) = functions::allowed(&called.value) else {
            let nearest = functions::nearest(&called.value).map(|nearest| format!("; did you mean {nearest}?"));
            let name: String = called.value.chars().take(40).collect();
            return Err(BadQuery::new(format_args!("there is no function `{name}` here{}", nearest.unwrap_or_default())));
        };
        if *uses_odbc_syntax
            || !matches!(parameters, FunctionArguments::None)
            || null_treatment.is_some()
            || !within_group.is_empty()
        {
            return Err(BadQuery::new(format_args!("{known} is called as {known}(…)")));
        }
        let shape = &mut self.found.shape;
        shape.is_unbounded |= growth == Growth::Unbounded;
        shape.has_wildcard |= known == "columns";
        self.push(known);
        self.arguments(known, args)?;
        if let Some(condition) = filter {
            self.all(&[T(" FILTER (WHERE "), E(condition), T(")")])?;
        }
        match over {
            None => Ok(()),
            Some(WindowType::NamedWindow(window)) => {
                self.push(" OVER ");
                self.name(window)
            }
            Some(WindowType::WindowSpec(window)) => {
                self.push(" OVER ");
                self.window(window)
            }
        }
    }

    fn arguments(&mut self, called: &str, arguments: &FunctionArguments) -> Written {
        let FunctionArgumentList { duplicate_treatment, args, clauses } = match arguments {
            FunctionArguments::List(arguments) => arguments,
            _ => return Err(BadQuery::new(format_args!("{called} is called as {called}(…)"))),
        };
        self.push("(");
        self.push(match duplicate_treatment {
            None => "",
            Some(DuplicateTreatment::Distinct) => "DISTINCT ",
            Some(DuplicateTreatment::All) => "ALL ",
        });
        self.list(args, |writer, argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => writer.expression(expression),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {
                writer.push("*");
                Ok(())
            }
            _ => Err(BadQuery::new(format_args!("{called} takes values, by their places"))),
        })?;
        for clause in clauses {
            match clause {
                FunctionArgumentClause::OrderBy(by) => {
                    self.push(" ORDER BY ");
                    self.list(by, Self::ordered)?;
                }
                FunctionArgumentClause::Limit(limit) => self.all(&[T(" LIMIT "), E(limit)])?,
                _ => {
                    return Err(BadQuery::new(format_args!("{called} takes ORDER BY and LIMIT behind its values, and no other")));
                }
            }
        }
        self.push(")");
        Ok(())
    }

    pub(super) fn window(&mut self, window: &WindowSpec) -> Written {
        let WindowSpec { window_name, partition_by, order_by, window_frame } = window;
        self.push("(");
        if let Some(name) = window_name {
            self.name(name)?;
            self.push(" ");
        }
        if !partition_by.is_empty() {
            self.push("PARTITION BY ");
            self.list(partition_by, Self::expression)?;
            self.push(" ");
        }
        if !order_by.is_empty() {
            self.push("ORDER BY ");
            self.list(order_by, Self::ordered)?;
            self.push(" ");
        }
        if let Some(WindowFrame { units, start_bound, end_bound }) = window_frame {
            self.push(&units.to_string());
            self.push(if end_bound.is_some() { " BETWEEN " } else { " " });
            self.frame_bound(start_bound)?;
            if let Some(end) = end_bound {
                self.push(" AND ");
                self.frame_bound(end)?;
            }
        }
        self.push(")");
        Ok(())
    }

    fn frame_bound(&mut self, bound: &WindowFrameBound) -> Written {
        match bound {
            WindowFrameBound::CurrentRow => {
                self.push("CURRENT ROW");
                Ok(())
            }
            WindowFrameBound::Preceding(None) => {
                self.push("UNBOUNDED PRECEDING");
                Ok(())
            }
            WindowFrameBound::Following(None) => {
                self.push("UNBOUNDED FOLLOWING");
                Ok(())
            }
            WindowFrameBound::Preceding(Some(rows)) => self.all(&[E(rows), T(" PRECEDING")]),
            WindowFrameBound::Following(Some(rows)) => self.all(&[E(rows), T(" FOLLOWING")]),
        }
    }
}
