//! A frame: `shape`, `columns`, `height`, `width`, `dtypes`; `head`, `slice`, `rows`, `row`, `column`, `describe`, `sql`.

use std::sync::Arc;

use monty_types::{ExcType, MontyObject};
use polars::prelude::DataFrame;

use super::arguments::Given;
use super::{Answered, Host, Object, Raised, python};
use crate::error::Error;
use crate::frame::Frame;
use crate::frame::stats::Stats;
use crate::function::python::table;
use crate::function::python::value::of_json;
use crate::tier::memory::Derived;

/// How many rows `head` gives where nothing is said; as in polars and pandas.
const HEAD_ROWS: i64 = 5;

/// What a cell takes as a value of Python: the value, its name in a dict, and what holds both.
const CELL_BYTES: u64 = 128;

pub(super) fn attribute(frame: &Frame, name: &str) -> Answered {
    let table = frame.table();
    let number = |count: usize| MontyObject::Int(i64::try_from(count).unwrap_or(i64::MAX));
    let names = || table.get_column_names().into_iter().map(|name| MontyObject::String(name.to_string()));
    Ok(Some(match name {
        "shape" => MontyObject::Tuple(vec![number(table.height()), number(table.width())]),
        "height" => number(table.height()),
        "width" => number(table.width()),
        "columns" => MontyObject::List(names().collect()),
        "dtypes" => {
            let types = table.dtypes().into_iter().map(|dtype| MontyObject::String(dtype.to_string()));
            MontyObject::dict(names().zip(types).collect::<Vec<_>>())
        }
        _ => return Ok(None),
    }))
}

impl Host<'_> {
    pub(super) async fn frame_method(&mut self, frame: &Arc<Derived<Frame>>, mut given: Given) -> Answered {
        let table = frame.table();
        match given.method() {
            "head" => {
                let rows = given.integer("n", Some(HEAD_ROWS))?;
                given.finish()?;
                // As in polars: all but the last, where it is negative.
                let kept = if rows < 0 { table.height().saturating_sub(count(-rows)) } else { count(rows) };
                self.cut(table.head(Some(kept))).await
            }
            "slice" => {
                let (offset, length) = (given.integer("offset", None)?, given.integer("length", Some(i64::MAX))?);
                given.finish()?;
                if length < 0 {
                    return Err(python(ExcType::ValueError, "slice() argument 'length' must not be negative"));
                }
                self.cut(table.slice(offset, count(length))).await
            }
            "rows" => {
                given.finish()?;
                self.values(table.clone(), |table| table::rows(&table)).await
            }
            "row" => {
                let index = given.integer("index", None)?;
                given.finish()?;
                let height = i64::try_from(table.height()).unwrap_or(i64::MAX);
                let place = if index < 0 { index + height } else { index };
                if !(0..height).contains(&place) {
                    return Err(python(ExcType::IndexError, format!("row {index} of a frame with {height} rows")));
                }
                let rows = self.values(table.slice(place, 1), |table| table::rows(&table)).await?;
                Ok(rows.and_then(|rows| match rows {
                    MontyObject::List(mut rows) => rows.pop(),
                    _ => None,
                }))
            }
            "column" => {
                let name = given.text("name")?;
                given.finish()?;
                let Ok(column) = table.column(&name) else {
                    let known: Vec<&str> = table.get_column_names().into_iter().map(|name| name.as_str()).collect();
                    return Err(python(ExcType::KeyError, format!("no column `{name}`; there are: {}", known.join(", "))));
                };
                let column = column.clone().into_frame();
                self.values(column, |table| table::values(&table.columns()[0]).map(MontyObject::List)).await
            }
            "sql" => self.frame_sql(frame, given).await,
            "describe" => {
                given.finish()?;
                let (owned, bytes) = (Arc::clone(frame), table.estimated_size() as u64);
                Ok(Some(of_json(&self.elsewhere(bytes, move || Stats::of(&owned).to_json()).await?)))
            }
            _ => Ok(None),
        }
    }

    /// A part of a frame, which shares its memory.
    async fn cut(&mut self, table: DataFrame) -> Answered {
        self.hold(Frame::new(table, None)).await
    }

    /// Gives a frame that was made for this call.
    pub(super) async fn hold(&mut self, frame: Frame) -> Answered {
        let held = self.view.hold(frame).await;
        let held =
            held.map_err(|_| python(ExcType::MemoryError, "there is no room for this frame now; try again in a second"))?;
        Ok(Some(self.give(Object::Frame(held))))
    }

    async fn values(
        &self,
        table: DataFrame,
        make: impl FnOnce(DataFrame) -> polars::prelude::PolarsResult<MontyObject> + Send + 'static,
    ) -> Answered {
        let cells = (table.height() as u64).saturating_mul(table.width() as u64);
        let bytes = cells.saturating_mul(CELL_BYTES).saturating_add(table.estimated_size() as u64);
        self.may_cross(bytes, "take fewer rows with `head`, `slice` or `sql`")?;
        let failed =
            |cause: polars::prelude::PolarsError| Error::FunctionFailed { function: "frame".to_owned(), cause: cause.into() };
        Ok(Some(self.elsewhere(bytes, || make(table)).await?.map_err(failed).map_err(Raised::Cache)?))
    }
}

fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}
