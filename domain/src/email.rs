//! E-mail addresses: validation and normalization. In canonical form, one person is one contact however their address was typed or sent.

use unicode_normalization::UnicodeNormalization;

/// Maximum length of an e-mail address, in characters (RFC 5321, 4.5.3.1.3, with its brackets).
pub const MAX_EMAIL: usize = 254;
/// Maximum length of the part before the `@`, in bytes (RFC 5321, 4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// The error message for a text that is not an address.
pub const NO_EMAIL: &str = "Enter an e-mail address like name@example.com.";

/// Returns whether a text is roughly an e-mail address as accepted by HTML's `type=email`: something, `@`, a host with no spaces.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else { return false };
    let host_ok = !host.is_empty()
        && host.split('.').all(|label| {
            !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        });
    !local.is_empty()
        && local.len() <= MAX_LOCAL
        && text.len() <= MAX_EMAIL
        && !local.chars().any(|c| c.is_whitespace() || c.is_control() || c == '@')
        && host_ok
}

/// The form in which accounts, invitations and tickets store an address: trimmed, in lower case. Contacts have the [`canonical`] form.
#[must_use]
pub fn lower_case(text: &str) -> String {
    text.trim().to_lowercase()
}

/// The part before the `@`.
#[must_use]
pub fn local_part(address: &str) -> &str {
    address.split('@').next().unwrap_or_default()
}

/// The form in which addresses are compared and stored: lower case, composed characters (NFC), and the domain in Unicode: browsers send
/// `xn--bcher-kva.example` for `bücher.example`. A text that is not an address is only trimmed and normalised.
#[must_use]
pub fn canonical(text: &str) -> String {
    let text: String = text.trim().nfc().collect();
    let Some((local, host)) = text.rsplit_once('@') else { return lower(&text) };
    format!("{}@{}", lower(local), domain(host))
}

/// The forms in which accounts may have stored an address ([`lower_case`]) that compares equal to this one: composed or decomposed
/// characters, and the domain in Unicode or as browsers send it. Compatibility characters, such as full-width letters, are not undone.
#[must_use]
pub fn stored_forms(text: &str) -> Vec<String> {
    let mut forms = vec![lower_case(text)];
    if let Some((local, host)) = canonical(text).rsplit_once('@') {
        let decomposed = |text: &str| text.nfd().collect::<String>();
        for local in [local.to_owned(), decomposed(local)] {
            let hosts = [Some(host.to_owned()), Some(decomposed(host)), idna::domain_to_ascii(host).ok()];
            forms.extend(hosts.into_iter().flatten().map(|host| format!("{local}@{host}")));
        }
    }
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// Parses an address into its canonical form; `None` if it is not one.
#[must_use]
pub fn read(text: &str) -> Option<String> {
    let canonical = canonical(text);
    (is_email(&canonical) || is_email(text.trim())).then_some(canonical)
}

fn lower(text: &str) -> String {
    text.to_lowercase().nfc().collect()
}

fn domain(host: &str) -> String {
    let plain = lower(host);
    if plain.is_ascii() && !plain.split('.').any(|label| label.starts_with("xn--")) {
        return plain;
    }
    let Ok(ascii) = idna::domain_to_ascii(&plain) else { return plain };
    // The mapping of full-width characters can produce signs, such as `@`, that are not valid in a domain.
    if !ascii.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
        return plain;
    }
    match idna::domain_to_unicode(&ascii) {
        (readable, Ok(())) => readable,
        (_, Err(_)) => ascii,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_person_has_one_address() {
        for (forms, stored) in [
            (
                &["user@bücher.example", "user@xn--bcher-kva.example", "USER@BÜCHER.example", "user@bu\u{308}cher.example"][..],
                "user@bücher.example",
            ),
            (&["jos\u{e9}@a.example", "jose\u{301}@a.example", "JOS\u{c9}@A.Example", " jose\u{301}@a.example "], "jos\u{e9}@a.example"),
            (&["Ann@Mail.Example", "ann@mail.example"], "ann@mail.example"),
            (&["a@例え.テスト", "a@xn--r8jz45g.xn--zckzah"], "a@例え.テスト"),
        ] {
            for form in forms {
                assert_eq!(canonical(form), stored, "{form}");
                assert_eq!(read(form).as_deref(), Some(stored), "{form}");
            }
        }
    }

    #[test]
    fn an_account_is_found_however_its_address_was_typed() {
        let typed = ["jos\u{e9}@bücher.example", "JOSE\u{301}@XN--BCHER-KVA.example", "jose\u{301}@bücher.example"];
        for (stored, asked) in typed.iter().flat_map(|stored| typed.iter().map(move |asked| (stored, asked))) {
            assert!(stored_forms(asked).contains(&lower_case(stored)), "{asked}: {stored}");
        }
        assert_eq!(stored_forms("Ann@Mail.Example"), ["ann@mail.example"]);
    }

    #[test]
    fn different_people_stay_different() {
        let all = [
            "a@example.com",
            "a+b@example.com",
            "a.b@example.com",
            "a@sub.example.com",
            "a@faß.example",
            "a@fass.example",
            "ä@example.com",
        ];
        for (i, one) in all.iter().enumerate() {
            for other in &all[i + 1..] {
                assert_ne!(canonical(one), canonical(other));
            }
        }
    }

    #[test]
    fn accounts_are_found_in_any_case() {
        assert_eq!(lower_case(" Ann@Mail.Example "), "ann@mail.example");
        assert_eq!((local_part("ann@mail.example"), local_part("ann")), ("ann", "ann"));
    }

    #[test]
    fn addresses_are_not_longer_than_servers_take() {
        let address = |local: usize, host: usize| format!("{}@{}", "l".repeat(local), "h".repeat(host));
        assert!(is_email(&address(MAX_LOCAL, MAX_EMAIL - MAX_LOCAL - 1)));
        assert!(!is_email(&address(MAX_LOCAL, MAX_EMAIL - MAX_LOCAL)) && !is_email(&address(MAX_LOCAL + 1, 10)));
    }

    #[test]
    fn what_is_no_address_is_refused_and_breaks_nothing() {
        for text in ["", "@", "a@", "@b", "a b@c.d", "xn--", "a@xn--\u{0}", "no address"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(canonical("a@xn--zzzzzz99999.example").split('@').count(), 2);
    }

    proptest! {
        #[test]
        fn the_form_is_its_own_form(text in "\\PC{0,12}@\\PC{1,20}") {
            let once = canonical(&text);
            prop_assert_eq!(canonical(&once), once);
        }
    }
}
