//! Cells of a table as values of Python.

use monty_types::{MontyDate, MontyDateTime, MontyObject, MontyTime, MontyTimeDelta};
use polars::prelude::{AnyValue, Column, DataFrame, PolarsResult, TimeUnit};

use super::value::long;

/// Microseconds of a second, and of what is made of it.
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Each row as a dict by the names of the columns.
pub(super) fn rows(table: &DataFrame) -> PolarsResult<MontyObject> {
    let columns = table.columns().iter().map(values).collect::<PolarsResult<Vec<_>>>()?;
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    let names = table.get_column_names();
    let rows = (0..table.height()).map(|_| {
        let cells = names.iter().zip(&mut columns);
        let cells =
            cells.map(|(name, values)| (MontyObject::String(name.to_string()), values.next().unwrap_or(MontyObject::None)));
        MontyObject::dict(cells.collect::<Vec<_>>())
    });
    Ok(MontyObject::List(rows.collect()))
}

/// The values of a column.
pub(super) fn values(column: &Column) -> PolarsResult<Vec<MontyObject>> {
    (0..column.len()).map(|row| column.get(row).map(|cell| value(&cell))).collect()
}

/// Null is `None`; a moment with a zone is one in UTC; a decimal is the nearest float.
fn value(cell: &AnyValue<'_>) -> MontyObject {
    if let Some(text) = cell.get_str() {
        return MontyObject::String(text.to_owned());
    }
    match cell {
        AnyValue::Null => MontyObject::None,
        AnyValue::Boolean(boolean) => MontyObject::Bool(*boolean),
        AnyValue::Binary(bytes) => MontyObject::Bytes(bytes.to_vec()),
        AnyValue::BinaryOwned(bytes) => MontyObject::Bytes(bytes.clone()),
        AnyValue::Date(days) => date(i64::from(*days)).map_or_else(|| MontyObject::String(cell.to_string()), MontyObject::Date),
        AnyValue::Time(nanoseconds) => MontyObject::Time(clock(nanoseconds / 1000)),
        AnyValue::Datetime(at, unit, zone) => moment(*at, *unit, zone.is_some(), cell),
        AnyValue::DatetimeOwned(at, unit, zone) => moment(*at, *unit, zone.is_some(), cell),
        AnyValue::Duration(length, unit) => duration(microseconds(*length, *unit)),
        AnyValue::List(items) | AnyValue::Array(items, _) => MontyObject::List(items.iter().map(|item| value(&item)).collect()),
        AnyValue::Struct(_, _, fields) => {
            let names = fields.iter().map(|field| MontyObject::String(field.name().to_string()));
            MontyObject::dict(names.zip(cell._iter_struct_av().map(|field| value(&field))).collect::<Vec<_>>())
        }
        AnyValue::StructOwned(owned) => {
            let names = owned.1.iter().map(|field| MontyObject::String(field.name().to_string()));
            MontyObject::dict(names.zip(owned.0.iter().map(value)).collect::<Vec<_>>())
        }
        integer if integer.is_integer() => match integer.extract::<i64>() {
            Some(integer) => MontyObject::Int(integer),
            None => long(&integer.to_string()),
        },
        other => other.extract::<f64>().map_or_else(|| MontyObject::String(other.to_string()), MontyObject::Float),
    }
}

fn moment(at: i64, unit: TimeUnit, is_zoned: bool, cell: &AnyValue<'_>) -> MontyObject {
    let at = microseconds(at, unit);
    let Some(MontyDate { year, month, day }) = date(at.div_euclid(DAY)) else { return MontyObject::String(cell.to_string()) };
    let MontyTime { hour, minute, second, microsecond, .. } = clock(at.rem_euclid(DAY));
    MontyObject::DateTime(MontyDateTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
        microsecond,
        offset_seconds: is_zoned.then_some(0),
        timezone_name: None,
    })
}

fn microseconds(value: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Nanoseconds => value.div_euclid(1000),
        TimeUnit::Microseconds => value,
        TimeUnit::Milliseconds => value.saturating_mul(1000),
    }
}

/// `None` outside of the years that Python has.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
pub(super) fn date(days: i64) -> Option<MontyDate> {
    let days = days.checked_add(719_468)?;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let year = i32::try_from(year).ok().filter(|year| (1..=9999).contains(year))?;
    Some(MontyDate { year, month: u8::try_from(month).ok()?, day: u8::try_from(day).ok()? })
}

/// The time of day, from microseconds since midnight.
pub(super) fn clock(microseconds: i64) -> MontyTime {
    let part = |unit: i64, of: i64| u8::try_from(microseconds / unit % of).unwrap_or(0);
    MontyTime {
        hour: part(3600 * SECOND, 24),
        minute: part(60 * SECOND, 60),
        second: part(SECOND, 60),
        microsecond: u32::try_from(microseconds % SECOND).unwrap_or(0),
        offset_seconds: None,
        timezone_name: None,
        fold: 0,
    }
}

fn duration(microseconds: i64) -> MontyObject {
    let part = |value: i64| i32::try_from(value).unwrap_or(0);
    MontyObject::TimeDelta(MontyTimeDelta {
        days: part(microseconds.div_euclid(DAY)),
        seconds: part(microseconds.rem_euclid(DAY) / SECOND),
        microseconds: part(microseconds.rem_euclid(SECOND)),
    })
}

#[cfg(test)]
mod tests {
    use polars::prelude::{IntoColumn, NamedFrom, Series, df};

    use super::*;

    #[test]
    fn days_are_counted_as_python_does() {
        for (days, year, month, day) in [
            (0, 1970, 1, 1),
            (-1, 1969, 12, 31),
            (19_782, 2024, 2, 29),
            (11_017, 2000, 3, 1),
            (-719_162, 1, 1, 1),
            (2_932_896, 9999, 12, 31),
        ] {
            assert_eq!(date(days), Some(MontyDate { year, month, day }), "{days}");
        }
        assert_eq!((date(-719_163), date(2_932_897), date(i64::MAX)), (None, None, None));
    }

    #[test]
    fn a_row_is_a_dict_and_null_is_none() {
        let table =
            df!("name" => [Some("a"), None], "n" => [Some(1_i64), None], "x" => [0.5, f64::NAN], "u" => [u64::MAX, 0]).unwrap();
        let printed = "[{'name': 'a', 'n': 1, 'x': 0.5, 'u': 18446744073709551615}, {'name': None, 'n': None, 'x': nan, 'u': 0}]";
        assert_eq!(rows(&table).unwrap().py_repr(), printed);
    }

    #[test]
    fn dates_moments_durations_and_lists_are_python_s_own() {
        let days = Series::new("d".into(), [19_782_i32]).cast(&polars::prelude::DataType::Date).unwrap();
        let at = Series::new("m".into(), [1_709_208_000_000_000_i64]);
        let naive = at.cast(&polars::prelude::DataType::Datetime(TimeUnit::Microseconds, None)).unwrap();
        let length = at.cast(&polars::prelude::DataType::Duration(TimeUnit::Milliseconds)).unwrap();
        let list = Series::new("l".into(), [Series::new("".into(), [1_i64, 2])]);
        let shown = |series: Series| MontyObject::List(values(&series.into_column()).unwrap()).py_repr();
        assert_eq!(shown(days), "[datetime.date(2024, 2, 29)]");
        assert_eq!(shown(naive), "[datetime.datetime(2024, 2, 29, 12, 0)]");
        assert_eq!(shown(length), "[datetime.timedelta(days=19782500)]");
        assert_eq!(shown(list), "[[1, 2]]");
    }
}
