//! cache-api: a serverless cache-aside data API.
//!
//! Files live in S3 (or a directory), the *record*. They are served from memory, else from a directory that all instances
//! share, else from the record, and computed on where they lie.
//!
//! # The read path, in six steps
//! 1. **memory**: fresh and vouched for -> hit, nothing is read.
//! 2. **epoch**: the shared tier's epoch has not moved -> memory still holds the truth.
//! 3. **token**: the key's token has not moved -> neither has the key.
//! 4. **state**: believed under that token and fresh -> its body is lifted into memory.
//! 5. **flight**: one request per key asks the record, conditionally if the body is in hand.
//! 6. **hand over**: never an older version than this instance has served before.
//!
//! [`cache`] holds the order of the steps; [`tier::SharedTier`] is what the steps do; ARCHITECTURE.md says why.
//!
//! # Modules, in reading order
//! - [`key`], [`freshness`], [`python_value`]: names, ages, and values as Python prints them; pure.
//! - [`entry`], [`error`]: what is kept, and what goes wrong.
//! - [`record`]: where the objects are. [`tier`]: places that keep copies.
//! - [`cache`]: the read path and the doubts.
//! - [`frame`]: bodies parsed into columns. [`function`]: what runs on the cache. [`refresh`]: what keeps it fresh.
//! - [`doctor`]: what the cache rests on, examined.
//! - [`http`], [`lambda`], [`cli`]: the front doors; siblings that do not know each other.
//! - [`config`]: the only reader of the environment. [`app`]: the only place that puts concrete parts together.
//!
//! Glossary: ARCHITECTURE.md, "Words".

pub mod key;

pub mod freshness;
pub mod python_value;

mod sync;

pub mod entry;
pub mod error;

pub mod record;
pub mod tier;

pub mod cache;

#[cfg(feature = "frames")]
pub mod frame;
pub mod function;
pub mod refresh;

pub mod doctor;

pub mod cli;
pub mod http;
#[cfg(feature = "aws")]
pub mod lambda;

pub mod app;
pub mod config;
pub mod telemetry;
