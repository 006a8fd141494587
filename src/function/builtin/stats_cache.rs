//! `stats_cache`: the names of what is cached.

use async_trait::async_trait;

use crate::error::Result;
use crate::function::{Answer, Arguments, Function, Spec, View};

pub(super) struct StatsCache(Spec);

impl StatsCache {
    pub(super) fn new() -> Self {
        Self(Spec::new("stats_cache", "Lists the keys that are cached, in any tier."))
    }
}

#[async_trait]
impl Function for StatsCache {
    fn spec(&self) -> &Spec {
        &self.0
    }

    async fn call(&self, _arguments: &Arguments, view: &View) -> Result<Answer> {
        Ok(Answer::Json(view.keys().await.into()))
    }
}
