//! Least recently used: a budget, and what was used longest ago goes.

use lru::LruCache;

/// How many of the requests it answers. `weights` are those of the keys, in the unit of `budget`.
pub fn hits(requests: &[u32], weights: &[u64], budget: u64) -> u64 {
    let mut kept = LruCache::unbounded();
    let (mut used, mut hits) = (0, 0);
    for &key in requests {
        if kept.get(&key).is_some() {
            hits += 1;
            continue;
        }
        let weight = weights[key as usize];
        if weight > budget {
            continue;
        }
        kept.put(key, ());
        used += weight;
        while used > budget {
            let (gone, ()) = kept.pop_lru().expect("what is used is kept");
            used -= weights[gone as usize];
        }
    }
    hits
}
