//! The date parser: from text to numbers, month names and zones, without deciding on the order of day and month.

use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

use crate::Timestamp;

/// A date as written.
pub(super) enum WrittenDate {
    /// A point in time.
    At(Timestamp),
    /// A local time in the zone.
    Local(PrimitiveDateTime),
    /// One unambiguous day.
    Date(Date),
    /// Two numbers and a year.
    Numbers { a: u32, b: u32, year: i32, dots: bool },
}

pub(super) struct ParsedDate {
    pub(super) date: WrittenDate,
    pub(super) time: Time,
    pub(super) offset: Option<UtcOffset>,
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

/// Longest text that is tried as a date, in bytes.
const MOST: usize = 100;

pub(super) fn parse(text: &str) -> Option<ParsedDate> {
    let text = text.trim();
    if text.is_empty() || text.len() > MOST {
        return None;
    }
    if let Some(date) = number(text) {
        return Some(ParsedDate { date, time: Time::MIDNIGHT, offset: None });
    }
    let mut tokens = tokens(text)?;
    let (time, offset) = take_time(&mut tokens)?;
    Some(ParsedDate { date: days(tokens)?, time, offset })
}

/// Unix time, a spreadsheet's day number, or a date without separators.
fn number(text: &str) -> Option<WrittenDate> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || !whole.bytes().chain(part.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: i64 = whole.parse().ok()?;
    let ms = |unit: i64| Some(WrittenDate::At(Timestamp(n / unit)));
    match whole.len() {
        // From 1970 on, counted from the last day of 1899 (as spreadsheets do) with the time of day as a fraction.
        5 if (25_569..=73_050).contains(&n) => {
            let day: f64 = text.parse().ok()?;
            #[expect(clippy::cast_possible_truncation, reason = "a number of days within these bounds is far from the limits")]
            let seconds = ((day - 25_569.0) * 86_400.0).round() as i64;
            let shown = Timestamp(seconds * 1000).utc();
            Some(WrittenDate::Local(PrimitiveDateTime::new(shown.date(), shown.time())))
        }
        8 if part.is_empty() => {
            let piece = |from: usize, to: usize| whole.get(from..to)?.parse::<u32>().ok();
            Some(WrittenDate::Date(calendar(i32::try_from(piece(0, 4)?).ok()?, piece(4, 6)?, piece(6, 8)?)?))
        }
        9 | 10 => {
            let fraction: i64 = format!("{part:0<3}").get(..3)?.parse().ok()?;
            Some(WrittenDate::At(Timestamp(n * 1000 + fraction)))
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
            // A zone name after the offset.
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

/// Removes the time of day and the zone from the tokens; midnight if there is none.
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

/// Zone abbreviations with hours from UTC: those of mail headers and central Europe. Others are ambiguous.
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

/// A zone at the beginning, and how many tokens it consumes.
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

fn days(tokens: Vec<Token>) -> Option<WrittenDate> {
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
    Some(WrittenDate::Date(calendar(year(years)?, month(word)?, day.number(2)?)?))
}

fn in_numbers(tokens: &[Token]) -> Option<WrittenDate> {
    if let [Token::Number(all)] = tokens
        && all.len() == 8
    {
        return number(all);
    }
    // Both "1. 11. 2021" and "2021. 11. 1.".
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
        return Some(WrittenDate::Date(calendar(year(first)?, middle, Token::Number(last.clone()).number(2)?)?));
    }
    let a = Token::Number(first.clone()).number(2)?;
    let numbers = WrittenDate::Numbers { a, b: middle, year: year(last)?, dots: *sign == '.' };
    ((1..=31).contains(&a) && (1..=31).contains(&middle) && (a <= 12 || middle <= 12)).then_some(numbers)
}

/// Four digits, or two that mean this century or the end of the last.
fn year(digits: &str) -> Option<i32> {
    let n: i32 = digits.parse().ok()?;
    match digits.len() {
        4 => Some(n),
        2 if n < 70 => Some(2000 + n),
        2 => Some(1900 + n),
        _ => None,
    }
}

/// A day from 1970 on: anything older is a placeholder.
pub(super) fn calendar(year: i32, month: u32, day: u32) -> Option<Date> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok().filter(|_| (1970..=9999).contains(&year))
}

/// Prefixes of month names in English, German, French, Spanish, Italian, Portuguese and Dutch, lower case.
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

/// Prefixes of weekday names in English, German, French and Spanish, unless a month begins the same way.
const WEEKDAYS: &[&str] = &[
    "mon", "tue", "wed", "thu", "fri", "sat", "sun", "mo", "di", "mi", "do", "fr", "sa", "so", "lun", "mer", "jeu", "ven", "sam", "dim",
    "jue", "vie", "sáb", "dom", "mié",
];
