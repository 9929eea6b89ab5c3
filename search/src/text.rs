//! Texts as the index sees them: tokens, folded, with the stems of their language.

use std::ops::Range;

use irg_kvariants::{KVARIANTS, KVariantClass};
use tantivy::tokenizer::{Language, RawTokenizer, Stemmer, TextAnalyzer, TokenStream};
use unicode_normalization::{IsNormalized, UnicodeNormalization, char::is_combining_mark, is_nfkc_quick};

/// Longest token, in characters; longer ones are cut.
const MAX_TOKEN: usize = 60;

/// What a token is of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A word, or a part of a hyphenated one.
    Word,
    /// A single character of a script without spaces, or an emoji: no stems, no typing errors.
    Single,
    /// The parts of a hyphenated word, or the groups of a long number, written together; in addition to them.
    Joined,
    /// The end of a word that has several in it, in addition to the word: `username` of `getUserName`, `2` of `v2`.
    Part,
    /// A word with its umlauts written as two letters, in addition to the word: `tuer` of `Tür`.
    Spelled,
}

/// One token of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Lower case, accents kept: what stemmers want.
    pub lower: String,
    /// Lower case without accents: what is compared.
    pub folded: String,
    /// Which word of the text, so that phrases match neighbours.
    pub position: usize,
    /// Where in the text, in bytes.
    pub range: Range<usize>,
    /// What it is of its text.
    pub form: Form,
}

impl Token {
    /// Whether the text is made of it and its like: it does not stand beside others that say the same.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(self.form, Form::Word | Form::Single)
    }
}

/// The tokens of a text in order; texts and queries are cut the same way. `pi-h` gives `pi`, `h` and, joined, `pih`; Chinese, Japanese,
/// Korean, Thai and their like give one token for each character. Characters are normalised (NFKC) first, so that the same text gives the
/// same tokens however a system writes it, and what cannot be seen (soft hyphens, tatweel, variation selectors) is left out.
#[must_use]
pub fn tokens(text: &str) -> Vec<Token> {
    let mut cutter = Cutter::default();
    let mut plain = Plain::new(text).peekable();
    while let Some((c, range)) = plain.next() {
        let is_single = is_single(c);
        if !is_single && (c.is_alphanumeric() || is_combining_mark(c) && !cutter.word.is_empty()) {
            cutter.letter(c, range);
            continue;
        }
        cutter.end_word();
        if is_single {
            // Two of these are one flag.
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

/// What links two words into one compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// A hyphen or an apostrophe.
    Hyphen,
    /// What stands between groups of three digits.
    Thousands,
}

impl Link {
    fn of(c: char) -> Option<Self> {
        match c {
            '-' | '_' | '\'' | ZWNJ => Some(Self::Hyphen),
            ',' | '.' | NO_BREAK => Some(Self::Thousands),
            _ => None,
        }
    }
}

/// Zero width non-joiner: parts the words of a Persian compound.
const ZWNJ: char = '\u{200C}';
/// A space that does not part what is beside it.
const NO_BREAK: char = '\u{A0}';

/// Collects tokens from characters.
#[derive(Default)]
struct Cutter {
    out: Vec<Token>,
    position: usize,
    /// The letters of the word that is being read, with where each begins, and where the last ends.
    word: Vec<(char, usize)>,
    end: usize,
    /// Where the parts of the compound that is being read begin in `out`, and what links them.
    compound: usize,
    linked: Option<Link>,
    /// Whether a word has just ended, and what stands after it.
    after_word: bool,
    link: Option<Link>,
}

impl Cutter {
    fn letter(&mut self, c: char, range: Range<usize>) {
        self.word.push((c, range.start));
        self.end = range.end;
    }

    fn other(&mut self, c: char) {
        self.link = if self.after_word { Link::of(c) } else { None };
        self.after_word = false;
    }

    fn single(&mut self, c: char, pair: Option<char>, range: Range<usize>) {
        self.end_compound();
        let lower: String = [Some(c), pair].into_iter().flatten().collect();
        let folded = fold(&lower);
        if !folded.is_empty() {
            self.out.push(Token { lower, folded, position: self.position, range, form: Form::Single });
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
            let spelled =
                spelled(&lower).map(|lower| Token { folded: fold(&lower), lower, position, range: range.clone(), form: Form::Spelled });
            let parts = inner_words(&word).map(|at| {
                let rest = word.get(at..).unwrap_or_default();
                let lower: String = rest.iter().take(MAX_TOKEN).flat_map(|(c, _)| c.to_lowercase()).collect();
                let begin = rest.first().map_or(range.start, |(_, at)| *at);
                Token { folded: fold(&lower), lower, position, range: begin..range.end, form: Form::Part }
            });
            let parts: Vec<Token> = parts.filter(|part| !part.folded.is_empty()).collect();
            self.out.push(Token { lower, folded, position, range, form: Form::Word });
            self.out.extend(spelled);
            self.out.extend(parts);
            self.position += 1;
        }
        self.word = word;
        self.word.clear();
    }

    /// Whether a word goes on the compound before it.
    fn goes_on(&self, link: Option<Link>, word: &[(char, usize)]) -> bool {
        let Some(parts) = self.out.get(self.compound..).filter(|parts| !parts.is_empty()) else { return false };
        let same = self.linked.is_none() || self.linked == link;
        match link {
            None => false,
            Some(Link::Hyphen) => same,
            // 1,234,567
            Some(Link::Thousands) => {
                let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
                let before = parts.iter().rfind(|part| part.form == Form::Word);
                same && word.len() == 3
                    && word.iter().all(|(c, _)| c.is_ascii_digit())
                    && before.is_some_and(|part| part.folded.len() <= 3 && digits(&part.folded))
            }
        }
    }

    /// Adds the parts of the compound, written together, when there are several.
    fn end_compound(&mut self) {
        let first = std::mem::replace(&mut self.compound, self.out.len());
        let parts: Vec<&Token> = self.out.get(first..).unwrap_or_default().iter().filter(|part| part.form == Form::Word).collect();
        let (Some(start), Some(end)) = (parts.first(), parts.last()) else { return };
        if parts.len() < 2 || parts.len() > 8 {
            return;
        }
        let position = start.position;
        let range = start.range.start..end.range.end;
        let lower: String = parts.iter().flat_map(|p| p.lower.chars()).take(MAX_TOKEN).collect();
        let folded: String = parts.iter().flat_map(|p| p.folded.chars()).take(MAX_TOKEN).collect();
        // After what stands at the same position.
        let at = self.out.iter().skip(first).position(|token| token.position > position).map_or(self.out.len(), |n| first + n);
        self.out.insert(at, Token { lower, folded, position, range, form: Form::Joined });
        self.compound = self.out.len();
    }
}

/// Where words begin inside a word: `UserName` and `Name` in `getUserName`, and the number in `v2`. Not each of many.
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
    // Most words have no capital but the first.
    let has_capitals = word.iter().skip(1).any(|(c, _)| c.is_uppercase());
    let humps = if has_capitals { 1..word.len() } else { 0..0 };
    number.into_iter().chain(humps.filter(begins).take(4).collect::<Vec<_>>())
}

/// A word in lower case with its umlauts as two letters, as keyboards without them write it; `None` without any.
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

/// The characters of a text as they are compared, each with where it comes from: normalised (NFKC) together with the marks that
/// follow it, without what cannot be seen; apostrophes, hyphens and digits of all kinds as those of ASCII.
struct Plain<'t> {
    text: &'t str,
    at: usize,
    /// What a character and its marks became, the last first, and where they are.
    ready: Vec<char>,
    range: Range<usize>,
}

impl<'t> Plain<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, at: 0, ready: Vec::new(), range: 0..0 }
    }
}

impl Iterator for Plain<'_> {
    type Item = (char, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(c) = self.ready.pop() {
                return Some((c, self.range.clone()));
            }
            let start = self.at;
            let mut rest = self.text.get(start..)?.chars();
            let c = rest.next()?;
            let mut end = start + c.len_utf8();
            let mut alone = true;
            for next in rest.take_while(|next| !next.is_ascii() && goes_with_what_is_before(*next)) {
                end += next.len_utf8();
                alone = false;
            }
            self.at = end;
            if c.is_ascii() && alone {
                return Some((c, start..end));
            }
            self.range = start..end;
            // Some of these would become spaces.
            if let Some(c) = like_ascii(c) {
                return Some((c, start..end));
            }
            if alone && is_nfkc_quick(std::iter::once(c)) == IsNormalized::Yes {
                if !is_unseen(c) {
                    return Some((digit(c), start..end));
                }
                continue;
            }
            let cluster = self.text.get(start..end).unwrap_or_default();
            self.ready.extend(cluster.chars().filter(|c| !is_unseen(*c)).nfkc().filter(|c| !is_unseen(*c)).map(digit));
            self.ready.reverse();
        }
    }
}

/// Marks, and the later letters of a Korean syllable.
fn goes_with_what_is_before(c: char) -> bool {
    matches!(u32::from(c), 0x1160..=0x11FF | 0xD7B0..=0xD7FF | 0xFF9E | 0xFF9F) || is_combining_mark(c)
}

/// What stands for an ASCII character, and what for a space that does not part.
fn like_ascii(c: char) -> Option<char> {
    match c {
        '\u{2BC}' | '\u{2B9}' | '\u{2BB}' | '\u{2018}' | '\u{2019}' | '\u{B4}' | '\u{55A}' | '\u{5F3}' | '\u{FF07}' => Some('\''),
        '\u{2010}' | '\u{2011}' | '\u{FE63}' | '\u{FF0D}' => Some('-'),
        '\u{A0}' | '\u{2007}' | '\u{2009}' | '\u{202F}' => Some(NO_BREAK),
        _ => None,
    }
}

/// What shows nothing by itself: soft hyphens, joiners, marks of direction, tatweel, and what only changes how an emoji looks.
fn is_unseen(c: char) -> bool {
    matches!(u32::from(c),
        0xAD | 0x34F | 0x61C | 0x640 | 0x180B..=0x180F
        | 0x200B | 0x200D..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F
        | 0x20E3 | 0xFE00..=0xFE0F | 0xFEFF | 0x1F3FB..=0x1F3FF | 0xE0000..=0xE0FFF)
}

/// A digit of any script as ASCII writes it; anything else as it is.
fn digit(c: char) -> char {
    if c.is_ascii() || !c.is_numeric() {
        return c;
    }
    let code = u32::from(c);
    let zero = ZEROS.get(ZEROS.partition_point(|zero| *zero <= code).wrapping_sub(1));
    let value = zero.map(|zero| code - zero).filter(|value| *value < 10);
    value.and_then(|value| char::from_digit(value, 10)).unwrap_or(c)
}

/// The zeros of Unicode's decimal digits, but for those that NFKC makes ASCII; nine digits follow each.
const ZEROS: [u32; 59] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040,
    0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50,
    0xABF0, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950,
    0x11C50, 0x11D50, 0x11DA0, 0x11F50, 0x16A60, 0x16AC0, 0x16B50, 0x1E140, 0x1E2F0, 0x1E950,
];

/// Scripts that write without spaces, and pictures.
fn is_single(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF // Thai, Lao
        | 0x1000..=0x109F // Myanmar
        | 0x1100..=0x11FF | 0xAC00..=0xD7AF // Hangul
        | 0x1780..=0x17FF // Khmer
        | 0x2194..=0x2199 | 0x21A9..=0x21AA | 0x231A..=0x231B | 0x2328 | 0x23CF | 0x23E9..=0x23FA // emoji among signs
        | 0x25AA..=0x25AB | 0x25B6 | 0x25C0 | 0x25FB..=0x25FE
        | 0x2600..=0x27BF // pictures
        | 0x2934..=0x2935 | 0x2B05..=0x2B07 | 0x2B1B..=0x2B1C | 0x2B50 | 0x2B55
        | 0x2E80..=0x2FDF | 0x3005..=0x3007 // radicals, marks
        | 0x3041..=0x30FF | 0x31F0..=0x31FF | 0xFF66..=0xFF9F // kana
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF // Han
        | 0x1F000..=0x1FAFF // emoji
        | 0x20000..=0x3FFFF) // Han, further planes
        && c != '\u{30FB}'
}

/// One half of a flag.
fn is_regional(c: char) -> bool {
    matches!(u32::from(c), 0x1F1E6..=0x1F1FF)
}

/// A word or phrase of a query, in the ways in which it is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Tokens at these distances: any of these runs. One that is a single token is that token, exactly.
    pub runs: Vec<Vec<(usize, String)>>,
    /// Any of these, in all their forms.
    pub words: Vec<Token>,
}

impl Asked {
    /// A phrase: its tokens next to each other. Without any token there is nothing to look up.
    #[must_use]
    pub fn phrase(text: &str) -> Self {
        Self { runs: runs(&tokens(text)), words: Vec::new() }
    }

    /// A word. One that has several tokens (an address, a path, a version) is those next to each other, or, if it is one hyphenated
    /// word, also written together. One with `@` is nothing but its tokens: whoever writes an address means that address.
    #[must_use]
    pub fn word(text: &str) -> Self {
        let all = tokens(text);
        let mut whole = all.iter().filter(|token| token.is_whole());
        let (Some(first), last) = (whole.next(), whole.next_back()) else { return Self { runs: Vec::new(), words: Vec::new() } };
        if text.contains(['@', '＠']) {
            return Self { runs: runs(&all), words: Vec::new() };
        }
        let Some(last) = last else {
            return Self { runs: Vec::new(), words: all.iter().filter(|token| token.form != Form::Part).cloned().collect() };
        };
        let is_all = |token: &&Token| token.form == Form::Joined && token.range == (first.range.start..last.range.end);
        Self { words: all.iter().filter(is_all).cloned().collect(), runs: runs(&all) }
    }

    /// Whether there is nothing to look up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.words.is_empty()
    }
}

/// The whole tokens next to each other; and, where some can be spelled in another way, all of them spelled so.
fn runs(all: &[Token]) -> Vec<Vec<(usize, String)>> {
    let Some(first) = all.first().map(|token| token.position) else { return Vec::new() };
    let run = |spelled: bool| -> Vec<(usize, String)> {
        let other = |token: &Token| all.iter().find(|t| spelled && t.form == Form::Spelled && t.position == token.position);
        let whole = all.iter().filter(|token| token.is_whole());
        whole.map(|token| (token.position - first, other(token).unwrap_or(token).folded.clone())).collect()
    };
    let has_spelled = all.iter().any(|token| token.form == Form::Spelled);
    [Some(run(false)), has_spelled.then(|| run(true))].into_iter().flatten().collect()
}

/// A whole text as its characters are compared.
#[must_use]
pub fn plain(text: &str) -> String {
    fold(&Plain::new(text).map(|(c, _)| if c.is_whitespace() { ' ' } else { c }).collect::<String>())
}

/// Lower case without the accents of Latin, Greek, Cyrillic, Arabic and Hebrew, compatibility forms made plain; letters that Arabic and
/// Persian keyboards write differently, or that people mix up at the end of words, and the two kinds of kana as one; simplified Chinese as traditional.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let plain = text.chars().flat_map(char::to_lowercase).nfkd().filter(|c| !is_accent(*c)).nfc();
    let mut out = String::with_capacity(text.len());
    for c in plain.flat_map(char::to_lowercase) {
        match c {
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'ø' => out.push('o'),
            'ł' => out.push('l'),
            'đ' | 'ð' => out.push('d'),
            'þ' => out.push_str("th"),
            'ı' => out.push('i'),
            'ς' => out.push('σ'),
            'ک' | 'ڪ' => out.push('ك'),
            'ی' | 'ى' => out.push('ي'),
            'ة' | 'ہ' | 'ھ' | 'ە' | 'ۃ' => out.push('ه'),
            'ٱ' => out.push('ا'),
            '\u{2E80}'..='\u{2FDF}' | '\u{3400}'..='\u{9FFF}' | '\u{20000}'..='\u{3FFFF}' => out.push(traditional(c)),
            'ァ'..='ヶ' => out.push(char::from_u32(u32::from(c) - 0x60).unwrap_or(c)),
            _ => out.push(c),
        }
    }
    out
}

/// The traditional form of a Chinese character; others as they are. Character by character: that finds, though it could not translate.
fn traditional(c: char) -> char {
    let variant = KVARIANTS.get(&c).filter(|variant| variant.classification != KVariantClass::Wrong);
    variant.map_or(c, |variant| variant.destination_ideograph)
}

fn is_accent(c: char) -> bool {
    matches!(u32::from(c), 0x0300..=0x036F | 0x0591..=0x05C7 | 0x0610..=0x061A | 0x064B..=0x065F | 0x0670 | 0x06D6..=0x06ED)
}

/// Whether the stem of a token is looked for.
#[must_use]
pub fn has_stem(token: &Token) -> bool {
    matches!(token.form, Form::Word | Form::Joined)
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

/// Finds the stems of one language.
pub struct Stems {
    language: String,
    analyzer: TextAnalyzer,
}

impl Stems {
    /// `None` for languages that have no stemmer.
    #[must_use]
    pub fn new(language: &str) -> Option<Self> {
        let stemmer = Stemmer::new(stemmer(language)?);
        Some(Self { language: language.to_owned(), analyzer: TextAnalyzer::builder(RawTokenizer::default()).filter(stemmer).build() })
    }

    /// The stem of a word in lower case, marked with the language: `en:wait`.
    #[must_use]
    pub fn stem(&mut self, lower: &str) -> String {
        let mut stream = self.analyzer.token_stream(lower);
        let stem = if stream.advance() { fold(&stream.token().text) } else { fold(lower) };
        format!("{}:{stem}", self.language)
    }
}

/// How many typing errors a word of this length may hold: none below five letters, one below nine, then two. Numbers and single
/// characters hold none.
#[must_use]
pub fn typing_errors(folded: &str) -> u8 {
    if folded.chars().any(|c| !c.is_alphabetic()) {
        return 0;
    }
    match folded.chars().count() {
        ..5 => 0,
        5..9 => 1,
        _ => 2,
    }
}

/// Fewest letters that match as the beginning of a word.
pub const MIN_PREFIX: usize = 3;

/// Whether `a` becomes `b` by at most `most` letters added, left out, changed or swapped with their neighbour.
#[must_use]
pub fn within(a: &str, b: &str, most: u8) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let most = usize::from(most);
    if a.len().abs_diff(b.len()) > most {
        return false;
    }
    let width = b.len() + 1;
    let mut rows = vec![vec![0_usize; width]; 3];
    rows[0] = (0..width).collect();
    for i in 1..=a.len() {
        let mut best = i;
        let mut row = vec![i; width];
        for j in 1..width {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut cost = (rows[0][j] + 1).min(row[j - 1] + 1).min(rows[0][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cost = cost.min(rows[1][j - 2] + 1);
            }
            row[j] = cost;
            best = best.min(cost);
        }
        if best > most {
            return false;
        }
        rows.rotate_right(1);
        rows[0] = row;
    }
    rows[0][b.len()] <= most
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
    fn addresses_are_asked_for_whole() {
        let words = |text: &str| Asked::word(text).words.into_iter().map(|t| t.folded).collect::<Vec<_>>();
        let runs = |text: &str| {
            Asked::word(text).runs.into_iter().map(|run| run.into_iter().map(|(_, t)| t).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        assert_eq!((words("card"), runs("card")), (vec!["card".to_owned()], vec![]));
        assert_eq!((words("pi-h"), runs("pi-h")), (vec!["pih".to_owned()], vec!["pi h".to_owned()]));
        assert_eq!((words("a-user@x.test"), runs("a-user@x.test")), (vec![], vec!["a user x test".to_owned()]));
        assert_eq!((words("@anna"), runs("@anna")), (vec![], vec!["anna".to_owned()]));
        assert_eq!((words("https://my-shop.test/a"), runs("https://my-shop.test/a")), (vec![], vec!["https my shop test a".to_owned()]));
        assert_eq!((words("Tür"), runs("Tür-Spalt")), (vec!["tur".into(), "tuer".into()], vec!["tur spalt".into(), "tuer spalt".into()]));
        assert!(Asked::word(">>>").is_empty() && Asked::phrase("+ +").is_empty());
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

    #[test]
    fn stems_by_language() {
        let mut en = Stems::new("en").unwrap();
        assert_eq!(en.stem("waiting"), en.stem("wait"));
        let mut de = Stems::new("de").unwrap();
        assert_eq!(de.stem("karten"), de.stem("karte"));
        assert_eq!(de.stem("bücher"), de.stem("buch"));
        assert!(Stems::new("zh").is_none());
    }

    #[test]
    fn typing_errors_are_counted() {
        assert!(within("delivry", "delivery", 1) && within("teh", "the", 1) && within("abc", "abc", 0));
        assert!(!within("card", "cat", 1) && !within("abcdef", "badcfe", 2) && within("badc", "abcd", 2));
        assert_eq!((typing_errors("card"), typing_errors("cards"), typing_errors("delivered"), typing_errors("a1234")), (0, 1, 2, 0));
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
