//! Language tags of projects and surveys.

/// Returns whether a text has the syntax of a BCP 47 tag: a language of two or three letters, then subtags.
#[must_use]
pub fn is_language_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let primary = parts.next().unwrap_or_default();
    (2..=3).contains(&primary.len())
        && primary.bytes().all(|b| b.is_ascii_alphabetic())
        && text.len() <= 35
        && parts.all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The primary part of a BCP 47 tag: `de` of `de-AT`.
#[must_use]
pub fn primary(tag: &str) -> &str {
    tag.trim().split(['-', '_']).next().unwrap_or_default()
}

/// Whether two tags name the same language, whatever the region: `de` and `de-AT`.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    primary(one).eq_ignore_ascii_case(primary(other))
}

#[cfg(test)]
mod tests {
    use super::{is_language_tag, is_same};

    #[test]
    fn language_tags() {
        for good in ["en", "de", "EN", "pt-BR", "zh-Hant-TW", "es-419", "gsw"] {
            assert!(is_language_tag(good), "{good}");
        }
        for bad in ["", "e", "english", "de_AT", "de-", "-de", "日本", "en\" onload"] {
            assert!(!is_language_tag(bad), "{bad}");
        }
    }

    #[test]
    fn regions_do_not_make_another_language() {
        assert!(is_same("DE-at", "de") && is_same("en", "en_US"));
        assert!(!is_same("de", "en") && !is_same("", "en"));
    }
}
