//! Time and identity as ports: the only way the rest of the program gets `now()` or a fresh id.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};
use uuid::Uuid;

/// A point in time: milliseconds since the Unix epoch, UTC. What the database stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// One day in milliseconds.
pub const DAY_MS: i64 = 86_400_000;

impl Timestamp {
    /// This time moved by `ms` milliseconds (negative: earlier), saturating.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// This time moved by whole days.
    #[must_use]
    pub fn plus_days(self, days: i64) -> Self {
        self.plus_ms(days.saturating_mul(DAY_MS))
    }

    fn offset(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// RFC 3339 in UTC, for `<time datetime>` and JSON: `2026-11-23T03:58:00Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        self.offset().format(&Rfc3339).unwrap_or_default()
    }

    /// The day in UTC: `2026-11-23`.
    #[must_use]
    pub fn day(self) -> String {
        self.offset().format(format_description!("[year]-[month]-[day]")).unwrap_or_default()
    }

    /// For people: `23 Nov 2026, 03:58 UTC`.
    #[must_use]
    pub fn readable(self) -> String {
        let format = format_description!("[day padding:none] [month repr:short] [year], [hour]:[minute] UTC");
        self.offset().format(format).unwrap_or_default()
    }

    /// The day in UTC, for people: `23 Nov 2026`.
    #[must_use]
    pub fn readable_day(self) -> String {
        self.offset().format(format_description!("[day padding:none] [month repr:short] [year]")).unwrap_or_default()
    }

    /// How long before `now` this was, in words: `just now`, `5 min ago`, `3 h ago`, `2 days ago`, then the day.
    #[must_use]
    pub fn ago(self, now: Self) -> String {
        let minutes = (now.0 - self.0) / 60_000;
        match minutes {
            ..1 => "just now".into(),
            1..60 => format!("{minutes} min ago"),
            60..1440 => format!("{} h ago", minutes / 60),
            1440..2880 => "yesterday".into(),
            2880..43_200 => format!("{} days ago", minutes / 1440),
            _ => self.day(),
        }
    }

    /// Midnight UTC of a day written `YYYY-MM-DD`.
    #[must_use]
    pub fn from_day(text: &str) -> Option<Self> {
        let date = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
        Some(Self(date.midnight().assume_utc().unix_timestamp() * 1000))
    }

    /// Reads RFC 3339 (`2026-11-23T03:58:00Z`) or a bare day.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(day) = Self::from_day(text) {
            return Some(day);
        }
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok().map(Self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// Where "now" comes from. Tests use a clock that they set.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// Where ids and secrets come from. Tests use a seeded source.
pub trait IdSource: Send + Sync {
    /// A fresh UUIDv7 (RFC 9562), so that ids sort by the time they were made.
    fn uuid(&self) -> Uuid;
    /// Fills the buffer with bytes fit for a secret.
    fn random(&self, buffer: &mut [u8]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_instants_parse() {
        assert_eq!(Timestamp::from_day("1970-01-02"), Some(Timestamp(DAY_MS)));
        assert_eq!(Timestamp::parse("1970-01-01T00:00:01Z"), Some(Timestamp(1000)));
        assert_eq!(Timestamp::parse("yesterday"), None);
        assert_eq!(Timestamp(0).rfc3339(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn ago_is_words_then_the_day() {
        let now = Timestamp(100 * DAY_MS);
        assert_eq!(now.ago(now), "just now");
        assert_eq!(now.plus_ms(-5 * 60_000).ago(now), "5 min ago");
        assert_eq!(now.plus_days(-1).ago(now), "yesterday");
        assert_eq!(now.plus_days(-99).ago(now), "1970-01-02");
    }
}
