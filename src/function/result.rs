//! Results: what functions answered, kept with all that they read, and answered again only while every bit of that is current.
//!
//! Nothing drops a result when an input is doubted. Whoever would answer with one asks the cache for the current version of each
//! input, as a read would; so a result is never older than a read of its inputs is, and a doubt that ends in the same version costs
//! no computing (pitfall 8).

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use tokio::time::timeout_at;

use crate::cache::{Ask, Flights};
use crate::error::{Error, Result};
use crate::freshness::{Demand, Keeping, Timestamp};
use crate::function::{Answer, Arguments, Function, Inputs, Retention, View};
use crate::tier::memory::{Kind, Weighed};
use crate::tier::{Stored, TierName};

mod call;
mod file;

pub use call::Call;

/// How often a call looks again for what others compute, before it computes for itself.
const JOINS_MAX: usize = 3;

/// What a call came to.
#[derive(Clone, Debug)]
pub struct Called {
    /// What the function answered.
    pub answer: Answer,
    /// Where that came from.
    pub origin: Origin,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was computed for this call.
    Computed {
        /// And is kept for the next.
        is_kept: bool,
    },
    /// An equal call at the same time computed it.
    Shared,
    /// It was kept, and all that it was computed from is as it was.
    Kept(TierName),
}

/// The results that are kept, and the calls that are under way.
#[derive(Default)]
pub struct Results {
    calls: Flights<Call, Ask, Arc<Outcome>>,
    /// Of each function that keeps so many calls: which, the last one last.
    recent: Mutex<HashMap<String, LruCache<Call, ()>>>,
}

/// A result that is kept.
#[derive(Debug)]
struct Kept {
    answer: Answer,
    inputs: Inputs,
    computed_at: Timestamp,
}

/// How a call ended that others may have waited for.
struct Outcome {
    answer: Result<Answer>,
    inputs: Inputs,
    is_kept: bool,
    is_by_chance: bool,
}

impl Weighed for Kept {
    fn weight_bytes(&self) -> u64 {
        self.inputs.weight_bytes() + self.answer.own_bytes()
    }

    fn held_bytes(&self) -> u64 {
        self.answer.held_bytes()
    }
}

impl Results {
    /// Answers a call of `function`: with what is kept, with what an equal call is computing, or anew.
    ///
    /// # Errors
    /// What the function says; `FunctionFailed` where there is no time left.
    pub(super) async fn answer(&self, function: &Arc<dyn Function>, arguments: Arguments, view: &View) -> Result<Called> {
        let spec = function.spec();
        if spec.retention == Retention::Nowhere {
            let answer = function.call(&arguments, view).await?;
            return Ok(Called { answer, origin: Origin::Computed { is_kept: false } });
        }
        let call = Call::of(spec, &arguments);
        let ask = view.ask();
        if ask.demand.admits_held()
            && let Some(called) = self.find(&call, spec.retention, view).await
        {
            self.note_use(&spec.name, spec.retention, &call, view);
            return Ok(called);
        }
        let computing = Computing { function: Arc::clone(function), arguments, call: call.clone(), view: view.within(&call) };
        // Who asks for its own freshness computes for itself; and a function that comes back to itself must not wait for itself.
        if ask.demand == Demand::default() && !view.is_within(&call) {
            for _ in 0..JOINS_MAX {
                let computing = computing.clone();
                let place = self.calls.join_if(&call, ask, |_, _| true, |_| async move { Arc::new(computing.run().await) });
                let outcome = timeout_at(ask.deadline.into(), place.end).await.map_err(|_| out_of_time(&spec.name))?;
                let outcome = outcome.ok_or_else(|| failed(&spec.name, "it was cut short"))?;
                if place.leads || self.does_for(&outcome, view).await {
                    let origin = if place.leads { Origin::Computed { is_kept: outcome.is_kept } } else { Origin::Shared };
                    view.seen().take_over(&outcome.inputs);
                    if outcome.is_by_chance {
                        view.seen().note_chance();
                    }
                    self.note_use(&spec.name, spec.retention, &call, view);
                    return outcome.answer.clone().map(|answer| Called { answer, origin });
                }
            }
        }
        let outcome = computing.run().await;
        self.note_use(&spec.name, spec.retention, &call, view);
        outcome.answer.map(|answer| Called { answer, origin: Origin::Computed { is_kept: outcome.is_kept } })
    }

    /// What is kept of `call`, if it may be answered.
    async fn find(&self, call: &Call, retention: Retention, view: &View) -> Option<Called> {
        let in_memory = view.kept::<Kept>(kind(call));
        if let Some(kept) = &in_memory
            && may_answer(kept, retention, view).await
        {
            return Some(Called { answer: kept.answer.clone(), origin: Origin::Kept(TierName::Memory) });
        }
        let Retention::Tiers { .. } = retention else { return None };
        // A tier that fails costs a computation, and has been counted.
        let bytes = view.shared_results()?.load(&call.result_name()).await.ok()??;
        let kept = file::decoded(bytes, view).await?;
        if !may_answer(&kept, retention, view).await {
            return None;
        }
        let answer = kept.answer.clone();
        if view.ask().demand.keeping == Keeping::Kept {
            view.keep(kind(call), kept).await;
        }
        Some(Called { answer, origin: Origin::Kept(TierName::Directory) })
    }

    /// Whether what an equal call came to answers this one too: it may have begun before something changed, or had less time.
    async fn does_for(&self, outcome: &Outcome, view: &View) -> bool {
        let is_its_own = matches!(
            outcome.answer,
            Err(Error::Deadline { .. } | Error::Busy { .. } | Error::Changed { .. } | Error::FunctionFailed { .. })
        );
        !is_its_own && is_current(&outcome.inputs, view).await
    }

    /// Takes down that `call` was used, where a function keeps so many, and lets go of the one that was not used for longest.
    fn note_use(&self, function: &str, retention: Retention, call: &Call, view: &View) {
        let Retention::Memory { calls_max: Some(calls_max) } = retention else { return };
        let Some(calls_max) = usize::try_from(calls_max).ok().and_then(NonZeroUsize::new) else { return };
        let gone = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            let calls = recent.entry(function.to_owned()).or_insert_with(|| LruCache::new(calls_max));
            let mut gone = Vec::new();
            // Another version of the function may keep more or less.
            while calls.len() > calls_max.get() {
                gone.extend(calls.pop_lru());
            }
            calls.resize(calls_max);
            gone.extend(calls.push(call.clone(), ()).filter(|(other, ())| other != call));
            gone
        };
        for (other, ()) in gone {
            view.let_go(kind(&other));
        }
    }
}

/// A call as a task of its own: it goes on when its callers are gone.
#[derive(Clone)]
struct Computing {
    function: Arc<dyn Function>,
    arguments: Arguments,
    call: Call,
    view: View,
}

impl Computing {
    async fn run(self) -> Outcome {
        let Self { function, arguments, call, view } = self;
        let answer = function.call(&arguments, &view).await;
        let inputs = view.seen().inputs();
        let is_by_chance = view.seen().is_by_chance();
        let is_kept = match &answer {
            // Pitfall 23: errors are not.
            Err(_) => false,
            Ok(_) if is_by_chance => false,
            Ok(answer) => keep(&call, function.spec().retention, answer, &inputs, &view).await,
        };
        Outcome { answer, inputs, is_kept, is_by_chance }
    }
}

/// Keeps an answer where `retention` says; whether it is.
async fn keep(call: &Call, retention: Retention, answer: &Answer, inputs: &Inputs, view: &View) -> bool {
    let is_wanted = !matches!(retention, Retention::Nowhere | Retention::Memory { calls_max: Some(0) });
    if !is_wanted || view.ask().demand.keeping == Keeping::Dropped {
        return false;
    }
    let kept = || Kept { answer: answer.clone(), inputs: inputs.clone(), computed_at: view.ask().now.wall };
    let in_memory = view.keep(kind(call), kept()).await;
    let (Retention::Tiers { .. }, Some(shared)) = (retention, view.shared_results()) else { return in_memory };
    let encoded = file::encoded_elsewhere(Arc::new(kept())).await.ok().flatten();
    let saved = match encoded {
        Some(bytes) => shared.save(&call.result_name(), bytes).await,
        None => return in_memory,
    };
    in_memory || matches!(saved, Ok(Stored::Stored))
}

/// Whether what is kept may be answered; then the call that is answered has read what it rests on.
async fn may_answer(kept: &Kept, retention: Retention, view: &View) -> bool {
    let may = is_young(kept.computed_at, retention, view.ask()) && is_current(&kept.inputs, view).await;
    if may {
        view.seen().take_over(&kept.inputs);
    }
    may
}

/// Whether all that an answer rests on is as it was, as far as a read would tell.
async fn is_current(inputs: &Inputs, view: &View) -> bool {
    view.seen().agrees_with(inputs) && view.has_still(inputs).await
}

fn is_young(computed_at: Timestamp, retention: Retention, ask: Ask) -> bool {
    let Retention::Tiers { max_age: Some(max_age) } = retention else { return true };
    ask.now.wall.since(computed_at) < max_age
}

fn kind(call: &Call) -> Kind {
    Kind { name: "result", of: Some(call.hex().into()) }
}

fn out_of_time(function: &str) -> Error {
    failed(function, "there was not enough time")
}

fn failed(function: &str, cause: &'static str) -> Error {
    Error::FunctionFailed { function: function.to_owned(), cause: cause.into() }
}
