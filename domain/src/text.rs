//! Rules for input texts: normalization, length limits, truncation and comparison.
//!
//! Each of three kinds of text has its own normalization: a line that a person writes ([`spaced`]), a text of several lines ([`multiline`]),
//! and a value that is otherwise stored unchanged ([`line()`], [`clean_line`]).

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::FieldErrors;

/// Whether a character separates words. Control characters separate too: some databases do not accept all of them.
#[must_use]
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// Whether a character is invisible or changes the direction of the text: such characters make `gnp.exe` look like `exe.png`.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Whether a text consists of white space and control characters only.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(is_space)
}

/// Normalizes a line that a person wrote, such as a name or a title: its words with single spaces between them.
#[must_use]
pub fn spaced(text: &str) -> String {
    text.split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Normalizes a text of several lines: trimmed, with line feeds as line breaks, and without control characters other than tabs.
#[must_use]
pub fn multiline(text: &str) -> String {
    with_line_feeds(text).filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect::<String>().trim().to_owned()
}

/// Normalizes a value on one line, such as an ID or an address: trimmed, without control characters, otherwise unchanged. `None` if nothing
/// is left.
#[must_use]
pub fn line(text: &str) -> Option<String> {
    clean_line(text, usize::MAX)
}

/// As [`line()`], but cut off after `max` characters.
#[must_use]
pub fn clean_line(text: &str, max: usize) -> Option<String> {
    let spaces = with_line_feeds(text).map(|c| if matches!(c, '\n' | '\t') { ' ' } else { c });
    let text: String = spaces.filter(|c| !c.is_control()).take(max).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The characters of a text, with a line feed for each line break.
fn with_line_feeds(text: &str) -> impl Iterator<Item = char> {
    let mut rest = text.chars().peekable();
    std::iter::from_fn(move || match rest.next()? {
        '\r' => {
            rest.next_if_eq(&'\n');
            Some('\n')
        }
        c => Some(c),
    })
}

/// The first `max` characters.
#[must_use]
pub fn cut(text: &str, max: usize) -> &str {
    text.char_indices().nth(max).map_or(text, |(end, _)| &text[..end])
}

/// The first `max` characters, with an ellipsis if there are more.
#[must_use]
pub fn shorten(text: &str, max: usize) -> String {
    let start = cut(text, max);
    if start.len() < text.len() { format!("{start}…") } else { text.to_owned() }
}

/// The last `max` characters, with an ellipsis if there are more.
#[must_use]
pub fn shorten_start(text: &str, max: usize) -> String {
    match text.char_indices().rev().nth(max) {
        Some((at, c)) => format!("…{}", &text[at + c.len_utf8()..]),
        None => text.to_owned(),
    }
}

/// The error message for a text of more than `max` characters; `None` if it fits.
#[must_use]
pub fn too_long(text: &str, max: usize) -> Option<String> {
    text.chars().nth(max)?;
    Some(format!("Use at most {max} characters; this has {}.", text.chars().count()))
}

/// Adds an error if a text has more than `max` characters.
pub fn limit(errors: &mut FieldErrors, field: &str, text: &str, max: usize) {
    if let Some(message) = too_long(text, max) {
        errors.add(field, "too_long", message);
    }
}

/// Adds an error if a text is blank, with the message `missing`, or has more than `max` characters.
pub fn require(errors: &mut FieldErrors, field: &str, text: &str, max: usize, missing: &str) {
    if is_blank(text) {
        errors.add(field, "required", missing);
    } else {
        limit(errors, field, text, max);
    }
}

/// Normalizes the name of a person, a project or a survey: one line of 1 to `max` characters. `what` is its name in the message.
///
/// # Errors
/// Returns an error if it is blank or too long.
pub fn name(field: &str, text: &str, max: usize, what: &str) -> Result<String, FieldErrors> {
    let name = spaced(text);
    if (1..=max).contains(&name.chars().count()) {
        return Ok(name);
    }
    Err(FieldErrors::one(field, "length", format!("Enter a {what} of 1 to {max} characters.")))
}

/// Normalizes a text for substring searches: lower case, no accents, single spaces.
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
            // PostgreSQL text cannot contain NUL.
            c if is_combining_mark(c) || c == '\0' => {}
            c => out.push(c),
        }
    }
    out
}

/// Returns whether two names are equal except for case, spaces and `"`, which no query can contain. Independent of the database: databases
/// differ in case folding.
#[must_use]
pub fn is_same_name(a: &str, b: &str) -> bool {
    let folded =
        |name: &str| spaced(&name.replace('"', " ")).chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect::<String>();
    folded(a) == folded(b)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_of_people_have_single_spaces() {
        for (typed, stored) in [(" The\nmap ", "The map"), ("a\u{7}b", "a b"), ("A \t B\u{a0}C", "A B C"), ("\0 \u{85}", "")] {
            assert_eq!(spaced(typed), stored, "{typed:?}");
        }
    }

    #[test]
    fn texts_keep_their_lines() {
        for (typed, stored) in [
            (" stays\r\nempty\0 ", "stays\nempty"),
            ("one\rtwo\n\nthree", "one\ntwo\n\nthree"),
            ("a\tb\u{1b}[31m", "a\tb[31m"),
            ("\r\n\t\u{7} ", ""),
        ] {
            assert_eq!(multiline(typed), stored, "{typed:?}");
        }
    }

    #[test]
    fn values_are_kept_on_one_line_and_cut() {
        assert_eq!(clean_line(" a\0b\n ", 10).as_deref(), Some("ab"));
        assert_eq!(clean_line("äöü", 2).as_deref(), Some("äö"));
        assert_eq!(clean_line("\0", 2), None);
        assert_eq!(line("Ann\r\nLee\t2  b").as_deref(), Some("Ann Lee 2  b"));
        assert_eq!(line(" \u{7} "), None);
    }

    #[test]
    fn blank_is_what_nobody_can_see() {
        assert!(is_blank("") && is_blank(" \n\u{7}") && !is_blank("."));
        assert!(is_invisible('\u{202e}') && is_invisible('\u{200b}') && !is_invisible(' ') && !is_invisible('é'));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!((cut("äöü", 2), cut("äöü", 3), cut("", 1)), ("äö", "äöü", ""));
        assert_eq!((shorten("äöü", 2).as_str(), shorten("äöü", 3).as_str()), ("äö…", "äöü"));
        assert_eq!((shorten_start("äöü", 2).as_str(), shorten_start("äöü", 3).as_str()), ("…öü", "äöü"));
    }

    #[test]
    fn limits_count_characters_and_say_how_many_there_are() {
        let mut errors = FieldErrors::default();
        limit(&mut errors, "a", "äöü", 3);
        assert!(errors.is_empty());
        limit(&mut errors, "a", "äöü", 2);
        require(&mut errors, "b", " \u{7}", 2, "Enter b.");
        require(&mut errors, "c", "äöü", 2, "Enter c.");
        let found: Vec<_> = errors.0.iter().map(|e| (e.field.as_str(), e.code.as_str(), e.message.as_str())).collect();
        let too_long = "Use at most 2 characters; this has 3.";
        assert_eq!(found, [("a", "too_long", too_long), ("b", "required", "Enter b."), ("c", "too_long", too_long)]);
    }

    #[test]
    fn names_have_1_to_max_characters() {
        assert_eq!(name("name", " Ann\n Lee ", 7, "name"), Ok("Ann Lee".into()));
        for bad in [" ", "\u{7}", "Ann Lees"] {
            assert_eq!(name("name", bad, 7, "name").unwrap_err().message_for("name"), Some("Enter a name of 1 to 7 characters."));
        }
    }

    #[test]
    fn accents_and_case_do_not_matter_to_a_search() {
        assert_eq!(fold("Élan  vital\nŁódź"), "elan vital lodz");
        assert_eq!(fold("İstanbul Straße ＡＢＣ"), "istanbul strasse abc");
    }

    #[test]
    fn names_are_the_same_in_any_case_and_spacing() {
        for (a, b) in
            [("Übersicht", "übersicht"), ("A  B", "A B"), ("ΟΔΟΣ", "οδος"), ("Straße", "STRASSE"), (" a\tb", "A B"), ("İ", "i\u{307}")]
        {
            assert!(is_same_name(a, b) && is_same_name(b, a), "{a} {b}");
        }
        assert!(!is_same_name("A B", "AB") && !is_same_name("a", "ä"));
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing(text in ".{0,40}", max in 0_usize..50) {
            prop_assert_eq!(spaced(&spaced(&text)), spaced(&text));
            prop_assert_eq!(multiline(&multiline(&text)), multiline(&text));
            let once = clean_line(&text, max).unwrap_or_default();
            prop_assert_eq!(clean_line(&once, max).unwrap_or_default(), once);
            prop_assert!(is_blank(&text) == spaced(&text).is_empty());
        }
    }
}
