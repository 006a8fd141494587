//! Numbers as people read them.

use std::time::Duration;

use crate::tier::directory::survey::{Pile, Sample};

/// `1 problem`, `2 problems`.
pub(super) fn count(count: impl Into<Count>, noun: &str) -> String {
    let Count(count) = count.into();
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Something that is counted.
pub(super) struct Count(u64);

impl From<u64> for Count {
    fn from(count: u64) -> Self {
        Self(count)
    }
}

impl From<usize> for Count {
    fn from(count: usize) -> Self {
        Self(count as u64)
    }
}

/// `1.2 GiB`.
pub(super) fn bytes(bytes: u64) -> String {
    bytesize::ByteSize::b(bytes).display().iec().to_string()
}

/// `1.25 ms`.
pub(super) fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

/// `3 temporaries (12 KiB)`.
pub(super) fn pile(pile: Pile, noun: &str) -> String {
    format!("{} ({})", count(pile.files, noun), bytes(pile.bytes))
}

/// The examples, and whether there are more: "`a`, `b` and 7 more".
pub(super) fn sample(sample: &Sample) -> String {
    let examples: Vec<_> = sample.examples.iter().map(|example| format!("`{}`", example.escape_debug())).collect();
    match sample.count - examples.len() as u64 {
        0 => examples.join(", "),
        more => format!("{} and {more} more", examples.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_says_how_many_it_leaves_out() {
        let mut names = Sample::default();
        names.add("a\n");
        assert_eq!(sample(&names), r"`a\n`");
        for name in ["b", "c", "d", "e"] {
            names.add(name);
        }
        assert_eq!(sample(&names), r"`a\n`, `b`, `c` and 2 more");
    }
}
