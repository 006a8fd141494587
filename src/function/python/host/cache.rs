//! `cache`: `keys`, `has`, `read`, `frame`, `sql` and `call`.

use monty_types::{ExcType, MontyObject};
use tokio::task::JoinSet;

use super::arguments::Given;
use super::item::Item;
use super::{Answered, Host, Object, Raised, python};
use crate::error::{Cause, Error};
use crate::function::python::value::{of_json, to_python};
use crate::function::{self, Answer};

impl Host<'_> {
    pub(super) async fn cache_method(&mut self, mut given: Given) -> Answered {
        match given.method() {
            "keys" => {
                let prefix = match given.take("prefix")? {
                    None | Some(MontyObject::None) => String::new(),
                    Some(MontyObject::String(prefix)) => prefix,
                    Some(other) => {
                        let what = format!("keys() argument 'prefix' must be str, not {}", other.type_name());
                        return Err(python(ExcType::TypeError, what));
                    }
                };
                given.finish()?;
                let keys = self.view.below(&prefix).await?;
                let keys = keys.iter().map(|key| MontyObject::String(key.as_str().to_owned()));
                Ok(Some(MontyObject::List(keys.collect())))
            }
            "has" => {
                let path = given.text("path")?;
                given.finish()?;
                // What no object can be called, no object is called.
                let Ok(key) = self.view.key(&path) else { return Ok(Some(MontyObject::Bool(false))) };
                Ok(Some(MontyObject::Bool(self.view.has(&key).await?)))
            }
            "read" => {
                let path = given.text("path")?;
                given.finish()?;
                let item = Item::read(self.view, &path).await?;
                Ok(Some(self.give(Object::Item(item))))
            }
            "frame" => {
                let path = given.text("path")?;
                given.finish()?;
                let Item { key, entry } = Item::read(self.view, &path).await?;
                let frame = self.view.frame(&key, &entry).await?;
                Ok(Some(self.give(Object::Frame(frame))))
            }
            "sql" => self.cache_sql(given).await,
            "call" => {
                let function = given.text("function")?;
                let others = given.others();
                given.finish()?;
                let arguments = others.into_iter().map(|(name, value)| {
                    let value = to_python(&value).map_err(|unsayable| python(ExcType::TypeError, unsayable.to_string()))?;
                    Ok((name, function::Given::Value(value.to_json())))
                });
                let arguments = arguments.collect::<Result<Vec<_>, Raised>>()?;
                // In a task of its own: calls that stand in each other do not all stand on one stack.
                let (view, mut calling) = (self.view.clone(), JoinSet::new());
                let name = function.clone();
                calling.spawn(async move { view.call(&name, &arguments).await });
                let failed = |cause| Error::FunctionFailed { function, cause: Cause::from(cause) };
                self.turn.pause();
                let called = calling.join_next().await.expect("a task was spawned");
                self.turn.resume().await;
                Ok(Some(self.answer(called.map_err(failed)??)?))
            }
            _ => Ok(None),
        }
    }

    /// What another function answered.
    fn answer(&mut self, answer: Answer) -> Result<MontyObject, Raised> {
        Ok(match answer {
            Answer::Text(text) => MontyObject::String(text),
            Answer::Table(frame) => self.give(Object::Frame(frame)),
            other => of_json(&other.to_json()?),
        })
    }
}
