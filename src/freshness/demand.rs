//! What a caller demands of an answer's freshness, more or less than the policy gives. Pure.

use std::time::Duration;

/// What a caller demands. The default takes what the policy gives.
///
/// Small, for it travels with every request. Times are in whole seconds, as HTTP has them.
///
/// ```
/// use std::time::Duration;
/// use cache_api::freshness::Demand;
///
/// let (fresh_for, age) = (Duration::from_secs(60), Duration::from_secs);
/// assert!(Demand::default().admits(age(59), fresh_for) && !Demand::default().admits(age(60), fresh_for));
/// let within = Demand { age_secs_max: Some(10), ..Demand::default() };
/// assert!(within.admits(age(10), fresh_for) && !within.admits(age(11), fresh_for));
/// let for_long = Demand { ttl_secs_min: 20, ..Demand::default() };
/// assert!(for_long.admits(age(40), fresh_for) && !for_long.admits(age(41), fresh_for));
/// let patient = Demand { overdue_secs_max: 30, ..Demand::default() };
/// assert!(patient.admits(age(90), fresh_for) && !patient.admits(age(91), fresh_for));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// The oldest answer that will do; `None` for as old as the policy lets it be.
    pub age_secs_max: Option<u32>,
    /// For how long an answer has to stay fresh.
    pub ttl_secs_min: u32,
    /// How long an answer may have been stale; without end for `u32::MAX`.
    pub overdue_secs_max: u32,
    /// Who may be asked for it.
    pub source: Source,
    /// Whether it may be kept.
    pub keeping: Keeping,
}

/// Who may be asked for an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Whoever is nearest.
    #[default]
    Nearest,
    /// The record, from now on: whatever is held, and whatever it was asked before.
    Record,
    /// The tiers alone: the record is not asked.
    Tiers,
    /// The record, and it is not asked: there is no such answer.
    Nobody,
}

/// Whether what an answer brings is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// It is, for the next reader.
    #[default]
    Kept,
    /// It is not: this answer leaves no body behind that was not there before.
    Dropped,
}

impl Demand {
    /// Whether what was confirmed `age` ago, and is fresh for `fresh_for` from then on, may be answered without asking the record.
    pub fn admits(&self, age: Duration, fresh_for: Duration) -> bool {
        // By far the most demand nothing.
        let is_fresh = age < fresh_for;
        if *self == Self::default() {
            return is_fresh;
        }
        let is_young = self.age_secs_max.is_none_or(|most| age <= seconds(most));
        let is_timely = match (self.ttl_secs_min, self.overdue_secs_max) {
            (0, 0) => is_fresh,
            (0, u32::MAX) => true,
            (0, overdue_max) => age <= fresh_for.saturating_add(seconds(overdue_max)),
            // Who wants it fresh for a while yet does not take it stale, whatever is said besides.
            (ttl_min, _) => age.saturating_add(seconds(ttl_min)) <= fresh_for,
        };
        self.admits_held() && is_young && is_timely
    }

    /// Whether that the record had no such object may be answered, said `age` ago and remembered for `remembered_for`.
    pub fn admits_absence(&self, age: Duration, remembered_for: Duration) -> bool {
        let is_young = self.age_secs_max.is_none_or(|most| age <= seconds(most));
        self.admits_held() && is_young && age < remembered_for
    }

    /// Whether anything that is held may be answered.
    pub fn admits_held(&self) -> bool {
        matches!(self.source, Source::Nearest | Source::Tiers)
    }

    /// Whether the record may be asked.
    pub fn admits_asking(&self) -> bool {
        matches!(self.source, Source::Nearest | Source::Record)
    }

    /// Whether the record is asked for what the policy calls fresh.
    pub fn is_strict(&self) -> bool {
        self.age_secs_max.is_some() || self.ttl_secs_min > 0 || !self.admits_held()
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH_FOR: Duration = Duration::from_secs(60);

    fn ages_admitted(demand: Demand) -> Vec<u64> {
        [0, 5, 10, 40, 59, 60, 61, 90, 1000]
            .into_iter()
            .filter(|age| demand.admits(Duration::from_secs(*age), FRESH_FOR))
            .collect()
    }

    #[test]
    fn what_is_demanded_together_is_met_together() {
        let plain = Demand::default();
        let cases = [
            (plain, vec![0, 5, 10, 40, 59]),
            (Demand { age_secs_max: Some(0), ..plain }, vec![0]),
            (Demand { age_secs_max: Some(10), ttl_secs_min: 55, ..plain }, vec![0, 5]),
            // An age that the policy does not admit is not admitted by a demand for less.
            (Demand { age_secs_max: Some(1000), ..plain }, vec![0, 5, 10, 40, 59]),
            (Demand { ttl_secs_min: 61, ..plain }, vec![]),
            (Demand { ttl_secs_min: u32::MAX, ..plain }, vec![]),
            (Demand { overdue_secs_max: 1, ..plain }, vec![0, 5, 10, 40, 59, 60, 61]),
            (Demand { overdue_secs_max: u32::MAX, ..plain }, vec![0, 5, 10, 40, 59, 60, 61, 90, 1000]),
            (Demand { overdue_secs_max: u32::MAX, age_secs_max: Some(90), ..plain }, vec![0, 5, 10, 40, 59, 60, 61, 90]),
            (Demand { overdue_secs_max: u32::MAX, ttl_secs_min: 20, ..plain }, vec![0, 5, 10, 40]),
            (Demand { source: Source::Tiers, ..plain }, vec![0, 5, 10, 40, 59]),
            (Demand { source: Source::Record, ..plain }, vec![]),
            (Demand { source: Source::Record, overdue_secs_max: u32::MAX, ..plain }, vec![]),
            (Demand { source: Source::Nobody, ..plain }, vec![]),
            (Demand { keeping: Keeping::Dropped, ..plain }, vec![0, 5, 10, 40, 59]),
        ];
        for (demand, expected) in cases {
            assert_eq!(ages_admitted(demand), expected, "{demand:?}");
        }
    }

    #[test]
    fn an_absence_is_never_answered_longer_than_it_is_remembered() {
        let remembered_for = Duration::from_secs(5);
        let admits = |demand: Demand, secs| demand.admits_absence(Duration::from_secs(secs), remembered_for);
        assert!(admits(Demand::default(), 4) && !admits(Demand::default(), 5));
        assert!(!admits(Demand { overdue_secs_max: u32::MAX, ..Demand::default() }, 5));
        assert!(!admits(Demand { age_secs_max: Some(1), ..Demand::default() }, 2));
        assert!(!admits(Demand { source: Source::Record, ..Demand::default() }, 0));
        assert!(admits(Demand { source: Source::Tiers, ..Demand::default() }, 4));
    }
}
