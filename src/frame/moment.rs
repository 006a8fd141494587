//! Dates and times as they are written in a condition. Pure.

/// Nanoseconds of a second, and of what is made of it.
const SECOND: i128 = 1_000_000_000;
const MINUTE: i128 = 60 * SECOND;
const HOUR: i128 = 60 * MINUTE;
const DAY: i128 = 24 * HOUR;

/// A moment in nanoseconds since 1970, in UTC; of a column without a zone, by that column's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::frame) struct Moment(pub(in crate::frame) i128);

impl Moment {
    /// Parses `2024-12-31`, `2024-12-31 23:59`, `2024-12-31T23:59:59.5`, each of the last two with `Z` or `+01:00` or nothing.
    pub(in crate::frame) fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.trim().split_at_checked(10)?;
        let days = days(date)?;
        let rest = rest.strip_prefix([' ', 'T', 't']).map(str::trim_start);
        let time = match rest {
            None if text.trim().len() == 10 => 0,
            None => return None,
            Some(time) => time_and_offset(time)?,
        };
        Some(Self(days * DAY + time))
    }

    /// Parses `23:59`, `23:59:59` and `23:59:59.5` as nanoseconds since midnight.
    pub(in crate::frame) fn parse_time(text: &str) -> Option<i64> {
        i64::try_from(time(text.trim())?).ok()
    }

    /// Whole units of `unit` nanoseconds; `None` where it lies between two.
    pub(in crate::frame) fn in_units(self, unit: i128) -> Option<i128> {
        (self.0 % unit == 0).then(|| self.0.div_euclid(unit))
    }

    /// The day since 1970; `None` where it is not midnight.
    pub(in crate::frame) fn day(self) -> Option<i128> {
        self.in_units(DAY)
    }
}

/// Days since 1970. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
fn days(date: &str) -> Option<i128> {
    let mut parts = date.split('-').map(digits);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if parts.next().is_some() || !(1..=length).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn time_and_offset(text: &str) -> Option<i128> {
    if let Some(utc) = text.strip_suffix(['Z', 'z']) {
        return time(utc.trim_end());
    }
    let Some(sign) = text.rfind(['+', '-']) else { return time(text) };
    let (local, offset) = text.split_at(sign);
    let ahead = time(&offset[1..])?;
    let local = time(local.trim_end())?;
    Some(if offset.starts_with('-') { local + ahead } else { local - ahead })
}

fn time(text: &str) -> Option<i128> {
    let mut parts = text.split(':');
    let (hour, minute) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let (second, fraction) = match parts.next() {
        None => (0, 0),
        Some(second) => match second.split_once('.') {
            None => (digits(second)?, 0),
            Some((second, fraction)) if fraction.len() <= 9 => {
                (digits(second)?, digits(fraction)? * 10_i128.pow(9 - fraction.len() as u32))
            }
            Some(_) => return None,
        },
    };
    let is_time = parts.next().is_none() && hour < 24 && minute < 60 && second < 60;
    is_time.then_some(hour * HOUR + minute * MINUTE + second * SECOND + fraction)
}

fn digits(text: &str) -> Option<i128> {
    let are_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if are_digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_counted_from_1970_in_utc() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2000-03-01", 951_868_800),
            ("1969-12-31 23:59:59", -1),
            ("2024-02-29T12:00", 1_709_208_000),
            ("2024-02-29T12:00:00Z", 1_709_208_000),
            ("2024-02-29 13:00:00+01:00", 1_709_208_000),
            ("2024-02-29 06:30:00 -05:30", 1_709_208_000),
            ("0001-01-01", -62_135_596_800),
        ] {
            assert_eq!(Moment::parse(text), Some(Moment(seconds * SECOND)), "{text}");
        }
        assert_eq!(Moment::parse("1970-01-01 00:00:00.25"), Some(Moment(SECOND / 4)));
        assert_eq!(Moment::parse_time("01:00:00.000000001"), Some(3_600_000_000_001));
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "2024",
            "2024-13-01",
            "2024-02-30",
            "2023-02-29",
            "2024-00-10",
            "2024-1-1",
            "2024-01-01x",
            "2024-01-01 24:00",
            "2024-01-01 1",
            "2024-01-01 12:00:00.",
            "2024-01-01 12:00+",
            "éééééééééé",
            "2024-01-01 12:00:00.1234567891",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
