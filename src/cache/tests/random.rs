//! Random operations on two instances over one directory, beside a model that knows which versions each may answer.

use proptest::prelude::*;

use super::world::{World, body, parsed};
use crate::cache::Read;
use crate::error::{Error, Result};

/// LOCAL_MAX_AGE + MEMORY_MAX_AGE.
const STALE_MILLIS_MAX: u64 = 61_000;
const MEMORY_MILLIS_MAX: u64 = 1_000;
const NEGATIVE_MILLIS_MAX: u64 = 5_000;
const KEYS: [&str; 2] = ["a", "b"];

#[derive(Clone, Copy, Debug)]
enum Operation {
    Read {
        one: usize,
        key: usize,
    },
    Update {
        one: usize,
        key: usize,
    },
    Doubt {
        one: usize,
        key: usize,
    },
    Evict {
        one: usize,
        key: usize,
    },
    Change {
        key: usize,
    },
    Delete {
        key: usize,
    },
    /// One call of this instance's tier fails, the next after so many others.
    Fail {
        one: usize,
        calls: usize,
    },
    Pass {
        millis: u64,
    },
}

/// What the record held of a key, one after the other, and what is owed to whom.
#[derive(Default)]
struct History {
    /// Each content, `None` for absent, and since when.
    contents: Vec<(Option<String>, u64)>,
    /// Doubts and evictions: by which instance, when, and which content was current.
    doubts: Vec<(usize, u64, usize)>,
    /// The oldest content that each instance's last answer can have been.
    floors: [usize; 2],
}

impl History {
    fn doubted(&mut self, one: usize, now: u64) {
        self.doubts.push((one, now, self.contents.len() - 1));
    }

    fn check(&mut self, one: usize, now: u64, asks: bool, answer: Option<String>) {
        let latest = self.contents.len() - 1;
        let doubted_by = |delay: u64| {
            let seen = move |(by, at, _): &&(usize, u64, usize)| *by == one || now >= at + delay;
            self.doubts.iter().filter(seen).map(|(_, _, current)| *current).max().unwrap_or(0)
        };
        let delay = if answer.is_some() { MEMORY_MILLIS_MAX } else { NEGATIVE_MILLIS_MAX };
        let aged = self.contents.iter().rposition(|(_, since)| since + STALE_MILLIS_MAX <= now).unwrap_or(0);
        let least = if asks { latest } else { doubted_by(delay).max(aged).max(self.floors[one]) };
        // Absence may have been the content more than once, and an answer does not say which of them it is.
        let served = (least..=latest).find(|index| self.contents[*index].0 == answer);
        let allowed = &self.contents[least..];
        self.floors[one] = served.unwrap_or_else(|| panic!("answered {answer:?} at {now}, allowed are {allowed:?}"));
    }
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let (one, key) = (0..2_usize, 0..KEYS.len());
    let place = (one.clone(), key.clone());
    let pass = prop_oneof![1..50_u64, 900..1_100_u64, 4_900..5_100_u64, 59_000..62_000_u64];
    let operation = prop_oneof![
        8 => place.clone().prop_map(|(one, key)| Operation::Read { one, key }),
        2 => place.clone().prop_map(|(one, key)| Operation::Update { one, key }),
        2 => place.clone().prop_map(|(one, key)| Operation::Doubt { one, key }),
        1 => place.prop_map(|(one, key)| Operation::Evict { one, key }),
        3 => key.clone().prop_map(|key| Operation::Change { key }),
        1 => key.prop_map(|key| Operation::Delete { key }),
        2 => (one, 0..6_usize).prop_map(|(one, calls)| Operation::Fail { one, calls }),
        4 => pass.prop_map(|millis| Operation::Pass { millis }),
    ];
    proptest::collection::vec(operation, 1..40)
}

async fn run(operations: Vec<Operation>) {
    let world = World::new();
    let instances = [world.instance().await, world.instance().await];
    let mut histories = [History::default(), History::default()];
    for history in &mut histories {
        history.contents.push((None, 0));
    }
    let (mut now, mut changes) = (0, 0);
    for operation in operations {
        match operation {
            Operation::Read { one, key } => {
                let answer = answered(instances[one].read(KEYS[key], now).await).expect("a read writes no doubt");
                histories[key].check(one, now, false, answer);
            }
            // A doubt that could not be written has failed, and is owed to nobody.
            Operation::Update { one, key } => {
                if let Some(answer) = answered(instances[one].update(KEYS[key], now).await) {
                    histories[key].check(one, now, true, answer);
                    histories[key].doubted(one, now);
                }
            }
            Operation::Doubt { one, key } => {
                if instances[one].cache.doubt(&parsed(KEYS[key])).await.is_ok() {
                    histories[key].doubted(one, now);
                }
            }
            Operation::Evict { one, key } => {
                if instances[one].cache.evict(&parsed(KEYS[key])).await.is_ok() {
                    histories[key].doubted(one, now);
                }
            }
            Operation::Change { key } => {
                changes += 1;
                let content = changes.to_string();
                world.record.set(KEYS[key], &content);
                histories[key].contents.push((Some(content), now));
            }
            Operation::Delete { key } => {
                world.record.remove(KEYS[key]);
                histories[key].contents.push((None, now));
            }
            Operation::Fail { one, calls } => instances[one].tier.as_ref().unwrap().fail_once_after(calls),
            Operation::Pass { millis } => now += millis,
        }
    }
}

/// The body that was answered, `None` in it for absent; `None` where nothing was, for the doubt could not be written. Nothing
/// else that the tier does fails a read.
fn answered(read: Result<Read>) -> Option<Option<String>> {
    match read {
        Ok(read) => Some(Some(body(&read))),
        Err(Error::NotFound { .. }) => Some(None),
        Err(Error::NotWritten { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Absence has no version, so that an answer does not say which of two it was. What was remembered of the first is answered
/// after the second began; a content between the two is then no step back.
#[tokio::test]
async fn an_absence_that_is_remembered_is_not_taken_for_a_later_one() {
    use Operation::{Change, Delete, Pass, Read};
    let (one, two) = (|| Read { one: 0, key: 0 }, Read { one: 1, key: 0 });
    run(vec![one(), Change { key: 0 }, Pass { millis: 3_000 }, two, Delete { key: 0 }, one(), Pass { millis: 5_000 }, one()])
        .await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Invariants 2, 3, 4 and 8, whatever happens in whatever order.
    /// Promise 6: "An instance that has served a version of a key serves no older one afterwards."
    /// Promise 8: "A body is exactly one version, whole, and the headers that come with it describe that version."
    #[test]
    fn no_instance_answers_what_it_may_not(operations in operations()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(operations));
    }
}
