//! What is cached, and what the record holds, page by page.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Instant;

use crate::cache::Cache;
use crate::error::{Error, Result, Unlisted};
use crate::record::{Mark, Object};
use crate::tier::{Line, Tier, TierName, Wanted};

/// A page of what is cached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachePage {
    /// The lines, by name.
    pub lines: Vec<CacheLine>,
    /// Whether there are more after them.
    pub has_more: bool,
    /// The tier that could not be listed, so that what is there alone is not on the page; `None` where all could.
    pub missing: Option<TierName>,
}

/// A line of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheLine {
    /// What is cached.
    pub line: Line,
    /// Where, the nearest first.
    pub tiers: Vec<TierName>,
}

/// A page of what the record holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordPage {
    /// The lines, by name. There may be none on a page that is not the last.
    pub lines: Vec<RecordLine>,
    /// Names that nothing can be asked for by.
    pub skipped: u64,
    /// The name to go on after; `None` on the last page.
    pub next: Option<String>,
}

/// A line of what the record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordLine {
    /// An object.
    Object(Object),
    /// There are objects whose keys begin with this, which ends in the delimiter.
    Below(String),
}

impl RecordLine {
    fn name(&self) -> &str {
        match self {
            Self::Object(object) => object.key.as_str(),
            Self::Below(name) => name,
        }
    }
}

/// How many listings of the record one page may cost: with a delimiter each may give but one line.
const LISTINGS_MAX: usize = 20;

impl Cache {
    /// A page of what is cached, by name: each line once, as it was last confirmed.
    pub async fn page(&self, wanted: &Wanted) -> CachePage {
        // One more than is wanted shows whether there is more.
        let more = Wanted { lines_max: wanted.lines_max.saturating_add(1), ..wanted.clone() };
        let mut lines = BTreeMap::<String, CacheLine>::new();
        let mut missing = None;
        let shared = self.shared.as_ref().map(|shared| &**shared as &dyn Tier);
        for tier in [Some(&self.memory as &dyn Tier), shared].into_iter().flatten() {
            let Ok(page) = tier.page(more.clone()).await else {
                missing = Some(tier.name());
                continue;
            };
            for line in page {
                match lines.entry(line.name().to_owned()) {
                    Entry::Vacant(place) => {
                        place.insert(CacheLine { line, tiers: vec![tier.name()] });
                    }
                    Entry::Occupied(mut place) => place.get_mut().also(line, tier.name()),
                }
            }
        }
        let has_more = lines.len() > wanted.lines_max;
        CachePage { lines: lines.into_values().take(wanted.lines_max).collect(), has_more, missing }
    }

    /// A page of what the record holds, by name, for a bounded number of requests.
    ///
    /// # Errors
    /// `NotListed`, unless there are lines already.
    pub async fn record_page(&self, wanted: &Wanted, deadline: Instant) -> Result<RecordPage> {
        let mut page = RecordPage { next: Some(wanted.after.clone()), ..RecordPage::default() };
        let mut mark = beyond(&wanted.after, wanted);
        for _ in 0..LISTINGS_MAX {
            let listed = match self.list_record(&wanted.prefix, mark.as_ref(), deadline).await {
                Err(Error::NotListed { why: Unlisted::Deadline, .. }) if !page.lines.is_empty() => return Ok(page),
                listed => listed?,
            };
            page.skipped += listed.skipped;
            for object in listed.objects {
                let Some(name) = wanted.line(object.key.as_str()) else { continue };
                if page.lines.last().is_some_and(|last| last.name() == name) {
                    continue;
                }
                if page.lines.len() == wanted.lines_max {
                    return Ok(page);
                }
                page.next = Some(name.to_owned());
                let is_key = name == object.key.as_str();
                page.lines.push(if is_key {
                    RecordLine::Object(object)
                } else {
                    RecordLine::Below(page.next.clone().unwrap_or_default())
                });
            }
            let Some(next) = listed.next else {
                page.next = None;
                return Ok(page);
            };
            // What a line stands for as a whole need not be listed to its end.
            mark = match page.lines.last() {
                Some(RecordLine::Below(name)) if next.name().starts_with(&**name) => Some(Mark::after_all(name)),
                _ => Some(next),
            };
        }
        Ok(page)
    }
}

/// Where a listing goes on after the line `after`.
fn beyond(after: &str, wanted: &Wanted) -> Option<Mark> {
    let is_below = wanted.delimiter.as_ref().is_some_and(|delimiter| after.ends_with(&**delimiter));
    if is_below { Some(Mark::after_all(after)) } else { Mark::after_name(after) }
}

impl CacheLine {
    /// Another tier has it too; what was confirmed last is said of it.
    fn also(&mut self, line: Line, tier: TierName) {
        self.tiers.push(tier);
        if let (Line::Key(known), Line::Key(other)) = (&mut self.line, line)
            && other.confirmed_at > known.confirmed_at
        {
            *known = other;
        }
    }
}
