//! Support desk statistics: waiting times, with confidence intervals.

use crate::clock::DAY_MS;

/// Below this many tickets a median describes single tickets more than the desk: the count is shown, the time is not.
pub const MIN_TICKETS_FOR_MEDIAN: usize = 5;
/// The same for the 90th percentile: with fewer tickets it is little more than the slowest one.
pub const MIN_TICKETS_FOR_P90: usize = 20;

/// Statistics of the times that tickets took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DurationStats {
    /// Number of tickets.
    pub n: usize,
    /// The median; `None` below [`MIN_TICKETS_FOR_MEDIAN`].
    pub median: Option<i64>,
    /// The 95 % confidence interval of the median; `None` if there are too few tickets.
    pub median_between: Option<(i64, i64)>,
    /// The 90th percentile; `None` below [`MIN_TICKETS_FOR_P90`].
    pub p90: Option<i64>,
}

impl DurationStats {
    /// Calculates the statistics of `took`, in any order.
    ///
    /// A quantile is the smallest time that at least that share of tickets did not exceed, so it is always the time of an actual ticket.
    /// The interval of the median runs between two of the times themselves: the number of `n` values below the true median is binomial with
    /// p = ½ (W. J. Conover, "Practical Nonparametric Statistics", 3rd ed., section 3.2), so no distribution of the times is assumed.
    #[must_use]
    pub fn of(mut took: Vec<i64>) -> Self {
        took.sort_unstable();
        let n = took.len();
        let at = |share_of_ten: usize| took.get((n * share_of_ten).div_ceil(10).saturating_sub(1)).copied();
        Self {
            n,
            median: (n >= MIN_TICKETS_FOR_MEDIAN).then(|| at(5)).flatten(),
            median_between: below(n).and_then(|out| Some((*took.get(out)?, *took.get(n - 1 - out)?))),
            p90: (n >= MIN_TICKETS_FOR_P90).then(|| at(9)).flatten(),
        }
    }
}

/// The number of values to drop at each end of `n` sorted values so that the rest still spans the median with 95 % confidence; `None` if
/// even all values do not.
fn below(n: usize) -> Option<usize> {
    let exponent = i32::try_from(n).ok()?;
    // Well before 2⁻ⁿ underflows; the normal approximation is exact enough above this.
    if n > 1000 {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of tickets")]
        return Some(((n as f64 - 1.96 * (n as f64).sqrt()) / 2.0).floor().max(0.0) as usize);
    }
    let mut probability = 0.5_f64.powi(exponent);
    let mut both_tails = 2.0 * probability;
    let mut out = None;
    for k in 0..n / 2 {
        if both_tails > 0.05 {
            break;
        }
        out = Some(k);
        #[expect(clippy::cast_precision_loss, reason = "counts of tickets")]
        let ratio = (n - k) as f64 / (k + 1) as f64;
        probability *= ratio;
        both_tails += 2.0 * probability;
    }
    out
}

/// A duration for people, in its two largest units: `3 min`, `2 h 5 min`, `4 days 6 h`.
#[must_use]
pub fn format_duration(ms: i64) -> String {
    let minutes = ms.max(0) / 60_000;
    let (days, hours, rest) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let day_word = if days == 1 { "day" } else { "days" };
    match (days, hours, rest) {
        (0, 0, 0) => "under a minute".into(),
        (0, 0, m) => format!("{m} min"),
        (0, h, 0) => format!("{h} h"),
        (0, h, m) => format!("{h} h {m} min"),
        (d, 0, _) => format!("{d} {day_word}"),
        (d, h, _) => format!("{d} {day_word} {h} h"),
    }
}

/// Age groups, youngest first: the label, and the minimum age of a ticket in milliseconds.
pub const AGE_GROUPS: [(&str, i64); 5] = [
    ("Under a day", 0),
    ("1 to 3 days", DAY_MS),
    ("3 to 7 days", 3 * DAY_MS),
    ("7 to 30 days", 7 * DAY_MS),
    ("30 days and more", 30 * DAY_MS),
];

/// The index in [`AGE_GROUPS`] of an age.
#[must_use]
pub fn age_group(ms: i64) -> usize {
    AGE_GROUPS.iter().rposition(|(_, from)| ms >= *from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_a_ticket_took() {
        let times = DurationStats::of((1..=20).rev().collect());
        assert_eq!((times.n, times.median, times.p90), (20, Some(10), Some(18)));
        let times = DurationStats::of(vec![7, 1, 3, 9, 5]);
        assert_eq!((times.n, times.median, times.p90), (5, Some(5), None));
        assert_eq!(DurationStats::of(vec![1, 2, 3, 4]), DurationStats { n: 4, ..DurationStats::default() });
        assert_eq!(DurationStats::of(vec![]), DurationStats::default());
    }

    #[test]
    fn the_interval_of_the_median_is_binomial() {
        // From tables of the sign test: with 5 values no interval exists, with 6 it needs all, with 10 the 2nd and 9th, with 20 the 6th and
        // 15th.
        for (n, ends) in [(5, None), (6, Some((1, 6))), (8, Some((1, 8))), (10, Some((2, 9))), (20, Some((6, 15)))] {
            assert_eq!(DurationStats::of((1..=n).collect()).median_between, ends, "{n}");
        }
        let (low, high) = DurationStats::of((0..2000).collect()).median_between.unwrap();
        assert!(low < 1000 && high > 1000 && (900..=1100).contains(&low) && (900..=1100).contains(&high), "{low} {high}");
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let minute = 60_000;
        for (ms, words) in [
            (-5, "under a minute"),
            (59_999, "under a minute"),
            (3 * minute, "3 min"),
            (60 * minute, "1 h"),
            (125 * minute, "2 h 5 min"),
            (DAY_MS, "1 day"),
            (4 * DAY_MS + 6 * 60 * minute + 1, "4 days 6 h"),
        ] {
            assert_eq!(format_duration(ms), words);
        }
    }

    #[test]
    fn ages_have_groups() {
        assert_eq!([age_group(-1), age_group(0), age_group(DAY_MS), age_group(3 * DAY_MS - 1), age_group(90 * DAY_MS)], [0, 0, 1, 1, 4]);
    }
}
