//! A record, a directory, instances on them, and a time that passes when it is told to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::time::timeout;

use super::failing_tier::FailingTier;
use super::fake_record::{FakeRecord, Gate};
use crate::cache::{Ask, Cache, Read, Served};
use crate::entry::Budget;
use crate::error::{Error, Result};
use crate::freshness::{Moment, Policy, Timestamp};
use crate::key::{Key, Prefix, RecordId};
use crate::tier::{DirectoryTier, Limits, MemoryTier, Removed, SharedTier, TierName};

/// The wall clock when a world begins: some time in 2023.
pub const WALL_MILLIS: u64 = 1_700_000_000_000;

/// Past this a test waits in vain.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub const MEMORY_HIT: Served = Served::Hit(TierName::Memory);
pub const DIRECTORY_HIT: Served = Served::Hit(TierName::Directory);

pub struct World {
    pub record: Arc<FakeRecord>,
    directory: TempDir,
    started: Instant,
    budget_bytes: u64,
    limits: Limits,
    changes: AtomicU64,
}

/// A read on a task of its own.
pub type Reading = tokio::task::JoinHandle<Result<Read>>;

/// One instance of the service.
pub struct Instance {
    pub cache: Arc<Cache>,
    pub tier: Option<Arc<FailingTier>>,
    pub budget: Arc<Budget>,
    started: Instant,
}

impl World {
    pub fn new() -> Self {
        Self::with_memory(64 << 20)
    }

    /// A world whose instances have so much memory for bodies.
    pub fn with_memory(budget_bytes: u64) -> Self {
        let record = FakeRecord::new().holding_up_to(Budget::new(budget_bytes).whole_max());
        // In memory where there is such a place: nothing here has to outlive the machine, and a disk takes ms to promise that.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let changes = AtomicU64::new(0);
        Self { record, directory, started: now(), budget_bytes, limits: Limits::default(), changes }
    }

    /// The same, with so much room in the shared directory.
    pub fn with_room(self, room_bytes: u64) -> Self {
        Self { limits: Limits { budget_bytes: Some(room_bytes), ..self.limits }, ..self }
    }

    /// A world in which version 1 of `a` was read at its beginning, by one instance on the shared directory.
    pub async fn read_by_one() -> (Self, Instance) {
        let world = Self::new();
        world.record.set("a", "1");
        let one = world.instance().await;
        one.read("a", 0).await.unwrap();
        (world, one)
    }

    /// The same, by two instances on the shared directory.
    pub async fn read_by_two() -> (Self, Instance, Instance) {
        let (world, one) = Self::read_by_one().await;
        let two = world.instance().await;
        two.read("a", 0).await.unwrap();
        (world, one, two)
    }

    /// The same, by two instances on the shared directory and one without.
    pub async fn read_by_all() -> (Self, [Instance; 3]) {
        let (world, one, two) = Self::read_by_two().await;
        let alone = world.alone();
        alone.read("a", 0).await.unwrap();
        (world, [one, two, alone])
    }

    /// Puts a content at `key` that was never there.
    pub fn change(&self, key: &str) -> String {
        let content = self.changes.fetch_add(1, Ordering::Relaxed).to_string();
        self.record.set(key, &content);
        content
    }

    /// An instance on the shared directory.
    pub async fn instance(&self) -> Instance {
        self.instance_asking(Arc::clone(&self.record)).await
    }

    /// An instance on the shared directory, to which the record is this.
    pub async fn instance_asking(&self, record: Arc<FakeRecord>) -> Instance {
        let directory = DirectoryTier::open(self.directory.path(), &RecordId::of(&["fake"])).await.unwrap();
        let budget = Budget::new(self.budget_bytes);
        let directory = directory.sharing(Arc::clone(&budget)).within(self.limits.clone());
        self.with(Some(Arc::new(FailingTier::new(directory))), budget, record)
    }

    /// An instance without a shared tier.
    pub fn alone(&self) -> Instance {
        self.with(None, Budget::new(self.budget_bytes), Arc::clone(&self.record))
    }

    /// A reading of `a` that has asked the record, whose answer comes when the gate is released.
    pub async fn reading_held_back(&self, instance: &Instance, ask: Ask) -> (Arc<Gate>, Reading) {
        let gate = self.record.hold_back();
        let reading = instance.reading("a", ask);
        // Who joins another's flight, where it should not, asks nothing.
        timeout(PATIENCE, gate.asked()).await.expect("it asks the record itself");
        (gate, reading)
    }

    /// The shared directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The files of the shared directory, with what is in them, and the directories in it, with nothing.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut directories = vec![self.directory.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for found in std::fs::read_dir(directory).unwrap().map(|found| found.unwrap().path()) {
                if found.is_dir() {
                    files.insert(found.clone(), Vec::new());
                    directories.push(found);
                } else {
                    // What is gone by now was on its way out: a lease that is released, a temporary that is published.
                    files.extend(std::fs::read(&found).ok().map(|content| (found, content)));
                }
            }
        }
        files
    }

    fn with(&self, tier: Option<Arc<FailingTier>>, budget: Arc<Budget>, record: Arc<FakeRecord>) -> Instance {
        let shared = tier.clone().map(|tier| tier as Arc<dyn SharedTier>);
        let cache = Cache::new(MemoryTier::within(Arc::clone(&budget)), shared, record, policy());
        Instance { cache, tier, budget, started: self.started }
    }
}

impl Instance {
    pub async fn read(&self, key: &str, millis: u64) -> Result<Read> {
        self.cache.read(&parsed(key), self.at(millis)).await
    }

    pub async fn update(&self, key: &str, millis: u64) -> Result<Read> {
        self.cache.update(&parsed(key), self.at(millis)).await
    }

    pub async fn doubt(&self, key: &str) {
        self.cache.doubt(&parsed(key)).await.unwrap();
    }

    pub async fn evict(&self, key: &str) -> Removed {
        self.cache.evict(&parsed(key)).await.unwrap()
    }

    /// Asks on a task of its own.
    pub fn reading(&self, key: &str, ask: Ask) -> Reading {
        let (cache, key) = (Arc::clone(&self.cache), parsed(key));
        tokio::spawn(async move { cache.read(&key, ask).await })
    }

    /// So long after the world began, with all the time there is.
    pub fn at(&self, millis: u64) -> Ask {
        self.by_clocks(millis as i64, millis)
    }

    /// When the two clocks have gone so far since the world began.
    pub fn by_clocks(&self, wall_millis: i64, monotonic_millis: u64) -> Ask {
        let wall = Timestamp::from_millis(WALL_MILLIS.checked_add_signed(wall_millis).unwrap());
        let now = Moment { wall, monotonic: self.started + Duration::from_millis(monotonic_millis) };
        Ask::new(now, self.started + Duration::from_secs(10_000_000))
    }

    /// What the shared tier was called for since this was called last; that a use was noted is not counted.
    pub fn calls(&self) -> Vec<&'static str> {
        self.tier.as_ref().unwrap().calls().into_iter().filter(|call| *call != "touch").collect()
    }
}

/// The defaults, in words: memory 1 s, local 60 s, stale-if-error 1 day, negative 5 s.
pub fn policy() -> Policy {
    Policy::default()
}

pub fn parsed(key: &str) -> Key {
    Key::parse(key, &Prefix::default()).unwrap()
}

/// Where an answer came from, and its body.
#[track_caller]
pub fn told(read: Result<Read>) -> (Served, String) {
    let read = read.unwrap();
    assert_eq!(read.entry.version.etag.as_ref(), format!("\"{}\"", body(&read)), "one version at a time");
    (read.served, body(&read))
}

/// That an answer came from there, with this body.
#[track_caller]
pub fn assert_told(read: Result<Read>, served: Served, body: &str) {
    assert_eq!(told(read), (served, body.to_owned()));
}

#[track_caller]
pub fn assert_absent(read: &Result<Read>) {
    assert!(matches!(read, Err(Error::NotFound { .. })), "{read:?}");
}

#[track_caller]
pub fn assert_unreachable(read: &Result<Read>) {
    assert!(matches!(read, Err(Error::Unreachable { .. })), "{read:?}");
}

pub fn body(read: &Read) -> String {
    String::from_utf8(read.entry.body.whole().unwrap().to_vec()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a monotonic clock has no other beginning; from here on time is told")]
fn now() -> Instant {
    Instant::now()
}
