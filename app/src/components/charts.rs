//! Charts as server-rendered SVG, each next to a table with the same numbers.
//!
//! Colours are classes (`style/charts.css`), so that they follow the theme; the drawing scales with its width.

use leptos::prelude::*;

/// A part of a whole.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Its share, 0 to 1.
    pub share: f64,
    /// The colour class: `bar-good`, `bar-1`, …
    pub class: &'static str,
}

/// One column: parts from the bottom up.
#[derive(Debug, Clone)]
pub struct Bar {
    /// The label below it.
    pub label: String,
    /// The tooltip: `23 Nov: 4 responses`.
    pub hint: String,
    /// Value and colour class of each part.
    pub parts: Vec<(f64, &'static str)>,
}

const WIDTH: f64 = 420.0;

/// One bar cut into shares of a whole. `id` is unique on the page.
#[component]
pub fn StackedBar(
    /// The element's id.
    #[prop(into)]
    id: String,
    /// The accessible title.
    #[prop(into)]
    title: String,
    /// The numbers in words.
    #[prop(into)]
    desc: String,
    /// The parts, left to right.
    segments: Vec<Segment>,
) -> impl IntoView {
    let mut x = 0.0;
    let rects: Vec<_> = segments
        .into_iter()
        .filter(|s| s.share > 0.0)
        .map(|s| {
            let (from, width) = (x, s.share * WIDTH);
            x += width;
            // A gap separates neighbours without relying on colour.
            view! { <rect class=s.class x=px(from) y="0" width=px((width - 1.5).max(0.5)) height="18" /> }
        })
        .collect();
    view! {
        <svg class="chart chart-stacked" id=id.clone() viewBox="0 0 420 18" role="img" aria-labelledby=format!("{id}-t {id}-d")>
            <title id=format!("{id}-t")>{title}</title>
            <desc id=format!("{id}-d")>{desc}</desc>
            {rects}
        </svg>
    }
    .into_any()
}

/// A share as a bar inside a table cell that also shows the number.
#[component]
pub fn ShareBar(
    /// 0 to 1.
    share: f64,
    /// The colour class.
    #[prop(default = "bar-1")]
    class: &'static str,
) -> impl IntoView {
    view! {
        <svg class="chart-share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
            <rect class="bar-track" x="0" y="0" width="100" height="8" />
            <rect class=class x="0" y="0" width=px(share.clamp(0.0, 1.0) * 100.0) height="8" />
        </svg>
    }
    .into_any()
}

/// A value with its interval on a scale.
#[component]
pub fn IntervalLine(
    /// The element's id.
    #[prop(into)]
    id: String,
    /// The accessible title.
    #[prop(into)]
    title: String,
    /// The lower end of the scale.
    low: f64,
    /// Its upper end.
    high: f64,
    /// The value.
    value: f64,
    /// The ends of the interval.
    interval: Option<(f64, f64)>,
) -> impl IntoView {
    let (left, width) = (6.0, WIDTH - 12.0);
    let x = move |v: f64| left + (v - low) / (high - low).max(f64::EPSILON) * width;
    view! {
        <svg class="chart chart-interval" id=id.clone() viewBox="0 0 420 34" role="img" aria-labelledby=format!("{id}-t")>
            <title id=format!("{id}-t")>{title}</title>
            <line class="axis" x1=px(left) y1="12" x2=px(left + width) y2="12" />
            {interval.map(|(from, to)| view! {
                <line class="interval" x1=px(x(from)) y1="12" x2=px(x(to)) y2="12" />
                <line class="interval" x1=px(x(from)) y1="7" x2=px(x(from)) y2="17" />
                <line class="interval" x1=px(x(to)) y1="7" x2=px(x(to)) y2="17" />
            })}
            <circle class="bar-1" cx=px(x(value)) cy="12" r="5" />
            <text class="chart-label" x=px(left) y="31">{number(low)}</text>
            <text class="chart-label" x=px(left + width) y="31" text-anchor="end">{number(high)}</text>
        </svg>
    }
    .into_any()
}

/// Columns over time or over a scale.
#[component]
pub fn Columns(
    /// The element's id.
    #[prop(into)]
    id: String,
    /// The accessible title.
    #[prop(into)]
    title: String,
    /// The numbers in words.
    #[prop(into)]
    desc: String,
    /// The columns, left to right.
    bars: Vec<Bar>,
) -> impl IntoView {
    let (left, right, top, bottom) = (30.0, WIDTH - 2.0, 8.0, 116.0);
    let highest = bars.iter().map(|b| b.parts.iter().map(|(v, _)| v).sum::<f64>()).fold(0.0, f64::max);
    let ceiling = nice(highest);
    let y = move |v: f64| bottom - v / ceiling * (bottom - top);
    let n = bars.len();
    let slot = (right - left) / as_f64(n.max(1));
    let width = (slot * 0.8).min(30.0);
    let every = n.div_ceil(6).max(1);
    let ticks = if ceiling >= 2.0 { vec![0.0, ceiling / 2.0, ceiling] } else { vec![0.0, ceiling] };
    let grid: Vec<_> = ticks
        .into_iter()
        .map(|t| {
            let class = if t > 0.0 { "grid-line" } else { "axis" };
            view! {
                <line class=class x1=px(left) y1=px(y(t)) x2=px(right) y2=px(y(t)) />
                <text class="chart-label" x=px(left - 4.0) y=px(y(t) + 3.0) text-anchor="end">{number(t)}</text>
            }
        })
        .collect();
    let columns: Vec<_> = bars
        .into_iter()
        .enumerate()
        .map(|(i, bar)| {
            let x = left + slot * as_f64(i) + (slot - width) / 2.0;
            let mut base = 0.0;
            let parts: Vec<_> = bar
                .parts
                .into_iter()
                .filter(|(v, _)| *v > 0.0)
                .map(|(v, class)| {
                    let (foot, head) = (y(base), y(base + v));
                    base += v;
                    view! { <rect class=class x=px(x) y=px(head) width=px(width) height=px((foot - head).max(0.5)) /> }
                })
                .collect();
            let label = (n <= 12 || i % every == 0).then(|| {
                view! { <text class="chart-label" x=px(x + width / 2.0) y="130" text-anchor="middle">{bar.label}</text> }
            });
            view! { <g><title>{bar.hint}</title>{parts}</g>{label} }
        })
        .collect();
    view! {
        <svg class="chart chart-columns" id=id.clone() viewBox="0 0 420 134" role="img" aria-labelledby=format!("{id}-t {id}-d")>
            <title id=format!("{id}-t")>{title}</title>
            <desc id=format!("{id}-d")>{desc}</desc>
            {grid}
            {columns}
        </svg>
    }
    .into_any()
}

/// A coordinate: two decimals are finer than any screen.
fn px(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn number(value: f64) -> String {
    px(value).replace('-', "−")
}

#[expect(clippy::cast_precision_loss, reason = "columns on a screen")]
fn as_f64(n: usize) -> f64 {
    n as f64
}

/// The next number of 1, 2, 4, 6, 10 times a power of ten, so that half the height is a whole number too.
fn nice(highest: f64) -> f64 {
    if highest <= 1.0 {
        return 1.0;
    }
    let power = 10_f64.powf(highest.log10().floor());
    [1.0, 2.0, 4.0, 6.0, 10.0].into_iter().map(|step| step * power).find(|c| *c >= highest).unwrap_or(highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_are_round() {
        for (highest, ceiling) in [(0.0, 1.0), (1.0, 1.0), (3.0, 4.0), (7.0, 10.0), (10.0, 10.0), (11.0, 20.0), (450.0, 600.0)] {
            assert!((nice(highest) - ceiling).abs() < 1e-9, "{highest}: {}", nice(highest));
        }
        assert_eq!(px(12.5), "12.5");
        assert_eq!(number(-100.0), "−100");
    }
}
