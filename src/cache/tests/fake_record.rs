//! A record that does as it is told.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout_at};

use super::world::WALL_MILLIS;
use crate::entry::{Chunks, Entry, Media, Version};
use crate::error::{Error, Result, Unlisted};
use crate::freshness::{ClockBounds, Timestamp};
use crate::key::{Key, Prefix, RecordId};
use crate::record::{Answer, Fetched, Head, Mark, Object, Page, Record};

/// Holds what it is given, is in the mood it is put in, and counts what it is asked.
pub struct FakeRecord {
    id: RecordId,
    prefix: Prefix,
    told: Arc<Mutex<Told>>,
    asker: Option<Arc<dyn Asker>>,
}

/// Whoever asks through [`FakeRecord::as_seen_by`]; answers then have a `Date`, and what it shows depends on the asker's clock.
pub trait Asker: Send + Sync {
    /// The record's clock and the asker's.
    fn clocks(&self) -> (Timestamp, Timestamp);

    /// It gets an answer that was made at `date` to what it asked when its clock was at `asked`.
    fn learns(&self, date: Timestamp, asked: Timestamp);
}

/// How the record answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Well,
    Down,
    Forbidding,
    Throttling,
    /// It takes all the time there is.
    Hanging,
}

/// What the record was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub requests: u32,
    /// Of these, those that named a version.
    pub conditional: u32,
    /// Of these, those answered with a body.
    pub bodies: u32,
}

/// Holds one answer back: whoever was asked has made up its mind and says so later.
#[derive(Default)]
pub struct Gate {
    asked: Notify,
    released: Notify,
}

#[derive(Default)]
struct Told {
    objects: BTreeMap<String, Entry>,
    mood: Mood,
    asked: Asked,
    gate: Option<Arc<Gate>>,
    ahead_millis: Option<i64>,
    whole_max: u64,
    opened: Vec<Range<u64>>,
    hitch: Option<Hitch>,
}

/// What happens to the next part that is opened, at this offset of the object.
#[derive(Clone)]
pub enum Hitch {
    /// Nothing more comes until the gate is released; past the last byte, not even the end.
    Held(u64, Arc<Gate>),
    /// Nothing more comes.
    BrokenOff(u64),
    /// Nothing more comes, as if that were all.
    EndsAt(u64),
    /// A bit is another.
    Damaged(u64),
}

/// How much of a part comes at once.
const PIECE_BYTES: usize = 100_000;

impl FakeRecord {
    pub fn new() -> Arc<Self> {
        let record = Self { id: RecordId::of(&["fake"]), prefix: Prefix::default(), told: Arc::default(), asker: None };
        Arc::new(record).holding_up_to(u64::MAX)
    }

    /// Gives longer objects only part by part.
    pub fn holding_up_to(self: Arc<Self>, whole_max: u64) -> Arc<Self> {
        self.told().whole_max = whole_max;
        self
    }

    /// Puts an object there that is too long to be its own version.
    pub fn set_long(&self, key: &str, etag: &str, body: Vec<u8>) {
        let version = Version { etag: format!("\"{etag}\"").into(), last_modified: Timestamp::from_millis(1_000) };
        self.told().objects.insert(key.to_owned(), Entry::new(version, Media::default(), body.into()));
    }

    /// The parts that were opened since this was called last.
    pub fn opened(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.told().opened)
    }

    /// Has the next part that is opened come with this.
    pub fn come_with(&self, hitch: Hitch) {
        self.told().hitch = Some(hitch);
    }

    /// The same record, asked by an instance with a clock of its own.
    pub fn as_seen_by(&self, asker: Arc<dyn Asker>) -> Arc<Self> {
        let (id, prefix) = (self.id.clone(), self.prefix.clone());
        Arc::new(Self { id, prefix, told: Arc::clone(&self.told), asker: Some(asker) })
    }

    /// Puts an object there; the body is its version too.
    pub fn set(&self, key: &str, body: &str) {
        let version = Version { etag: format!("\"{body}\"").into(), last_modified: Timestamp::from_millis(1_000) };
        let entry = Entry::new(version, Media::default(), body.to_owned().into());
        self.told().objects.insert(key.to_owned(), entry);
    }

    pub fn remove(&self, key: &str) {
        self.told().objects.remove(key);
    }

    pub fn be(&self, mood: Mood) {
        self.told().mood = mood;
    }

    /// Has the next answer made at once and given when the gate is released.
    pub fn hold_back(&self) -> Arc<Gate> {
        let gate = Arc::<Gate>::default();
        self.told().gate = Some(Arc::clone(&gate));
        gate
    }

    /// From now on answers show that this clock is so much ahead of the asker's.
    pub fn show_clock(&self, ahead_millis: Option<i64>) {
        self.told().ahead_millis = ahead_millis;
    }

    /// What was asked since this was called last.
    pub fn asked(&self) -> Asked {
        std::mem::take(&mut self.told().asked)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }
}

impl Gate {
    /// Holds an answer that was asked for until it is released.
    pub async fn hold(&self) {
        self.asked.notify_one();
        self.released.notified().await;
    }

    /// Waits until what has the gate has been asked.
    pub async fn asked(&self) {
        self.asked.notified().await;
    }

    pub fn release(&self) {
        self.released.notify_one();
    }
}

#[async_trait]
impl Record for FakeRecord {
    fn id(&self) -> &RecordId {
        &self.id
    }

    fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    async fn fetch(&self, key: &Key, known: Option<&Version>, deadline: Instant) -> Result<Answer> {
        let asked = self.asker.as_ref().map(|asker| asker.clocks());
        let (answer, gate) = self.told().answer(key, known);
        if let Err(Error::Deadline { .. }) = answer {
            sleep_until(deadline.into()).await;
        }
        if let Some(gate) = gate {
            timeout_at(deadline.into(), gate.hold()).await.map_err(|_| Error::Deadline { key: key.clone() })?;
        }
        let Some((asker, (date, asked))) = self.asker.as_ref().zip(asked) else { return answer };
        let answer = answer?;
        asker.learns(date, asked);
        let date = Timestamp::from_millis(date.as_millis() / 1_000 * 1_000);
        Ok(Answer { clock: Some(ClockBounds::from_date(date, asked, asker.clocks().1)), ..answer })
    }

    async fn open(&self, key: &Key, version: &Version, range: Range<u64>, _deadline: Instant) -> Result<Chunks> {
        let (mut bytes, hitch) = self.told().open(key, version, range.clone())?;
        if let Some(Hitch::EndsAt(offset)) = hitch {
            bytes.truncate((offset - range.start) as usize);
        }
        let pieces = (0..bytes.len()).step_by(PIECE_BYTES).map(move |at| bytes.slice(at..bytes.len().min(at + PIECE_BYTES)));
        let mut offset = range.start;
        let pieces = pieces.map(move |piece| {
            offset += piece.len() as u64;
            (offset - piece.len() as u64, piece)
        });
        let key = key.clone();
        let end = match &hitch {
            Some(Hitch::Held(offset, gate)) if *offset == range.end => Some(Arc::clone(gate)),
            _ => None,
        };
        let end = stream::iter(end).then(|gate| async move { gate.hold().await }).filter_map(async |()| None);
        let come = stream::iter(pieces).then(move |(at, piece)| {
            let (hitch, key) = (hitch.clone(), key.clone());
            async move {
                let here = |offset: u64| (at..at + piece.len() as u64).contains(&offset);
                match hitch {
                    Some(Hitch::Held(offset, gate)) if here(offset) => gate.hold().await,
                    Some(Hitch::BrokenOff(offset)) if here(offset) => {
                        return Err(Error::Unreachable { key, cause: "told to break off".into() });
                    }
                    Some(Hitch::Damaged(offset)) if here(offset) => {
                        let mut damaged = piece.to_vec();
                        damaged[(offset - at) as usize] ^= 1;
                        return Ok(damaged.into());
                    }
                    _ => {}
                }
                Ok(piece)
            }
        });
        Ok(come.chain(end).boxed())
    }

    /// Two objects a page, so that a few make pages.
    async fn list(&self, below: &str, mark: Option<&Mark>, _deadline: Instant) -> Result<Page> {
        let told = self.told();
        let why = match told.mood {
            Mood::Well => None,
            Mood::Down => Some(Unlisted::Unreachable),
            Mood::Forbidding => Some(Unlisted::Forbidden),
            Mood::Throttling => Some(Unlisted::Throttled),
            Mood::Hanging => Some(Unlisted::Deadline),
        };
        if let Some(why) = why {
            return Err(Error::NotListed { why, cause: "told so".into() });
        }
        let listed = told.objects.iter().filter_map(|(name, entry)| {
            let key = Key::parse(name, &self.prefix).expect("tests set keys");
            let Version { etag, last_modified } = entry.version.clone();
            name.starts_with(below).then_some(Object { key, size: entry.facts.size, last_modified, etag: Some(etag) })
        });
        let mut objects = listed.filter(|object| mark.is_none_or(|mark| Mark::after(&object.key).name() > mark.name()));
        let page: Vec<_> = objects.by_ref().take(2).collect();
        let next = objects.next().and(page.last()).map(|last| Mark::after(&last.key));
        Ok(Page { objects: page, skipped: 0, next })
    }
}

impl Told {
    fn open(&mut self, key: &Key, version: &Version, range: Range<u64>) -> Result<(Bytes, Option<Hitch>)> {
        if let Mood::Down = self.mood {
            return Err(Error::Unreachable { key: key.clone(), cause: "told to be down".into() });
        }
        let entry = self.objects.get(key.as_str()).filter(|entry| entry.version == *version);
        self.opened.push(range.clone());
        let bytes = entry.and_then(|entry| entry.body.whole()).ok_or(Error::Changed { key: key.clone() })?;
        Ok((bytes.slice(range.start as usize..range.end as usize), self.hitch.take()))
    }

    fn answer(&mut self, key: &Key, known: Option<&Version>) -> (Result<Answer>, Option<Arc<Gate>>) {
        self.asked.requests += 1;
        self.asked.conditional += u32::from(known.is_some());
        let fetched = match self.mood {
            Mood::Well => Ok(match self.objects.get(key.as_str()) {
                Some(entry) if known == Some(&entry.version) => Fetched::Unchanged,
                Some(entry) if entry.facts.size > self.whole_max => {
                    Fetched::Large(Head { version: entry.version.clone(), facts: entry.facts.clone() })
                }
                Some(entry) => Fetched::Changed(entry.clone()),
                None => Fetched::Missing,
            }),
            Mood::Down => Err(Error::Unreachable { key: key.clone(), cause: "told to be down".into() }),
            Mood::Forbidding => Err(Error::Forbidden { key: key.clone(), cause: "told to forbid".into() }),
            Mood::Throttling => Err(Error::Throttled { key: key.clone(), cause: "told to throttle".into() }),
            Mood::Hanging => Err(Error::Deadline { key: key.clone() }),
        };
        self.asked.bodies += u32::from(matches!(fetched, Ok(Fetched::Changed(_))));
        let ahead = self.ahead_millis;
        // Where the world's time begins; the asker's clock is behind by as much as the record's is ahead.
        let asked = Timestamp::from_millis(WALL_MILLIS.saturating_add_signed(-ahead.unwrap_or(0)));
        let clock = ahead.map(|ahead| ClockBounds { asked, ahead_millis_min: ahead - 500, ahead_millis_max: ahead + 500 });
        (fetched.map(|fetched| Answer { fetched, clock }), self.gate.take())
    }
}
