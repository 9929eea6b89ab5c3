//! Rules for new passwords: NIST SP 800-63B-4, section 3.1.1.2, and OWASP ASVS 5.0 6.2.4 and 6.2.11. Length protects;
//! no character classes are required. Passwords that attackers try first are rejected.

use domain::DomainError;

/// Minimum characters (NIST requires 8 with a second factor and 15 without; a long list of rejected passwords justifies a value between).
pub const MIN_CHARS: usize = 10;
/// Maximum bytes; bounds the cost of hashing.
pub const MAX_BYTES: usize = 1024;
/// Minimum characters left after removing everything an attacker knows about the account.
const MIN_OWN_CHARS: usize = 6;
/// Minimum distinct characters: attackers try `aaaaaaaaaaaa` and `1212121212` first.
const MIN_DISTINCT: usize = 5;
/// Minimum length of a word to remove; shorter words would reject good passwords by accident.
const MIN_WORD: usize = 4;

/// The 100,000 most frequent passwords of [`MIN_CHARS`] characters or more, in lower case, sorted by bytes, one per line. From the
/// ranking of the ten million passwords that Mark Burnett put into the public domain in 2015.
static COMMON: &str = include_str!("common.txt");

/// Words that an attacker knows about an account and tries first.
#[derive(Debug, Clone, Default)]
pub struct PasswordContext {
    words: Vec<String>,
}

impl PasswordContext {
    /// Splits an e-mail address and names (the person's, their projects') into words.
    #[must_use]
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut words: Vec<String> = vec!["earshot".into(), "password".into()];
        for text in texts {
            let text = text.trim().to_lowercase();
            words.extend(text.split(|c: char| !c.is_alphanumeric()).filter(|w| w.chars().count() >= MIN_WORD).map(ToOwned::to_owned));
            words.push(text.chars().filter(|c| c.is_alphanumeric()).collect());
        }
        words.retain(|word| word.chars().count() >= MIN_WORD);
        // Longest first: remove a whole name before its parts.
        words.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        words.dedup();
        Self { words }
    }

    /// Number of characters in a lower-case password that are not context words.
    fn own_chars(&self, password: &str) -> usize {
        let mut rest: String = password.chars().filter(|c| c.is_alphanumeric()).collect();
        for word in &self.words {
            rest = rest.replace(word.as_str(), " ");
        }
        let symbols = password.chars().filter(|c| !c.is_alphanumeric() && !c.is_whitespace()).count();
        rest.chars().filter(|c| *c != ' ').count() + symbols
    }
}

/// Checks that a new password is acceptable for the account described by `context`.
///
/// # Errors
/// [`domain::DomainError::Invalid`] on the field `password`, with advice.
pub fn check(password: &str, context: &PasswordContext) -> Result<(), DomainError> {
    let refused = |code: &'static str, text: &str| Err(DomainError::field("password", code, text));
    if password.chars().count() < MIN_CHARS {
        return refused("too_short", &format!("Use at least {MIN_CHARS} characters. A few words make a good password."));
    }
    if password.trim().is_empty() {
        return refused("blank", "Use more than just spaces. A few words make a good password.");
    }
    if password.len() > MAX_BYTES {
        return refused("too_long", "This password is too long.");
    }
    let lower = password.trim().to_lowercase();
    if is_common(&lower) || distinct(&lower) < MIN_DISTINCT || is_sequence(&lower) {
        return refused(
            "common",
            "This password is common and easy to guess. Choose another one: a few unrelated words make a good password.",
        );
    }
    if context.own_chars(&lower) < MIN_OWN_CHARS {
        return refused(
            "guessable",
            "This password is based on your name, your e-mail address or the product name. Choose another one: a few unrelated words make a good password.",
        );
    }
    Ok(())
}

fn distinct(password: &str) -> usize {
    let mut chars: Vec<char> = password.chars().collect();
    chars.sort_unstable();
    chars.dedup();
    chars.len()
}

/// Whether each character directly follows or precedes the one before it: `abcdefghij`, `0987654321`.
fn is_sequence(password: &str) -> bool {
    let codes: Vec<i64> = password.chars().map(|c| i64::from(u32::from(c))).collect();
    let steps = |step: i64| codes.windows(2).filter(|pair| pair[1] - pair[0] == step).count();
    // `1234567890` has one step that breaks the sequence.
    let most = codes.len().saturating_sub(2);
    steps(1) >= most || steps(-1) >= most
}

/// Whether the list of common passwords has this line.
fn is_common(password: &str) -> bool {
    let (wanted, list) = (password.as_bytes(), COMMON.as_bytes());
    let (mut from, mut to) = (0, list.len());
    while from < to {
        let middle = from + (to - from) / 2;
        let start = list[from..middle].iter().rposition(|b| *b == b'\n').map_or(from, |at| from + at + 1);
        let end = list[middle..to].iter().position(|b| *b == b'\n').map_or(to, |at| middle + at);
        match list[start..end].cmp(wanted) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => from = end + 1,
            std::cmp::Ordering::Greater => to = start,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(password: &str, context: &PasswordContext) -> Option<String> {
        match check(password, context) {
            Ok(()) => None,
            Err(DomainError::Invalid(errors)) => Some(errors.0[0].code.to_string()),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn the_list_is_whole_sorted_and_every_line_of_it_is_found() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert_eq!(lines.len(), 100_000);
        assert!(lines.windows(2).all(|pair| pair[0].as_bytes() < pair[1].as_bytes()));
        assert!(lines.iter().all(|line| line.chars().count() >= MIN_CHARS && *line == line.to_lowercase() && is_common(line)));
        for other in ["", "0", "zzzzzzzzzzzzzzzzzzz", "qwertyuio", "qwertyuiop\n", "correct horse battery"] {
            assert!(!is_common(other), "{other:?}");
        }
    }

    #[test]
    fn what_attackers_try_first_is_refused() {
        let nobody = PasswordContext::default();
        for common in [
            "1234567890",
            "password12",
            "Password12",
            "QWERTYUIOP",
            " qwertyuiop ",
            "aaaaaaaaaaaa",
            "121212121212",
            "abcdefghijkl",
            "9876543210",
        ] {
            assert_eq!(code(common, &nobody).as_deref(), Some("common"), "{common}");
        }
        assert_eq!(code("short", &nobody).as_deref(), Some("too_short"));
        assert_eq!(code("           ", &nobody).as_deref(), Some("blank"));
        assert_eq!(code(&"long ".repeat(300), &nobody).as_deref(), Some("too_long"));
        for good in ["correct horse battery", "seven wooden horses", "Übung macht Meister", "我的密码是一句很长的话吧", "0f3c9a77d1"]
        {
            assert_eq!(code(good, &nobody), None, "{good}");
        }
    }

    #[test]
    fn what_is_known_about_the_account_is_no_password() {
        let context = PasswordContext::new(["cfo@bigcorp.test", "Jane Fairweather", "Acme Shop"]);
        for guess in [
            "cfo@bigcorp.test",
            "bigcorp2026!",
            "janefairweather",
            "Fairweather1",
            "AcmeShop2026",
            "earshot12345",
            "jane.fairweather",
            "Password-Acme",
        ] {
            assert_eq!(code(guess, &context).as_deref(), Some("guessable"), "{guess}");
        }
        assert_eq!(code("fairweather never lasts long", &context), None);
        assert_eq!(code("correct horse battery", &context), None);
    }
}
