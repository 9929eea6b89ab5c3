//! Folding: lower case without accents; characters that people confuse become one.

use irg_kvariants::{KVARIANTS, KVariantClass};
use unicode_normalization::UnicodeNormalization;

use super::characters::NormalizedChars;

/// A whole text in normalised form, for comparison.
#[must_use]
pub fn normalize(text: &str) -> String {
    fold(&NormalizedChars::new(text).map(|(c, _)| if c.is_whitespace() { ' ' } else { c }).collect::<String>())
}

/// Lower case without the accents of Latin, Greek, Cyrillic, Arabic and Hebrew, in compatibility form; letters that Arabic and Persian
/// keyboards write differently, or that people confuse at the end of words, become one, as do the two kinds of kana; simplified Chinese
/// becomes traditional.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let plain = text.chars().flat_map(char::to_lowercase).nfkd().filter(|c| !is_accent(*c)).nfc();
    let mut out = String::with_capacity(text.len());
    for c in plain.flat_map(char::to_lowercase) {
        match c {
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'ø' => out.push('o'),
            'ł' => out.push('l'),
            'đ' | 'ð' => out.push('d'),
            'þ' => out.push_str("th"),
            'ı' => out.push('i'),
            'ς' => out.push('σ'),
            'ک' | 'ڪ' => out.push('ك'),
            'ی' | 'ى' => out.push('ي'),
            'ة' | 'ہ' | 'ھ' | 'ە' | 'ۃ' => out.push('ه'),
            'ٱ' => out.push('ا'),
            '\u{2E80}'..='\u{2FDF}' | '\u{3400}'..='\u{9FFF}' | '\u{20000}'..='\u{3FFFF}' => out.push(traditional(c)),
            'ァ'..='ヶ' => out.push(char::from_u32(u32::from(c) - 0x60).unwrap_or(c)),
            _ => out.push(c),
        }
    }
    out
}

/// The traditional form of a Chinese character; others unchanged. Character by character, which is good enough for search, though not for
/// translation.
fn traditional(c: char) -> char {
    let variant = KVARIANTS.get(&c).filter(|variant| variant.classification != KVariantClass::Wrong);
    variant.map_or(c, |variant| variant.destination_ideograph)
}

fn is_accent(c: char) -> bool {
    matches!(u32::from(c), 0x0300..=0x036F | 0x0591..=0x05C7 | 0x0610..=0x061A | 0x064B..=0x065F | 0x0670 | 0x06D6..=0x06ED)
}
