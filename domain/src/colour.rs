//! Colours as a team sets them, `#rrggbb`: syntax and contrast.

/// The background of light respondent pages.
pub const LIGHT_BACKGROUND: &str = "#ffffff";
/// The background of dark respondent pages; `style/respond.css` has the same.
pub const DARK_BACKGROUND: &str = "#1c2027";

/// Returns whether a text is `#rrggbb` and therefore safe to put into a stylesheet.
#[must_use]
pub fn is_colour(text: &str) -> bool {
    text.len() == 7 && text.strip_prefix('#').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The contrast (WCAG 2.2) between two colours: 1 to 21; `None` if either is not a colour.
#[must_use]
pub fn contrast(a: &str, b: &str) -> Option<f64> {
    let (a, b) = (luminance(a)?, luminance(b)?);
    Some((a.max(b) + 0.05) / (a.min(b) + 0.05))
}

/// Black or white, whichever is more readable on a colour; white if the text is not a colour.
#[must_use]
pub fn contrasting_text_colour(colour: &str) -> &'static str {
    // The threshold: contrast with white, 1.05 / (L + 0.05), equals contrast with black, (L + 0.05) / 0.05.
    if luminance(colour).is_some_and(|l| l > 0.179) { "#000000" } else { "#ffffff" }
}

/// Relative luminance (WCAG 2.2).
fn luminance(colour: &str) -> Option<f64> {
    if !is_colour(colour) {
        return None;
    }
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(colour.get(at..at + 2)?, 16).ok()?) / 255.0;
        Some(if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) })
    };
    Some(0.2126 * channel(1)? + 0.7152 * channel(3)? + 0.0722 * channel(5)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projects::DEFAULT_ACCENT;

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((contrast("#000000", "#ffffff").unwrap() - 21.0).abs() < 0.001);
        assert!(contrast(DEFAULT_ACCENT, LIGHT_BACKGROUND).unwrap() > 4.5);
        assert!(contrast("#ffff00", LIGHT_BACKGROUND).unwrap() < 1.2);
        assert_eq!(contrast("red", LIGHT_BACKGROUND), None);
    }

    #[test]
    fn words_on_a_colour_are_readable() {
        assert_eq!(contrasting_text_colour(DEFAULT_ACCENT), "#ffffff");
        assert_eq!(contrasting_text_colour("#ffd500"), "#000000");
        assert_eq!(contrasting_text_colour("#é"), "#ffffff");
    }

    #[test]
    fn only_colours_are_colours() {
        assert!(is_colour("#2F5fd0"));
        for bad in ["", "2f5fd0", "#fff", "#2f5fdg", "red;}", "#é5fd0"] {
            assert!(!is_colour(bad), "{bad}");
        }
    }

    #[test]
    fn the_grounds_are_those_of_the_stylesheet() {
        let css = include_str!("../../style/respond.css");
        assert!(css.contains("--bg: #fff;") && css.matches(&format!("--bg: {DARK_BACKGROUND};")).count() == 2);
    }
}
