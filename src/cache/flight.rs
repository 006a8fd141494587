//! One fill per key in the process: who comes while a flight is under way waits for its end.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use crate::sync::{AtomicBool, Mutex, MutexGuard, spawn};

/// The flights under way, by key. `U` is what a flight was started under: only who holds the same may join.
pub struct Flights<K, U, T: Clone> {
    table: Arc<Mutex<HashMap<K, Flight<U, T>>>>,
}

/// A place on a flight.
pub struct Place<T: Clone> {
    /// Whether this caller started it.
    pub leads: bool,
    /// Its end; `None` where it ended without an answer, because it panicked or the runtime is shutting down.
    pub end: Shared<BoxFuture<'static, Option<T>>>,
}

/// Tells a flight that its key was doubted or evicted in this process since it started.
#[derive(Clone, Default)]
pub struct Doubt(Arc<AtomicBool>);

impl Doubt {
    /// Whether the key was doubted since.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl<K, U, T> Flights<K, U, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    U: Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Joins the flight of `key` that was started under the same `under`, or starts one.
    ///
    /// The flight is a task of its own: it goes on when its callers are gone, and so reaches those who come later.
    pub fn join<F>(&self, key: &K, under: U, start: impl FnOnce(Doubt) -> F) -> Place<T>
    where
        U: PartialEq,
        F: Future<Output = T> + Send + 'static,
    {
        self.join_if(key, under, U::eq, start)
    }

    /// As [`Flights::join`]; `may_join` says of what was asked for first and what is asked for now whether one answer does for both.
    pub fn join_if<F>(&self, key: &K, under: U, may_join: impl FnOnce(&U, &U) -> bool, start: impl FnOnce(Doubt) -> F) -> Place<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut table = lock(&self.table);
        if let Some(flight) = table.get(key).filter(|flight| may_join(&flight.under, &under)) {
            return Place { leads: false, end: flight.end.clone() };
        }
        let doubt = Doubt::default();
        let landing = Landing { table: Arc::clone(&self.table), key: key.clone(), doubt: doubt.clone() };
        let work = start(doubt.clone());
        let task = spawn(async move {
            let landing = landing;
            let answer = work.await;
            drop(landing);
            answer
        });
        let end = task.map(Result::ok).boxed().shared();
        if let Some(older) = table.insert(key.clone(), Flight { under, doubt, end: end.clone() }) {
            // No later doubt finds it any more. That the token moved says that there has been one; or somebody wants a newer answer
            // than this, which will be held in its place.
            older.doubt.0.store(true, Ordering::SeqCst);
        }
        Place { leads: true, end }
    }

    /// Sees to it that nobody joins the flight of `key` any more, and that it knows.
    pub fn doubt(&self, key: &K) {
        if let Some(flight) = lock(&self.table).remove(key) {
            flight.doubt.0.store(true, Ordering::SeqCst);
        }
    }
}

impl<K, U, T: Clone> Default for Flights<K, U, T> {
    fn default() -> Self {
        Self { table: Arc::default() }
    }
}

struct Flight<U, T: Clone> {
    under: U,
    doubt: Doubt,
    end: Shared<BoxFuture<'static, Option<T>>>,
}

/// Takes the flight off the table when it ends, however it ends; one that took its place stays.
struct Landing<K: Eq + Hash, U, T: Clone> {
    table: Arc<Mutex<HashMap<K, Flight<U, T>>>>,
    key: K,
    doubt: Doubt,
}

impl<K: Eq + Hash, U, T: Clone> Drop for Landing<K, U, T> {
    fn drop(&mut self) {
        let mut table = lock(&self.table);
        if table.get(&self.key).is_some_and(|flight| Arc::ptr_eq(&flight.doubt.0, &self.doubt.0)) {
            table.remove(&self.key);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::sync::Notify;

    use super::*;

    struct Tower {
        flights: Flights<&'static str, u8, u32>,
        started: Arc<AtomicU32>,
        clear: Arc<Notify>,
    }

    impl Tower {
        fn new() -> Self {
            Self { flights: Flights::default(), started: Arc::default(), clear: Arc::default() }
        }

        fn join(&self, under: u8) -> Place<u32> {
            let (started, clear) = (Arc::clone(&self.started), Arc::clone(&self.clear));
            self.flights.join(&"key", under, |_| async move {
                let number = started.fetch_add(1, Ordering::SeqCst);
                clear.notified().await;
                number
            })
        }
    }

    #[tokio::test]
    async fn who_comes_meanwhile_shares_the_end_and_who_comes_after_flies_anew() {
        let tower = Tower::new();
        let (first, second) = (tower.join(1), tower.join(1));
        assert!(first.leads && !second.leads);
        tower.clear.notify_one();
        assert_eq!((first.end.await, second.end.await), (Some(0), Some(0)));
        let third = tower.join(1);
        tower.clear.notify_one();
        assert!(third.leads);
        assert_eq!(third.end.await, Some(1));
    }

    #[tokio::test]
    async fn a_flight_under_another_token_is_not_joined() {
        let tower = Tower::new();
        assert!(tower.join(1).leads);
        assert!(tower.join(2).leads);
    }

    #[tokio::test]
    async fn a_doubted_flight_is_not_joined_and_knows() {
        let flights = Flights::<&str, (), bool>::default();
        let clear = Arc::new(Notify::new());
        let start = |doubt: Doubt| {
            let clear = Arc::clone(&clear);
            async move {
                clear.notified().await;
                doubt.is_raised()
            }
        };
        let first = flights.join(&"key", (), start);
        flights.doubt(&"key");
        let second = flights.join(&"key", (), start);
        assert!(second.leads);
        clear.notify_waiters();
        tokio::task::yield_now().await;
        clear.notify_one();
        clear.notify_one();
        let clear_again = Arc::clone(&clear);
        tokio::spawn(async move { clear_again.notify_one() });
        assert_eq!((first.end.await, second.end.await), (Some(true), Some(false)));
    }

    #[tokio::test]
    async fn a_flight_that_lost_its_place_leaves_the_one_that_took_it() {
        let tower = Tower::new();
        let (older, newer) = (tower.join(1), tower.join(2));
        tokio::task::yield_now().await;
        tower.clear.notify_one();
        assert_eq!(older.end.await, Some(0));
        assert!(!tower.join(2).leads, "the newer flight is still under way");
        tower.clear.notify_one();
        assert_eq!(newer.end.await, Some(1));
    }

    #[tokio::test]
    async fn a_flight_that_panics_ends_without_an_answer_and_leaves_nothing() {
        let flights = Flights::<&str, (), u32>::default();
        let place = flights.join(&"key", (), |_| async { panic!("as it should") });
        assert_eq!(place.end.await, None);
        assert!(flights.join(&"key", (), |_| async { 1 }).leads);
    }
}
