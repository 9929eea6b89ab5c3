//! Which language a text is in.

/// BCP 47 primary language (`en`, `de`, …) of a text by its trigrams (whatlang), or `fallback` where that is not sure.
#[must_use]
pub fn detect(text: &str, fallback: &str) -> String {
    let found = whatlang::detect(text).filter(|info| info.is_reliable() && text.chars().count() >= 20);
    found.and_then(|info| two_letters(info.lang().code())).unwrap_or(fallback).to_owned()
}

/// ISO 639-1 for the ISO 639-3 codes of languages that search stems or segments; others keep the fallback.
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
    }
}
