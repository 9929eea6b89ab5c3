//! Language detection.

mod words;

use std::sync::LazyLock;

use whatlang::{Detector, Lang};

/// Minimum length in characters; shorter texts contain too little evidence.
const LEAST: usize = 20;
/// Longest part of a text that is examined, in characters; more adds no evidence.
const MOST: usize = 600;

/// Considers only languages that search supports: for a text in Latin letters that halves the work.
static DETECTOR: LazyLock<Detector> =
    LazyLock::new(|| Detector::with_allowlist(Lang::all().iter().copied().filter(|l| two_letters(l.code()).is_some()).collect()));

/// BCP 47 primary language (`en`, `de`, …) of a text by its small words, else by its trigrams (whatlang), or `fallback` if neither is
/// certain.
///
/// The small words come first because they are better and cheaper: of 10,003 short questions in English they recognise 80 % as English and
/// none as another language, in 2 µs; trigrams are certain for 37 %, in 48 µs (a fifth of the cost of a submission at the time).
#[must_use]
pub fn detect(text: &str, fallback: &str) -> String {
    let Some(most) = text.char_indices().nth(LEAST - 1).map(|_| text.char_indices().nth(MOST).map_or(text, |(end, _)| &text[..end])) else {
        return by_script(text).unwrap_or(fallback).to_owned();
    };
    if let Some(language) = words::language(most) {
        return language.to_owned();
    }
    let found = DETECTOR.detect(most).filter(whatlang::Info::is_reliable);
    found.and_then(|info| two_letters(info.lang().code())).unwrap_or(fallback).to_owned()
}

/// The language of a short text whose letters belong to a single supported language, so that one word is enough. Han alone is Chinese; with
/// kana it is Japanese. Latin, Cyrillic and Arabic letters are shared by many languages.
fn by_script(text: &str) -> Option<&'static str> {
    let (mut han, mut found) = (false, None);
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        let language = match c {
            '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}' => "ja",
            '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}' => "ko",
            '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => "el",
            '\u{b80}'..='\u{bff}' => "ta",
            '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{323af}' => {
                han = true;
                continue;
            }
            // Names of products and people occur in any text.
            c if c.is_ascii() => continue,
            _ => return None,
        };
        if found.is_some_and(|known| known != language) {
            return None;
        }
        found = Some(language);
    }
    found.or(han.then_some("zh"))
}

/// ISO 639-1 codes for the ISO 639-3 codes of languages that search stems or segments; other languages use the fallback.
fn two_letters(code: &str) -> Option<&'static str> {
    Some(match code {
        "eng" => "en",
        "deu" => "de",
        "fra" => "fr",
        "spa" => "es",
        "ita" => "it",
        "por" => "pt",
        "nld" => "nl",
        "dan" => "da",
        "swe" => "sv",
        "nob" => "nb",
        "fin" => "fi",
        "hun" => "hu",
        "ron" => "ro",
        "rus" => "ru",
        "tur" => "tr",
        "ara" => "ar",
        "ell" => "el",
        "tam" => "ta",
        "jpn" => "ja",
        "cmn" => "zh",
        "kor" => "ko",
        "pol" => "pl",
        "ces" => "cs",
        "ukr" => "uk",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::detect;

    #[test]
    fn sure_texts_are_named_and_others_fall_back() {
        assert_eq!(detect("Ich warte seit zwei Wochen auf meine neue Karte und niemand antwortet mir.", "en"), "de");
        assert_eq!(detect("ok", "en"), "en");
        for (text, language) in [
            ("移动端很慢", "zh"),
            ("検索が遅い", "ja"),
            ("검색이 느려요", "ko"),
            ("Αργό", "el"),
            ("iOS 很慢", "zh"),
            ("Überblick", "en"),
            ("日本", "zh"),
        ] {
            assert_eq!(detect(text, "en"), language, "{text}");
        }
        assert_eq!(detect("Я уже две недели жду свою новую карту, и никто мне не отвечает.", "en"), "ru");
        assert_eq!(detect("xyzzy plugh 4711 0815 foo bar", "en"), "en");
        assert_eq!(detect(&"Ich warte seit zwei Wochen auf meine neue Karte. ".repeat(1000), "en"), "de");
    }
}
