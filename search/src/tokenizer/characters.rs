//! Normalisation of characters for comparison: NFKC, without invisible characters; and which characters are tokens by themselves.

use std::ops::Range;

use unicode_normalization::{IsNormalized, UnicodeNormalization, char::is_combining_mark, is_nfkc_quick};

/// A space that does not separate words.
pub(super) const NO_BREAK: char = '\u{A0}';

/// The characters of a text in normalised form, each with its position: NFKC together with the marks that follow it, without invisible
/// characters; apostrophes, hyphens and digits of all kinds as ASCII.
pub(super) struct NormalizedChars<'t> {
    text: &'t str,
    at: usize,
    /// The normalised form of a character and its marks, in reverse order, and their range.
    ready: Vec<char>,
    range: Range<usize>,
}

impl<'t> NormalizedChars<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, ready: Vec::new(), range: 0..0 }
    }
}

impl Iterator for NormalizedChars<'_> {
    type Item = (char, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(c) = self.ready.pop() {
                return Some((c, self.range.clone()));
            }
            let start = self.at;
            let mut rest = self.text.get(start..)?.chars();
            let c = rest.next()?;
            let mut end = start + c.len_utf8();
            let mut alone = true;
            for next in rest.take_while(|next| !next.is_ascii() && goes_with_what_is_before(*next)) {
                end += next.len_utf8();
                alone = false;
            }
            self.at = end;
            if c.is_ascii() && alone {
                return Some((c, start..end));
            }
            self.range = start..end;
            // NFKC would turn some of these into spaces.
            if let Some(c) = like_ascii(c) {
                return Some((c, start..end));
            }
            if alone && is_nfkc_quick(std::iter::once(c)) == IsNormalized::Yes {
                if !is_unseen(c) {
                    return Some((digit(c), start..end));
                }
                continue;
            }
            let cluster = self.text.get(start..end).unwrap_or_default();
            self.ready.extend(cluster.chars().filter(|c| !is_unseen(*c)).nfkc().filter(|c| !is_unseen(*c)).map(digit));
            self.ready.reverse();
        }
    }
}

/// Combining marks, and the later letters of a Korean syllable.
fn goes_with_what_is_before(c: char) -> bool {
    matches!(u32::from(c), 0x1160..=0x11FF | 0xD7B0..=0xD7FF | 0xFF9E | 0xFF9F) || is_combining_mark(c)
}

/// Equivalents of ASCII characters and of the non-breaking space.
fn like_ascii(c: char) -> Option<char> {
    match c {
        '\u{2BC}' | '\u{2B9}' | '\u{2BB}' | '\u{2018}' | '\u{2019}' | '\u{B4}' | '\u{55A}' | '\u{5F3}' | '\u{FF07}' => Some('\''),
        '\u{2010}' | '\u{2011}' | '\u{FE63}' | '\u{FF0D}' => Some('-'),
        '\u{A0}' | '\u{2007}' | '\u{2009}' | '\u{202F}' => Some(NO_BREAK),
        _ => None,
    }
}

/// Invisible characters: soft hyphens, joiners, direction marks, tatweel, and characters that only change the appearance of an emoji.
fn is_unseen(c: char) -> bool {
    matches!(u32::from(c),
        0xAD | 0x34F | 0x61C | 0x640 | 0x180B..=0x180F
        | 0x200B | 0x200D..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F
        | 0x20E3 | 0xFE00..=0xFE0F | 0xFEFF | 0x1F3FB..=0x1F3FF | 0xE0000..=0xE0FFF)
}

/// A digit of any script as ASCII; other characters unchanged.
fn digit(c: char) -> char {
    if c.is_ascii() || !c.is_numeric() {
        return c;
    }
    let code = u32::from(c);
    let zero = ZEROS.get(ZEROS.partition_point(|zero| *zero <= code).wrapping_sub(1));
    let value = zero.map(|zero| code - zero).filter(|value| *value < 10);
    value.and_then(|value| char::from_digit(value, 10)).unwrap_or(c)
}

/// The zeros of Unicode's decimal digits, except those that NFKC converts to ASCII; each is followed by its other nine digits.
const ZEROS: [u32; 59] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040,
    0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50,
    0xABF0, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950,
    0x11C50, 0x11D50, 0x11DA0, 0x11F50, 0x16A60, 0x16AC0, 0x16B50, 0x1E140, 0x1E2F0, 0x1E950,
];

/// Characters of scripts that are written without spaces, and pictographs.
pub(super) fn is_single(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF // Thai, Lao
        | 0x1000..=0x109F // Myanmar
        | 0x1100..=0x11FF | 0xAC00..=0xD7AF // Hangul
        | 0x1780..=0x17FF // Khmer
        | 0x2194..=0x2199 | 0x21A9..=0x21AA | 0x231A..=0x231B | 0x2328 | 0x23CF | 0x23E9..=0x23FA // emoji among symbols
        | 0x25AA..=0x25AB | 0x25B6 | 0x25C0 | 0x25FB..=0x25FE
        | 0x2600..=0x27BF // symbols and pictographs
        | 0x2934..=0x2935 | 0x2B05..=0x2B07 | 0x2B1B..=0x2B1C | 0x2B50 | 0x2B55
        | 0x2E80..=0x2FDF | 0x3005..=0x3007 // radicals, marks
        | 0x3041..=0x30FF | 0x31F0..=0x31FF | 0xFF66..=0xFF9F // kana
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF // Han
        | 0x1F000..=0x1FAFF // emoji
        | 0x20000..=0x3FFFF) // Han, further planes
        && c != '\u{30FB}'
}

/// Half of a flag.
pub(super) fn is_regional(c: char) -> bool {
    matches!(u32::from(c), 0x1F1E6..=0x1F1FF)
}
