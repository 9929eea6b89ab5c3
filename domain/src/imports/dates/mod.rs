//! Parsing of dates in imported files.
//!
//! Nearly all formats are unambiguous: ISO 8601, the text formats of PostgreSQL and JavaScript, mail headers, month names, Unix time, a
//! spreadsheet's day numbers. Only three bare numbers with the year last (`01/02/2025`) need a `DateOrder`.

mod parser;

use time::PrimitiveDateTime;

use self::parser::{ParsedDate, WrittenDate, calendar, parse};
use super::values::is_blank_value;
use crate::{Timestamp, Zone, words::words};

words! {
    /// The order of day and month in purely numeric dates with the year last.
    DateOrder {
        /// `23/11/2025`.
        DayFirst = "dmy" / "Day first",
        /// `11/23/2025`.
        MonthFirst = "mdy" / "Month first",
    }
}

impl DateOrder {
    fn of(self, a: u32, b: u32) -> (u32, u32) {
        match self {
            Self::DayFirst => (a, b),
            Self::MonthFirst => (b, a),
        }
    }
}

/// Evidence in a column of dates for the order of day and month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateOrderEvidence {
    /// No date in the column depends on the order.
    Irrelevant,
    /// The values determine the order; holds the first ambiguous value, or else the first unambiguous one.
    Clear(DateOrder, String),
    /// Both orders are possible for all values, or different values imply different orders. Holds an ambiguous value.
    Ambiguous(String),
}

impl DateOrderEvidence {
    /// Examines a column.
    #[must_use]
    pub fn detect<'a>(cells: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut day, mut month, mut either, mut one) = (false, false, None, None);
        for cell in cells.into_iter().filter(|c| !is_blank_value(c)) {
            let Some(ParsedDate { date: WrittenDate::Numbers { a, b, dots, .. }, .. }) = parse(cell) else { continue };
            match (a, b) {
                (13.., 1..=12) => day = true,
                (1..=12, 13..) => month = true,
                (1..=12, 1..=12) => {
                    // Dots are used as separators where the day comes first.
                    day |= dots;
                    if a != b && either.is_none() {
                        either = Some(cell.trim().to_owned());
                    }
                }
                _ => continue,
            }
            if one.is_none() {
                one = Some(cell.trim().to_owned());
            }
        }
        match (day, month, either, one) {
            (_, _, _, None) => Self::Irrelevant,
            (true, false, either, Some(one)) => Self::Clear(DateOrder::DayFirst, either.unwrap_or(one)),
            (false, true, either, Some(one)) => Self::Clear(DateOrder::MonthFirst, either.unwrap_or(one)),
            (_, _, Some(either), _) => Self::Ambiguous(either),
            // 05/05/2025 is the same day either way.
            (_, _, None, Some(_)) => Self::Irrelevant,
        }
    }
}

/// The reason why a date could not be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateParseError {
    /// It is not a date.
    NotADate,
    /// Day and month can be swapped.
    AmbiguousOrder,
}

/// Parses a date, or a date and a time; without an explicit zone, `zone` applies.
///
/// # Errors
/// Returns an error if it is not a date, or is ambiguous and no `order` is given.
pub fn read(text: &str, order: Option<DateOrder>, zone: &Zone) -> Result<Timestamp, DateParseError> {
    let ParsedDate { date, time, offset } = parse(text).ok_or(DateParseError::NotADate)?;
    let date = match date {
        WrittenDate::At(at) => return Ok(at),
        WrittenDate::Local(at) => return Ok(zone.from_local(at)),
        WrittenDate::Date(date) => date,
        WrittenDate::Numbers { a, b, year, .. } => {
            let (day, month) = match (a, b, order) {
                (13.., ..=12, _) => (a, b),
                (..=12, 13.., _) => (b, a),
                (_, _, Some(order)) => order.of(a, b),
                _ if a == b => (a, b),
                _ => return Err(DateParseError::AmbiguousOrder),
            };
            calendar(year, month, day).ok_or(DateParseError::NotADate)?
        }
    };
    let at = PrimitiveDateTime::new(date, time);
    Ok(match offset {
        Some(offset) => {
            Timestamp(at.assume_utc().unix_timestamp() * 1000 + i64::from(at.millisecond()) - i64::from(offset.whole_seconds()) * 1000)
        }
        None => zone.from_local(at),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::zone::UTC;

    fn shown(text: &str, order: Option<DateOrder>) -> Result<String, DateParseError> {
        read(text, order, &UTC).map(|at| at.rfc3339())
    }

    #[test]
    fn c17_dates_are_read_whatever_wrote_them() {
        for (text, expected) in [
            ("2021-11-01", "2021-11-01T00:00:00Z"),
            ("2021/11/1", "2021-11-01T00:00:00Z"),
            ("2021.11.01", "2021-11-01T00:00:00Z"),
            ("20211101", "2021-11-01T00:00:00Z"),
            ("20211101T100000Z", "2021-11-01T10:00:00Z"),
            ("2021-11-01 10:00", "2021-11-01T10:00:00Z"),
            ("2021-11-01T10:00:00Z", "2021-11-01T10:00:00Z"),
            ("2021-11-01T10:00:00.250+01:00", "2021-11-01T09:00:00.25Z"),
            ("2021-11-01T10:00:00.123456+0530", "2021-11-01T04:30:00.123Z"),
            ("2021-11-01 10:00:00 UTC", "2021-11-01T10:00:00Z"),
            ("2021-11-01 10:00:00+00", "2021-11-01T10:00:00Z"),
            ("2021-11-01 10:00:00.5-08", "2021-11-01T18:00:00.5Z"),
            ("2021-11-01T10:00:00+01:00[Europe/Berlin]", "2021-11-01T09:00:00Z"),
            ("01 NOV 2021", "2021-11-01T00:00:00Z"),
            ("1-Nov-21", "2021-11-01T00:00:00Z"),
            ("1. November 2021", "2021-11-01T00:00:00Z"),
            ("3. März 2021 08:05 Uhr", "2021-03-03T08:05:00Z"),
            ("Nov 1, 2021", "2021-11-01T00:00:00Z"),
            ("November 1st, 2021 at 3:05 pm", "2021-11-01T15:05:00Z"),
            ("2021 Nov 1", "2021-11-01T00:00:00Z"),
            ("1er août 2021", "2021-08-01T00:00:00Z"),
            ("1 de enero de 2021", "2021-01-01T00:00:00Z"),
            ("Mon Nov 01 2021 10:00:00 GMT+0100 (Central European Standard Time)", "2021-11-01T09:00:00Z"),
            ("Mon, 01 Nov 2021 10:00:00 +0100", "2021-11-01T09:00:00Z"),
            ("Mon Nov  1 10:00:00 UTC 2021", "2021-11-01T10:00:00Z"),
            ("2021年11月1日 10:00", "2021-11-01T10:00:00Z"),
            ("2021. 11. 1.", "2021-11-01T00:00:00Z"),
            ("1637020800", "2021-11-16T00:00:00Z"),
            ("1637020800.5", "2021-11-16T00:00:00.5Z"),
            ("1637020800123", "2021-11-16T00:00:00.123Z"),
            ("44501", "2021-11-01T00:00:00Z"),
            ("44501.75", "2021-11-01T18:00:00Z"),
            ("23.11.2025", "2025-11-23T00:00:00Z"),
            ("23/11/25 7:05", "2025-11-23T07:05:00Z"),
            ("11/23/2025 12:30:15 AM", "2025-11-23T00:30:15Z"),
            ("11/23/2025, 1:30:00 p.m.", "2025-11-23T13:30:00Z"),
            ("05/05/2025", "2025-05-05T00:00:00Z"),
        ] {
            assert_eq!(shown(text, None).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "yesterday",
            "2021",
            "2021-13-01",
            "2021-02-30",
            "31/31/2021",
            "00/00/0000",
            "0000-00-00",
            "1899-12-30",
            "10:00",
            "12",
            "1.5",
            "2021-11",
            "tomorrow 10:00",
            "2021-11-01 25:00",
            "2021-11-01 10:00 XYZ",
            "1/2-2021",
            "Foo 1, 2021",
            "1637020800 1",
            "2021-11-01T10:00:00+99:00",
            "12345678901234567890123",
        ] {
            assert_eq!(read(text, Some(DateOrder::DayFirst), &UTC), Err(DateParseError::NotADate), "{text}");
        }
    }

    #[test]
    fn c15_the_order_is_seen_in_the_column_or_asked() {
        use DateOrder::{DayFirst, MonthFirst};
        assert_eq!(
            DateOrderEvidence::detect(["23.11.2025", "01.02.2025 10:30"]),
            DateOrderEvidence::Clear(DayFirst, "01.02.2025 10:30".into())
        );
        assert_eq!(DateOrderEvidence::detect(["01.02.2025"]), DateOrderEvidence::Clear(DayFirst, "01.02.2025".into()));
        assert_eq!(DateOrderEvidence::detect(["", "1/2/2025", "11/23/2025"]), DateOrderEvidence::Clear(MonthFirst, "1/2/2025".into()));
        assert_eq!(DateOrderEvidence::detect(["n/a", "1/2/2025", "3/4/2025 10:00"]), DateOrderEvidence::Ambiguous("1/2/2025".into()));
        assert_eq!(DateOrderEvidence::detect(["23/11/2025", "11/23/2025", "1/2/2025"]), DateOrderEvidence::Ambiguous("1/2/2025".into()));
        assert_eq!(DateOrderEvidence::detect(["2025-01-02", "1637020800", "01 NOV 2021", "words"]), DateOrderEvidence::Irrelevant);
        assert_eq!(read("01/02/2025", None, &UTC), Err(DateParseError::AmbiguousOrder));
        assert_eq!(shown("01/02/2025", Some(DayFirst)).unwrap(), "2025-02-01T00:00:00Z");
        assert_eq!(shown("01/02/2025 10:30", Some(MonthFirst)).unwrap(), "2025-01-02T10:30:00Z");
        assert_eq!(shown("01.02.2025 10:30", Some(DayFirst)).unwrap(), "2025-02-01T10:30:00Z");
    }

    proptest! {
        #[test]
        fn no_input_panics(text in ".{0,40}") {
            let _ = (read(&text, None, &UTC), read(&text, Some(DateOrder::MonthFirst), &UTC), DateOrderEvidence::detect([text.as_str()]));
        }

        #[test]
        fn nothing_like_a_date_panics(text in "[0-9/:.+ TZ年-]{0,30}( UTC| GMT| pm| p.m.| Nov)?") {
            let _ = (read(&text, None, &UTC), read(&text, Some(DateOrder::DayFirst), &UTC));
        }

        #[test]
        fn a_date_is_read_back_in_every_form(seconds in 0_i64..7_000_000_000) {
            let at = Timestamp(seconds * 1000);
            let iso = at.rfc3339();
            let (y, m, d, time) = (&iso[..4], &iso[5..7], &iso[8..10], &iso[11..19]);
            for (text, order) in [
                (iso.clone(), None),
                (format!("{y}-{m}-{d} {time}+00"), None),
                (format!("{d}.{m}.{y} {time}"), Some(DateOrder::DayFirst)),
                (format!("{m}/{d}/{y} {time} UTC"), Some(DateOrder::MonthFirst)),
                (UTC.readable(at), None),
            ] {
                let expected = if text.ends_with("UTC") && text.contains(',') { seconds / 60 * 60 } else { seconds };
                prop_assert_eq!(read(&text, order, &UTC), Ok(Timestamp(expected * 1000)), "{}", text);
            }
            if seconds >= 100_000_000 {
                prop_assert_eq!(read(&seconds.to_string(), None, &UTC), Ok(at));
                prop_assert_eq!(read(&(seconds * 1000).to_string(), None, &UTC), Ok(at));
            }
        }
    }
}
