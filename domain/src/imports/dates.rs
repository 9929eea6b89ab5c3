//! Dates as people's files write them.
//!
//! Nearly all are read by themselves: ISO 8601, PostgreSQL's and JavaScript's text, mail headers, names of months, Unix time, a spreadsheet's day
//! numbers. Only where three numbers stand alone with the year last (`01/02/2025`) somebody must know whether the day or the month comes first.

use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

use super::values::is_nothing;
use crate::{Timestamp, Zone, words::words};

words! {
    /// Which number comes first where a date is written in numbers alone with the year last.
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

/// What a column of dates says about the order of day and month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// No date of the column needs to know.
    Irrelevant,
    /// The values themselves show it; the first of those that can be read both ways, or else the first that cannot.
    Clear(DateOrder, String),
    /// Both are possible for all values, or different values show different orders. A value that can be read both ways.
    Ambiguous(String),
}

impl Order {
    /// Looks at a column.
    #[must_use]
    pub fn seen<'a>(cells: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut day, mut month, mut either, mut one) = (false, false, None, None);
        for cell in cells.into_iter().filter(|c| !is_nothing(c)) {
            let Some(Parsed { date: Days::Numbers { a, b, dots, .. }, .. }) = parse(cell) else { continue };
            match (a, b) {
                (13.., 1..=12) => day = true,
                (1..=12, 13..) => month = true,
                (1..=12, 1..=12) => {
                    // Points stand between numbers where the day comes first.
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

/// Why a date is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It is no date.
    NoDate,
    /// Day and month can be swapped.
    Swappable,
}

/// Reads a date, or a date and a time; what is written without a zone is meant in `zone`.
///
/// # Errors
/// When it is no date, or can be two and no `order` is given.
pub fn read(text: &str, order: Option<DateOrder>, zone: &Zone) -> Result<Timestamp, Unread> {
    let Parsed { date, time, offset } = parse(text).ok_or(Unread::NoDate)?;
    let date = match date {
        Days::At(at) => return Ok(at),
        Days::Local(at) => return Ok(zone.from_local(at)),
        Days::Date(date) => date,
        Days::Numbers { a, b, year, .. } => {
            let (day, month) = match (a, b, order) {
                (13.., ..=12, _) => (a, b),
                (..=12, 13.., _) => (b, a),
                (_, _, Some(order)) => order.of(a, b),
                _ if a == b => (a, b),
                _ => return Err(Unread::Swappable),
            };
            calendar(year, month, day).ok_or(Unread::NoDate)?
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

/// A date as written.
enum Days {
    /// A point in time already.
    At(Timestamp),
    /// A local time of the zone.
    Local(PrimitiveDateTime),
    /// One day, without doubt.
    Date(Date),
    /// Two numbers and a year.
    Numbers { a: u32, b: u32, year: i32, dots: bool },
}

struct Parsed {
    date: Days,
    time: Time,
    offset: Option<UtcOffset>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Number(String),
    Word(String),
    Sign(char),
}

impl Token {
    fn is(&self, sign: char) -> bool {
        *self == Self::Sign(sign)
    }

    fn number(&self, most: usize) -> Option<u32> {
        match self {
            Self::Number(digits) if digits.len() <= most => digits.parse().ok(),
            _ => None,
        }
    }
}

/// Longest text that may be a date.
const MOST: usize = 100;

fn parse(text: &str) -> Option<Parsed> {
    let text = text.trim();
    if text.is_empty() || text.len() > MOST {
        return None;
    }
    if let Some(date) = number(text) {
        return Some(Parsed { date, time: Time::MIDNIGHT, offset: None });
    }
    let mut tokens = tokens(text)?;
    let (time, offset) = take_time(&mut tokens)?;
    Some(Parsed { date: days(tokens)?, time, offset })
}

/// Unix time, a spreadsheet's number of days, or a date without signs between its parts.
fn number(text: &str) -> Option<Days> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || !whole.bytes().chain(part.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: i64 = whole.parse().ok()?;
    let ms = |unit: i64| Some(Days::At(Timestamp(n / unit)));
    match whole.len() {
        // From 1970 on, counted from the last day of 1899 (as spreadsheets do) with the time of day as a fraction.
        5 if (25_569..=73_050).contains(&n) => {
            let day: f64 = text.parse().ok()?;
            #[expect(clippy::cast_possible_truncation, reason = "a number of days within these bounds is far from the limits")]
            let seconds = ((day - 25_569.0) * 86_400.0).round() as i64;
            let shown = Timestamp(seconds * 1000).utc();
            Some(Days::Local(PrimitiveDateTime::new(shown.date(), shown.time())))
        }
        8 if part.is_empty() => {
            let piece = |from: usize, to: usize| whole.get(from..to)?.parse::<u32>().ok();
            Some(Days::Date(calendar(i32::try_from(piece(0, 4)?).ok()?, piece(4, 6)?, piece(6, 8)?)?))
        }
        9 | 10 => {
            let fraction: i64 = format!("{part:0<3}").get(..3)?.parse().ok()?;
            Some(Days::At(Timestamp(n * 1000 + fraction)))
        }
        12 | 13 => ms(1),
        15 | 16 => ms(1_000),
        18 | 19 => ms(1_000_000),
        _ => None,
    }
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut all: Vec<Token> = Vec::new();
    let mut glued = false;
    for c in text.chars() {
        let c = match c {
            // The name of a zone, after its offset.
            '(' | '[' => break,
            '年' | '月' | '년' | '월' | '−' | '–' | '‑' => '-',
            '日' | '일' => ' ',
            '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0)?,
            c => c,
        };
        match (all.last_mut(), c) {
            (_, c) if c.is_whitespace() => {
                glued = false;
                continue;
            }
            (Some(Token::Number(digits)), c) if glued && c.is_ascii_digit() => digits.push(c),
            (Some(Token::Word(word)), c) if glued && c.is_alphabetic() => word.extend(c.to_lowercase()),
            (_, c) if c.is_ascii_digit() => all.push(Token::Number(c.into())),
            (_, c) if c.is_alphabetic() => all.push(Token::Word(c.to_lowercase().collect())),
            (_, '-' | '/' | '.' | ':' | ',' | '+' | '\'' | '’') => all.push(Token::Sign(c)),
            _ => return None,
        }
        glued = true;
    }
    Some(all)
}

/// Takes the time of day and the zone out of the tokens; midnight where there is none.
fn take_time(tokens: &mut Vec<Token>) -> Option<(Time, Option<UtcOffset>)> {
    // 20211101T100000Z.
    if let [Token::Number(day), Token::Word(t), Token::Number(time), ..] = tokens.as_slice()
        && day.len() == 8
        && t == "t"
        && matches!(time.len(), 4 | 6)
    {
        let piece = |from: usize| time.get(from..from + 2).map_or(Some(0), |p| p.parse().ok());
        let time = Time::from_hms(piece(0)?, piece(2)?, piece(4)?).ok()?;
        let (offset, used) = zone(&tokens[3..])?;
        tokens.drain(1..3 + used);
        return Some((time, offset));
    }
    let Some(colon) = tokens.iter().position(|t| t.is(':')) else { return Some((Time::MIDNIGHT, None)) };
    let start = colon.checked_sub(1)?;
    let (hour, minute) = (tokens[start].number(2)?, tokens.get(colon + 1)?.number(2)?);
    let mut next = colon + 2;
    let (mut second, mut nano) = (0, 0);
    if tokens.get(next).is_some_and(|t| t.is(':')) {
        second = tokens.get(next + 1)?.number(2)?;
        next += 2;
        if let (Some(sign), Some(Token::Number(digits))) = (tokens.get(next), tokens.get(next + 1))
            && (sign.is('.') || sign.is(','))
            // 10:00:00, 1 November 2021.
            && !(sign.is(',') && tokens.len() > next + 3)
        {
            nano = format!("{digits:0<9}").get(..9)?.parse().ok()?;
            next += 2;
        }
    }
    let mut half = None;
    if let Some(Token::Word(word)) = tokens.get(next) {
        half = match word.as_str() {
            "am" => Some(0),
            "pm" => Some(12),
            // "a.m."
            "a" | "p" if tokens.get(next + 2) == Some(&Token::Word("m".into())) => Some(if word == "a" { 0 } else { 12 }),
            _ => None,
        };
        next += match (half, word.len()) {
            (None, _) if word == "uhr" || word == "h" => 1,
            (None, _) => 0,
            (Some(_), 1) => 3 + usize::from(tokens.get(next + 3).is_some_and(|t| t.is('.'))),
            (Some(_), _) => 1,
        };
    }
    let hour = match half {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(half) => hour % 12 + half,
    };
    let time = Time::from_hms_nano(u8::try_from(hour).ok()?, u8::try_from(minute).ok()?, u8::try_from(second).ok()?, nano).ok()?;
    let (offset, used) = zone(tokens.get(next..)?)?;
    let mut from = start;
    while from > 0 && matches!(&tokens[from - 1], Token::Word(w) if matches!(w.as_str(), "t" | "at" | "um" | "kl")) {
        from -= 1;
    }
    tokens.drain(from..next + used);
    Some((time, offset))
}

/// Zones by letters, in hours from UTC: those of mail headers and central Europe's. Others mean different things to different people.
const ZONES: &[(&str, i32)] = &[
    ("z", 0),
    ("utc", 0),
    ("gmt", 0),
    ("est", -5),
    ("edt", -4),
    ("cst", -6),
    ("cdt", -5),
    ("mst", -7),
    ("mdt", -6),
    ("pst", -8),
    ("pdt", -7),
    ("cet", 1),
    ("cest", 2),
    ("mez", 1),
    ("mesz", 2),
];

/// A zone at the beginning, and how many tokens it takes.
fn zone(tokens: &[Token]) -> Option<(Option<UtcOffset>, usize)> {
    let mut used = 0;
    let mut offset = None;
    if let Some(Token::Word(word)) = tokens.first()
        && let Some((_, hours)) = ZONES.iter().find(|(name, _)| name == word)
    {
        used = 1;
        offset = Some(UtcOffset::from_hms(i8::try_from(*hours).ok()?, 0, 0).ok()?);
        if !matches!(word.as_str(), "utc" | "gmt") {
            return Some((offset, used));
        }
    }
    let sign = match tokens.get(used) {
        Some(Token::Sign('+')) => 1,
        Some(Token::Sign('-')) => -1,
        _ => return Some((offset, used)),
    };
    let Some(Token::Number(digits)) = tokens.get(used + 1) else { return None };
    let (hours, minutes, more) = match digits.len() {
        1 | 2 if tokens.get(used + 2).is_some_and(|t| t.is(':')) => {
            (digits.parse::<i8>().ok()?, i8::try_from(tokens.get(used + 3)?.number(2)?).ok()?, 4)
        }
        1 | 2 => (digits.parse().ok()?, 0, 2),
        4 => (digits.get(..2)?.parse().ok()?, digits.get(2..)?.parse().ok()?, 2),
        _ => return None,
    };
    if hours > 15 || minutes > 59 {
        return None;
    }
    Some((Some(UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()?), used + more))
}

fn days(tokens: Vec<Token>) -> Option<Days> {
    let mut left: Vec<Token> = Vec::with_capacity(tokens.len());
    for (n, token) in tokens.into_iter().enumerate() {
        match token {
            Token::Sign(',' | '\'' | '’') => {}
            Token::Word(word) if n == 0 && month(&word).is_none() => {
                if !WEEKDAYS.iter().any(|day| word.starts_with(day)) {
                    return None;
                }
            }
            // "Mo. 01.11.2021", "sáb. 1 nov."
            Token::Sign('.') if left.is_empty() => {}
            Token::Word(word)
                if matches!(left.last(), Some(Token::Number(_))) && matches!(word.as_str(), "st" | "nd" | "rd" | "th" | "er") => {}
            Token::Word(word) if matches!(word.as_str(), "de" | "of" | "del") => {}
            token => left.push(token),
        }
    }
    if !left.iter().any(|t| matches!(t, Token::Word(_))) {
        return in_numbers(&left);
    }
    left.retain(|t| !matches!(t, Token::Sign('-' | '/' | '.')));
    let (day, word, years) = match left.as_slice() {
        [Token::Number(year), Token::Word(word), day] if year.len() == 4 => (day, word, year),
        [day, Token::Word(word), Token::Number(year)] | [Token::Word(word), day, Token::Number(year)] => (day, word, year),
        _ => return None,
    };
    Some(Days::Date(calendar(year(years)?, month(word)?, day.number(2)?)?))
}

fn in_numbers(tokens: &[Token]) -> Option<Days> {
    if let [Token::Number(all)] = tokens
        && all.len() == 8
    {
        return number(all);
    }
    // "1. 11. 2021" as well as "2021. 11. 1.".
    let tokens = match tokens {
        [rest @ .., last] if last.is('.') || last.is('-') => rest,
        all => all,
    };
    let [Token::Number(first), Token::Sign(sign), middle, Token::Sign(other), Token::Number(last)] = tokens else { return None };
    if sign != other || !matches!(sign, '-' | '/' | '.') {
        return None;
    }
    let middle = middle.number(2)?;
    if first.len() == 4 {
        return Some(Days::Date(calendar(year(first)?, middle, Token::Number(last.clone()).number(2)?)?));
    }
    let a = Token::Number(first.clone()).number(2)?;
    let numbers = Days::Numbers { a, b: middle, year: year(last)?, dots: *sign == '.' };
    ((1..=31).contains(&a) && (1..=31).contains(&middle) && (a <= 12 || middle <= 12)).then_some(numbers)
}

/// Four digits, or two of this century or the end of the last.
fn year(digits: &str) -> Option<i32> {
    let n: i32 = digits.parse().ok()?;
    match digits.len() {
        4 => Some(n),
        2 if n < 70 => Some(2000 + n),
        2 => Some(1900 + n),
        _ => None,
    }
}

/// A day from 1970 on: what is older is a placeholder.
fn calendar(year: i32, month: u32, day: u32) -> Option<Date> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok().filter(|_| (1970..=9999).contains(&year))
}

/// How months begin, in English, German, French, Spanish, Italian, Portuguese and Dutch, lower case.
const MONTHS: [&[&str]; 12] = [
    &["jan", "jän", "ene", "gen"],
    &["feb", "fév", "fev"],
    &["mar", "mär", "mrz", "maa", "mrt"],
    &["apr", "avr", "abr"],
    &["may", "mai", "mag", "mei"],
    &["jun", "juin", "giu"],
    &["jul", "juil", "lug"],
    &["aug", "aoû", "aou", "ago"],
    &["sep", "set"],
    &["oct", "okt", "out", "ott"],
    &["nov"],
    &["dec", "dez", "déc", "dic"],
];

fn month(word: &str) -> Option<u32> {
    let found = MONTHS.iter().position(|names| names.iter().any(|name| word.starts_with(name)))?;
    (word.chars().count() <= 10).then(|| u32::try_from(found + 1).ok()).flatten()
}

/// How weekdays begin, in English, German, French and Spanish, where that is not how a month begins.
const WEEKDAYS: &[&str] = &[
    "mon", "tue", "wed", "thu", "fri", "sat", "sun", "mo", "di", "mi", "do", "fr", "sa", "so", "lun", "mer", "jeu", "ven", "sam", "dim",
    "jue", "vie", "sáb", "dom", "mié",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::zone::UTC;

    fn shown(text: &str, order: Option<DateOrder>) -> Result<String, Unread> {
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
            assert_eq!(read(text, Some(DateOrder::DayFirst), &UTC), Err(Unread::NoDate), "{text}");
        }
    }

    #[test]
    fn c15_the_order_is_seen_in_the_column_or_asked() {
        use DateOrder::{DayFirst, MonthFirst};
        assert_eq!(Order::seen(["23.11.2025", "01.02.2025 10:30"]), Order::Clear(DayFirst, "01.02.2025 10:30".into()));
        assert_eq!(Order::seen(["01.02.2025"]), Order::Clear(DayFirst, "01.02.2025".into()));
        assert_eq!(Order::seen(["", "1/2/2025", "11/23/2025"]), Order::Clear(MonthFirst, "1/2/2025".into()));
        assert_eq!(Order::seen(["n/a", "1/2/2025", "3/4/2025 10:00"]), Order::Ambiguous("1/2/2025".into()));
        assert_eq!(Order::seen(["23/11/2025", "11/23/2025", "1/2/2025"]), Order::Ambiguous("1/2/2025".into()));
        assert_eq!(Order::seen(["2025-01-02", "1637020800", "01 NOV 2021", "words"]), Order::Irrelevant);
        assert_eq!(read("01/02/2025", None, &UTC), Err(Unread::Swappable));
        assert_eq!(shown("01/02/2025", Some(DayFirst)).unwrap(), "2025-02-01T00:00:00Z");
        assert_eq!(shown("01/02/2025 10:30", Some(MonthFirst)).unwrap(), "2025-01-02T10:30:00Z");
        assert_eq!(shown("01.02.2025 10:30", Some(DayFirst)).unwrap(), "2025-02-01T10:30:00Z");
    }

    proptest! {
        #[test]
        fn no_input_panics(text in ".{0,40}") {
            let _ = (read(&text, None, &UTC), read(&text, Some(DateOrder::MonthFirst), &UTC), Order::seen([text.as_str()]));
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
