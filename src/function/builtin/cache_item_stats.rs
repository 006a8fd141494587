//! `cache_item_stats`: what is in an object, as pandas or Python prints it.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::frame::stats::Stats;
use crate::frame::{Format, codec, pandas};
use crate::function::{Answer, Arguments, Function, Kind, Printed, Said, Spec, View};
use crate::key::Key;
use crate::tier::memory::Derived;

pub(super) struct CacheItemStats(Spec);

impl CacheItemStats {
    pub(super) fn new() -> Self {
        let spec = Spec::new(
            "cache_item_stats",
            "Answers what is in an object: rows, columns, counts and types of a table, the value of json.",
        );
        Self(spec.takes("key", Kind::Key, "The object; read through the cache."))
    }
}

#[async_trait]
impl Function for CacheItemStats {
    fn spec(&self) -> &Spec {
        &self.0
    }

    async fn call(&self, arguments: &Arguments, view: &View) -> Result<Answer> {
        let key = arguments.key("key");
        Ok(Answer::Printed(printed(key, view).await?))
    }
}

/// Kept: to print a frame means to look through it.
async fn printed(key: &Key, view: &View) -> Result<Arc<Derived<Printed>>> {
    let entry = view.read(key).await?.entry;
    match Format::of(key, &entry.facts)? {
        Format::Parquet | Format::Arrow | Format::Csv | Format::Ndjson => {
            let frame = view.frame(key, &entry).await?;
            let print =
                move || Printed { text: pandas::item_stats(&frame), said: Said::Value(Stats::of(&frame).to_json().into()) };
            view.derive("cache_item_stats", key, &entry, move || Ok(print())).await
        }
        Format::Json => {
            let owned = key.clone();
            view.derive_of_body("cache_item_stats", key, &entry, codec::printing_bytes, move |body| {
                let mut text = codec::print_json(&owned, body)?;
                text.shrink_to_fit();
                Ok(Printed { text, said: Said::Json(body.clone()) })
            })
            .await
        }
    }
}
