//! Stemming, by language.

use tantivy::tokenizer::{Language, RawTokenizer, Stemmer, TextAnalyzer, TokenStream};

use super::{Token, TokenForm, fold};

/// Returns whether a token is stemmed.
#[must_use]
pub fn has_stem(token: &Token) -> bool {
    matches!(token.form, TokenForm::Word | TokenForm::Joined)
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

/// The stemmer of one language.
pub struct LanguageStemmer {
    language: String,
    analyzer: TextAnalyzer,
}

impl LanguageStemmer {
    /// Returns `None` for languages without a stemmer.
    #[must_use]
    pub fn new(language: &str) -> Option<Self> {
        let stemmer = Stemmer::new(stemmer(language)?);
        Some(Self { language: language.to_owned(), analyzer: TextAnalyzer::builder(RawTokenizer::default()).filter(stemmer).build() })
    }

    /// The stem of a lower-case word, prefixed with the language: `en:wait`.
    #[must_use]
    pub fn stem(&mut self, lower: &str) -> String {
        let mut stream = self.analyzer.token_stream(lower);
        let stem = if stream.advance() { fold(&stream.token().text) } else { fold(lower) };
        format!("{}:{stem}", self.language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_by_language() {
        let mut en = LanguageStemmer::new("en").unwrap();
        assert_eq!(en.stem("waiting"), en.stem("wait"));
        let mut de = LanguageStemmer::new("de").unwrap();
        assert_eq!(de.stem("karten"), de.stem("karte"));
        assert_eq!(de.stem("bücher"), de.stem("buch"));
        assert!(LanguageStemmer::new("zh").is_none());
    }
}
