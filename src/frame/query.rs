//! SQL over frames: one SELECT, judged before polars sees it. Knows frames and bodies, not where they come from.
//!
//! Polars' SQL opens files (`read_csv('/proc/self/environ')`), follows a tree by recursion until the stack ends, and takes nothing
//! but text. So a text is parsed here first, by the parser that polars has; [`write`] then walks over the tree and writes down
//! anew what is allowed, with parameters as literals in their places, and refuses everything that it does not know. Polars sees
//! only what was written so. What is asked for is known afterwards too: which tables, which columns, and what it may cost.

use std::fmt;

mod call;
mod expression;
mod functions;
mod literal;
mod prune;
mod run;
mod shape;
mod statement;
mod tables;
mod write;

pub use literal::Scalar;
pub use run::{Input, Part, Piece, Refused, run};
pub use shape::Shape;
pub use statement::{Bound, Statement, Table};

/// The longest statement, in bytes.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// The most nodes of a statement: expressions, tables, SELECTs.
pub const NODES_MAX: usize = 2_000;

/// Why a text is no query that is answered here, in a sentence that says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadQuery(String);

impl BadQuery {
    pub(in crate::frame) fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }

    /// Of a text on which even the parser gives up.
    pub fn unparsable() -> Self {
        Self::new("the statement cannot be parsed")
    }
}

#[cfg(test)]
mod tests;
