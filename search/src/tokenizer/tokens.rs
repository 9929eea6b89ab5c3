//! Tokens: the words of a text, their parts, and compounds joined together.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

use super::{
    MIN_PREFIX,
    characters::{NO_BREAK, NormalizedChars, is_regional, is_single},
    fold,
};

/// Longest token, in characters; longer ones are cut.
const MAX_TOKEN: usize = 60;

/// The role of a token in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenForm {
    /// A word, or a part of a hyphenated one.
    Word,
    /// A single character of a script without spaces, or an emoji: no stems, no typo tolerance.
    Single,
    /// The parts of a hyphenated word, or the groups of a long number, joined; in addition to the parts.
    Joined,
    /// The rest of a word from an inner word on, in addition to the word: `username` of `getUserName`, `2` of `v2`.
    Part,
    /// A word with its umlauts written as two letters, in addition to the word: `tuer` of `Tür`.
    Spelled,
}

/// One token of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Lower case, accents retained: the input for stemmers.
    pub lower: String,
    /// Lower case without accents: the form for comparison.
    pub folded: String,
    /// The index of the word in the text, so that phrases match neighbours.
    pub position: usize,
    /// Its position in the text, in bytes.
    pub range: Range<usize>,
    /// Its role in the text.
    pub form: TokenForm,
}

impl Token {
    /// Returns whether it is a token of the text itself, not an alternative form of others.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(self.form, TokenForm::Word | TokenForm::Single)
    }
}

/// Returns the tokens of a text in order; texts and queries are tokenized in the same way. `pi-h` gives `pi`, `h` and, joined, `pih`;
/// Chinese, Japanese, Korean, Thai and similar scripts give one token for each character. Characters are normalised (NFKC) first, so that
/// the same text gives the same tokens on every system, and invisible characters (soft hyphens, tatweel, variation selectors) are omitted.
#[must_use]
pub fn tokens(text: &str) -> Vec<Token> {
    let mut cutter = TokenBuilder::default();
    let mut plain = NormalizedChars::new(text).peekable();
    while let Some((c, range)) = plain.next() {
        let is_single = is_single(c);
        if !is_single && (c.is_alphanumeric() || is_combining_mark(c) && !cutter.word.is_empty()) {
            cutter.letter(c, range);
            continue;
        }
        cutter.end_word();
        if is_single {
            // Two of these form one flag.
            let pair = plain.next_if(|(next, _)| is_regional(c) && is_regional(*next));
            cutter.single(c, pair.as_ref().map(|(next, _)| *next), range.start..pair.as_ref().map_or(range.end, |(_, r)| r.end));
        } else {
            cutter.other(c);
        }
    }
    cutter.end_word();
    cutter.end_compound();
    cutter.out
}

/// The separator between the words of a compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CompoundSeparator {
    /// A hyphen or an apostrophe.
    Hyphen,
    /// The separator between groups of three digits.
    Thousands,
}

impl CompoundSeparator {
    fn of(c: char) -> Option<Self> {
        match c {
            '-' | '_' | '\'' | ZWNJ => Some(Self::Hyphen),
            ',' | '.' | NO_BREAK => Some(Self::Thousands),
            _ => None,
        }
    }
}

/// Zero width non-joiner: separates the words of a Persian compound.
const ZWNJ: char = '\u{200C}';

/// Builds tokens from characters.
#[derive(Default)]
struct TokenBuilder {
    out: Vec<Token>,
    position: usize,
    /// The letters of the current word, each with its start, and the end of the last.
    word: Vec<(char, usize)>,
    end: usize,
    /// The start of the current compound's parts in `out`, and their separator.
    compound: usize,
    linked: Option<CompoundSeparator>,
    /// Whether a word has just ended, and the separator after it.
    after_word: bool,
    link: Option<CompoundSeparator>,
}

impl TokenBuilder {
    fn letter(&mut self, c: char, range: Range<usize>) {
        self.word.push((c, range.start));
        self.end = range.end;
    }

    fn other(&mut self, c: char) {
        self.link = if self.after_word { CompoundSeparator::of(c) } else { None };
        self.after_word = false;
    }

    fn single(&mut self, c: char, pair: Option<char>, range: Range<usize>) {
        self.end_compound();
        let lower: String = [Some(c), pair].into_iter().flatten().collect();
        let folded = fold(&lower);
        if !folded.is_empty() {
            self.out.push(Token { lower, folded, position: self.position, range, form: TokenForm::Single });
            self.position += 1;
        }
        self.compound = self.out.len();
        (self.after_word, self.link) = (false, None);
    }

    fn end_word(&mut self) {
        let Some((_, start)) = self.word.first().copied() else { return };
        let word = std::mem::take(&mut self.word);
        let link = self.link.take();
        if !self.goes_on(link, &word) {
            self.end_compound();
        }
        (self.after_word, self.linked) = (true, link);
        let (range, position) = (start..self.end, self.position);
        let lower: String = word.iter().take(MAX_TOKEN).flat_map(|(c, _)| c.to_lowercase()).collect();
        let folded = fold(&lower);
        if !folded.is_empty() {
            let spelled = spelled(&lower).map(|lower| Token {
                folded: fold(&lower),
                lower,
                position,
                range: range.clone(),
                form: TokenForm::Spelled,
            });
            let parts = inner_words(&word).map(|at| {
                let rest = word.get(at..).unwrap_or_default();
                let lower: String = rest.iter().take(MAX_TOKEN).flat_map(|(c, _)| c.to_lowercase()).collect();
                let begin = rest.first().map_or(range.start, |(_, at)| *at);
                Token { folded: fold(&lower), lower, position, range: begin..range.end, form: TokenForm::Part }
            });
            let parts: Vec<Token> = parts.filter(|part| !part.folded.is_empty()).collect();
            self.out.push(Token { lower, folded, position, range, form: TokenForm::Word });
            self.out.extend(spelled);
            self.out.extend(parts);
            self.position += 1;
        }
        self.word = word;
        self.word.clear();
    }

    /// Returns whether a word continues the compound before it.
    fn goes_on(&self, link: Option<CompoundSeparator>, word: &[(char, usize)]) -> bool {
        let Some(parts) = self.out.get(self.compound..).filter(|parts| !parts.is_empty()) else { return false };
        let same = self.linked.is_none() || self.linked == link;
        match link {
            None => false,
            Some(CompoundSeparator::Hyphen) => same,
            // 1,234,567
            Some(CompoundSeparator::Thousands) => {
                let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
                let before = parts.iter().rfind(|part| part.form == TokenForm::Word);
                same && word.len() == 3
                    && word.iter().all(|(c, _)| c.is_ascii_digit())
                    && before.is_some_and(|part| part.folded.len() <= 3 && digits(&part.folded))
            }
        }
    }

    /// Adds the joined parts of the compound if there are several.
    fn end_compound(&mut self) {
        let first = std::mem::replace(&mut self.compound, self.out.len());
        let parts: Vec<&Token> = self.out.get(first..).unwrap_or_default().iter().filter(|part| part.form == TokenForm::Word).collect();
        let (Some(start), Some(end)) = (parts.first(), parts.last()) else { return };
        if parts.len() < 2 || parts.len() > 8 {
            return;
        }
        let position = start.position;
        let range = start.range.start..end.range.end;
        let lower: String = parts.iter().flat_map(|p| p.lower.chars()).take(MAX_TOKEN).collect();
        let folded: String = parts.iter().flat_map(|p| p.folded.chars()).take(MAX_TOKEN).collect();
        // After the other tokens at the same position.
        let at = self.out.iter().skip(first).position(|token| token.position > position).map_or(self.out.len(), |n| first + n);
        self.out.insert(at, Token { lower, folded, position, range, form: TokenForm::Joined });
        self.compound = self.out.len();
    }
}

/// The starts of words inside a word: `UserName` and `Name` in `getUserName`, and the number in `v2`. Only the first few of many.
fn inner_words(word: &[(char, usize)]) -> impl Iterator<Item = usize> {
    let number = word.iter().position(|(c, _)| c.is_numeric()).filter(|at| {
        let (letters, digits) = word.split_at(*at);
        !letters.is_empty() && letters.iter().all(|(c, _)| c.is_alphabetic()) && digits.iter().all(|(c, _)| c.is_ascii_digit())
    });
    let begins = |at: &usize| {
        let is = |at: usize, case: fn(char) -> bool| word.get(at).is_some_and(|(c, _)| case(*c));
        let after_capitals = is(at - 1, char::is_uppercase) && is(at + 1, char::is_lowercase);
        is(*at, char::is_uppercase) && (is(at - 1, char::is_lowercase) || after_capitals) && word.len() - at >= MIN_PREFIX
    };
    // Most words have no capital except the first.
    let has_capitals = word.iter().skip(1).any(|(c, _)| c.is_uppercase());
    let humps = if has_capitals { 1..word.len() } else { 0..0 };
    number.into_iter().chain(humps.filter(begins).take(4).collect::<Vec<_>>())
}

/// A lower-case word with its umlauts spelled as two letters, as on keyboards without them; `None` if it has none.
fn spelled(lower: &str) -> Option<String> {
    let two = |c: char| match c {
        'ä' => "ae",
        'ö' | 'ø' => "oe",
        'ü' => "ue",
        'å' => "aa",
        _ => "",
    };
    (!lower.is_ascii() && lower.chars().any(|c| !two(c).is_empty())).then(|| {
        let mut out = String::with_capacity(lower.len());
        for c in lower.chars() {
            match two(c) {
                "" => out.push(c),
                letters => out.push_str(letters),
            }
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|t| t.folded).collect()
    }

    #[test]
    fn words_are_folded_and_compounds_found_both_ways() {
        assert_eq!(folded("Le Café, STRASSE straße"), ["le", "cafe", "strasse", "strasse"]);
        assert_eq!(folded("a pi-h probe"), ["a", "pi", "pih", "h", "probe"]);
        assert_eq!(folded("don't l’argent"), ["don", "dont", "t", "l", "largent", "argent"]);
        assert_eq!(folded("- a - b -c"), ["a", "b", "c"]);
        assert_eq!(folded("v1.2 x@y.org"), ["v1", "1", "2", "x", "y", "org"]);
        assert_eq!(folded("カード届かない ok"), ["か", "ー", "ど", "屆", "か", "な", "い", "ok"]);
        assert_eq!(folded("iPhone手机"), ["iphone", "phone", "手", "机"]);
        assert_eq!(folded("bad 😀!"), ["bad", "😀"]);
    }

    #[test]
    fn the_same_text_gives_the_same_tokens_however_it_is_written() {
        for (one, other) in [
            ("한글 검색", "한글 검색"),
            ("ｓｔａｔｕｓ　ＯＫ ﬁne", "status OK fine"),
            ("محمـــد", "محمد"),
            ("كتابي", "کتابی"),
            ("إلى", "الي"),
            ("مدرسة", "مدرسه"),
            ("Daten\u{AD}schutz zero\u{200B}width", "Datenschutz zerowidth"),
            ("Введіть ім\u{2BC}я", "Введіть ім'я"),
            ("don´t don’t", "don't don't"),
            ("١٢٣٤٥ ४२", "12345 42"),
            ("5\u{FE0F}\u{20E3} stars", "5 stars"),
            ("👍🏽 ❤\u{FE0F}", "👍 ❤"),
            ("ｶﾞﾗｽ カード", "がらす かーど"),
            ("訂單沒有送到", "订单没有送到"),
        ] {
            assert_eq!(folded(one), folded(other), "{one}");
        }
    }

    #[test]
    fn what_is_in_a_word_is_found_beside_it() {
        assert_eq!(
            folded("getUserName XMLParser iPhone McX ÖlPreis"),
            ["getusername", "username", "name", "xmlparser", "parser", "iphone", "phone", "mcx", "olpreis", "oelpreis", "preis"]
        );
        assert_eq!(folded("v2.3.1 iPhone15 a1b2"), ["v2", "2", "3", "1", "iphone15", "15", "phone15", "a1b2"]);
        assert_eq!(folded("Tür für Öre Åse"), ["tur", "tuer", "fur", "fuer", "ore", "oere", "ase", "aase"]);
        assert_eq!(
            folded("1,234,567 or 1.234.567 or 1\u{202F}234"),
            ["1", "1234567", "234", "567", "or", "1", "1234567", "234", "567", "or", "1", "1234", "234"]
        );
        assert_eq!(folded("1,23 2023-1,234 1234,567"), ["1", "23", "2023", "20231", "1", "234", "1234", "567"]);
        assert_eq!(folded("⭐⭐ 🇩🇪🇫🇷 ⌚"), ["⭐", "⭐", "🇩🇪", "🇫🇷", "⌚"]);
        assert_eq!(folded("می\u{200C}خواهم"), ["مي", "ميخواهم", "خواهم"]);
        assert!(folded("+ >>> — „“ ´").is_empty());
    }

    #[test]
    fn ranges_and_positions_point_into_the_text() {
        let text = "Da\u{AD}ten ｶﾞ x\u{301}y getUserName 🇩🇪 5\u{FE0F}\u{20E3}";
        let ranges = tokens(text).into_iter().map(|t| text[t.range].to_owned()).collect::<Vec<_>>();
        assert_eq!(ranges, ["Da\u{AD}ten", "ｶﾞ", "x\u{301}y", "getUserName", "UserName", "Name", "🇩🇪", "5\u{FE0F}\u{20E3}"]);
        let text = "Öl: pi-h\u{301} x";
        let all = tokens(text);
        assert_eq!(all.iter().map(|t| &text[t.range.clone()]).collect::<Vec<_>>(), ["Öl", "Öl", "pi", "pi-h\u{301}", "h\u{301}", "x"]);
        assert_eq!(all.iter().map(|t| t.position).collect::<Vec<_>>(), [0, 0, 1, 1, 2, 3]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_tokens_inside_itself(text in ".{0,60}") {
            for token in tokens(&text) {
                assert!(text.get(token.range.clone()).is_some_and(|t| !t.is_empty()), "{token:?}");
                assert!(!token.folded.is_empty());
            }
        }
    }
}
