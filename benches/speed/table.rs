//! The table: medians, how far the runs lay apart, ratios, targets met and missed.

use std::fmt::Write as _;

/// A row: what is measured beside what it is held against.
pub struct Row {
    ours: Side,
    other: Side,
    unit: Unit,
    target: Option<Target>,
}

/// What a figure counts.
#[derive(Clone, Copy)]
pub enum Unit {
    /// Time for one, in ns.
    Nanoseconds,
    /// Time for one, in µs.
    Microseconds,
    /// Time for all of it, in ms.
    Milliseconds,
    /// How many in a second.
    PerSecond,
    /// 10^6 bytes in a second.
    MegabytesPerSecond,
    /// 10^6 bytes.
    Megabytes,
}

/// What was aimed at.
#[derive(Clone, Copy)]
pub enum Target {
    /// Our figure is below this one, in the row's unit.
    Below(f64),
    /// Our figure over the other is at least this.
    RatioAtLeast(f64),
    /// Our figure over the other is at most this.
    RatioAtMost(f64),
    /// Our figure less the other is at most this, in the row's unit.
    MoreByAtMost(f64),
}

struct Side {
    name: &'static str,
    runs: Vec<f64>,
}

impl Row {
    /// A row without runs.
    pub fn new(ours: &'static str, other: &'static str, unit: Unit, target: Option<Target>) -> Self {
        Self { ours: Side { name: ours, runs: Vec::new() }, other: Side { name: other, runs: Vec::new() }, unit, target }
    }

    /// Adds a run of each side.
    pub fn add(&mut self, ours: f64, other: f64) {
        self.ours.runs.push(ours);
        self.other.runs.push(other);
    }
}

/// Prints the rows as Markdown.
pub fn print(rows: &[Row]) {
    println!(
        "| measured, warm, 4 KB unless said | median (least to most) | held against | median (least to most) | ratio | target | met |"
    );
    println!("|---|---|---|---|---|---|---|");
    for Row { ours, other, unit, target } in rows {
        let (figure, of_other) = (median(&ours.runs), median(&other.runs));
        let ratio = figure / of_other;
        let (target, met) = match *target {
            Some(Target::Below(most)) => (format!("below {}", unit.write(most)), Some(figure < most)),
            Some(Target::RatioAtLeast(least)) => (format!("ratio ≥ {least}"), Some(ratio >= least)),
            Some(Target::RatioAtMost(most)) => (format!("ratio ≤ {most}"), Some(ratio <= most)),
            Some(Target::MoreByAtMost(most)) => (format!("{} more at most", unit.write(most)), Some(figure - of_other <= most)),
            None => ("none".to_owned(), None),
        };
        let met = match met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        let mut line = String::new();
        for Side { name, runs } in [ours, other] {
            let (least, most) = (runs.iter().copied().fold(f64::MAX, f64::min), runs.iter().copied().fold(0.0, f64::max));
            let _ = write!(line, "| {name} | {} ({least:.0} to {most:.0}) ", unit.write(median(runs)));
        }
        println!("{line}| {ratio:.2} | {target} | {met} |");
    }
}

/// How many processes wanted to run during the last one, five and fifteen minutes.
pub fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// The one in the middle, of the upper two where their number is even.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

impl Unit {
    fn write(self, figure: f64) -> String {
        match self {
            Self::Nanoseconds => format!("{figure:.0} ns"),
            Self::Microseconds => format!("{figure:.0} µs"),
            Self::Milliseconds => format!("{figure:.0} ms"),
            Self::PerSecond => format!("{figure:.0} /s"),
            Self::MegabytesPerSecond => format!("{figure:.0} MB/s"),
            Self::Megabytes => format!("{figure:.0} MB"),
        }
    }
}
