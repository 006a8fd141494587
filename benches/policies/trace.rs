//! What is asked for: keys with their sizes, and requests in their order. The same in every run.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const KEYS: usize = 100_000;
const REQUESTS: usize = 400_000;

/// The size of all objects, where they have the same.
const SIZE_BYTES: u64 = 16 << 10;

/// How many keys a scan goes through, and how many requests are between scans.
const SCAN: usize = 50_000;

/// A scan goes from key to key in steps of this many, which has no divisor in common with their number: by name, not by use.
const STRIDE: usize = 7_919;

/// What was there before, and how large.
const LARGE_KEYS: usize = 20;
const LARGE_BYTES: u64 = 16 << 20;

/// Requests for a key that is asked for for a short time, and how many such keys there are at a time.
const SHORT_REQUESTS: usize = 5;
const SHORT_KEYS: usize = 500;

/// Requests, and the sizes of what they are for.
pub struct Trace {
    /// What it stands for.
    pub name: &'static str,
    /// The size of each key's object, in bytes.
    pub sizes: Vec<u64>,
    /// The keys that are asked for, by their place in `sizes`.
    pub requests: Vec<u32>,
}

/// All that is measured.
pub fn all() -> Vec<Trace> {
    vec![
        equal("Zipf 0.9", zipf(0.9, REQUESTS)),
        equal("Zipf 1.0", zipf(1.0, REQUESTS)),
        equal("Zipf 1.1", zipf(1.1, REQUESTS)),
        Trace { name: "Zipf 1.0, 1 KB to 1 MB", sizes: mixed_sizes(), requests: zipf(1.0, REQUESTS) },
        equal("Zipf 1.0, half of it scans of all keys", with_scans(|at| at * STRIDE % KEYS)),
        equal("Zipf 1.0, half of it scans of keys asked for once", with_scans(|at| KEYS + at)),
        equal("keys asked for five times, soon after each other", short_lived()),
        after_large("Zipf 1.0, after twenty of 16 MB"),
    ]
}

impl Trace {
    /// The size that all objects have; `None` where they differ.
    pub fn size_of_all(&self) -> Option<u64> {
        let first = self.sizes[0];
        self.sizes.iter().all(|&size| size == first).then_some(first)
    }
}

fn equal(name: &'static str, requests: Vec<u32>) -> Trace {
    let keys = requests.iter().max().map_or(0, |&key| key as usize + 1);
    Trace { name, sizes: vec![SIZE_BYTES; keys], requests }
}

/// Requests in which the key of rank r is asked for in proportion to r to the power of -`exponent`.
fn zipf(exponent: f64, requests: usize) -> Vec<u32> {
    let mut sums = Vec::with_capacity(KEYS);
    let mut sum = 0.0;
    for rank in 1..=KEYS {
        sum += (rank as f64).powf(-exponent);
        sums.push(sum);
    }
    let mut random = random();
    let draw = || {
        let at = random.random::<f64>() * sum;
        sums.partition_point(|&sum| sum <= at).min(KEYS - 1) as u32
    };
    std::iter::repeat_with(draw).take(requests).collect()
}

/// As many of each order of magnitude.
fn mixed_sizes() -> Vec<u64> {
    let mut random = random();
    (0..KEYS).map(|_| (1e3 * 1e3_f64.powf(random.random())) as u64).collect()
}

/// As many requests of scans as of Zipf. `key` says which key is the next of all scans together.
fn with_scans(key: impl Fn(usize) -> usize) -> Vec<u32> {
    let asked = zipf(1.0, REQUESTS / 2);
    let mut scanned = (0..).map(|at| key(at) as u32);
    asked.chunks(SCAN).flat_map(|part| part.iter().copied().chain(scanned.by_ref().take(SCAN)).collect::<Vec<_>>()).collect()
}

/// A key is asked for some times, among some others, and never again.
fn short_lived() -> Vec<u32> {
    let mut random = random();
    let mut left: Vec<_> = (0..SHORT_KEYS).map(|key| (key as u32, SHORT_REQUESTS)).collect();
    let mut unasked = SHORT_KEYS as u32..;
    let draw = || {
        let at = random.random_range(0..left.len());
        let (key, times) = left[at];
        left[at] = if times > 1 { (key, times - 1) } else { (unasked.next().expect("there is no end"), SHORT_REQUESTS) };
        key
    };
    std::iter::repeat_with(draw).take(REQUESTS).collect()
}

/// Small objects, once large ones have been asked for that are never asked for again.
fn after_large(name: &'static str) -> Trace {
    let large = (KEYS..KEYS + LARGE_KEYS).map(|key| key as u32);
    let sizes = [vec![SIZE_BYTES; KEYS], vec![LARGE_BYTES; LARGE_KEYS]].concat();
    Trace { name, sizes, requests: large.chain(zipf(1.0, REQUESTS)).collect() }
}

fn random() -> StdRng {
    StdRng::seed_from_u64(20_261_124)
}
