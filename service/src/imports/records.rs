//! Incremental CSV parser: takes bytes and returns records with their line numbers. Memory is bounded by one record.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// Maximum bytes per record; a longer one (an unclosed quotation mark) is skipped and reported.
pub const MAX_RECORD: usize = 1 << 20;
/// Maximum fields per record.
const MAX_FIELDS: usize = 4096;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvRecord {
    /// The line it begins on, from 1, as in an editor.
    pub line: u64,
    /// The line it ends on.
    pub last: u64,
    /// Bytes read by the end of the record.
    pub end: u64,
    /// Quotation mark error, if any.
    pub quote: Option<QuoteError>,
    /// Its fields; `None` when it was too large to keep.
    pub fields: Option<Vec<Vec<u8>>>,
}

/// A misplaced quotation mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuoteError {
    /// Opened on this line and still open at the end of the file.
    Unclosed(u64),
    /// Opened on this line, and closed before the end of the cell.
    Stray(u64),
}

/// The parser's state before the next byte, tracked here because the parser does not expose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ParserState {
    /// At the beginning of a cell.
    Start,
    /// In a cell without quotation marks, or after its closing one.
    Plain,
    /// Between quotation marks.
    Quoted,
    /// After a quotation mark that closes the cell unless another one follows.
    Quote,
}

/// Incremental CSV parser.
pub struct CsvParser {
    delimiter: u8,
    at: ParserState,
    opened: u64,
    quote: Option<QuoteError>,
    last: u64,
    line_began: bool,
    core: Reader,
    out: Vec<u8>,
    out_len: usize,
    ends: Vec<usize>,
    ends_len: usize,
    too_large: bool,
    inside: bool,
    start_line: u64,
    line: u64,
    after_cr: bool,
    read: u64,
}

impl CsvParser {
    /// Creates a parser for fields separated by `delimiter`; `read` bytes were read before, and the next byte is the first of line `line`.
    #[must_use]
    pub fn new(delimiter: u8, line: u64, read: u64) -> Self {
        Self {
            delimiter,
            at: ParserState::Start,
            opened: line,
            quote: None,
            last: line,
            line_began: true,
            core: ReaderBuilder::new().delimiter(delimiter).build(),
            out: vec![0; 8 << 10],
            out_len: 0,
            ends: vec![0; 64],
            ends_len: 0,
            too_large: false,
            inside: false,
            start_line: line,
            line,
            after_cr: false,
            read,
        }
    }

    /// Parses input; returns how many bytes it consumed. If there is no record, it consumed all.
    pub fn next(&mut self, input: &[u8]) -> (usize, Option<CsvRecord>) {
        let mut taken = 0;
        if !self.inside {
            taken = input.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(input.len());
            self.count(&input[..taken]);
            if taken == input.len() {
                return (taken, None);
            }
            self.inside = true;
            self.start_line = self.line;
        }
        let (more, record) = self.advance(&input[taken..]);
        (taken + more, record)
    }

    /// Returns the record that ends at the end of the file, if any.
    pub fn finish(&mut self) -> Option<CsvRecord> {
        if !self.inside {
            return None;
        }
        self.last = if self.line_began { self.line - 1 } else { self.line };
        if self.at == ParserState::Quoted {
            self.quote = Some(QuoteError::Unclosed(self.opened));
        }
        self.advance(&[]).1
    }

    fn advance(&mut self, input: &[u8]) -> (usize, Option<CsvRecord>) {
        let mut taken = 0;
        loop {
            let rest = &input[taken..];
            let (result, read, wrote, ended) = self.core.read_record(rest, &mut self.out[self.out_len..], &mut self.ends[self.ends_len..]);
            self.count(&rest[..read]);
            taken += read;
            self.out_len += wrote;
            self.ends_len += ended;
            match result {
                ReadRecordResult::InputEmpty if input.is_empty() => {}
                ReadRecordResult::InputEmpty => return (taken, None),
                ReadRecordResult::OutputFull => {
                    if self.out.len() < MAX_RECORD {
                        self.out.resize(self.out.len() * 2, 0);
                    } else {
                        self.too_large = true;
                        self.out_len = 0;
                    }
                }
                ReadRecordResult::OutputEndsFull => {
                    if self.ends.len() < MAX_FIELDS {
                        self.ends.resize(self.ends.len() * 2, 0);
                    } else {
                        self.too_large = true;
                        self.ends_len = 0;
                    }
                }
                ReadRecordResult::Record => return (taken, Some(self.emit())),
                ReadRecordResult::End => {
                    self.inside = false;
                    return (taken, None);
                }
            }
        }
    }

    fn emit(&mut self) -> CsvRecord {
        let fields = (!self.too_large).then(|| {
            let mut from = 0;
            let cut = |end: &usize| self.out[std::mem::replace(&mut from, *end)..*end].to_vec();
            self.ends[..self.ends_len].iter().map(cut).collect()
        });
        self.inside = false;
        self.too_large = false;
        self.out_len = 0;
        self.ends_len = 0;
        self.at = ParserState::Start;
        CsvRecord { line: self.start_line, last: self.last, end: self.read, quote: self.quote.take(), fields }
    }

    fn count(&mut self, bytes: &[u8]) {
        self.read += bytes.len() as u64;
        for byte in bytes {
            let ends_line = matches!(byte, b'\n' | b'\r');
            self.at = match (self.at, *byte) {
                (ParserState::Quoted, b'"') => ParserState::Quote,
                (ParserState::Quoted, _) => ParserState::Quoted,
                (_, b'\n' | b'\r') => {
                    if !(self.after_cr && *byte == b'\n') {
                        self.last = self.line;
                    }
                    ParserState::Start
                }
                (_, byte) if byte == self.delimiter => ParserState::Start,
                (ParserState::Start, b'"') => {
                    self.opened = self.line;
                    ParserState::Quoted
                }
                (ParserState::Quote, b'"') => ParserState::Quoted,
                (ParserState::Quote, _) => {
                    self.quote.get_or_insert(QuoteError::Stray(self.opened));
                    ParserState::Plain
                }
                (ParserState::Start | ParserState::Plain, _) => ParserState::Plain,
            };
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\n' => self.line += 1,
                b'\r' => {
                    self.line += 1;
                    self.after_cr = true;
                }
                _ => self.after_cr = false,
            }
            self.line_began = ends_line;
        }
    }
}

/// Returns the separator from a first line `sep=;` (spreadsheets write and read it), and the length of that line with its line end.
#[must_use]
pub fn named_delimiter(head: &[u8]) -> Option<(u8, usize)> {
    let end = head.iter().position(|b| matches!(b, b'\r' | b'\n'))?;
    let line = head.get(..end)?;
    let named = line.strip_prefix(b"\"").and_then(|l| l.strip_suffix(b"\"")).unwrap_or(line);
    let sep = named.get(..4).filter(|s| s.eq_ignore_ascii_case(b"sep=")).and_then(|_| named.get(4..))?;
    // Programs unaware of this line pad it with as many separators as the other lines have.
    let delimiter = *sep.first().filter(|b| b.is_ascii() && !matches!(b, b'"' | b'\0'))?;
    if sep.iter().any(|b| *b != delimiter) {
        return None;
    }
    let ended = end + if head.get(end..end + 2) == Some(b"\r\n") { 2 } else { 1 };
    Some((delimiter, ended))
}

/// Returns the most frequent separator in a file's first record, outside quotation marks: comma, semicolon, tab or bar.
#[must_use]
pub fn guess_delimiter(head: &[u8]) -> u8 {
    const SEPARATORS: [u8; 4] = *b",;\t|";
    let (mut counts, mut quoted, mut in_record) = ([0_usize; 4], false, false);
    for byte in head {
        match byte {
            b'"' => quoted = !quoted,
            b'\r' | b'\n' if in_record && !quoted => break,
            b'\r' | b'\n' => continue,
            _ if quoted => {}
            other => {
                if let Some(n) = SEPARATORS.iter().position(|s| s == other) {
                    counts[n] += 1;
                }
            }
        }
        in_record = true;
    }
    let most = counts.iter().max().copied().unwrap_or_default();
    counts.iter().position(|n| *n == most).map_or(b',', |n| SEPARATORS[n])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8], piece: usize) -> Vec<CsvRecord> {
        let mut records = CsvParser::new(b',', 1, 0);
        let mut out = Vec::new();
        for mut input in text.chunks(piece) {
            while !input.is_empty() {
                let (taken, record) = records.next(input);
                input = &input[taken..];
                out.extend(record);
            }
        }
        out.extend(records.finish());
        out
    }

    fn lines(text: &str) -> Vec<(u64, Vec<String>)> {
        let strings = |fields: Vec<Vec<u8>>| fields.into_iter().map(|f| String::from_utf8(f).unwrap()).collect();
        read(text.as_bytes(), 7).into_iter().map(|r| (r.line, strings(r.fields.unwrap()))).collect()
    }

    #[test]
    fn lines_are_counted_as_an_editor_does() {
        let found = lines("a,b\r\n\"x\r\ny\",1\r\n\r\n\r\nz,\"2\"\n\nlast,3");
        let numbers: Vec<u64> = found.iter().map(|(n, _)| *n).collect();
        assert_eq!(numbers, [1, 2, 6, 8]);
        assert_eq!(found[1].1, ["x\r\ny", "1"]);
        assert_eq!(found[3].1, ["last", "3"]);
        assert_eq!(lines("a\rb\rc").iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn a_record_without_end_is_reported_and_memory_stays_small() {
        let mut text = b"a,b\n\"".to_vec();
        text.extend(std::iter::repeat_n(b'x', 3 * MAX_RECORD));
        text.extend(b"\"\nc,d\n");
        let found = read(&text, 64 << 10);
        assert_eq!(found.len(), 3);
        assert_eq!(found[1].fields, None);
        assert_eq!((found[2].line, found[2].end), (3, text.len() as u64));
    }

    #[test]
    fn the_separator_is_seen_in_the_header() {
        assert_eq!(guess_delimiter(b"text,category\n"), b',');
        assert_eq!(guess_delimiter(b"text;\"a,b,c\";score\n1,2,3,4,5;;"), b';');
        assert_eq!(guess_delimiter(b"text\tscore"), b'\t');
        assert_eq!(guess_delimiter(b"text"), b',');
    }

    #[test]
    fn c14_a_quotation_mark_that_swallows_lines_is_seen() {
        let quotes = |text: &str| read(text.as_bytes(), 5).into_iter().map(|r| (r.line, r.last, r.quote)).collect::<Vec<_>>();
        let file = "text,category\nFirst,a\n\"Second,b\nThird,c\nFourth,d\n";
        assert_eq!(quotes(file), [(1, 1, None), (2, 2, None), (3, 5, Some(QuoteError::Unclosed(3)))]);
        let file = "t,c\r\nx,\"open\r\ny,\"closed\" z\r\nlast,\"fine\nhere\"\r\n";
        assert_eq!(quotes(file), [(1, 1, None), (2, 3, Some(QuoteError::Stray(2))), (4, 5, None)]);
        assert_eq!(quotes("a,\"b \"\"c\"\"\"\nd\"e,f"), [(1, 1, None), (2, 2, None)]);
    }

    #[test]
    fn c05_a_first_line_may_name_the_separator() {
        assert_eq!(named_delimiter(b"sep=;\r\ntext;category\r\n"), Some((b';', 7)));
        assert_eq!(named_delimiter(b"SEP=,,,\ntext"), Some((b',', 8)));
        assert_eq!(named_delimiter(b"\"sep=\t\"\ntext"), Some((b'\t', 8)));
        for other in [&b"text;sep=;\n"[..], b"sep=\n", b"sep=;text\n", b"sep=;", b"sep", b""] {
            assert_eq!(named_delimiter(other), None);
        }
    }

    proptest! {
        #[test]
        fn the_parser_and_we_agree_on_what_is_unclosed(text in "[a,\"\r\n ]{0,60}") {
            let unclosed = read(text.as_bytes(), 7).last().is_some_and(|r| matches!(r.quote, Some(QuoteError::Unclosed(_))));
            let more = read(format!("{text}\nend,x\n").as_bytes(), 7);
            let swallowed = more.last().and_then(|r| r.fields.clone()) != Some(vec![b"end".to_vec(), b"x".to_vec()]);
            prop_assert_eq!(swallowed, unclosed);
        }

        #[test]
        fn pieces_make_no_difference(text in "[a,\"\r\n ]{0,60}", piece in 1_usize..9) {
            prop_assert_eq!(read(text.as_bytes(), piece), read(text.as_bytes(), 1000));
        }
    }
}
