//! What `cache.read(path)` and `cache[path]` give: `key`, `size`, `bytes`, `text`, `json`.

use std::sync::Arc;

use bytes::Bytes;
use monty_types::{ExcType, MontyObject};
use tokio::task::spawn_blocking;

use super::arguments::Given;
use super::{Answered, Host, Raised, python};
use crate::entry::Entry;
use crate::error::Error;
use crate::frame::codec;
use crate::function::View;
use crate::function::python::value::of_python;
use crate::key::Key;

/// What values take of memory, as a multiple of their JSON.
const JSON_FACTOR: u64 = 4;

/// From how many bytes on a body is looked through elsewhere than on an async worker.
const INLINE_BYTES_MAX: usize = 32 << 10;

/// An object at the version that the call sees.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) key: Key,
    pub(super) entry: Arc<Entry>,
}

impl Item {
    pub(super) async fn read(view: &View, path: &str) -> Result<Self, Raised> {
        let key = view.key(path).map_err(Error::from)?;
        let entry = view.read(&key).await?.entry;
        Ok(Self { key, entry })
    }
}

impl Host<'_> {
    pub(super) async fn item_attribute(&mut self, item: &Item, name: &str) -> Answered {
        let value = match name {
            "key" => MontyObject::String(item.key.as_str().to_owned()),
            "size" => MontyObject::Int(i64::try_from(item.entry.facts.size).unwrap_or(i64::MAX)),
            "bytes" => MontyObject::Bytes(self.body(item, 1).await?.to_vec()),
            "text" => {
                let body = self.body(item, 1).await?;
                let not_text =
                    |_| python(ExcType::ValueError, format!("`{}` is no text in UTF-8; its bytes are in `.bytes`", item.key));
                MontyObject::String(std::str::from_utf8(&body).map_err(not_text)?.to_owned())
            }
            "json" => {
                let (body, key) = (self.body(item, JSON_FACTOR).await?, item.key.clone());
                let parse = move || codec::parse_json(&key, &body).map(of_python);
                self.elsewhere(item.entry.facts.size, parse).await??
            }
            _ => return Ok(None),
        };
        Ok(Some(value))
    }

    pub(super) async fn item_method(&mut self, item: &Item, given: Given) -> Answered {
        let name = given.method().to_owned();
        given.finish()?;
        match &*name {
            "bytes" | "text" | "json" => self.item_attribute(item, &name).await,
            _ => Ok(None),
        }
    }

    async fn body(&self, item: &Item, factor: u64) -> Result<Bytes, Raised> {
        self.may_cross(item.entry.facts.size.saturating_mul(factor), "use `cache.frame(…)` or `cache.sql(…)`")?;
        Ok(self.view.body(&item.key, &item.entry).await?)
    }

    /// Does work on so many bytes, on a thread for such where they are many.
    pub(super) async fn elsewhere<T: Send + 'static>(
        &self,
        bytes: u64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Raised> {
        if bytes <= INLINE_BYTES_MAX as u64 {
            return Ok(work());
        }
        let failed = |cause| Error::FunctionFailed { function: "host".to_owned(), cause: crate::error::Cause::from(cause) };
        Ok(spawn_blocking(work).await.map_err(failed)?)
    }
}
