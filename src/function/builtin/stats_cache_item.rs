//! `stats_cache_item`: what the cache knows of an object.

use std::time::SystemTime;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::cache::{Read, Served};
use crate::error::Result;
use crate::function::{Answer, Arguments, Function, Kind, Spec, View};
use crate::key::Key;

pub(super) struct StatsCacheItem(Spec);

impl StatsCacheItem {
    pub(super) fn new() -> Self {
        let doc =
            "Answers what the cache knows of an object: size, version, age, tier and, where it is a table, rows and columns.";
        Self(Spec::new("stats_cache_item", doc).takes("key", Kind::Key, "The object; read through the cache."))
    }
}

#[async_trait]
impl Function for StatsCacheItem {
    fn spec(&self) -> &Spec {
        &self.0
    }

    async fn call(&self, arguments: &Arguments, view: &View) -> Result<Answer> {
        let key = arguments.key("key");
        let read = view.read(key).await?;
        let mut facts = facts(key, &read);
        let table = table(key, &read, view).await?;
        facts["rows"] = table["rows"].clone();
        facts["columns"] = table["columns"].clone();
        Ok(Answer::Json(facts))
    }
}

/// `age` in whole seconds; `tier` is null where the record gave the body just now.
fn facts(key: &Key, read: &Read) -> Value {
    let (version, facts) = (&read.entry.version, &read.entry.facts);
    let tier = match read.served {
        Served::Hit(tier) | Served::Confirmed(tier) | Served::Stale(tier) => Some(tier.to_string()),
        Served::Filled | Served::Replaced => None,
    };
    json!({
        "key": key.as_str(),
        "size": facts.size,
        "etag": &*version.etag,
        "last_modified": humantime::format_rfc3339(SystemTime::from(version.last_modified)).to_string(),
        "content_type": facts.content_type,
        "age": read.age.as_secs(),
        "tier": tier,
    })
}

/// Rows and columns; nulls where the body is no table.
#[cfg(feature = "frames")]
async fn table(key: &Key, read: &Read, view: &View) -> Result<Value> {
    use crate::error::Error;
    use crate::frame::stats::Stats;

    match view.frame(key, &read.entry).await {
        Ok(frame) => Ok(view.derive("table_stats", key, &read.entry, move || Ok(Stats::of(&frame))).await?.to_json()),
        Err(Error::UnknownFormat { .. } | Error::Unparsable { .. } | Error::TooLarge { .. }) => Ok(Value::Null),
        Err(error) => Err(error),
    }
}

#[cfg(not(feature = "frames"))]
async fn table(_key: &Key, _read: &Read, _view: &View) -> Result<Value> {
    Ok(Value::Null)
}
