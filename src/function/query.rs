//! Queries on the cache: what a statement reads, where it runs, and how many may at a time.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

use polars::prelude::DataFrame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

use crate::entry::Entry;
use crate::error::{Error, Result, Stopped};
use crate::frame::query::{BadQuery, Bound, Input, Part, Piece, Refused, Scalar, Statement, run};
use crate::frame::{Format, Frame};
use crate::function::View;
use crate::function::worker::{Order, Workers};
use crate::key::{Key, KeyPatterns};
use crate::tier::memory::{Derived, Weighed};

/// What marks a glob in the name of a table.
const GLOB_SIGNS: [char; 4] = ['*', '?', '[', '{'];

/// The most objects that one glob may stand for: each is read.
const OBJECTS_MAX: usize = 1_000;

/// How many queries may wait for each that runs.
const WAITING_EACH: usize = 16;

/// What parsing takes of memory, as a multiple of a body.
const PARSING_FACTOR: u64 = 8;

/// Least room that is taken for a query.
const ROOM_BYTES_MIN: u64 = 1 << 20;

/// Which queries run, and which wait.
pub struct Queries {
    /// As many as there are cores run here.
    running: Arc<Semaphore>,
    /// And so many more wait.
    places: Arc<Semaphore>,
    workers: Option<Workers>,
}

/// A statement, and what it reads, at the versions that count.
pub struct Opened {
    bound: Bound,
    tables: Vec<Vec<(Key, Arc<Entry>)>>,
}

/// That a version was asked by a query before: the next one makes a frame of all of it.
struct Asked;

impl Weighed for Asked {
    fn weight_bytes(&self) -> u64 {
        size_of::<Self>() as u64
    }
}

impl Queries {
    /// Runs what cannot be bounded beforehand in `workers`; refuses it where there are none.
    pub fn new(workers: Option<Workers>) -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        let running = Arc::new(Semaphore::new(cores));
        Self { running, places: Arc::new(Semaphore::new(cores * (1 + WAITING_EACH))), workers }
    }

    /// Takes a place among those that wait, if there is one.
    fn place(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| Error::Overloaded)
    }

    /// Waits to run.
    async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.running).acquire_owned().await.map_err(|_| Error::Overloaded)
    }
}

impl View {
    /// Parses a statement and puts `values` in place of its parameters, off the async workers.
    ///
    /// # Errors
    /// `BadQuery`.
    pub async fn bind(&self, sql: String, values: BTreeMap<String, Scalar>) -> Result<Bound> {
        let binding = spawn_blocking(move || Statement::parse(&sql)?.bind(&values));
        let bound = binding.await.unwrap_or_else(|_| Err(BadQuery::unparsable()));
        bound.map_err(|bad| Error::BadQuery { reason: bad.to_string() })
    }

    /// Reads what `bound` names: objects, and the record's listing for globs. No body is brought into memory for it.
    ///
    /// # Errors
    /// `BadQuery`, `InvalidKey`, `NotFound`, `NotListed`, and what the record says.
    pub async fn open(&self, bound: Bound) -> Result<Opened> {
        let mut tables = Vec::with_capacity(bound.tables.len());
        for name in &bound.tables {
            let keys = if name.contains(GLOB_SIGNS) { self.globbed(name).await? } else { vec![self.key(name)?] };
            let mut objects = Vec::with_capacity(keys.len());
            for key in keys {
                let entry = self.read(&key).await?.entry;
                objects.push((key, entry));
            }
            tables.push(objects);
        }
        Ok(Opened { bound, tables })
    }

    /// Answers what was opened.
    ///
    /// # Errors
    /// `BadQuery`, `QueryStopped`, `Overloaded`, `Busy`; `UnknownFormat`, `Unparsable` and `TooLarge` of what is read.
    pub async fn answer(&self, opened: Opened) -> Result<Arc<Derived<Frame>>> {
        let first = opened.tables.iter().flatten().next().map(|(key, _)| key.clone());
        let answered = timeout_at(self.ask().deadline.into(), self.run(opened)).await;
        let table = answered.unwrap_or(Err(Error::QueryStopped { why: Stopped::TimedOut }))?;
        let busy = |_| first.map_or(Error::Overloaded, |key| Error::Busy { key });
        self.hold(Frame::new(table, None)).await.map_err(busy)
    }

    /// Answers a statement: [`View::bind`], [`View::open`] and [`View::answer`].
    ///
    /// # Errors
    /// Theirs.
    pub async fn sql(&self, sql: String, values: BTreeMap<String, Scalar>) -> Result<Arc<Derived<Frame>>> {
        let bound = self.bind(sql, values).await?;
        self.answer(self.open(bound).await?).await
    }

    /// Answers a statement over `frame`, which it calls `self`. Here alone: no other process has the frame.
    ///
    /// # Errors
    /// `BadQuery`, `QueryStopped`, `Overloaded`.
    #[cfg(feature = "python")]
    pub(super) async fn sql_of(
        &self,
        frame: Arc<Derived<Frame>>,
        sql: String,
        values: BTreeMap<String, Scalar>,
    ) -> Result<Arc<Derived<Frame>>> {
        const NAME: &str = "self";
        let bad = |reason: &str| Error::BadQuery { reason: reason.to_owned() };
        let unbounded =
            || bad("what a frame is asked must be bounded beforehand: no join, no other SELECT; `cache.sql` has them all");
        let bound = self.bind(sql, values).await?;
        if bound.tables.iter().any(|table| table != NAME) {
            return Err(bad("a frame is asked about `self`; `cache.sql` reads objects"));
        }
        if bound.shape.is_unbounded {
            return Err(unbounded());
        }
        let pieces = vec![Piece { key: self.key(NAME)?, part: Part::Frame(frame) }];
        let inputs: Vec<_> = bound.tables.iter().map(|table| Input { table: table.clone(), pieces: pieces.clone() }).collect();
        let queries = self.engine().queries();
        let turn = (queries.place()?, queries.turn().await?);
        let (frame_bytes_max, bytes_max) = (self.engine().frame_bytes_max(), self.making_max());
        let running = spawn_blocking(move || {
            let answered = run(&bound, &inputs, frame_bytes_max, Some(bytes_max));
            drop(turn);
            answered
        });
        let ended = timeout_at(self.ask().deadline.into(), running).await;
        let ended = ended.map_err(|_| Error::QueryStopped { why: Stopped::TimedOut })?;
        match ended.map_err(|cause| Error::FunctionFailed { function: "query".to_owned(), cause: cause.into() })? {
            Ok(table) => self.hold(Frame::new(table, None)).await.map_err(|_| Error::Overloaded),
            Err(Refused::Failed(error)) => Err(error),
            Err(Refused::Unbounded) => Err(unbounded()),
        }
    }

    async fn globbed(&self, name: &str) -> Result<Vec<Key>> {
        let bad = |reason: String| Error::BadQuery { reason };
        let patterns = KeyPatterns::parse([name]).map_err(|error| bad(error.to_string()))?;
        let keys = self.matching(&patterns).await?;
        match keys.len() {
            0 => Err(bad(format!("no object matches `{name}`"))),
            1..=OBJECTS_MAX => Ok(keys),
            many => Err(bad(format!("{many} objects match `{name}`, and {OBJECTS_MAX} may"))),
        }
    }

    async fn run(&self, Opened { bound, tables }: Opened) -> Result<DataFrame> {
        let queries = self.engine().queries();
        let (place, bound) = (Arc::new(queries.place()?), Arc::new(bound));
        if !bound.shape.is_unbounded
            && let Some(table) = self.run_here(queries, &place, &bound, &tables).await?
        {
            return Ok(table);
        }
        let inputs = self.bodies_of(&bound, &tables).await?;
        let _turn = queries.turn().await?;
        self.run_elsewhere(queries, &bound, &inputs).await
    }

    /// `None` where it turned out larger than what may run here.
    async fn run_here(
        &self,
        queries: &Queries,
        place: &Arc<OwnedSemaphorePermit>,
        bound: &Arc<Bound>,
        tables: &[Vec<(Key, Arc<Entry>)>],
    ) -> Result<Option<DataFrame>> {
        // Before its turn: a record that is slow holds up nobody else.
        let inputs = self.inputs_of(bound, tables).await?;
        let turn = (Arc::clone(place), queries.turn().await?);
        let read: u64 = tables.iter().flatten().map(|(_, entry)| entry.facts.size).fold(0, u64::saturating_add);
        let room_bytes = read.saturating_mul(PARSING_FACTOR).max(ROOM_BYTES_MIN);
        let busy = |_| tables.iter().flatten().next().map_or(Error::Overloaded, |(key, _)| Error::Busy { key: key.clone() });
        let room = self.room(room_bytes).await.map_err(busy)?;
        let (frame_bytes_max, bytes_max, bound) = (self.engine().frame_bytes_max(), self.making_max(), Arc::clone(bound));
        // Nobody can stop it: it keeps its turn and its room until it ends, whoever has gone meanwhile.
        let running = spawn_blocking(move || {
            let answered = run(&bound, &inputs, frame_bytes_max, Some(bytes_max));
            drop((turn, room));
            answered
        });
        match running.await.map_err(|cause| Error::FunctionFailed { function: "query".to_owned(), cause: cause.into() })? {
            Ok(table) => Ok(Some(table)),
            Err(Refused::Failed(error)) => Err(error),
            Err(Refused::Unbounded) => Ok(None),
        }
    }

    async fn run_elsewhere(&self, queries: &Queries, bound: &Bound, inputs: &[Input]) -> Result<DataFrame> {
        let Some(workers) = &queries.workers else {
            let reason = "it cannot be bounded beforehand, and this program runs no processes for such".to_owned();
            return Err(Error::BadQuery { reason });
        };
        let (answer_bytes_max, frame_bytes_max) = (self.making_max(), self.engine().frame_bytes_max());
        let order = Order { bound, inputs, answer_bytes_max, frame_bytes_max };
        workers.run(order, self.ask().now.monotonic, self.ask().deadline).await
    }

    /// What a query that runs elsewhere is given.
    async fn bodies_of(&self, bound: &Bound, tables: &[Vec<(Key, Arc<Entry>)>]) -> Result<Vec<Input>> {
        let mut inputs = Vec::with_capacity(tables.len());
        for (table, objects) in bound.tables.iter().zip(tables) {
            let mut pieces = Vec::with_capacity(objects.len());
            for (key, entry) in objects {
                let format = Format::of(key, &entry.facts)?;
                pieces.push(Piece { key: key.clone(), part: Part::Body(format, self.body(key, entry).await?) });
            }
            inputs.push(Input { table: table.clone(), pieces });
        }
        Ok(inputs)
    }

    /// What a query that runs here is given: frames where they are held, or are likely to be of use again; else bodies.
    async fn inputs_of(&self, bound: &Bound, tables: &[Vec<(Key, Arc<Entry>)>]) -> Result<Vec<Input>> {
        let mut inputs = Vec::with_capacity(tables.len());
        for (table, objects) in bound.tables.iter().zip(tables) {
            let mut pieces = Vec::with_capacity(objects.len());
            for (key, entry) in objects {
                pieces.push(Piece { key: key.clone(), part: self.part(key, entry).await? });
            }
            inputs.push(Input { table: table.clone(), pieces });
        }
        Ok(inputs)
    }

    async fn part(&self, key: &Key, entry: &Arc<Entry>) -> Result<Part> {
        const ASKED: &str = "asked";
        if let Some(frame) = self.held::<Frame>(Frame::KIND, key, entry) {
            return Ok(Part::Frame(frame));
        }
        let format = Format::of(key, &entry.facts)?;
        if format != Format::Parquet {
            return self.frame(key, entry).await.map(Part::Frame);
        }
        // A part of parquet is cheaper than all of it, once.
        if self.held::<Asked>(ASKED, key, entry).is_some() {
            match self.frame(key, entry).await {
                Err(Error::TooLarge { .. } | Error::Busy { .. }) => {}
                made => return made.map(Part::Frame),
            }
        } else {
            self.derive(ASKED, key, entry, || Ok(Asked)).await?;
        }
        Ok(Part::Body(format, self.body(key, entry).await?))
    }
}
