//! Tables of a statement, written down anew: a part of [`super::write`]. Each that is an object gets a name of ours, and keeps its own
//! as an alias.

use sqlparser::ast::{Ident, Join, JoinConstraint, JoinOperator, TableAlias, TableFactor, TableWithJoins};

use crate::frame::query::write::{PARAMETER_TABLE, Writer, Written, none, one_part};
use crate::frame::query::{BadQuery, Table, literal};

impl Writer<'_> {
    pub(super) fn tables(&mut self, tables: &TableWithJoins) -> Written {
        let TableWithJoins { relation, joins } = tables;
        self.table(relation)?;
        for Join { relation, global, join_operator } in joins {
            none(*global, "GLOBAL")?;
            self.found.shape.is_unbounded = true;
            let (word, constraint) = join(join_operator)?;
            self.push(if matches!(constraint, JoinConstraint::Natural) { " NATURAL " } else { " " });
            self.push(word);
            self.push(" ");
            self.table(relation)?;
            match constraint {
                JoinConstraint::On(condition) => {
                    self.push(" ON ");
                    self.expression(condition)?;
                }
                JoinConstraint::Using(columns) => {
                    self.push(" USING (");
                    self.list(columns, |writer, column| {
                        let name = one_part(column)?;
                        writer.column(&name.value);
                        writer.name(name)
                    })?;
                    self.push(")");
                }
                JoinConstraint::Natural => self.found.shape.has_wildcard = true,
                JoinConstraint::None => {}
            }
        }
        Ok(())
    }

    fn table(&mut self, table: &TableFactor) -> Written {
        match table {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                none(
                    args.is_some(),
                    &format!("`{name}(…)` as a table: a table is the name of an object, and a call of a function"),
                )?;
                none(!with_hints.is_empty() || !index_hints.is_empty() || *with_ordinality, "a hint behind a table")?;
                none(version.is_some() || !partitions.is_empty() || json_path.is_some(), "a part of a table behind its name")?;
                none(sample.is_some(), "a sample of a table")?;
                self.relation(one_part(name)?, alias.as_ref())
            }
            TableFactor::Derived { lateral, subquery, alias, sample } => {
                none(*lateral, "LATERAL")?;
                none(sample.is_some(), "a sample of a table")?;
                self.found.shape.is_unbounded = true;
                self.push("(");
                self.query(subquery)?;
                self.push(")");
                self.alias(alias.as_ref())
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                self.found.shape.is_unbounded = true;
                self.push("(");
                self.tables(table_with_joins)?;
                self.push(")");
                self.alias(alias.as_ref())
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias, with_ordinality } => {
                none(*with_offset || *with_ordinality || with_offset_alias.is_some(), "UNNEST WITH OFFSET or ORDINALITY")?;
                self.found.shape.is_unbounded = true;
                self.push("UNNEST(");
                self.list(array_exprs, Self::expression)?;
                self.push(")");
                self.alias(alias.as_ref())
            }
            TableFactor::TableFunction { .. }
            | TableFactor::Function { .. }
            | TableFactor::JsonTable { .. }
            | TableFactor::OpenJsonTable { .. }
            | TableFactor::Pivot { .. }
            | TableFactor::Unpivot { .. }
            | TableFactor::MatchRecognize { .. }
            | TableFactor::XmlTable { .. }
            | TableFactor::SemanticView { .. } => {
                Err(BadQuery::new("a table is the name of an object, a glob over such names, or another SELECT in brackets"))
            }
        }
    }

    /// A table by its name: one that the statement makes, or an object.
    fn relation(&mut self, name: &Ident, alias: Option<&TableAlias>) -> Written {
        none(alias.is_some_and(|alias| !alias.columns.is_empty()), "a list of columns behind the name of an object")?;
        if self.made.contains(&name.value) {
            self.name(name)?;
            return self.alias(alias);
        }
        let (table, own_name) = match name.value.strip_prefix(PARAMETER_TABLE) {
            Some(parameter) => {
                self.parameter(parameter)?;
                (Table::Parameter(parameter.to_owned()), parameter)
            }
            None => (Table::Named(name.value.clone()), &*name.value),
        };
        let tables = &mut self.found.tables;
        let place = tables.iter().position(|known| *known == table).unwrap_or_else(|| {
            tables.push(table);
            tables.len() - 1
        });
        literal::name(&format!("{}{place}", self.stem), &mut self.text);
        match alias {
            Some(_) => self.alias(alias),
            None => {
                self.found.names.insert(own_name.to_owned());
                self.push(" AS ");
                literal::name(own_name, &mut self.text);
                Ok(())
            }
        }
    }

    fn alias(&mut self, alias: Option<&TableAlias>) -> Written {
        let Some(alias) = alias else { return Ok(()) };
        self.push(" AS ");
        self.table_alias(alias)
    }

    pub(super) fn table_alias(&mut self, alias: &TableAlias) -> Written {
        let TableAlias { explicit: _, name, columns, at } = alias;
        none(at.is_some(), "AT")?;
        self.name(name)?;
        if !columns.is_empty() {
            self.push(" (");
            self.list(columns, |writer, column| {
                none(column.data_type.is_some(), "a type behind the name of a column")?;
                writer.name(&column.name)
            })?;
            self.push(")");
        }
        Ok(())
    }
}

fn join(operator: &JoinOperator) -> Result<(&'static str, &JoinConstraint), BadQuery> {
    Ok(match operator {
        JoinOperator::Join(constraint) => ("JOIN", constraint),
        JoinOperator::Inner(constraint) => ("INNER JOIN", constraint),
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => ("LEFT JOIN", constraint),
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => ("RIGHT JOIN", constraint),
        JoinOperator::FullOuter(constraint) => ("FULL JOIN", constraint),
        JoinOperator::CrossJoin(constraint) => ("CROSS JOIN", constraint),
        JoinOperator::Semi(constraint) => ("SEMI JOIN", constraint),
        JoinOperator::LeftSemi(constraint) => ("LEFT SEMI JOIN", constraint),
        JoinOperator::RightSemi(constraint) => ("RIGHT SEMI JOIN", constraint),
        JoinOperator::Anti(constraint) => ("ANTI JOIN", constraint),
        JoinOperator::LeftAnti(constraint) => ("LEFT ANTI JOIN", constraint),
        JoinOperator::RightAnti(constraint) => ("RIGHT ANTI JOIN", constraint),
        JoinOperator::CrossApply
        | JoinOperator::OuterApply
        | JoinOperator::AsOf { .. }
        | JoinOperator::StraightJoin(_)
        | JoinOperator::ArrayJoin
        | JoinOperator::LeftArrayJoin
        | JoinOperator::InnerArrayJoin => return Err(BadQuery::new("this kind of JOIN is not answered here")),
    })
}
