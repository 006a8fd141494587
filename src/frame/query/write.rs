//! Walks over a statement and writes down anew what is allowed of it, and nothing else: clauses here, tables in [`super::tables`],
//! expressions in [`super::expression`].
//!
//! Every struct of the parser is taken apart without `..`, so that what a newer parser knows must be thought about here before it
//! compiles.

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::ast::{
    Cte, Distinct, ExceptSelectItem, ExcludeSelectItem, Expr, Fetch, GroupByExpr, Ident, IdentWithAlias, IlikeSelectItem,
    LimitClause, NamedWindowDefinition, NamedWindowExpr, ObjectName, ObjectNamePart, OrderBy, OrderByExpr, OrderByKind,
    OrderByOptions, Query, RenameSelectItem, ReplaceSelectElement, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    SetOperator, WildcardAdditionalOptions, With,
};

use crate::frame::query::shape::Shape;
use crate::frame::query::{BadQuery, Scalar, Table, literal};

/// What the name of a table that a parameter stands for begins with here; nobody can write it.
pub(super) const PARAMETER_TABLE: &str = "\0:";

/// A part of a statement was written, or is not allowed.
pub(super) type Written = Result<(), BadQuery>;

/// Writes a statement down, and takes down what is in it.
pub(super) struct Writer<'a> {
    pub(super) text: String,
    pub(super) found: Found,
    /// What stands for the parameters; `None` while nobody knows.
    values: Option<&'a BTreeMap<String, Scalar>>,
    pub(super) stem: &'a str,
    /// The names of tables that the statement itself makes, where they are seen.
    pub(super) made: Vec<String>,
}

/// What is in a statement.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) tables: Vec<Table>,
    pub(super) parameters: BTreeSet<String>,
    /// All names that stand in it.
    pub(super) names: BTreeSet<String>,
    pub(super) shape: Shape,
}

/// Refuses `what` where it is there.
pub(super) fn none(is_there: bool, what: &str) -> Written {
    if is_there { Err(BadQuery::new(format_args!("{what} is not answered here"))) } else { Ok(()) }
}

impl<'a> Writer<'a> {
    /// Looks at a statement whose parameters have no values yet.
    pub(super) fn looking() -> Self {
        Self { text: String::new(), found: Found::default(), values: None, stem: "t", made: Vec::new() }
    }

    /// Puts `values` in place of parameters, and calls tables `stem` and a number.
    pub(super) fn binding(values: &'a BTreeMap<String, Scalar>, stem: &'a str) -> Self {
        Self { values: Some(values), stem, ..Self::looking() }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Writes `parts` with commas between them.
    pub(super) fn list<T>(&mut self, parts: &[T], mut write: impl FnMut(&mut Self, &T) -> Written) -> Written {
        for (place, part) in parts.iter().enumerate() {
            if place > 0 {
                self.push(", ");
            }
            write(self, part)?;
        }
        Ok(())
    }

    /// A name. Without quotes where it had none and needs none: some functions take a word.
    pub(super) fn name(&mut self, name: &Ident) -> Written {
        let Ident { value, quote_style, span: _ } = name;
        self.found.names.insert(value.clone());
        let is_word = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !value.is_empty();
        if quote_style.is_none() && is_word && !value.as_bytes()[0].is_ascii_digit() {
            self.push(value);
        } else {
            literal::name(value, &mut self.text);
        }
        Ok(())
    }

    /// Notes that the parameter `name` stands here, and answers its value; `None` while nobody knows.
    pub(super) fn parameter(&mut self, name: &str) -> Result<Option<&'a Scalar>, BadQuery> {
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
        if !is_name {
            return Err(BadQuery::new("a parameter is `:name`, of letters, digits and `_`"));
        }
        self.found.parameters.insert(name.to_owned());
        let Some(values) = self.values else { return Ok(None) };
        values.get(name).map(Some).ok_or_else(|| BadQuery::new(format_args!("the parameter `:{name}` has no value")))
    }

    pub(super) fn query(&mut self, query: &Query) -> Written {
        let Query { with, body, order_by, limit_clause, fetch, locks, for_clause, settings, format_clause, pipe_operators } =
            query;
        none(!locks.is_empty() || for_clause.is_some(), "FOR")?;
        none(settings.is_some(), "SETTINGS")?;
        none(format_clause.is_some(), "FORMAT: ?format= says it, which")?;
        none(!pipe_operators.is_empty(), "|>")?;
        let seen_before = self.made.len();
        if let Some(with) = with {
            self.with(with)?;
        }
        self.body(body)?;
        if let Some(order) = order_by {
            self.order_by(order)?;
        }
        self.limit(limit_clause.as_ref(), fetch.as_ref())?;
        self.made.truncate(seen_before);
        Ok(())
    }

    fn with(&mut self, with: &With) -> Written {
        let With { with_token: _, recursive, cte_tables } = with;
        none(*recursive, "WITH RECURSIVE")?;
        self.found.shape.is_unbounded = true;
        self.push("WITH ");
        self.list(cte_tables, |writer, table| {
            let Cte { alias, query, from, materialized: _, closing_paren_token: _ } = table;
            none(from.is_some(), "FROM behind a WITH")?;
            writer.table_alias(alias)?;
            writer.push(" AS (");
            writer.query(query)?;
            writer.push(")");
            writer.made.push(alias.name.value.clone());
            Ok(())
        })?;
        self.push(" ");
        Ok(())
    }

    fn body(&mut self, body: &SetExpr) -> Written {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => {
                self.found.shape.is_unbounded = true;
                self.push("(");
                self.query(query)?;
                self.push(")");
                Ok(())
            }
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                self.found.shape.is_unbounded = true;
                none(*op == SetOperator::Minus, "MINUS (write EXCEPT), which")?;
                self.body(left)?;
                self.push(&format!(" {op} {set_quantifier} "));
                self.body(right)
            }
            SetExpr::Values(values) => {
                self.found.shape.is_unbounded = true;
                self.push("VALUES ");
                self.list(&values.rows, |writer, row| {
                    writer.push("(");
                    writer.list(&row.content, Self::expression)?;
                    writer.push(")");
                    Ok(())
                })
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(BadQuery::new("only a SELECT is answered; nothing here is ever changed"))
            }
            SetExpr::Table(_) => Err(BadQuery::new("write SELECT * FROM in place of TABLE")),
        }
    }

    fn select(&mut self, select: &Select) -> Written {
        let Select {
            select_token: _,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor: _,
        } = select;
        none(into.is_some(), "SELECT INTO")?;
        none(!optimizer_hints.is_empty() || select_modifiers.is_some() || value_table_mode.is_some(), "a hint behind SELECT")?;
        none(top.is_some(), "TOP (write LIMIT), which")?;
        none(exclude.is_some(), "EXCLUDE behind a list")?;
        none(!lateral_views.is_empty(), "LATERAL VIEW")?;
        none(prewhere.is_some() || !connect_by.is_empty(), "PREWHERE or CONNECT BY")?;
        none(!cluster_by.is_empty() || !distribute_by.is_empty() || !sort_by.is_empty(), "CLUSTER, DISTRIBUTE or SORT BY")?;
        none(projection.is_empty(), "a SELECT of no columns")?;
        self.push("SELECT ");
        self.distinct(distinct.as_ref())?;
        self.list(projection, Self::item)?;
        if !from.is_empty() {
            self.push(" FROM ");
            self.found.shape.is_unbounded |= from.len() > 1;
            self.list(from, Self::tables)?;
        }
        self.clause(" WHERE ", selection.as_ref())?;
        self.group_by(group_by)?;
        self.clause(" HAVING ", having.as_ref())?;
        if !named_window.is_empty() {
            self.push(" WINDOW ");
            self.list(named_window, |writer, NamedWindowDefinition(name, window)| {
                writer.name(name)?;
                writer.push(" AS ");
                match window {
                    NamedWindowExpr::NamedWindow(other) => writer.name(other),
                    NamedWindowExpr::WindowSpec(window) => writer.window(window),
                }
            })?;
        }
        self.clause(" QUALIFY ", qualify.as_ref())
    }

    /// A word and an expression, where there is one.
    fn clause(&mut self, word: &str, expression: Option<&Expr>) -> Written {
        let Some(expression) = expression else { return Ok(()) };
        self.push(word);
        self.expression(expression)
    }

    fn distinct(&mut self, distinct: Option<&Distinct>) -> Written {
        match distinct {
            None | Some(Distinct::All) => {}
            Some(Distinct::Distinct) => self.push("DISTINCT "),
            Some(Distinct::On(by)) => {
                self.push("DISTINCT ON (");
                self.list(by, Self::expression)?;
                self.push(") ");
            }
        }
        Ok(())
    }

    fn item(&mut self, item: &SelectItem) -> Written {
        match item {
            SelectItem::UnnamedExpr(expression) => self.expression(expression),
            SelectItem::ExprWithAlias { expr, alias } => {
                self.expression(expr)?;
                self.push(" AS ");
                self.name(alias)
            }
            SelectItem::ExprWithAliases { .. } => Err(BadQuery::new("an expression has one name")),
            SelectItem::Wildcard(options) => {
                self.push("*");
                self.wildcard(options)
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(table), options) => {
                self.only_name(table)?;
                self.push(".*");
                self.wildcard(options)
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(_), _) => {
                Err(BadQuery::new("`.*` stands behind the name of a table"))
            }
        }
    }

    /// What is said behind a `*`.
    fn wildcard(&mut self, options: &WildcardAdditionalOptions) -> Written {
        let WildcardAdditionalOptions {
            wildcard_token: _,
            opt_ilike,
            opt_exclude,
            opt_except,
            opt_replace,
            opt_rename,
            opt_alias,
        } = options;
        self.found.shape.has_wildcard = true;
        none(opt_alias.is_some(), "a name behind `*`")?;
        if let Some(IlikeSelectItem { pattern }) = opt_ilike {
            self.push(" ILIKE ");
            literal::text_literal(pattern, &mut self.text);
        }
        if let Some(excluded) = opt_exclude {
            self.push(" EXCLUDE (");
            match excluded {
                ExcludeSelectItem::Single(name) => self.only_name(name)?,
                ExcludeSelectItem::Multiple(names) => self.list(names, Self::only_name)?,
            }
            self.push(")");
        }
        if let Some(ExceptSelectItem { first_element, additional_elements }) = opt_except {
            self.push(" EXCEPT (");
            self.name(first_element)?;
            for name in additional_elements {
                self.push(", ");
                self.name(name)?;
            }
            self.push(")");
        }
        if let Some(replaced) = opt_replace {
            self.push(" REPLACE (");
            self.list(&replaced.items, |writer, item| {
                let ReplaceSelectElement { expr, column_name, as_keyword: _ } = &**item;
                writer.expression(expr)?;
                writer.push(" AS ");
                writer.name(column_name)
            })?;
            self.push(")");
        }
        if let Some(renamed) = opt_rename {
            let renamed = match renamed {
                RenameSelectItem::Single(one) => std::slice::from_ref(one),
                RenameSelectItem::Multiple(several) => several,
            };
            self.push(" RENAME (");
            self.list(renamed, |writer, IdentWithAlias { ident, alias }| {
                writer.name(ident)?;
                writer.push(" AS ");
                writer.name(alias)
            })?;
            self.push(")");
        }
        Ok(())
    }

    /// A name that has one part.
    pub(super) fn only_name(&mut self, name: &ObjectName) -> Written {
        self.name(one_part(name)?)
    }

    fn group_by(&mut self, group_by: &GroupByExpr) -> Written {
        let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = group_by;
        none(!modifiers.is_empty(), "GROUP BY … WITH")?;
        match group_by {
            GroupByExpr::All(_) => self.push(" GROUP BY ALL"),
            GroupByExpr::Expressions(by, _) if by.is_empty() => {}
            GroupByExpr::Expressions(by, _) => {
                self.push(" GROUP BY ");
                self.list(by, Self::expression)?;
            }
        }
        Ok(())
    }

    fn order_by(&mut self, order: &OrderBy) -> Written {
        let OrderBy { kind, interpolate } = order;
        none(interpolate.is_some(), "INTERPOLATE")?;
        self.push(" ORDER BY ");
        match kind {
            OrderByKind::All(options) => {
                self.push("ALL");
                self.order_options(options);
                Ok(())
            }
            OrderByKind::Expressions(by) => self.list(by, Self::ordered),
        }
    }

    pub(super) fn ordered(&mut self, by: &OrderByExpr) -> Written {
        let OrderByExpr { expr, options, with_fill } = by;
        none(with_fill.is_some(), "WITH FILL")?;
        self.expression(expr)?;
        self.order_options(options);
        Ok(())
    }

    fn order_options(&mut self, options: &OrderByOptions) {
        let OrderByOptions { asc, nulls_first } = options;
        self.push(match asc {
            None => "",
            Some(true) => " ASC",
            Some(false) => " DESC",
        });
        self.push(match nulls_first {
            None => "",
            Some(true) => " NULLS FIRST",
            Some(false) => " NULLS LAST",
        });
    }

    fn limit(&mut self, limit: Option<&LimitClause>, fetch: Option<&Fetch>) -> Written {
        let (mut most, mut offset) = (None, None);
        match limit {
            None => {}
            Some(LimitClause::LimitOffset { limit, offset: skipped, limit_by }) => {
                none(!limit_by.is_empty(), "LIMIT BY")?;
                (most, offset) = (limit.as_ref(), skipped.as_ref().map(|skipped| &skipped.value));
            }
            Some(LimitClause::OffsetCommaLimit { offset: skipped, limit }) => (most, offset) = (Some(limit), Some(skipped)),
        }
        if let Some(Fetch { with_ties, percent, quantity }) = fetch {
            none(*with_ties || *percent || most.is_some(), "FETCH with more than a number")?;
            most = quantity.as_ref();
        }
        self.clause(" LIMIT ", most)?;
        self.clause(" OFFSET ", offset)
    }
}

pub(super) fn one_part(name: &ObjectName) -> Result<&Ident, BadQuery> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] => Ok(name),
        _ => Err(BadQuery::new(format_args!(
            "`{name}` has several parts; a table is one name, in double quotes: \"prices/2024.parquet\""
        ))),
    }
}
