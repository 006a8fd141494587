//! What each instance may answer at each moment: DESIGN's invariants 2, 3, 4 and 8, kept by hand.

use super::clock::Clock;
use crate::cache::tests::fake_record::Mood;
use crate::cache::tests::world::body;
use crate::cache::{Read, Served};
use crate::error::{Error, Result};
use crate::freshness::{Demand, Keeping, Source};

const MEMORY_MILLIS_MAX: u64 = 1_000;
const NEGATIVE_MILLIS_MAX: u64 = 5_000;
const LOCAL_MILLIS_MAX: u64 = 60_000;
const STALE_IF_ERROR_MILLIS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// For how long after the record was asked in vain a stale entry stands in and it is not asked.
const SPARED_MILLIS_MAX: u64 = 60_000;

/// What two instances whose clocks were once wrong may differ by: the record's `Date` has whole seconds.
const CORRECTED_MILLIS_MAX: u64 = 2_000;

/// Knows what the record has held, and what is owed to whom.
pub struct Model {
    /// Milliseconds since the world began.
    pub now: u64,
    mood: Mood,
    /// When the record last gave no answers; `None` where it always did.
    silent_at: Option<u64>,
    histories: Vec<History>,
    open: Vec<Open>,
    begun: u64,
    has_wrong_clocks: bool,
}

/// What the record held of a key, one after the other.
struct History {
    /// Each content, `None` for absent, and since when.
    contents: Vec<(Option<String>, u64)>,
    doubts: Vec<Doubt>,
    /// The oldest content that each instance's last answer can have been.
    floors: Vec<usize>,
}

/// A doubt or an eviction that has returned.
struct Doubt {
    by: usize,
    returned: u64,
    /// Which content was current when it began: what is asked for from then on is at least that.
    content: usize,
    evicts: bool,
}

/// An operation under way. What it may answer is known when it begins, but for what the record gets meanwhile.
struct Open {
    number: u64,
    one: usize,
    key: usize,
    /// When it began, or whatever it may share the answer of.
    shares_from: u64,
    /// The moods that the record was in since then.
    moods: Vec<Mood>,
    /// How much the instance's clock may be behind, and it not know.
    behind_millis: u64,
    latest: usize,
    bounds: Bounds,
}

/// The oldest content that may be answered.
#[derive(Clone, Copy)]
struct Bounds {
    body: usize,
    absence: usize,
    /// Where a stale entry stands in for a record that gives no answer.
    stale: usize,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// What may be believed.
    Read,
    /// What the record says now; nothing is doubted.
    Confirm,
    /// What may be believed; it is not to be kept.
    ReadUnkept,
    /// What may be believed but for its age.
    ReadStale,
    /// What the record has now.
    Update,
    /// Nothing; it is doubted.
    Doubt,
    /// Nothing; it is evicted.
    Evict,
}

impl Wish {
    /// What it demands.
    pub fn demand(self) -> Demand {
        match self {
            Self::Confirm => Demand { source: Source::Record, ..Demand::default() },
            Self::ReadUnkept => Demand { keeping: Keeping::Dropped, ..Demand::default() },
            Self::ReadStale => Demand { overdue_secs_max: u32::MAX, ..Demand::default() },
            Self::Read | Self::Update | Self::Doubt | Self::Evict => Demand::default(),
        }
    }

    /// Whether it says that the key is doubted from its end on.
    fn doubts(self) -> bool {
        matches!(self, Self::Update | Self::Doubt | Self::Evict)
    }
}

/// An operation under way, for [`Model::end`].
#[derive(Clone, Copy)]
pub struct Begun {
    number: u64,
    wish: Wish,
}

impl Model {
    pub fn new(keys: usize, instances: usize) -> Self {
        let history = || History { contents: vec![(None, 0)], doubts: Vec::new(), floors: vec![0; instances] };
        let histories = (0..keys).map(|_| history()).collect();
        Self { now: 0, mood: Mood::Well, silent_at: None, histories, open: Vec::new(), begun: 0, has_wrong_clocks: false }
    }

    pub fn changed(&mut self, key: usize, content: Option<String>) {
        self.histories[key].contents.push((content, self.now));
    }

    pub fn feels(&mut self, mood: Mood) {
        if matches!(self.mood, Mood::Down | Mood::Throttling) {
            self.silent_at = Some(self.now);
        }
        self.mood = mood;
        for open in &mut self.open {
            open.moods.push(mood);
        }
    }

    /// An instance's clock was set, by this much at most. Who is at work meanwhile may learn any of its positions.
    pub fn clock_set(&mut self, one: usize, millis_max: u64) {
        self.has_wrong_clocks = true;
        for open in self.open.iter_mut().filter(|open| open.one == one) {
            open.behind_millis = 2 * millis_max;
        }
    }

    /// An instance has died, with all that it was asked; the next in its place has served nothing.
    pub fn died(&mut self, one: usize) {
        self.open.retain(|open| open.one != one);
        for history in &mut self.histories {
            history.floors[one] = 0;
        }
    }

    pub fn begin(&mut self, one: usize, key: usize, wish: Wish, clock: &Clock) -> Begun {
        // It may be handed what an earlier one of this instance is waiting for.
        let shared = self.open.iter().filter(|open| open.one == one && open.key == key);
        let shares_from = shared.clone().map(|open| open.shares_from).fold(self.now, u64::min);
        let moods = shared.flat_map(|open| open.moods.iter().copied()).chain([self.mood]).collect();
        let others = self.open.iter().filter(|open| open.one == one).map(|open| open.behind_millis);
        let behind_millis = others.fold(clock.behind_millis(), u64::max);
        let history = &self.histories[key];
        let latest = history.contents.len() - 1;
        let bounds = history.bounds(one, self.now);
        let is_of_now = wish.doubts() || wish == Wish::Confirm;
        let bounds = if is_of_now { Bounds { body: latest, absence: latest, ..bounds } } else { bounds };
        self.begun += 1;
        self.open.push(Open { number: self.begun, one, key, shares_from, moods, behind_millis, latest, bounds });
        Begun { number: self.begun, wish }
    }

    /// Judges how an operation ended. Nothing that the directory does fails a read.
    pub fn end(&mut self, begun: Begun, answer: Result<Option<Box<Read>>>) {
        let index = self.open.iter().position(|open| open.number == begun.number).expect("it began, and its instance lives");
        let open = self.open.swap_remove(index);
        let was = |mood: Mood| open.moods.contains(&mood);
        let (answer, least) = match answer {
            Ok(None) => return self.doubted(&open, begun.wish),
            Ok(Some(read)) => {
                let text = body(&read);
                assert_eq!(read.entry.version.etag.as_ref(), format!("\"{text}\""), "one version at a time");
                let stale = matches!(read.served, Served::Stale(_));
                assert!(!stale || begun.wish != Wish::Confirm, "nothing stands in for what the record says now");
                let was_silent = was(Mood::Down) || was(Mood::Throttling);
                let was_lately = self.silent_at.is_some_and(|at| at + SPARED_MILLIS_MAX >= open.shares_from);
                assert!(!stale || was_silent || was_lately, "the record was well when a stale entry stood in");
                let local = if stale { STALE_IF_ERROR_MILLIS_MAX } else { MEMORY_MILLIS_MAX };
                // Without asking it is none from before a doubt.
                let bound = if stale && was_silent { open.bounds.stale } else { open.bounds.body };
                let is_of_any_age = begun.wish == Wish::ReadStale;
                let aged = if is_of_any_age { 0 } else { self.aged(&open, LOCAL_MILLIS_MAX + local) };
                (Some(text), bound.max(aged))
            }
            Err(Error::NotFound { .. }) => (None, open.bounds.absence.max(self.aged(&open, NEGATIVE_MILLIS_MAX))),
            // A doubt that could not be written has failed, and is owed to nobody.
            Err(Error::NotWritten { .. }) if begun.wish.doubts() => return,
            Err(Error::Unreachable { .. }) if was(Mood::Down) => return,
            Err(Error::Forbidden { .. }) if was(Mood::Forbidding) => return,
            Err(Error::Throttled { .. }) if was(Mood::Throttling) => return,
            Err(error) => panic!("{error:?}"),
        };
        let history = &mut self.histories[open.key];
        // Absence may have been the content more than once, and an answer does not say which of them it is.
        let allowed = least..history.contents.len();
        let served = allowed.clone().find(|index| history.contents[*index].0 == answer);
        let floor = &mut history.floors[open.one];
        let served = served.unwrap_or_else(|| {
            panic!(
                "{} of {} answered {answer:?} at {}, allowed are {:?}",
                open.one, open.key, self.now, &history.contents[allowed]
            )
        });
        *floor = served.max(*floor);
        self.doubted(&open, begun.wish);
    }

    /// What `key` has been for so long that everybody has to know.
    pub fn current(&self, key: usize) -> Option<String> {
        self.histories[key].contents.last().and_then(|(content, _)| content.clone())
    }

    /// The content that was there when what `open` may be handed was this old.
    fn aged(&self, open: &Open, most: u64) -> usize {
        let error_millis = if self.has_wrong_clocks { CORRECTED_MILLIS_MAX + open.behind_millis } else { 0 };
        let by = open.shares_from.saturating_sub(error_millis);
        self.histories[open.key].contents.iter().rposition(|(_, since)| since + most <= by).unwrap_or(0)
    }

    fn doubted(&mut self, open: &Open, wish: Wish) {
        if !wish.doubts() {
            return;
        }
        let evicts = wish == Wish::Evict;
        let doubt = Doubt { by: open.one, returned: self.now, content: open.latest, evicts };
        self.histories[open.key].doubts.push(doubt);
    }
}

impl History {
    fn bounds(&self, one: usize, now: u64) -> Bounds {
        let floor = self.floors[one];
        let doubted = |delay: u64| {
            let seen = |doubt: &&Doubt| doubt.by == one || now >= doubt.returned + delay;
            self.doubts.iter().filter(seen).map(|doubt| doubt.content).max().unwrap_or(0).max(floor)
        };
        let evicted = self.doubts.iter().filter(|doubt| doubt.evicts).map(|doubt| doubt.content).max().unwrap_or(0);
        Bounds { body: doubted(MEMORY_MILLIS_MAX), absence: doubted(NEGATIVE_MILLIS_MAX), stale: floor.max(evicted) }
    }
}
