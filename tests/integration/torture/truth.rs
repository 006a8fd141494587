//! What the record has held, and hence what each process may answer: DESIGN's invariants 1 to 4, held against real answers.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};

use super::super::support::client::Answer;

/// The processes' settings.
pub const MEMORY_MAX_AGE: Duration = Duration::from_millis(200);
pub const LOCAL_MAX_AGE: Duration = Duration::from_secs(2);
pub const NEGATIVE_MAX_AGE: Duration = Duration::from_millis(500);

/// A process from its start to its death.
pub type Life = u64;

/// Knows all contents that ever were.
#[derive(Default)]
pub struct Truth {
    histories: Vec<History>,
    open: HashMap<u64, Open>,
    begun: u64,
    /// Answers that were judged.
    pub judged: u64,
    /// Answers without an object: the record or the directory had failed.
    pub refused: u64,
    /// What was answered and may not have been.
    pub wrong: Vec<String>,
}

struct History {
    /// Each content, a version or absent, and since when at the latest.
    contents: Vec<(Option<u64>, Instant)>,
    /// Doubts and evictions that have returned.
    doubts: Vec<Doubt>,
    floors: HashMap<Life, usize>,
}

struct Doubt {
    by: Life,
    returned: Instant,
    content: usize,
    evicts: bool,
}

/// A request under way.
struct Open {
    life: Life,
    key: usize,
    method: Method,
    shares_from: Instant,
    latest: usize,
    /// The oldest content that may be answered as a body, as absent, and in place of a record that does not answer.
    least: [usize; 3],
}

impl Truth {
    pub fn of_keys(keys: usize, now: Instant) -> Self {
        let history = || History { contents: vec![(None, now)], doubts: Vec::new(), floors: HashMap::new() };
        Self { histories: (0..keys).map(|_| history()).collect(), ..Self::default() }
    }

    /// The record has this content now: `None` for none.
    pub fn changed(&mut self, key: usize, version: Option<u64>, now: Instant) {
        self.histories[key].contents.push((version, now));
    }

    pub fn current(&self, key: usize) -> Option<u64> {
        self.histories[key].contents.last().and_then(|(version, _)| *version)
    }

    /// A request is about to be sent.
    pub fn begin(&mut self, life: Life, key: usize, method: &Method, now: Instant) -> u64 {
        let shared = self.open.values().filter(|open| open.life == life && open.key == key).map(|open| open.shares_from);
        let shares_from = shared.fold(now, Instant::min);
        let history = &self.histories[key];
        let latest = history.contents.len() - 1;
        let least = history.least(life, now);
        let least = if *method == Method::PUT { [latest, latest, least[2]] } else { least };
        self.begun += 1;
        self.open.insert(self.begun, Open { life, key, method: method.clone(), shares_from, latest, least });
        self.begun
    }

    /// There was no answer: the process has died.
    pub fn died(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Judges an answer that has just come.
    pub fn end(&mut self, number: u64, answer: &Answer, now: Instant) {
        let open = self.open.remove(&number).expect("it has begun");
        self.judged += 1;
        let said = match answer.status {
            StatusCode::NO_CONTENT => return self.doubted(&open, now),
            StatusCode::NOT_FOUND => None,
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED => match version_of(&open, answer) {
                Ok(version) => Some(version),
                Err(what) => return self.blame(&open, answer, &what),
            },
            _ => {
                self.refused += 1;
                return;
            }
        };
        let is_stale = answer.headers.get("cache-status").is_some_and(|status| status.to_str().unwrap().contains("detail=stale"));
        let history = &self.histories[open.key];
        let least = match said {
            Some(_) if is_stale => open.least[2],
            Some(_) => open.least[0].max(history.aged(LOCAL_MAX_AGE + MEMORY_MAX_AGE, open.shares_from)),
            None => open.least[1].max(history.aged(NEGATIVE_MAX_AGE, open.shares_from)),
        };
        let allowed = &history.contents[least..];
        match allowed.iter().position(|(content, _)| *content == said) {
            Some(place) => {
                let floor = self.histories[open.key].floors.entry(open.life).or_default();
                *floor = (least + place).max(*floor);
            }
            None => {
                let allowed: Vec<_> = allowed.iter().map(|(content, _)| *content).collect();
                self.blame(&open, answer, &format!("answered {said:?}, allowed are {allowed:?}"));
            }
        }
        if open.method == Method::PUT {
            self.doubted(&open, now);
        }
    }

    fn doubted(&mut self, open: &Open, now: Instant) {
        let evicts = open.method == Method::DELETE;
        self.histories[open.key].doubts.push(Doubt { by: open.life, returned: now, content: open.latest, evicts });
    }

    fn blame(&mut self, open: &Open, answer: &Answer, what: &str) {
        self.wrong.push(format!("{} of key {}, life {}: {what}: {:?}", open.method, open.key, open.life, answer.headers));
    }
}

impl History {
    fn least(&self, life: Life, now: Instant) -> [usize; 3] {
        let floor = self.floors.get(&life).copied().unwrap_or(0);
        let most = |counts: &dyn Fn(&Doubt) -> bool| {
            self.doubts.iter().rev().filter(|doubt| counts(doubt)).map(|doubt| doubt.content).max().unwrap_or(0).max(floor)
        };
        let known_after = |delay| move |doubt: &Doubt| doubt.by == life || now >= doubt.returned + delay;
        [most(&known_after(MEMORY_MAX_AGE)), most(&known_after(NEGATIVE_MAX_AGE)), most(&|doubt| doubt.evicts)]
    }

    /// The content that was there `most` before.
    fn aged(&self, most: Duration, before: Instant) -> usize {
        self.contents.iter().rposition(|(_, since)| *since + most <= before).unwrap_or(0)
    }
}

/// The version that an answer is of, if every byte of it is that version's.
fn version_of(open: &Open, answer: &Answer) -> Result<u64, String> {
    if open.method == Method::PUT {
        let said = answer.json();
        let version = said["etag"].as_str().and_then(|etag| version(open.key, etag)).ok_or("no etag of ours")?;
        let size = body(open.key, version).len();
        return if said["size"] == size { Ok(version) } else { Err(format!("{} bytes of {size}", said["size"])) };
    }
    let version = version(open.key, answer.header("etag")).ok_or("no etag of ours")?;
    let whole = body(open.key, version);
    let right = match answer.status {
        StatusCode::OK => answer.body == whole,
        StatusCode::PARTIAL_CONTENT => {
            let range = answer.header("content-range").strip_prefix("bytes ").and_then(|range| range.split_once('/'));
            let (range, size) = range.ok_or("no range")?;
            let (first, last) = range.split_once('-').ok_or("no range")?;
            let (first, last): (usize, usize) = (first.parse().map_err(|_| "no range")?, last.parse().map_err(|_| "no range")?);
            size == whole.len().to_string() && whole.get(first..=last) == Some(&answer.body[..])
        }
        _ => answer.body.is_empty(),
    };
    if right { Ok(version) } else { Err(format!("wrong bytes of version {version}")) }
}

/// The body of `key` at `version`: key, version, something of a length of its own, and a checksum of it all.
pub fn body(key: usize, version: u64) -> Vec<u8> {
    let length = match version % 16 {
        0 => 150_000 + (version as usize * 37) % 50_000,
        _ => (version as usize * 7919 + key) % 4_000,
    };
    let mut body = format!("{key} {version}\n").into_bytes();
    body.extend((0..length).map(|place| b'a' + ((place as u64 + version) % 26) as u8));
    let checksum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &body);
    body.extend(format!("\n{checksum:016x}\n").into_bytes());
    body
}

pub fn etag(key: usize, version: u64) -> String {
    format!("\"{key}-{version}\"")
}

fn version(key: usize, etag: &str) -> Option<u64> {
    let (named, version) = etag.trim_matches('"').split_once('-')?;
    (named.parse() == Ok(key)).then(|| version.parse().ok()).flatten()
}
