//! Numbers of the results in words: shares, decimals, intervals.

use domain::surveys::stats::{Estimate, MIN_ANSWERS_FOR_SCORE, share};

pub(super) fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    share(part, whole).map_or(0.0, |e| e.value / 100.0)
}

pub(super) fn per_cent(part: u64, whole: u64) -> String {
    share(part, whole).map_or_else(|| "–".into(), |e| format!("{:.0}%", e.value))
}

/// A number with the given decimals and a typographic minus sign.
pub(super) fn decimal(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    // Do not show −0.
    if text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.')) {
        text.trim_start_matches('-').to_owned()
    } else {
        text.replace('-', "−")
    }
}

pub(super) fn too_few() -> String {
    format!("Too few answers (n < {MIN_ANSWERS_FOR_SCORE})")
}

pub(super) fn ends(e: &Estimate, decimals: usize, unit: &str) -> String {
    match e.interval {
        Some((low, high)) => format!(" 95% confidence interval {}{unit} to {}{unit}", decimal(low, decimals), decimal(high, decimals)),
        None => " All answers are identical: no interval".into(),
    }
}
