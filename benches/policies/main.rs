//! `make bench`: how often memory has what is asked for, beside least recently used and beside what nobody can do better.
//! Prints the table of docs/PERFORMANCE.md.
//!
//! What is asked for is the same in every run. What ours answers is not quite: moka hashes with a random key. So its figure is
//! the median of three memories.

mod lru;
mod optimum;
mod ours;
mod trace;

use trace::Trace;

const RUNS: usize = 3;

/// The budget, in percent of what all the keys of a trace weigh.
const BUDGETS: [u64; 2] = [1, 10];

fn main() {
    check_references();
    println!("| asked for | budget | ours | (least to most) | LRU | optimum |");
    println!("|---|---|---|---|---|---|");
    for trace in trace::all() {
        for percent in BUDGETS {
            print(&trace, percent);
        }
    }
}

fn print(trace: &Trace, percent: u64) {
    let weights = ours::weights(&trace.sizes);
    let budget = weights.iter().sum::<u64>() * percent / 100;
    let mut runs = [(); RUNS].map(|()| ours::hits(trace, budget));
    runs.sort_unstable();
    let lru = lru::hits(&trace.requests, &weights, budget);
    let (optimum, sign) = match trace.size_of_all() {
        Some(_) => (optimum::hits(&trace.requests, budget / weights[0]), ""),
        None => (optimum::hits_at_most(&trace.requests, &weights, budget), "at most "),
    };
    let share = |hits: u64| format!("{:.1} %", hits as f64 * 100.0 / trace.requests.len() as f64);
    let [least, median, most] = [runs[0], runs[RUNS / 2], runs[RUNS - 1]].map(share);
    assert!(lru <= optimum && runs[RUNS - 1] <= optimum, "nothing is better than the optimum: {}", trace.name);
    println!("| {} | {percent} % | {median} | {least} to {most} | {} | {sign}{} |", trace.name, share(lru), share(optimum));
}

/// Holds what ours is held against up to a page of a textbook: 20 requests, room for three.
///
/// Source: Silberschatz, Galvin, Gagne, "Operating System Concepts", page replacement: 12 faults of LRU, 9 of the optimum. Ours
/// may also let go of what it was just asked for, and then the optimum has one fault less.
fn check_references() {
    let requests = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1];
    assert_eq!(lru::hits(&requests, &[1; 8], 3), 20 - 12);
    assert_eq!(optimum::hits(&requests, 3), 20 - 8);
    assert!(optimum::hits_at_most(&requests, &[1; 8], 3) >= optimum::hits(&requests, 3));
}
