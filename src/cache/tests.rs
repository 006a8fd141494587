//! What the cache promises, each promise quoted from DESIGN part 4 where it is tried.

mod breaker;
mod clocks;
mod demands;
mod deriving;
mod doubts;
pub(crate) mod failing_tier;
mod failures;
pub(crate) mod fake_record;
#[cfg(feature = "interleavings")]
mod interleavings;
mod large;
mod large_once;
mod large_room;
mod leases;
mod orders;
mod pitfalls;
mod random;
mod reads;
pub(crate) mod world;
