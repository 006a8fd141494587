//! How long a small file takes, read and written as the directory tier does it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::doctor::Finding;
use crate::doctor::words::millis;
use crate::freshness::Stopwatch;

const CHECK: &str = "latency";

/// How often each is done. The median of some, since the first may pay for all.
const TIMES: usize = 9;

/// Longest that a read waits for a small file (DESIGN part 6): past it the directory is left alone and the record asked.
const READ_MAX: Duration = Duration::from_secs(1);

/// Longest that publishing a small file should take: a fill publishes up to three, and is given three seconds.
const WRITE_MAX: Duration = Duration::from_secs(1);

/// What is slow for a directory that works: ten times what EFS takes.
const SLOW: Duration = Duration::from_millis(100);

/// Medians over some small files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Latency {
    /// Opening and reading one.
    pub read: Duration,
    /// Writing one beside its place, fsync and rename.
    pub write: Duration,
}

/// Measures in `scratch`.
///
/// # Errors
/// Where a file cannot be written or read.
pub(super) fn measure(scratch: &Path) -> io::Result<Latency> {
    let (aside, place) = (scratch.join("latency.tmp"), scratch.join("latency"));
    let mut reads = Vec::new();
    let mut writes = Vec::new();
    for _ in 0..TIMES {
        let watch = Stopwatch::start();
        let mut file = File::create(&aside)?;
        file.write_all(&[b'0'; 32])?;
        file.sync_all()?;
        drop(file);
        fs::rename(&aside, &place)?;
        writes.push(watch.elapsed());
        let watch = Stopwatch::start();
        File::open(&place)?.read_to_end(&mut Vec::new())?;
        reads.push(watch.elapsed());
    }
    Ok(Latency { read: median(reads), write: median(writes) })
}

/// Judges what was measured.
pub(super) fn judge(latency: Latency) -> Finding {
    let what = format!("a small file is read in {}, written in {} (medians)", millis(latency.read), millis(latency.write));
    if latency.read >= READ_MAX {
        let what = format!("{what}: reads do not wait so long, and go to the record");
        Finding::problem(
            CHECK,
            what,
            "look at the file system's load and throughput (`doctor --aws`), or run without LOCAL_DATA_DIR",
        )
    } else if latency.write >= WRITE_MAX {
        let what = format!("{what}: fills do not wait so long, and store nothing");
        Finding::problem(
            CHECK,
            what,
            "look at the file system's load and throughput (`doctor --aws`), or run without LOCAL_DATA_DIR",
        )
    } else if latency.read >= SLOW || latency.write >= SLOW {
        Finding::warning(CHECK, format!("{what}: ten times what EFS takes"), "look at the file system's load and throughput")
    } else {
        Finding::ok(CHECK, what)
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn latencies_are_held_against_what_reads_and_fills_wait_for() {
        let table = [
            (0, 0, Level::Ok),
            (99, 99, Level::Ok),
            (100, 0, Level::Warning),
            (0, 100, Level::Warning),
            (999, 999, Level::Warning),
            (1000, 0, Level::Problem),
            (0, 1000, Level::Problem),
        ];
        for (read, write, level) in table {
            let latency = Latency { read: Duration::from_millis(read), write: Duration::from_millis(write) };
            assert_eq!(judge(latency).level, level, "{latency:?}");
        }
    }

    #[test]
    fn one_slow_time_of_many_is_not_what_counts() {
        let [fast, slow] = [1, 5000].map(Duration::from_millis);
        assert_eq!(median(vec![slow, fast, fast, slow, fast]), fast);
    }

    #[test]
    fn what_is_measured_leaves_one_file_in_the_scratch() {
        let dir = tempfile::tempdir().unwrap();
        let latency = measure(dir.path()).unwrap();
        assert!(latency.write > Duration::ZERO, "{latency:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
