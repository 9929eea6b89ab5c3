//! Text folding for substring search: lower case, no accents, single spaces.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Returns the folded text.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            // Letters that Unicode does not decompose.
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'ø' => out.push('o'),
            'ł' => out.push('l'),
            'đ' => out.push('d'),
            'ı' => out.push('i'),
            c if c.is_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            // NUL: PostgreSQL text cannot contain it.
            c if is_combining_mark(c) || c == '\0' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn accents_and_case_do_not_matter() {
        assert_eq!(fold("Élan  vital\nŁódź"), "elan vital lodz");
        assert_eq!(fold("İstanbul Straße ＡＢＣ"), "istanbul strasse abc");
    }
}
