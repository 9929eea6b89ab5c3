//! The paths that the text of a source file contains.
//!
//! It reads tokens, not the grammar: comments, strings and code for tests are skipped, `use` declarations are unfolded. Code that a macro
//! would write is not seen; the macros of this repository write no paths of their own.

/// A path as it is written, in a module of the file.
#[derive(Debug, PartialEq, Eq)]
pub struct WrittenPath {
    /// The inline modules around it, outermost first.
    pub inside: Vec<String>,
    /// Its segments; the first may be `crate`, `self` or `super`.
    pub segments: Vec<String>,
    /// The name that a `use` declaration gives it.
    pub name: Option<String>,
    /// The line, from 1.
    pub line: usize,
}

/// What a file contains for the check.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SourceFile {
    /// All paths of more than one segment, and all of `use` declarations.
    pub paths: Vec<WrittenPath>,
    /// Modules in files of their own that are compiled for tests only.
    pub test_modules: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Symbol {
    Word(String),
    /// `::`
    Separator,
    Other(char),
}

#[derive(Debug, Clone)]
struct Token {
    symbol: Symbol,
    line: usize,
}

impl Token {
    fn is(&self, c: char) -> bool {
        self.symbol == Symbol::Other(c)
    }

    fn word(&self) -> Option<&str> {
        match &self.symbol {
            Symbol::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Reads the text of a file.
pub fn read(text: &str) -> SourceFile {
    let mut file = SourceFile::default();
    let tokens = without_tests(&tokens(text), &mut file.test_modules);
    let (mut at, mut depth, mut inside) = (0, 0_usize, Vec::<(String, usize)>::new());
    while let Some(token) = tokens.get(at) {
        let names = || inside.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        match token.word() {
            Some("use") => {
                let (inside, mut found) = (names(), Vec::new());
                at = unfold(&tokens, at + 1, &[], &mut found);
                file.paths.extend(found.into_iter().map(|path| WrittenPath { inside: inside.clone(), ..path }));
                continue;
            }
            Some("mod") if tokens.get(at + 2).is_some_and(|t| t.is('{')) => {
                depth += 1;
                inside.extend(tokens[at + 1].word().map(|name| (name.to_owned(), depth)));
                at += 3;
                continue;
            }
            Some(first) => {
                let mut segments = vec![first.to_owned()];
                while let (Some(Symbol::Separator), Some(next)) =
                    (tokens.get(at + 1).map(|t| &t.symbol), tokens.get(at + 2).and_then(Token::word))
                {
                    segments.push(next.to_owned());
                    at += 2;
                }
                if segments.len() > 1 {
                    file.paths.push(WrittenPath { inside: names(), segments, name: None, line: token.line });
                }
            }
            None if token.is('{') => depth += 1,
            None if token.is('}') => {
                inside.retain(|(_, since)| *since < depth);
                depth = depth.saturating_sub(1);
            }
            None => {}
        }
        at += 1;
    }
    file
}

/// Unfolds the tree of a `use` declaration that begins at `at`, and returns where it ends.
fn unfold(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<WrittenPath>) -> usize {
    let (mut segments, mut name, mut line) = (prefix.to_vec(), None, 0);
    while let Some(token) = tokens.get(at) {
        match &token.symbol {
            Symbol::Word(word) if word == "as" => {
                name = tokens.get(at + 1).and_then(Token::word).map(ToOwned::to_owned);
                at += 1;
            }
            Symbol::Word(word) => {
                line = token.line;
                if word != "self" || segments.is_empty() {
                    segments.push(word.clone());
                }
            }
            Symbol::Other('{') => {
                at += 1;
                while tokens.get(at).is_some_and(|t| !t.is('}')) {
                    at = unfold(tokens, at, &segments, found);
                    at += usize::from(tokens.get(at).is_some_and(|t| t.is(',')));
                }
                return at + 1;
            }
            Symbol::Separator => {}
            Symbol::Other('*') => line = token.line,
            Symbol::Other(_) => break,
        }
        at += 1;
    }
    let name = name.or_else(|| segments.last().cloned());
    found.push(WrittenPath { inside: Vec::new(), segments, name, line });
    at
}

/// Removes the items under `#[cfg(test)]`; modules in files of their own are named in `test_modules`.
fn without_tests(tokens: &[Token], test_modules: &mut Vec<String>) -> Vec<Token> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if !is_test_attribute(&tokens[at..]) {
            kept.push(token.clone());
            at += 1;
            continue;
        }
        // Other attributes may follow before the item.
        while tokens.get(at).is_some_and(|t| t.is('#')) {
            at = closing(tokens, at + 1) + 1;
        }
        let item = at;
        while let Some(token) = tokens.get(at) {
            if token.is('{') || token.is('(') || token.is('[') {
                let is_body = token.is('{') && !tokens[item..at].iter().any(|t| matches!(t.word(), Some("use" | "const" | "static")));
                at = closing(tokens, at);
                if is_body {
                    break;
                }
            } else if token.is(';') || token.is(',') && !declares(&tokens[item..at]) {
                break;
            }
            at += 1;
        }
        if let [.., before, name] = &tokens[item..at.min(tokens.len())]
            && before.word() == Some("mod")
        {
            test_modules.extend(name.word().map(ToOwned::to_owned));
        }
        at += 1;
    }
    kept
}

/// Whether these tokens declare something whose generic parameters may contain a comma; otherwise they are a field, a variant or an
/// argument.
fn declares(tokens: &[Token]) -> bool {
    tokens.iter().any(|t| matches!(t.word(), Some("fn" | "impl" | "struct" | "enum" | "trait" | "type")))
}

/// Whether `#[cfg(test)]` begins here.
fn is_test_attribute(tokens: &[Token]) -> bool {
    let begins = |at: usize, c: char| tokens.get(at).is_some_and(|t| t.is(c));
    let word = |at: usize, word: &str| tokens.get(at).and_then(Token::word) == Some(word);
    begins(0, '#') && begins(1, '[') && word(2, "cfg") && begins(3, '(') && word(4, "test") && begins(5, ')')
}

/// The place of the bracket that closes the one at `open`.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.symbol {
            Symbol::Other('{' | '(' | '[') => depth += 1,
            Symbol::Other('}' | ')' | ']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len()
}

/// Words, `::` and single characters, without spaces, comments, strings, characters and lifetimes.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let peek = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let (mut at, mut line, mut found) = (0, 1, Vec::new());
    while at < chars.len() {
        let begin = at;
        let mut symbol = None;
        match peek(at) {
            '/' if peek(at + 1) == '/' => at = find(&chars, at, &['\n']),
            '/' if peek(at + 1) == '*' => at = end_of_comment(&chars, at),
            '"' => at = end_of_string(&chars, at),
            '\'' if peek(at + 1) == '\\' => at = find(&chars, at + 3, &['\'']) + 1,
            '\'' if peek(at + 2) == '\'' => at += 3,
            '\'' => at = end_of_word(&chars, at + 1),
            ':' if peek(at + 1) == ':' => (at, symbol) = (at + 2, Some(Symbol::Separator)),
            c if is_in_word(c) => {
                at = end_of_word(&chars, at);
                let word: String = chars[begin..at].iter().collect();
                let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
                match word.as_str() {
                    "r" | "br" | "cr" if peek(at + hashes) == '"' => {
                        let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                        at = find(&chars, at + hashes + 1, &end) + end.len();
                    }
                    // The string or the name follows as a token of its own.
                    "b" | "c" if peek(at) == '"' || peek(at) == '\'' => {}
                    "r" if hashes == 1 => at += 1,
                    _ => symbol = Some(Symbol::Word(word)),
                }
            }
            c => {
                at += 1;
                symbol = (!c.is_whitespace()).then_some(Symbol::Other(c));
            }
        }
        found.extend(symbol.map(|symbol| Token { symbol, line }));
        line += chars[begin..at.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    found
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn end_of_word(chars: &[char], from: usize) -> usize {
    from + chars[from.min(chars.len())..].iter().take_while(|c| is_in_word(**c)).count()
}

/// Where `what` begins after `from`, or the end.
fn find(chars: &[char], from: usize, what: &[char]) -> usize {
    let from = from.min(chars.len());
    chars[from..].windows(what.len()).position(|window| window == what).map_or(chars.len(), |n| from + n)
}

fn end_of_string(chars: &[char], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < chars.len() && chars[at] != '"' {
        at += 1 + usize::from(chars[at] == '\\');
    }
    at + 1
}

/// Block comments may contain others.
fn end_of_comment(chars: &[char], begin: usize) -> usize {
    let (mut at, mut depth) = (begin, 0_usize);
    while at < chars.len() {
        match chars.get(at..at + 2) {
            Some(['/', '*']) => (at, depth) = (at + 2, depth + 1),
            Some(['*', '/']) => (at, depth) = (at + 2, depth.saturating_sub(1)),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        read(text).paths.into_iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn use_declarations_are_unfolded() {
        let found = read("use crate::{\n    a::{self, B as C},\n    d,\n};\npub(crate) use super::e::*;");
        let found: Vec<_> = found.paths.iter().map(|p| (p.segments.join("::"), p.name.as_deref().unwrap_or_default(), p.line)).collect();
        let expected = [("crate::a", "a", 2), ("crate::a::B", "C", 2), ("crate::d", "d", 3), ("super::e", "e", 5)];
        assert_eq!(found, expected.map(|(path, name, line)| (path.to_owned(), name, line)));
    }

    #[test]
    fn paths_in_code_are_found() {
        assert_eq!(
            paths("fn f(app: &crate::state::App) -> mail::Result<super::Kind> { g() }"),
            ["crate::state::App", "mail::Result", "super::Kind"]
        );
        assert_eq!(paths("view! { <Page/> {crate::shell::menu(x)} }"), ["crate::shell::menu"]);
    }

    #[test]
    fn comments_and_texts_are_skipped() {
        assert_eq!(paths("/// As [`crate::a::B`].\n// crate::c\n/* /* crate::d */ crate::e */ x::y"), ["x::y"]);
        assert_eq!(paths(r##"f("crate::a \" crate::b", r#"crate::c " crate::d"#, b"crate::e", '"', '\'', 'x'); x::y"##), ["x::y"]);
        assert_eq!(paths("impl<'a> Act<'a> { fn r#type() -> x::y }"), ["x::y"]);
    }

    #[test]
    fn code_for_tests_is_skipped() {
        assert_eq!(paths("#[cfg(test)]\nmod tests { use crate::a; fn f() { crate::b::c() } }\nuse crate::d;"), ["crate::d"]);
        assert_eq!(paths("#[cfg(test)]\n#[allow(x)]\nuse crate::{a, b};\nuse crate::c;"), ["crate::c"]);
        assert_eq!(paths("#[cfg(test)]\nfn f(x: [u8; 2]) -> crate::a::B { crate::b::c() }\nuse crate::c;"), ["crate::c"]);
        assert_eq!(
            paths("#[cfg(test)]\nimpl<A, B> C for D<A, B> where A: crate::a::B, B: E { fn f() { crate::b::c() } }\nuse crate::c;"),
            ["crate::c"]
        );
        assert_eq!(paths("struct A { #[cfg(test)] a: crate::a::B, c: crate::c::D }"), ["crate::c::D"]);
        let file = read("#[cfg(test)]\nmod tests;\nmod real;\nuse crate::c;");
        assert_eq!(file.test_modules, ["tests"]);
        assert_eq!(file.paths.len(), 1);
    }

    #[test]
    fn inline_modules_are_known() {
        let found = read("mod outer { use super::a; mod inner { use super::b; } use super::c; } use super::d;");
        let found: Vec<_> = found.paths.iter().map(|path| path.inside.join("::")).collect();
        assert_eq!(found, ["outer", "outer::inner", "outer", ""]);
    }
}
