//! `cache.sql(query, **params)` and `frame.sql(query, **params)`: values of Python as parameters of a statement.

use std::collections::BTreeMap;
use std::sync::Arc;

use monty_types::{ExcType, MontyObject};

use super::arguments::Given;
use super::{Answered, Host, Object, Raised, python};
use crate::frame::Frame;
use crate::frame::query::Scalar;
use crate::function::python::value::{iso_date, iso_moment};
use crate::tier::memory::Derived;

impl Host<'_> {
    /// Of what the statement names in the cache.
    pub(super) async fn cache_sql(&mut self, mut given: Given) -> Answered {
        let query = given.text("query")?;
        let values = scalars(given.others())?;
        given.finish()?;
        let frame = self.view.sql(query, values).await?;
        Ok(Some(self.give(Object::Frame(frame))))
    }

    /// Of a frame, which the statement calls `self`.
    pub(super) async fn frame_sql(&mut self, frame: &Arc<Derived<Frame>>, mut given: Given) -> Answered {
        let query = given.text("query")?;
        let values = scalars(given.others())?;
        given.finish()?;
        let frame = self.view.sql_of(Arc::clone(frame), query, values).await?;
        Ok(Some(self.give(Object::Frame(frame))))
    }
}

fn scalars(given: Vec<(String, MontyObject)>) -> Result<BTreeMap<String, Scalar>, Raised> {
    given.into_iter().map(|(name, value)| Ok((name.clone(), scalar(&name, &value)?))).collect()
}

fn scalar(name: &str, value: &MontyObject) -> Result<Scalar, Raised> {
    Ok(match value {
        MontyObject::None => Scalar::Null,
        MontyObject::Bool(boolean) => Scalar::Boolean(*boolean),
        MontyObject::Int(integer) => Scalar::Integer(*integer),
        MontyObject::Float(float) if float.is_finite() => Scalar::Float(*float),
        MontyObject::String(text) => Scalar::Text(text.clone()),
        MontyObject::Date(date) => Scalar::Date(iso_date(date)),
        MontyObject::DateTime(moment) if moment.offset_seconds.is_none() => {
            Scalar::Timestamp(iso_moment(moment).replace('T', " "))
        }
        MontyObject::List(values) | MontyObject::Tuple(values) => {
            Scalar::List(values.iter().map(|value| scalar(name, value)).collect::<Result<_, _>>()?)
        }
        other => {
            let what = format!("sql() parameter '{name}' may be None, a number, text, date, moment without zone or list, not ");
            return Err(python(ExcType::TypeError, what + other.type_name()));
        }
    })
}
