//! Parsing of cell values: blank markers, scores with their scale, addresses with a name.

use crate::email;

/// Markers that spreadsheets, databases and statistics programs write into a cell without a value, in lower case.
const NOTHING: &[&str] = &[
    "-",
    "--",
    "---",
    "–",
    "—",
    ".",
    "?",
    "n/a",
    "n.a.",
    "na",
    "#n/a",
    "#na",
    "null",
    "(null)",
    "#null!",
    "\\n",
    "nil",
    "none",
    "(none)",
    "nan",
    "#value!",
    "#ref!",
    "#name?",
    "#num!",
    "#div/0!",
    "undefined",
    "not applicable",
    "k. a.",
    "k.a.",
];

/// Returns whether a cell of an optional column is blank or holds a marker for "no value".
#[must_use]
pub fn is_blank_value(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text.chars().count() <= 14 && NOTHING.contains(&text.to_lowercase().as_str())
}

/// A score, with its scale if the cell contains it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParsedScore {
    /// The score.
    pub score: f64,
    /// The scale maximum in the cell.
    pub max: Option<f64>,
    /// The likely scale maximum unless another one is known: stars are usually out of 5.
    pub usual_max: Option<f64>,
}

/// Words between a score and the scale maximum.
const OF: &[&str] = &["of", "out of", "from", "von", "sur", "de", "di", "su", "van", "af", "av", "z", "из"];
/// Words for stars, in lower case.
const STARS: &[&str] =
    &["star", "stars", "stern", "sterne", "sternen", "étoile", "étoiles", "estrella", "estrellas", "stelle", "stella", "sterren", "ster"];
/// Words for points, in lower case.
const POINTS: &[&str] = &["point", "points", "punkt", "punkte", "punkten", "pts", "pt", "puntos", "punti", "punten"];

/// Parses `4`, `7,5`, `4/5`, `8 of 10`, `80 %`, `4 stars`, `★★★★☆`.
#[must_use]
pub fn parse_score(text: &str) -> Option<ParsedScore> {
    let text: String = text.chars().map(plain).collect();
    let text = text.trim().to_lowercase();
    if let Some(stars) = stars(&text) {
        return Some(stars);
    }
    let (first, rest) = leading_number(&text)?;
    let rest = rest.trim();
    let own = |max: Option<f64>, usual_max: Option<f64>| Some(ParsedScore { score: first, max, usual_max });
    if rest.is_empty() || POINTS.contains(&rest) {
        return own(None, None);
    }
    if rest == "%" || rest == "percent" || rest == "prozent" {
        return own(Some(100.0), None);
    }
    if STARS.contains(&rest) {
        return own(None, (first <= 5.0).then_some(5.0));
    }
    let rest = STARS.iter().chain(POINTS).find_map(|word| rest.strip_prefix(&format!("{word} "))).unwrap_or(rest).trim_start();
    let top = rest.strip_prefix('/').or_else(|| OF.iter().find_map(|word| rest.strip_prefix(&format!("{word} "))))?;
    let (max, rest) = leading_number(top.trim())?;
    let rest = rest.trim();
    let is_unit = rest.is_empty() || STARS.contains(&rest) || POINTS.contains(&rest);
    if is_unit && max > 0.0 { own(Some(max), None) } else { None }
}

/// Converts full-width digits and signs, from East Asian keyboards, to ASCII.
fn plain(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        '\u{A0}' | '\u{202F}' | '\u{3000}' => ' ',
        '\u{2044}' | '\u{2215}' => '/',
        c => c,
    }
}

fn stars(text: &str) -> Option<ParsedScore> {
    let (mut full, mut empty) = (0_u8, 0_u8);
    for c in text.chars() {
        match c {
            '★' | '⭐' | '🌟' | '*' => full = full.saturating_add(1),
            '☆' => empty = empty.saturating_add(1),
            ' ' | '\u{FE0E}' | '\u{FE0F}' => {}
            _ => return None,
        }
    }
    let all = full.saturating_add(empty);
    if !(1..=10).contains(&all) {
        return None;
    }
    let max = (empty > 0).then_some(f64::from(all));
    let usual_max = if max.is_some() { None } else { Some(if all <= 5 { 5.0 } else { 10.0 }) };
    Some(ParsedScore { score: f64::from(full), max, usual_max })
}

/// The number at the beginning, with a decimal point or comma, and the rest of the text.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let end = text.char_indices().find(|(i, c)| !(c.is_ascii_digit() || matches!(c, '.' | ',') || *i == 0 && matches!(c, '-' | '+')));
    let (number, rest) = text.split_at(end.map_or(text.len(), |(i, _)| i));
    let number: f64 = number.replacen(',', ".", 1).parse().ok()?;
    number.is_finite().then_some((number, rest))
}

/// Infers the scale maximum of a column of scores: the smallest usual maximum that includes the largest score.
#[must_use]
pub fn infer_scale_max<'a>(cells: impl IntoIterator<Item = &'a str>) -> Option<&'static str> {
    let (mut least, mut most, mut any) = (f64::MAX, 0.0_f64, false);
    for found in cells.into_iter().filter(|c| !is_blank_value(c)).filter_map(parse_score) {
        // These cells include their own scale.
        if found.max.is_some() || found.usual_max.is_some() {
            continue;
        }
        any = true;
        least = least.min(found.score);
        most = most.max(found.score);
    }
    match most {
        _ if !any || least < 0.0 => None,
        // Scales from 0 end at 10 more often than at 5.
        ..=10.0 if least == 0.0 => Some("10"),
        ..=5.0 => Some("5"),
        ..=7.0 => Some("7"),
        ..=10.0 => Some("10"),
        ..=100.0 => Some("100"),
        _ => None,
    }
}

/// Parses an address: `ann@example.com`, `mailto:ann@example.com`, `Ann Lee <ann@example.com>`. Returns it in lower case, with the name.
#[must_use]
pub fn parse_contact_address(text: &str) -> Option<(String, Option<String>)> {
    let text = text.trim();
    let (name, address) = match text.strip_suffix('>').and_then(|t| t.rsplit_once('<')) {
        Some((name, address)) => (name.trim().trim_matches('"').trim(), address.trim()),
        None => ("", text),
    };
    let scheme = address.get(..7).filter(|s| s.eq_ignore_ascii_case("mailto:"));
    let address = scheme.map_or(address, |_| address[7..].split('?').next().unwrap_or_default()).trim().to_lowercase();
    let is_one = !address.contains([' ', ',', ';', '<', '>', ':']);
    let address = email::read(&address).filter(|_| is_one)?;
    Some((address, (!name.is_empty()).then(|| name.to_owned())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn c20_cells_that_mean_nothing() {
        for text in ["", " ", "n/a", "N/A", "-", "NULL", "nan", "#N/A", "None", "\\N", "—"] {
            assert!(is_blank_value(text), "{text}");
        }
        for text in ["0", "no", "Nana", "a-b"] {
            assert!(!is_blank_value(text), "{text}");
        }
    }

    #[test]
    fn c22_scores_as_people_write_them() {
        let read = |text: &str| parse_score(text).map(|s| (s.score, s.max, s.usual_max));
        for (text, expected) in [
            ("4", (4.0, None, None)),
            (" 7,5 ", (7.5, None, None)),
            ("4/5", (4.0, Some(5.0), None)),
            ("4 / 5", (4.0, Some(5.0), None)),
            ("８／１０", (8.0, Some(10.0), None)),
            ("8 of 10", (8.0, Some(10.0), None)),
            ("8 out of 10", (8.0, Some(10.0), None)),
            ("8 von 10 Punkten", (8.0, Some(10.0), None)),
            ("4 out of 5 stars", (4.0, Some(5.0), None)),
            ("4 stars out of 5", (4.0, Some(5.0), None)),
            ("80 %", (80.0, Some(100.0), None)),
            ("80%", (80.0, Some(100.0), None)),
            ("4 stars", (4.0, None, Some(5.0))),
            ("1 Stern", (1.0, None, Some(5.0))),
            ("★★★★☆", (4.0, Some(5.0), None)),
            ("⭐️⭐️⭐️", (3.0, None, Some(5.0))),
            ("☆☆☆☆☆", (0.0, Some(5.0), None)),
            ("-3", (-3.0, None, None)),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        for text in ["", "good", "4/", "4/0", "4/5/6", "4 apples", "1.2.3", "inf", "1e3", "/5", "★ good"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_largest_score_suggests_the_scale() {
        assert_eq!(infer_scale_max(["1", "4", "n/a", ""]), Some("5"));
        assert_eq!(infer_scale_max(["1", "6"]), Some("7"));
        assert_eq!(infer_scale_max(["0", "4"]), Some("10"));
        assert_eq!(infer_scale_max(["9", "3"]), Some("10"));
        assert_eq!(infer_scale_max(["83.5"]), Some("100"));
        assert_eq!(infer_scale_max(["250"]), None);
        assert_eq!(infer_scale_max(["4/5", "★★"]), None);
        assert_eq!(infer_scale_max(["words"]), None);
    }

    #[test]
    fn c19_addresses_with_names_and_schemes() {
        let read = |text: &str| parse_contact_address(text).map(|(address, name)| (address, name.unwrap_or_default()));
        for (text, address, name) in [
            ("ann+test@example.test", "ann+test@example.test", ""),
            ("O'Brien@Example.TEST", "o'brien@example.test", ""),
            ("user@müller.example", "user@müller.example", ""),
            ("Ann <ann@example.test>", "ann@example.test", "Ann"),
            ("\"Lee, Ann\" <Ann@example.test>", "ann@example.test", "Lee, Ann"),
            (" ann@example.test ", "ann@example.test", ""),
            ("mailto:ann@example.test?subject=Hi", "ann@example.test", ""),
            ("MAILTO:ann@example.test", "ann@example.test", ""),
        ] {
            assert_eq!(read(text), Some((address.into(), name.into())), "{text}");
        }
        for text in ["ann", "a@x.test, b@x.test", "<>", "mailto:", "Ann <ann>"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(text in ".{0,40}") {
            drop((parse_score(&text), parse_contact_address(&text), is_blank_value(&text)));
        }

        #[test]
        fn a_score_is_read_back(n in 0_u32..1000, max in 1_u32..1000) {
            prop_assert_eq!(parse_score(&format!("{n} / {max}")), Some(ParsedScore { score: n.into(), max: Some(max.into()), usual_max: None }));
            prop_assert_eq!(parse_score(&n.to_string()), Some(ParsedScore { score: n.into(), max: None, usual_max: None }));
        }
    }
}
