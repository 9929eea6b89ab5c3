//! CSV as it comes in, piece by piece: bytes go in, records come out with the line they begin at. Memory is bounded by one record.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// Longest record, in bytes; a longer one (a quotation mark never closed) is skipped and reported.
pub const MAX_RECORD: usize = 1 << 20;
/// Most fields in a record.
const MAX_FIELDS: usize = 4096;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The line it begins at, from 1, as an editor counts.
    pub line: u64,
    /// How many bytes of the file are read when it ends.
    pub end: u64,
    /// Its fields; `None` when it was too large to keep.
    pub fields: Option<Vec<Vec<u8>>>,
}

/// Takes bytes, gives records.
pub struct Records {
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

impl Records {
    /// For fields separated by `delimiter`; `read` bytes of the file (a byte order mark) are already behind us.
    #[must_use]
    pub fn new(delimiter: u8, read: u64) -> Self {
        Self {
            core: ReaderBuilder::new().delimiter(delimiter).build(),
            out: vec![0; 8 << 10],
            out_len: 0,
            ends: vec![0; 64],
            ends_len: 0,
            too_large: false,
            inside: false,
            start_line: 1,
            line: 1,
            after_cr: false,
            read,
        }
    }

    /// Reads on; says how many bytes it took. Without a record it took all.
    pub fn next(&mut self, input: &[u8]) -> (usize, Option<Record>) {
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

    /// The record that ends with the file, if one does.
    pub fn finish(&mut self) -> Option<Record> {
        if self.inside { self.advance(&[]).1 } else { None }
    }

    fn advance(&mut self, input: &[u8]) -> (usize, Option<Record>) {
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

    fn emit(&mut self) -> Record {
        let fields = (!self.too_large).then(|| {
            let mut from = 0;
            let cut = |end: &usize| self.out[std::mem::replace(&mut from, *end)..*end].to_vec();
            self.ends[..self.ends_len].iter().map(cut).collect()
        });
        self.inside = false;
        self.too_large = false;
        self.out_len = 0;
        self.ends_len = 0;
        Record { line: self.start_line, end: self.read, fields }
    }

    fn count(&mut self, bytes: &[u8]) {
        self.read += bytes.len() as u64;
        for byte in bytes {
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\n' => self.line += 1,
                b'\r' => {
                    self.line += 1;
                    self.after_cr = true;
                }
                _ => self.after_cr = false,
            }
        }
    }
}

/// The separator that stands most often in a file's first record, outside of quotation marks: comma, semicolon, tab or bar.
#[must_use]
pub fn guess_delimiter(head: &[u8]) -> u8 {
    const SEPARATORS: [u8; 4] = *b",;\t|";
    let (mut counts, mut quoted, mut begun) = ([0_usize; 4], false, false);
    for byte in head {
        match byte {
            b'"' => quoted = !quoted,
            b'\r' | b'\n' if begun && !quoted => break,
            b'\r' | b'\n' => continue,
            _ if quoted => {}
            other => {
                if let Some(n) = SEPARATORS.iter().position(|s| s == other) {
                    counts[n] += 1;
                }
            }
        }
        begun = true;
    }
    let most = counts.iter().max().copied().unwrap_or_default();
    counts.iter().position(|n| *n == most).map_or(b',', |n| SEPARATORS[n])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8], piece: usize) -> Vec<Record> {
        let mut records = Records::new(b',', 0);
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

    proptest! {
        #[test]
        fn pieces_make_no_difference(text in "[a,\"\r\n ]{0,60}", piece in 1_usize..9) {
            prop_assert_eq!(read(text.as_bytes(), piece), read(text.as_bytes(), 1000));
        }
    }
}
