//! Line charts with logarithmic axes, as an SVG that is readable on light and dark pages.

use std::fmt::Write as _;

/// One line: x and y, in ascending x.
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 250.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 44.0;

/// Colours that also differ in lightness, and dashes, so that lines are distinguishable without colour.
const STYLES: [(&str, &str, &str); 6] = [
    ("#0f62fe", "#78a9ff", ""),
    ("#b3261e", "#ff8389", ""),
    ("#1b6e3c", "#6fdc8c", ""),
    ("#0f62fe", "#78a9ff", "6 4"),
    ("#8a3ffc", "#be95ff", "6 4"),
    ("#8a5a00", "#f1c21b", "2 4"),
];

pub fn svg(title: &str, unit: &str, lines: &[Line]) -> String {
    let all = || lines.iter().flat_map(|line| &line.points);
    let span = |pick: fn(&(f64, f64)) -> f64| {
        let (low, high) = all().map(pick).filter(|v| *v > 0.0).fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        (low.log10().floor(), high.log10().ceil().max(low.log10().floor() + 1.0))
    };
    let ((x_low, x_high), (y_low, y_high)) = (span(|p| p.0), span(|p| p.1));
    let x = |v: f64| LEFT + (v.log10() - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT);
    let y = |v: f64| HEIGHT - BOTTOM - (v.log10() - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM);
    let mut out = String::new();
    let mut style = String::new();
    for (n, (light, dark, dash)) in STYLES.iter().enumerate() {
        let dash = if dash.is_empty() { String::new() } else { format!(";stroke-dasharray:{dash}") };
        let _ = write!(
            style,
            ".l{n}{{stroke:{light}{dash}}}.t{n}{{fill:{light}}}@media(prefers-color-scheme:dark){{.l{n}{{stroke:{dark}}}.t{n}{{fill:{dark}}}}}"
        );
    }
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\"><style>\
         text{{font:13px system-ui,sans-serif;fill:#333}}.title{{font-weight:600;font-size:15px}}.grid{{stroke:#d0d0d0}}.line{{fill:none;stroke-width:2.5}}\
         rect{{fill:#fff}}@media(prefers-color-scheme:dark){{text{{fill:#ddd}}.grid{{stroke:#444}}rect{{fill:#161616}}}}{style}</style>\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"8\"/><text class=\"title\" x=\"{LEFT}\" y=\"26\">{title} ({unit})</text>"
    );
    let steps = |low: f64, high: f64| (low as i32..=high as i32).map(|n| 10_f64.powi(n));
    for value in steps(y_low, y_high) {
        let at = y(value);
        let _ = write!(
            out,
            "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0
        );
    }
    for value in steps(x_low, x_high) {
        let at = x(value);
        let name = if value >= 1e6 { format!("{} million", value / 1e6) } else { format!("{} thousand", value / 1e3) };
        let _ = write!(
            out,
            "<path class=\"grid\" d=\"M{at:.1} {TOP}V{:.1}\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 22.0
        );
    }
    // Names are at the ends of their lines, moved apart where they overlap.
    let mut ends: Vec<(usize, f64)> = lines.iter().enumerate().filter_map(|(n, l)| Some((n, y(l.points.last()?.1)))).collect();
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut lowest = TOP - 20.0;
    for (n, at) in ends {
        let line = &lines[n];
        let style = n % STYLES.len();
        let path: Vec<String> = line.points.iter().map(|(px, py)| format!("{:.1} {:.1}", x(*px), y(*py))).collect();
        let _ = write!(out, "<path class=\"line l{style}\" d=\"M{}\"/>", path.join("L"));
        for (px, py) in &line.points {
            let _ = write!(out, "<circle class=\"t{style}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"/>", x(*px), y(*py));
        }
        lowest = at.max(lowest + 18.0);
        let _ = write!(out, "<text class=\"t{style}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>", WIDTH - RIGHT + 10.0, lowest + 4.0, line.name);
    }
    out.push_str("</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_drawn_and_named_inside_the_picture() {
        let line = |name: &str, ys: [f64; 3]| Line { name: name.into(), points: [1e4, 1e5, 1e6].into_iter().zip(ys).collect() };
        let svg = svg("Times", "ms", &[line("ours", [1.0, 1.2, 2.0]), line("theirs", [3.0, 40.0, 500.0]), line("close", [1.0, 1.2, 2.01])]);
        assert_eq!((svg.matches("class=\"line ").count(), svg.matches("<circle").count()), (3, 9));
        assert!(svg.contains(">ours<") && svg.contains(">theirs<") && svg.contains("prefers-color-scheme:dark"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
