//! What nobody can do better, knowing all that will be asked for.

use std::collections::BTreeSet;

/// The most of the requests that can be answered with room for `room` keys: what is asked for again last goes, the key that was
/// just asked for too.
///
/// Source: Bélády, "A study of replacement algorithms for a virtual-storage computer", 1966 (MIN).
pub fn hits(requests: &[u32], room: u64) -> u64 {
    let next = next_uses(requests);
    let mut kept = BTreeSet::new();
    let mut hits = 0;
    for (now, &key) in requests.iter().enumerate() {
        hits += u64::from(kept.remove(&(now, key)));
        kept.insert((next[now], key));
        if kept.len() as u64 > room {
            kept.pop_last();
        }
    }
    hits
}

/// A number that no policy exceeds, where keys differ in weight and the optimum itself takes too long to find. To keep a key from
/// one request to its next takes its weight for that long; all that is kept together has the budget for as long as the trace. The
/// cheapest are counted until that is spent, whether or not they fit in side by side.
///
/// Source: Berger, Beckmann, Harchol-Balter, "Practical Bounds on Optimal Caching with Variable Object Sizes", 2018 (PFOO-U).
pub fn hits_at_most(requests: &[u32], weights: &[u64], budget: u64) -> u64 {
    let next = next_uses(requests);
    let again = (0..requests.len()).filter(|&now| next[now] != usize::MAX);
    let mut costs: Vec<u64> = again.map(|now| weights[requests[now] as usize] * (next[now] - now) as u64).collect();
    costs.sort_unstable();
    let mut left = budget * requests.len() as u64;
    let affordable = costs.into_iter().take_while(|&cost| left.checked_sub(cost).inspect(|&rest| left = rest).is_some());
    affordable.count() as u64
}

/// For each request, which one asks for its key next; `usize::MAX` where none does.
fn next_uses(requests: &[u32]) -> Vec<usize> {
    let mut seen = vec![usize::MAX; requests.iter().max().map_or(0, |&key| key as usize + 1)];
    let mut next = vec![usize::MAX; requests.len()];
    for (now, &key) in requests.iter().enumerate().rev() {
        next[now] = std::mem::replace(&mut seen[key as usize], now);
    }
    next
}
