//! Languages to choose from, each in its own words.

/// BCP 47 tags and names, in the order of the names.
const LANGUAGES: [(&str, &str); 44] = [
    ("id", "Bahasa Indonesia"),
    ("ms", "Bahasa Melayu"),
    ("ca", "Català"),
    ("cs", "Čeština"),
    ("da", "Dansk"),
    ("de", "Deutsch"),
    ("et", "Eesti"),
    ("en", "English"),
    ("es", "Español"),
    ("eu", "Euskara"),
    ("fr", "Français"),
    ("hr", "Hrvatski"),
    ("it", "Italiano"),
    ("lv", "Latviešu"),
    ("lt", "Lietuvių"),
    ("hu", "Magyar"),
    ("nl", "Nederlands"),
    ("nb", "Norsk bokmål"),
    ("pl", "Polski"),
    ("pt", "Português"),
    ("pt-BR", "Português (Brasil)"),
    ("ro", "Română"),
    ("sk", "Slovenčina"),
    ("sl", "Slovenščina"),
    ("fi", "Suomi"),
    ("sv", "Svenska"),
    ("vi", "Tiếng Việt"),
    ("tr", "Türkçe"),
    ("el", "Ελληνικά"),
    ("bg", "Български"),
    ("ru", "Русский"),
    ("sr", "Српски"),
    ("uk", "Українська"),
    ("he", "עברית"),
    ("ar", "العربية"),
    ("fa", "فارسی"),
    ("ur", "اردو"),
    ("hi", "हिन्दी"),
    ("bn", "বাংলা"),
    ("th", "ไทย"),
    ("ko", "한국어"),
    ("ja", "日本語"),
    ("zh-Hans", "简体中文"),
    ("zh-Hant", "繁體中文"),
];

/// Value and label of each option, including `current` if it is not one of them: the API and imported surveys may use any tag.
#[must_use]
pub fn language_options(current: &str) -> Vec<(String, String)> {
    let mut options: Vec<_> = LANGUAGES.iter().map(|(tag, name)| ((*tag).to_owned(), format!("{name} ({tag})"))).collect();
    if !options.iter().any(|(tag, _)| tag == current) {
        options.push((current.to_owned(), current.to_owned()));
    }
    options
}
