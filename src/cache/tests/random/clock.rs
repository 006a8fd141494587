//! An instance's wall clock, which somebody sets. The record's own is right, and so is every monotonic one.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use crate::cache::tests::fake_record::Asker;
use crate::cache::tests::world::WALL_MILLIS;
use crate::freshness::Timestamp;

pub struct Clock {
    /// Milliseconds since the world began, by the record's clock.
    now: Arc<AtomicU64>,
    set: Mutex<Set>,
}

#[derive(Clone, Copy)]
struct Set {
    ahead_millis: i64,
    /// How far ahead the instance takes it to be, or less, as the record's answers have told.
    known_millis: i64,
}

impl Clock {
    pub fn new(now: Arc<AtomicU64>, ahead_millis: i64) -> Self {
        Self { now, set: Mutex::new(Set { ahead_millis, known_millis: 0 }) }
    }

    pub fn set(&self, ahead_millis: i64) {
        self.set.lock().unwrap().ahead_millis = ahead_millis;
    }

    pub fn ahead_millis(&self) -> i64 {
        self.set.lock().unwrap().ahead_millis
    }

    /// By how much the instance may take the time to be earlier than it is: what it has not learnt yet.
    pub fn behind_millis(&self) -> u64 {
        let set = self.set.lock().unwrap();
        u64::try_from(set.known_millis - set.ahead_millis).unwrap_or(0)
    }

    fn right(&self) -> u64 {
        WALL_MILLIS + self.now.load(SeqCst)
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.right().checked_add_signed(self.ahead_millis()).unwrap())
    }
}

impl Asker for Clock {
    fn clocks(&self) -> (Timestamp, Timestamp) {
        (Timestamp::from_millis(self.right()), self.wall())
    }

    fn learns(&self, date: Timestamp, asked: Timestamp) {
        let after = |wall: Timestamp| wall.as_millis().cast_signed() - date.as_millis().cast_signed();
        let (asked, answered) = (after(asked), after(self.wall()));
        let mut set = self.set.lock().unwrap();
        set.known_millis = set.known_millis.min(answered).max(asked);
    }
}
