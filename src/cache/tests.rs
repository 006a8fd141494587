//! What the cache promises, each promise quoted from DESIGN part 4 where it is tried.

mod clocks;
mod deriving;
mod doubts;
mod failing_tier;
mod failures;
mod fake_record;
mod random;
mod reads;
mod world;
