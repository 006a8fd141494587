//! The functions that come with the service, a file each. This is the one place that registers them.

use crate::function::Function;

#[cfg(feature = "frames")]
mod cache_item_stats;
mod echo;
mod filelist;
mod pi;
mod random_number;
mod stats_cache;
mod stats_cache_item;

/// All of them; without the cargo feature `frames`, those that need no frames.
pub fn all() -> Vec<Box<dyn Function>> {
    vec![
        #[cfg(feature = "frames")]
        Box::new(cache_item_stats::CacheItemStats::new()),
        Box::new(echo::Echo::named("echo")),
        // The name that the original began with.
        Box::new(echo::Echo::named("say_hello")),
        Box::new(filelist::FileList::new()),
        Box::new(pi::Pi::new()),
        Box::new(random_number::RandomNumber::new()),
        Box::new(stats_cache::StatsCache::new()),
        Box::new(stats_cache_item::StatsCacheItem::new()),
    ]
}
