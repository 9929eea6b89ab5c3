//! Time zones of the IANA database, and calendar days in them.
//!
//! A project has one zone: it defines "today", "7 days" and `before:2026-11-01`. The database is built in, so that the same program gives
//! the same results on every machine.

use std::{fmt, sync::LazyLock};

use jiff::{
    Timestamp as Instant,
    civil::{Date as Civil, DateTime},
    tz::{self, TimeZone},
};
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime, PrimitiveDateTime, UtcOffset, format_description::well_known::Rfc3339, macros::format_description};

use crate::{Timestamp, clock::DAY_MS};

/// A calendar day, as days since 1 January 1970. The moments it spans depend on the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i64);

impl Day {
    /// Parses `2026-11-23`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Date::parse(text, format_description!("[year]-[month]-[day]")).ok().map(Self::from)
    }

    /// The day this many days later (negative: earlier), saturating.
    #[must_use]
    pub fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// The Monday of its week.
    #[must_use]
    pub fn monday(self) -> Self {
        // The first day of the Unix epoch was a Thursday.
        self.plus(-((self.0.rem_euclid(7) + 3) % 7))
    }

    /// The day for people: `23 Nov 2026`.
    #[must_use]
    pub fn readable(self) -> String {
        self.date().format(format_description!("[day padding:none] [month repr:short] [year]")).unwrap_or_default()
    }

    /// The date, clamped to the years that can be written, -9999 to 9999.
    fn date(self) -> Date {
        let epoch = i64::from(OffsetDateTime::UNIX_EPOCH.to_julian_day());
        let limits = i64::from(Date::MIN.to_julian_day())..=i64::from(Date::MAX.to_julian_day());
        let day = self.0.saturating_add(epoch).clamp(*limits.start(), *limits.end());
        i32::try_from(day).ok().and_then(|day| Date::from_julian_day(day).ok()).unwrap_or(Date::MIN)
    }
}

impl From<Date> for Day {
    fn from(date: Date) -> Self {
        Self(i64::from(date.to_julian_day()) - i64::from(OffsetDateTime::UNIX_EPOCH.to_julian_day()))
    }
}

/// `2026-11-23`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.date().format(format_description!("[year]-[month]-[day]")).unwrap_or_default())
    }
}

/// A part of a time range during which the offset from UTC is constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetSpan {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// The offset from UTC, in milliseconds; positive east of UTC.
    pub offset_ms: i64,
}

/// A time zone of the IANA database (<https://www.iana.org/time-zones>), by its name: `Asia/Tokyo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(TimeZone);

/// Coordinated universal time: the zone of all data that belongs to no project.
pub static UTC: Zone = Zone(TimeZone::UTC);

impl Default for Zone {
    fn default() -> Self {
        UTC.clone()
    }
}

impl Zone {
    /// Finds a zone by its name, ignoring case; older names of a zone are accepted too.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let zone = TimeZone::get(name.trim()).ok()?;
        zone.iana_name().is_some().then_some(Self(zone))
    }

    /// Its name in the database.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The zones to choose from, in alphabetical order: those of places, each with its primary name, and UTC.
    #[must_use]
    pub fn all() -> &'static [Self] {
        static ALL: LazyLock<Vec<Zone>> = LazyLock::new(|| {
            let names = tz::db().available().filter(|name| name.as_str().contains('/') && !name.as_str().starts_with("Etc/"));
            let places = names.filter_map(|name| TimeZone::get(name.as_str()).ok()).filter(TimeZone::is_primary).map(Zone);
            let mut zones: Vec<Zone> = places.chain([UTC.clone()]).collect();
            zones.sort_unstable_by(|a, b| a.name().cmp(b.name()));
            zones
        });
        &ALL
    }

    /// The offset from UTC at a moment, in milliseconds.
    fn offset_ms(&self, at: Timestamp) -> i64 {
        Instant::from_millisecond(at.0).map_or(0, |at| i64::from(self.0.to_offset(at).seconds()) * 1000)
    }

    /// The calendar day at a moment.
    #[must_use]
    pub fn day(&self, at: Timestamp) -> Day {
        Day(at.plus_ms(self.offset_ms(at)).0.div_euclid(DAY_MS))
    }

    /// The first moment of a day: midnight, or later where clocks skip midnight.
    #[must_use]
    pub fn start_of_day(&self, day: Day) -> Timestamp {
        self.from_local(PrimitiveDateTime::new(day.date(), time::Time::MIDNIGHT))
    }

    /// The moment of a local time. If there are two, the earlier one; if clocks skip it, later by the length of the gap.
    #[must_use]
    pub fn from_local(&self, local: PrimitiveDateTime) -> Timestamp {
        let utc = local.assume_utc().unix_timestamp() * 1000 + i64::from(local.millisecond());
        let (date, time) = (local.date(), local.time());
        // The conversions cannot fail: `time` has checked the parts of a date and a time.
        let civil = || -> Option<DateTime> {
            let year = i16::try_from(date.year()).ok()?;
            let day = Civil::new(year, i8::try_from(u8::from(date.month())).ok()?, i8::try_from(date.day()).ok()?).ok()?;
            let nanoseconds = i32::try_from(time.nanosecond()).ok()?;
            let part = |n: u8| i8::try_from(n).ok();
            Some(day.at(part(time.hour())?, part(time.minute())?, part(time.second())?, nanoseconds))
        };
        // Outside the years that a zone supports, its offset does not matter.
        civil().and_then(|civil| self.0.to_timestamp(civil).ok()).map_or(Timestamp(utc), |at| Timestamp(at.as_millisecond()))
    }

    /// Splits a time range wherever the clocks change.
    #[must_use]
    pub fn offset_spans(&self, from: Timestamp, until: Timestamp) -> Vec<OffsetSpan> {
        let mut cuts = vec![from];
        if let Ok(start) = Instant::from_millisecond(from.0) {
            let changes = self.0.following(start).map(|change| Timestamp(change.timestamp().as_millisecond()));
            cuts.extend(changes.take_while(|at| *at < until));
        }
        let ends = cuts.iter().copied().skip(1).chain([until]);
        let spans = cuts.iter().copied().zip(ends).filter(|(from, until)| from < until);
        spans.map(|(from, until)| OffsetSpan { from, until, offset_ms: self.offset_ms(from) }).collect()
    }

    /// The local time at a moment.
    fn local(&self, at: Timestamp) -> OffsetDateTime {
        let seconds = i32::try_from(self.offset_ms(at) / 1000).unwrap_or(0);
        let offset = UtcOffset::from_whole_seconds(seconds).unwrap_or(UtcOffset::UTC);
        at.utc().checked_to_offset(offset).unwrap_or_else(|| at.utc())
    }

    /// RFC 3339 with the offset from UTC: `2026-11-23T12:58:00+09:00`.
    #[must_use]
    pub fn rfc3339(&self, at: Timestamp) -> String {
        // Before 1900, local mean time had seconds, which RFC 3339 cannot express.
        self.local(at).format(&Rfc3339).unwrap_or_else(|_| at.rfc3339())
    }

    /// The moment for people: `23 Nov 2026, 12:58 UTC+9`.
    #[must_use]
    pub fn readable(&self, at: Timestamp) -> String {
        let format = format_description!("[day padding:none] [month repr:short] [year], [hour]:[minute]");
        format!("{} {}", self.local(at).format(format).unwrap_or_default(), self.offset(at))
    }

    /// The moment in another language: the names of its months, and how it orders `{day}`, `{month}`, `{year}` and `{time}`.
    #[must_use]
    pub fn readable_in(&self, at: Timestamp, months: &[&str; 12], order: &str) -> String {
        let local = self.local(at);
        let month = months.get(usize::from(u8::from(local.month())) - 1).copied().unwrap_or_default();
        let time = format!("{:02}:{:02} {}", local.hour(), local.minute(), self.offset(at));
        order
            .replace("{day}", &local.day().to_string())
            .replace("{month}", month)
            .replace("{year}", &local.year().to_string())
            .replace("{time}", &time)
    }

    /// The offset from UTC at a moment, for people: `UTC+9`, `UTC`.
    #[must_use]
    pub fn offset(&self, at: Timestamp) -> String {
        let (hours, minutes, _) = self.local(at).offset().as_hms();
        let sign = if hours < 0 || minutes < 0 { '\u{2212}' } else { '+' };
        let offset = match (hours.unsigned_abs(), minutes.unsigned_abs()) {
            (0, 0) => String::new(),
            (hours, 0) => format!("{sign}{hours}"),
            (hours, minutes) => format!("{sign}{hours}:{minutes:02}"),
        };
        format!("UTC{offset}")
    }

    /// The time elapsed until `now`, in words: `just now`, `5 min ago`, `3 h ago`, `2 days ago`, after a month the day.
    #[must_use]
    pub fn ago(&self, at: Timestamp, now: Timestamp) -> String {
        let minutes = now.0.saturating_sub(at.0) / 60_000;
        match minutes {
            ..1 => "just now".into(),
            1..60 => format!("{minutes} min ago"),
            60..1440 => format!("{} h ago", minutes / 60),
            1440..2880 => "yesterday".into(),
            2880..43_200 => format!("{} days ago", minutes / 1440),
            _ => self.day(at).to_string(),
        }
    }
}

/// The current time, and the zone for displaying times.
#[derive(Debug, Clone)]
pub struct ZonedNow {
    /// The moment.
    pub now: Timestamp,
    /// The zone.
    pub zone: Zone,
}

impl ZonedNow {
    /// The time elapsed since a moment; see [`Zone::ago`].
    #[must_use]
    pub fn ago(&self, at: Timestamp) -> String {
        self.zone.ago(at, self.now)
    }

    /// The time elapsed since a moment, in words and for `<time datetime>`.
    #[must_use]
    pub fn moment(&self, at: Timestamp) -> (String, String) {
        (self.ago(at), at.rfc3339())
    }

    /// A point in time for people; see [`Zone::readable`].
    #[must_use]
    pub fn readable(&self, at: Timestamp) -> String {
        self.zone.readable(at)
    }

    /// The day of a point in time.
    #[must_use]
    pub fn day(&self, at: Timestamp) -> Day {
        self.zone.day(at)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::parse(&name).ok_or_else(|| format!("“{name}” is not a time zone. Choose one from the list, such as Europe/Berlin."))
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::parse(name).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn days_read_and_write_and_begin_weeks() {
        assert_eq!(Day::parse("1970-01-02"), Some(Day(1)));
        assert_eq!(Day::parse("2026-02-30"), None);
        let day = Day::parse("2026-11-29").unwrap();
        assert_eq!((day.to_string().as_str(), day.readable().as_str()), ("2026-11-29", "29 Nov 2026"));
        assert_eq!((day.monday().to_string().as_str(), day.plus(1).monday()), ("2026-11-23", day.plus(1)));
        assert_eq!(Day(i64::MAX).to_string(), "9999-12-31");
    }

    #[test]
    fn a_day_is_the_days_of_the_zone() {
        let tokyo = zone("asia/tokyo");
        assert_eq!(tokyo.name(), "Asia/Tokyo");
        assert_eq!(tokyo.day(at("2026-11-22T15:00:00Z")).to_string(), "2026-11-23");
        assert_eq!(tokyo.day(at("2026-11-22T14:59:59Z")).to_string(), "2026-11-22");
        assert_eq!(tokyo.start_of_day(Day::parse("2026-11-23").unwrap()), at("2026-11-22T15:00:00Z"));
        assert_eq!(tokyo.rfc3339(at("2026-11-23T03:58:00Z")), "2026-11-23T12:58:00+09:00");
        assert_eq!(tokyo.readable(at("2026-11-23T03:58:00Z")), "23 Nov 2026, 12:58 UTC+9");
        assert_eq!(zone("Asia/Kolkata").readable(Timestamp(0)), "1 Jan 1970, 05:30 UTC+5:30");
        assert_eq!(zone("America/Sao_Paulo").readable(Timestamp(0)), "31 Dec 1969, 21:00 UTC\u{2212}3");
        assert_eq!(UTC.readable(Timestamp(0)), "1 Jan 1970, 00:00 UTC");
        assert_eq!(UTC.rfc3339(Timestamp(0)), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn days_with_a_changed_clock_have_their_own_length() {
        let berlin = zone("Europe/Berlin");
        let hours = |day: &str| {
            let day = Day::parse(day).unwrap();
            (berlin.start_of_day(day.plus(1)).0 - berlin.start_of_day(day).0) / 3_600_000
        };
        assert_eq!([hours("2026-03-28"), hours("2026-03-29"), hours("2026-10-25")], [24, 23, 25]);
        let cut: Vec<(String, i64)> = berlin
            .offset_spans(at("2026-03-01T00:00:00Z"), at("2026-11-01T00:00:00Z"))
            .into_iter()
            .map(|s| (s.from.rfc3339(), s.offset_ms / 3_600_000))
            .collect();
        let expected = [("2026-03-01T00:00:00Z", 1), ("2026-03-29T01:00:00Z", 2), ("2026-10-25T01:00:00Z", 1)];
        assert_eq!(cut, expected.map(|(from, hours)| (from.to_owned(), hours)));
        // Chile's clocks skip midnight; the day begins at one o'clock.
        let santiago = zone("America/Santiago");
        assert_eq!(santiago.rfc3339(santiago.start_of_day(Day::parse("2026-09-06").unwrap())), "2026-09-06T01:00:00-03:00");
        // 02:30 occurred twice that night: the earlier one is used.
        assert_eq!(berlin.from_local(datetime!(2026-10-25 02:30)), at("2026-10-25T00:30:00Z"));
        assert_eq!(berlin.from_local(datetime!(2026-03-29 02:30)), at("2026-03-29T01:30:00Z"));
    }

    #[test]
    fn a_list_has_each_zone_once_and_names_of_places() {
        let names: Vec<&str> = Zone::all().iter().map(Zone::name).collect();
        for name in ["UTC", "Asia/Tokyo", "Asia/Kolkata", "Europe/Kyiv", "America/Argentina/Buenos_Aires"] {
            assert!(names.contains(&name), "{name}");
        }
        for name in ["Asia/Calcutta", "Etc/GMT+5", "US/Pacific", "EST"] {
            assert!(!names.contains(&name), "{name}");
        }
        assert!(names.len() > 300, "{}", names.len());
        assert!(names.iter().all(|name| Zone::parse(name).is_some()));
        assert!(["", "Mars/Olympus", "+09:00", "Etc/Unknown"].iter().all(|name| Zone::parse(name).is_none()));
        assert_eq!(serde_json::from_str::<Zone>("\"Europe/Berlin\"").unwrap(), zone("Europe/Berlin"));
        assert!(serde_json::from_str::<Zone>("\"Nowhere\"").unwrap_err().to_string().contains("“Nowhere” is not a time zone"));
    }

    #[test]
    fn ago_is_words_then_the_day() {
        let now = Timestamp(100 * DAY_MS);
        let ago = |ms: i64| UTC.ago(now.plus_ms(-ms), now);
        assert_eq!([ago(0), ago(5 * 60_000), ago(DAY_MS), ago(99 * DAY_MS)], ["just now", "5 min ago", "yesterday", "1970-01-02"]);
        assert_eq!(zone("Asia/Tokyo").ago(at("1970-01-02T20:00:00Z"), now), "1970-01-03");
    }

    proptest! {
        #[test]
        fn every_moment_is_within_its_day(ms in -2_000_000_000_000i64..4_000_000_000_000, n in 0usize..1000) {
            let zone = &Zone::all()[n % Zone::all().len()];
            let (at, day) = (Timestamp(ms), zone.day(Timestamp(ms)));
            // If clocks are set back over midnight, a day occurs twice: the moment is after the start, and before the day after next.
            prop_assert!(zone.start_of_day(day) <= at && at < zone.start_of_day(day.plus(2)), "{zone} {day} {at}");
            let parts = zone.offset_spans(at, at.plus_days(800));
            prop_assert_eq!(parts.first().map(|s| s.from), Some(at));
            prop_assert!(parts.windows(2).all(|w| w[0].until == w[1].from));
            prop_assert_eq!(parts.last().map(|s| s.until), Some(at.plus_days(800)));
        }

        #[test]
        fn nothing_panics(ms in any::<i64>(), day in any::<i64>(), name in "[A-Za-z/_+:0-9-]{0,20}") {
            let zone = Zone::parse(&name).unwrap_or_else(|| zone("Pacific/Apia"));
            let _ = (zone.readable(Timestamp(ms)), zone.rfc3339(Timestamp(ms)), zone.day(Timestamp(ms)), zone.start_of_day(Day(day)));
            let _ = (Day(day).monday(), Day(day).readable(), zone.ago(Timestamp(ms), Timestamp(0)));
        }
    }
}
