//! Texts as the index sees them: tokens, folded, with the stems of their language.

use std::ops::Range;

use tantivy::tokenizer::{Language, RawTokenizer, Stemmer, TextAnalyzer, TokenStream};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Longest token, in characters; longer ones are cut.
const MAX_TOKEN: usize = 60;

/// One token of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Lower case, accents kept: what stemmers want.
    pub lower: String,
    /// Lower case without accents: what is compared.
    pub folded: String,
    /// Which word of the text, so that phrases match neighbours.
    pub position: usize,
    /// Where in the text, in bytes.
    pub range: Range<usize>,
    /// The parts of a hyphenated word written together, in addition to the parts.
    pub joined: bool,
    /// A single character of a script without spaces, or an emoji: no stems, no typing errors.
    pub single: bool,
}

/// The tokens of a text in order. `pi-h` gives `pi`, `h` and, joined, `pih`; Chinese, Japanese, Korean, Thai and their like give
/// one token for each character.
#[must_use]
pub fn tokens(text: &str) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::new();
    let mut position = 0;
    // Where the parts of the compound that is being read begin in `out`.
    let mut compound = 0;
    let mut word: Option<usize> = None;
    let mut previous_end = None;
    let mut joiner = false;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let single = is_single(c);
        let part_of_word = !single && (c.is_alphanumeric() || is_combining_mark(c) && word.is_some());
        if part_of_word && word.is_none() {
            word = Some(at);
        }
        let ends = word.is_some()
            && chars.peek().is_none_or(|(_, next)| is_single(*next) || !(next.is_alphanumeric() || is_combining_mark(*next)));
        if let (true, Some(start)) = (ends, word) {
            let end = at + c.len_utf8();
            if !(joiner && previous_end.is_some()) {
                join(&mut out, compound);
                compound = out.len();
            }
            push(text, start..end, position, false, &mut out);
            position += 1;
            previous_end = Some(end);
            joiner = false;
            word = None;
        } else if single {
            join(&mut out, compound);
            push(text, at..at + c.len_utf8(), position, true, &mut out);
            compound = out.len();
            position += 1;
            previous_end = None;
            joiner = false;
        } else if !part_of_word {
            joiner = previous_end == Some(at) && matches!(c, '-' | '‐' | '‑' | '_' | '\'' | '’');
            if !joiner {
                previous_end = None;
            }
        }
    }
    join(&mut out, compound);
    out
}

fn push(text: &str, range: Range<usize>, position: usize, single: bool, out: &mut Vec<Token>) {
    let Some(word) = text.get(range.clone()) else { return };
    let lower: String = word.chars().take(MAX_TOKEN).flat_map(char::to_lowercase).collect();
    let folded = fold(&lower);
    if !folded.is_empty() {
        out.push(Token { lower, folded, position, range, joined: false, single });
    }
}

/// Adds the parts from `first` on, written together, when there are several.
fn join(out: &mut Vec<Token>, first: usize) {
    let parts = out.get(first..).unwrap_or_default();
    let (Some(start), Some(end)) = (parts.first(), parts.last()) else { return };
    if parts.len() < 2 || parts.len() > 8 {
        return;
    }
    let position = start.position;
    let range = start.range.start..end.range.end;
    let lower: String = parts.iter().map(|p| p.lower.as_str()).collect();
    let folded: String = parts.iter().map(|p| p.folded.as_str()).collect();
    let token = Token {
        lower: lower.chars().take(MAX_TOKEN).collect(),
        folded: folded.chars().take(MAX_TOKEN).collect(),
        position,
        range,
        joined: true,
        single: false,
    };
    out.insert(first + 1, token);
}

/// Scripts that write without spaces, and pictures.
fn is_single(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF // Thai, Lao
        | 0x1000..=0x109F // Myanmar
        | 0x1100..=0x11FF | 0xAC00..=0xD7AF // Hangul
        | 0x1780..=0x17FF // Khmer
        | 0x2600..=0x27BF // pictures
        | 0x2E80..=0x2FDF | 0x3005..=0x3007 // radicals, marks
        | 0x3041..=0x30FF | 0x31F0..=0x31FF | 0xFF66..=0xFF9F // kana
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF // Han
        | 0x1F300..=0x1FAFF // emoji
        | 0x20000..=0x3FFFF) // Han, further planes
        && c != '\u{30FB}'
}

/// Lower case without the accents of Latin, Greek, Cyrillic, Arabic and Hebrew, compatibility forms made plain.
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
            _ => out.push(c),
        }
    }
    out
}

fn is_accent(c: char) -> bool {
    matches!(u32::from(c), 0x0300..=0x036F | 0x0591..=0x05C7 | 0x064B..=0x065F | 0x0670)
}

fn stemmer(language: &str) -> Option<Language> {
    Some(match language {
        "ar" => Language::Arabic,
        "da" => Language::Danish,
        "de" => Language::German,
        "el" => Language::Greek,
        "en" => Language::English,
        "es" => Language::Spanish,
        "fi" => Language::Finnish,
        "fr" => Language::French,
        "hu" => Language::Hungarian,
        "it" => Language::Italian,
        "nb" | "nn" | "no" => Language::Norwegian,
        "nl" => Language::Dutch,
        "pt" => Language::Portuguese,
        "ro" => Language::Romanian,
        "ru" => Language::Russian,
        "sv" => Language::Swedish,
        "ta" => Language::Tamil,
        "tr" => Language::Turkish,
        _ => return None,
    })
}

/// Finds the stems of one language.
pub struct Stems {
    language: String,
    analyzer: TextAnalyzer,
}

impl Stems {
    /// `None` for languages that have no stemmer.
    #[must_use]
    pub fn new(language: &str) -> Option<Self> {
        let stemmer = Stemmer::new(stemmer(language)?);
        Some(Self { language: language.to_owned(), analyzer: TextAnalyzer::builder(RawTokenizer::default()).filter(stemmer).build() })
    }

    /// The stem of a word in lower case, marked with the language: `en:wait`.
    #[must_use]
    pub fn stem(&mut self, lower: &str) -> String {
        let mut stream = self.analyzer.token_stream(lower);
        let stem = if stream.advance() { fold(&stream.token().text) } else { fold(lower) };
        format!("{}:{stem}", self.language)
    }
}

/// How many typing errors a word of this length may hold: none below five letters, one below nine, then two. Numbers and single
/// characters hold none.
#[must_use]
pub fn typing_errors(folded: &str) -> u8 {
    if folded.chars().any(|c| !c.is_alphabetic()) {
        return 0;
    }
    match folded.chars().count() {
        ..5 => 0,
        5..9 => 1,
        _ => 2,
    }
}

/// Fewest letters that match as the beginning of a word.
pub const MIN_PREFIX: usize = 3;

/// Whether `a` becomes `b` by at most `most` letters added, left out, changed or swapped with their neighbour.
#[must_use]
pub fn within(a: &str, b: &str, most: u8) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let most = usize::from(most);
    if a.len().abs_diff(b.len()) > most {
        return false;
    }
    let width = b.len() + 1;
    let mut rows = vec![vec![0_usize; width]; 3];
    rows[0] = (0..width).collect();
    for i in 1..=a.len() {
        let mut best = i;
        let mut row = vec![i; width];
        for j in 1..width {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut cost = (rows[0][j] + 1).min(row[j - 1] + 1).min(rows[0][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cost = cost.min(rows[1][j - 2] + 1);
            }
            row[j] = cost;
            best = best.min(cost);
        }
        if best > most {
            return false;
        }
        rows.rotate_right(1);
        rows[0] = row;
    }
    rows[0][b.len()] <= most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|t| t.folded).collect()
    }

    #[test]
    fn words_are_folded_and_compounds_found_both_ways() {
        assert_eq!(folded("Le Café, STRASSE straße"), ["le", "cafe", "strasse", "strasse"]);
        assert_eq!(folded("a pi-h probe"), ["a", "pi", "pih", "h", "probe"]);
        assert_eq!(folded("don't l’argent"), ["don", "dont", "t", "l", "largent", "argent"]);
        assert_eq!(folded("- a - b -c"), ["a", "b", "c"]);
        assert_eq!(folded("v1.2 x@y.org"), ["v1", "2", "x", "y", "org"]);
        assert_eq!(
            folded("カード届かない ok"),
            ["カ", "ー", "ト\u{3099}", "届", "か", "な", "い", "ok"].map(|t| t.nfc().collect::<String>())
        );
        assert_eq!(folded("iPhone手机"), ["iphone", "手", "机"]);
        assert_eq!(folded("bad 😀!"), ["bad", "😀"]);
    }

    #[test]
    fn ranges_and_positions_point_into_the_text() {
        let text = "Öl: pi-h\u{301} x";
        let all = tokens(text);
        assert_eq!(all.iter().map(|t| &text[t.range.clone()]).collect::<Vec<_>>(), ["Öl", "pi", "pi-h\u{301}", "h\u{301}", "x"]);
        assert_eq!(all.iter().map(|t| t.position).collect::<Vec<_>>(), [0, 1, 1, 2, 3]);
    }

    #[test]
    fn stems_by_language() {
        let mut en = Stems::new("en").unwrap();
        assert_eq!(en.stem("waiting"), en.stem("wait"));
        let mut de = Stems::new("de").unwrap();
        assert_eq!(de.stem("karten"), de.stem("karte"));
        assert_eq!(de.stem("bücher"), de.stem("buch"));
        assert!(Stems::new("zh").is_none());
    }

    #[test]
    fn typing_errors_are_counted() {
        assert!(within("delivry", "delivery", 1) && within("teh", "the", 1) && within("abc", "abc", 0));
        assert!(!within("card", "cat", 1) && !within("abcdef", "badcfe", 2) && within("badc", "abcd", 2));
        assert_eq!((typing_errors("card"), typing_errors("cards"), typing_errors("delivered"), typing_errors("a1234")), (0, 1, 2, 0));
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_tokens_inside_itself(text in ".{0,60}") {
            for token in tokens(&text) {
                assert!(text.get(token.range.clone()).is_some_and(|t| !t.is_empty()), "{token:?}");
                assert!(!token.folded.is_empty());
            }
        }
    }
}
