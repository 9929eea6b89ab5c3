//! Repairs JSON bodies as browsers and programs really send them.

use std::borrow::Cow;

/// JSON that a strict parser accepts. JavaScript can cut a text inside a surrogate pair, and `JSON.stringify` then writes a lone surrogate
/// (`\ud83d`): valid by JSON's grammar, but not Unicode text. Replaces lone surrogates and bytes that are not UTF-8 by U+FFFD; leaves
/// everything else unchanged. Costs one pass over the bytes, and a copy only if something is replaced.
#[must_use]
pub fn well_formed(json: &[u8]) -> Cow<'_, [u8]> {
    let text = match String::from_utf8_lossy(json) {
        Cow::Borrowed(_) => Cow::Borrowed(json),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    };
    let halves = halves(&text);
    if halves.is_empty() {
        return text;
    }
    let mut out = text.into_owned();
    for at in halves {
        if let Some(digits) = out.get_mut(at..at + 4) {
            digits.copy_from_slice(b"fffd");
        }
    }
    Cow::Owned(out)
}

/// Offsets of the four hex digits of each `\uXXXX` that is a lone surrogate.
fn halves(json: &[u8]) -> Vec<usize> {
    let unit = |at: usize| -> Option<u16> {
        let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        if *byte != b'\\' {
            at += 1;
            continue;
        }
        at += match unit(at) {
            // Another escape: its second character may be a backslash.
            None => 2,
            Some(0xD800..=0xDBFF) if matches!(unit(at + 6), Some(0xDC00..=0xDFFF)) => 12,
            Some(0xD800..=0xDFFF) => {
                found.push(at + 2);
                6
            }
            Some(_) => 6,
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn read(json: &str) -> Option<Value> {
        serde_json::from_slice(&well_formed(json.as_bytes())).ok()
    }

    #[test]
    fn half_an_emoji_is_replaced_and_a_whole_one_stays() {
        for (json, text) in [
            (r#""cut \ud83d""#, "cut \u{FFFD}"),
            (r#""\uDE00 cut""#, "\u{FFFD} cut"),
            (r#""\ud83d\ude00""#, "😀"),
            (r#""\ud83d\ud83d\ude00""#, "\u{FFFD}😀"),
            (r#""\ude00\ud83d""#, "\u{FFFD}\u{FFFD}"),
            (r#""\ud83d\n""#, "\u{FFFD}\n"),
            (r#""\\ud83d""#, "\\ud83d"),
            (r#""\\\ud83d""#, "\\\u{FFFD}"),
            (r#""\ud83d\\ude00""#, "\u{FFFD}\\ude00"),
            (r#""\u00e4\\""#, "ä\\"),
        ] {
            assert_eq!(read(json), Some(Value::String(text.into())), "{json}");
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_are_replaced() {
        // A lone surrogate as some programs encode it, and a byte of Latin-1.
        for json in [b"\"a \xED\xA0\xBD b\"".as_slice(), b"\"a \xE4 b\""] {
            let text: String = serde_json::from_slice(&well_formed(json)).unwrap();
            assert!(text.starts_with("a \u{FFFD}") && text.ends_with(" b"), "{text}");
        }
    }

    #[test]
    fn what_is_well_formed_is_not_copied() {
        assert!(matches!(well_formed(r#"{"a":"ä \ud83d\ude00 \\"}"#.as_bytes()), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn any_list_of_escapes_can_be_read(units in prop::collection::vec(any::<u16>(), 0..20)) {
            let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let text = read(&format!("\"{escapes}\""));
            prop_assert_eq!(text, Some(Value::String(String::from_utf16_lossy(&units))));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let once = well_formed(&bytes).into_owned();
            prop_assert_eq!(well_formed(&once).into_owned(), once.clone());
        }
    }
}
