//! Histories of puts and deletes whose events come twice, late and in any order, while others read.

use proptest::prelude::*;

use super::{changed, refresher};
use crate::cache::tests::world::{Instance, World, body};
use crate::error::Error;

const MEMORY_MILLIS_MAX: u64 = 1_000;
const NEGATIVE_MILLIS_MAX: u64 = 5_000;
const KEYS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Copy, Debug)]
enum Step {
    Put {
        key: usize,
    },
    Delete {
        key: usize,
    },
    /// One of the events that have not come yet, or have and come again.
    Deliver {
        event: prop::sample::Index,
        at: usize,
        comes_again: bool,
    },
    Read {
        one: usize,
        key: usize,
    },
    Pass {
        millis: u64,
    },
}

/// What the record holds of a key, and since when no instance may answer anything else.
#[derive(Clone, Default)]
struct Truth {
    body: Option<String>,
    told_at: Option<u64>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (one, key) = (0..2_usize, 0..KEYS.len());
    let step = prop_oneof![
        3 => key.clone().prop_map(|key| Step::Put { key }),
        1 => key.clone().prop_map(|key| Step::Delete { key }),
        4 => (any::<prop::sample::Index>(), one.clone(), any::<bool>())
            .prop_map(|(event, at, comes_again)| Step::Deliver { event, at, comes_again }),
        5 => (one, key).prop_map(|(one, key)| Step::Read { one, key }),
        3 => prop_oneof![1..50_u64, 900..1_100_u64, 2_000..3_000_u64].prop_map(|millis| Step::Pass { millis }),
    ];
    proptest::collection::vec(step, 1..50)
}

async fn run(steps: Vec<Step>, order: Vec<prop::sample::Index>) {
    let world = World::new();
    let readers = [world.instance().await, world.instance().await];
    let refreshing = [world.instance().await, world.instance().await];
    let refreshers = refreshing.each_ref().map(|instance| refresher(instance, &["c"]));
    let mut truths = [const { Truth { body: None, told_at: None } }; KEYS.len()];
    // An event carries no facts: it is a key.
    let mut events = Vec::<usize>::new();
    let (mut now, mut changes) = (0, 0);
    for step in steps {
        match step {
            Step::Put { key } => {
                changes += 1;
                world.record.set(KEYS[key], &changes.to_string());
                truths[key] = Truth { body: Some(changes.to_string()), told_at: None };
                events.push(key);
            }
            Step::Delete { key } => {
                world.record.remove(KEYS[key]);
                truths[key] = Truth::default();
                events.push(key);
            }
            Step::Deliver { .. } if events.is_empty() => {}
            Step::Deliver { event, at, comes_again } => {
                let index = event.index(events.len());
                let key = if comes_again { events[index] } else { events.swap_remove(index) };
                changed(&refreshers[at], &refreshing[at], &[KEYS[key]], now).await;
                truths[key].told_at.get_or_insert(now);
            }
            Step::Read { one, key } => check(&readers[one], key, &truths[key], now).await,
            Step::Pass { millis } => now += millis,
        }
    }
    for (at, index) in order.iter().enumerate() {
        if !events.is_empty() {
            let key = events.swap_remove(index.index(events.len()));
            changed(&refreshers[at % 2], &refreshing[at % 2], &[KEYS[key]], now).await;
        }
    }
    assert!(events.is_empty(), "all have come in the end");
    for (key, truth) in truths.into_iter().enumerate() {
        let truth = Truth { told_at: Some(now), ..truth };
        for reader in readers.iter().chain(&refreshing) {
            check(reader, key, &truth, now + MEMORY_MILLIS_MAX).await;
            check(reader, key, &truth, now + NEGATIVE_MILLIS_MAX).await;
        }
    }
}

/// Reads, and holds the answer against the record where everybody must know.
async fn check(reader: &Instance, key: usize, truth: &Truth, now: u64) {
    let (answer, is_remembered) = match reader.read(KEYS[key], now).await {
        Ok(read) => (Some(body(&read)), false),
        Err(Error::NotFound { remembered_for, .. }) => (None, remembered_for.is_some()),
        Err(error) => panic!("{error}"),
    };
    // An absence is remembered without a look.
    let patience = if is_remembered { NEGATIVE_MILLIS_MAX } else { MEMORY_MILLIS_MAX };
    if truth.told_at.is_some_and(|told_at| now >= told_at + patience) {
        assert_eq!(answer, truth.body, "`{}` at {now}, told of at {:?}", KEYS[key], truth.told_at);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Pitfall 25: "S3 events come twice, late and out of order". However they come, who reads MEMORY_MAX_AGE after the last of a
    /// key's events reads what the record has.
    #[test]
    fn events_that_come_twice_late_and_in_any_order_end_in_what_the_record_has(
        steps in steps(),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 50),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps, order));
    }
}
