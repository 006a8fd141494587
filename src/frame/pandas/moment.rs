//! Dates, times and durations as pandas and Python print them.

use polars::prelude::TimeUnit;

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

/// Nanoseconds since 1970, or of a duration.
pub(super) fn nanoseconds(value: i64, unit: TimeUnit) -> i128 {
    i128::from(value)
        * match unit {
            TimeUnit::Nanoseconds => 1,
            TimeUnit::Microseconds => 1_000,
            TimeUnit::Milliseconds => 1_000_000,
        }
}

/// Whether pandas leaves the time of day away: all are midnight.
pub(super) fn are_dates_only(moments: impl IntoIterator<Item = Option<i128>>) -> bool {
    moments.into_iter().flatten().all(|moment| moment.rem_euclid(DAY) == 0)
}

/// A column of moments without a zone: as exact as the most exact needs, `NaT` for nulls.
pub(super) fn format_moments(moments: &[Option<i128>]) -> Vec<String> {
    let is_dates_only = are_dates_only(moments.iter().copied());
    let is_multiple = |of: i128| moments.iter().flatten().all(|moment| moment % of == 0);
    let decimals = match () {
        () if is_multiple(SECOND) => 0,
        () if is_multiple(1_000_000) => 3,
        () if is_multiple(1_000) => 6,
        () => 9,
    };
    let write = |moment: i128| match is_dates_only {
        true => date(moment.div_euclid(DAY)),
        false => format!("{}{}", second_of(moment, ' '), fraction(moment, decimals)),
    };
    moments.iter().map(|moment| moment.map_or_else(|| "NaT".to_owned(), write)).collect()
}

/// `str` of a pandas `Timestamp`, `offset` nanoseconds east of UTC where it has a zone.
pub(super) fn timestamp(moment: i128, offset: Option<i128>) -> String {
    let local = moment + offset.unwrap_or(0);
    let decimals = match local {
        local if local % SECOND == 0 => 0,
        local if local % 1_000 == 0 => 6,
        _ => 9,
    };
    let zone = offset.map_or_else(String::new, |offset| {
        let minutes = (offset / SECOND / 60).abs();
        format!("{}{:02}:{:02}", if offset < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
    });
    format!("{}{}{zone}", second_of(local, ' '), fraction(local, decimals))
}

/// `str` of a numpy `datetime64`, as exact as its unit.
pub(super) fn datetime64(value: i64, unit: TimeUnit) -> String {
    let moment = nanoseconds(value, unit);
    let decimals = match unit {
        TimeUnit::Nanoseconds => 9,
        TimeUnit::Microseconds => 6,
        TimeUnit::Milliseconds => 3,
    };
    format!("{}{}", second_of(moment, 'T'), fraction(moment, decimals))
}

/// The calendar date `days` after 1970-01-01.
pub(super) fn date(days: i128) -> String {
    // Howard Hinnant, "chrono-compatible low-level date algorithms": years begin in March, so that leap days end them.
    let since_0000_03 = days + 719_468;
    let (era, day_of_era) = (since_0000_03.div_euclid(146_097), since_0000_03.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `str` of a Python `time`, from nanoseconds since midnight. Python has microseconds.
pub(super) fn time(nanoseconds: i64) -> String {
    let moment = i128::from(nanoseconds) / 1_000 * 1_000;
    let decimals = if moment % SECOND == 0 { 0 } else { 6 };
    format!("{}{}", clock(moment), fraction(moment, decimals))
}

/// A column of durations: days alone where all are whole days, `NaT` for nulls.
pub(super) fn format_spans(spans: &[Option<i128>]) -> Vec<String> {
    let are_days = are_dates_only(spans.iter().copied());
    let write = |span: i128| if are_days { format!("{} days", span.div_euclid(DAY)) } else { timedelta64(span) };
    spans.iter().map(|span| span.map_or_else(|| "NaT".to_owned(), write)).collect()
}

/// `str` of a pandas `Timedelta`: `-1 days +23:59:59`.
pub(super) fn timedelta64(span: i128) -> String {
    let days = span.div_euclid(DAY);
    let decimals = match span {
        span if span % SECOND == 0 => 0,
        span if span % 1_000 == 0 => 6,
        _ => 9,
    };
    let sign = if days < 0 { "+" } else { "" };
    format!("{days} days {sign}{}{}", clock(span), fraction(span, decimals))
}

/// `str` of a Python `timedelta`: `1 day, 0:00:05`.
pub(super) fn timedelta(span: i128) -> String {
    let days = span.div_euclid(DAY);
    let plural = if days.abs() == 1 { "" } else { "s" };
    let days = if days == 0 { String::new() } else { format!("{days} day{plural}, ") };
    let clock = clock(span);
    let decimals = if span % SECOND == 0 { 0 } else { 6 };
    format!("{days}{}{}", clock.strip_prefix('0').unwrap_or(&clock), fraction(span, decimals))
}

fn second_of(moment: i128, separator: char) -> String {
    format!("{}{separator}{}", date(moment.div_euclid(DAY)), clock(moment))
}

fn clock(moment: i128) -> String {
    let seconds = moment.rem_euclid(DAY) / SECOND;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

fn fraction(moment: i128, decimals: usize) -> String {
    let digits = format!("{:09}", moment.rem_euclid(SECOND));
    if decimals == 0 { String::new() } else { format!(".{}", &digits[..decimals]) }
}
