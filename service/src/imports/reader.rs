//! Opens a file to import from any source (encoding, separator, header), then reads it record by record.

use std::collections::VecDeque;

use domain::{
    DomainError as Refusal,
    accounts::Scope,
    ids::ImportId,
    imports::{Encoding, MAX_HEADER_ROWS, UNREADABLE},
};
use store::Store;
use tokio::io::AsyncReadExt;

use super::{
    encoding::{CharsetDetector, ChunkDecoder, byte_order_mark},
    records::{CsvParser, CsvRecord, guess_delimiter, named_delimiter},
};
use crate::error::{Error, Result};

/// Maximum size of an uploaded chunk in the database.
pub const UPLOAD_CHUNK_BYTES: usize = 512 << 10;
/// Bytes used to detect the separator and, unless specified, the encoding.
const HEAD: usize = 64 << 10;

/// Source of the bytes.
pub enum FileSource {
    /// In chunks in the database.
    Stored {
        /// The database.
        store: Store,
        /// The project's scope.
        scope: Scope,
        /// The import's id.
        import: ImportId,
        /// Number of the next chunk.
        next: i64,
    },
    /// A local file.
    File(tokio::fs::File),
}

impl FileSource {
    async fn piece(&mut self) -> Result<Vec<u8>> {
        match self {
            Self::Stored { store, scope, import, next } => {
                let piece = store.import_chunk(scope, *import, *next).await?.unwrap_or_default();
                *next += 1;
                Ok(piece)
            }
            Self::File(file) => {
                let mut piece = vec![0; UPLOAD_CHUNK_BYTES];
                let read = file.read(&mut piece).await.map_err(|e| Error::internal("reading the file", e))?;
                piece.truncate(read);
                Ok(piece)
            }
        }
    }
}

/// An open file: UTF-8 text, split into records.
pub struct CsvReader {
    bytes: FileSource,
    decoder: Option<ChunkDecoder>,
    /// The decoded chunk being read, the position in it, and its place in the file before decoding.
    buffer: Vec<u8>,
    at: usize,
    piece: DecodedChunk,
    records: CsvParser,
    /// Records already read to find the header.
    ahead: VecDeque<CsvRecord>,
    /// The column names.
    pub header: Vec<String>,
    /// The encoding used for reading.
    pub encoding: Encoding,
    /// Number of header rows.
    pub header_rows: usize,
}

/// A chunk of the file: its start and length, in the file and decoded.
#[derive(Default)]
struct DecodedChunk {
    file_start: u64,
    file_length: u64,
    text_start: u64,
    text_length: u64,
}

impl DecodedChunk {
    /// Maps a position in the text to one in the file. An estimate within a chunk; monotonic, and exact at chunk boundaries.
    fn file_at(&self, text: u64) -> u64 {
        let inside = text.saturating_sub(self.text_start).saturating_mul(self.file_length) / self.text_length.max(1);
        self.file_start + inside.min(self.file_length)
    }
}

impl CsvReader {
    /// Opens a file and reads its header. Detects whatever is `None`.
    ///
    /// # Errors
    /// A refusal if it is not a CSV file or is empty.
    pub async fn open(mut bytes: FileSource, encoding: Option<Encoding>, header_rows: Option<usize>) -> Result<Self> {
        let mut head = Vec::new();
        while head.len() < HEAD {
            let piece = bytes.piece().await?;
            if piece.is_empty() {
                break;
            }
            head.extend(piece);
        }
        let refuse = |code: &str, text: &str| Error::from(Refusal::field("file", code, text));
        if head.starts_with(b"PK\x03\x04") || head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
            return Err(refuse(
                "workbook",
                "This is an Excel workbook, not a CSV file. Save the sheet as “CSV UTF-8” and import that file.",
            ));
        }
        let detected = || {
            let mut detector = CharsetDetector::default();
            detector.feed(&head);
            detector.finish()
        };
        let encoding = encoding.unwrap_or_else(detected);
        let is_utf16 = matches!(encoding, Encoding::Utf16Le | Encoding::Utf16Be);
        if !is_utf16 && head.iter().take(4096).filter(|b| **b == 0).count() > 16 {
            return Err(refuse("binary", "This is not a text file. Choose a CSV file."));
        }
        let mark = byte_order_mark(&head).filter(|(marked, _)| *marked == encoding).map_or(0, |(_, length)| length);
        let (mut decoder, mut text) = (ChunkDecoder::new(encoding), String::new());
        decoder.decode(&head[mark..], false, &mut text);
        let buffer = text.into_bytes();
        let (delimiter, line, at) = match named_delimiter(&buffer) {
            Some((delimiter, length)) => (delimiter, 2, length),
            None => (guess_delimiter(&buffer), 1, 0),
        };
        let (skipped, file_length, text_length) = (mark as u64, (head.len() - mark) as u64, buffer.len() as u64);
        // Record positions count from the end of the line that names the separator.
        let piece = DecodedChunk { file_start: skipped, file_length, text_start: 0, text_length };
        let mut reader = Self {
            bytes,
            decoder: Some(decoder),
            buffer,
            at,
            piece,
            records: CsvParser::new(delimiter, line, at as u64),
            ahead: VecDeque::new(),
            header: Vec::new(),
            encoding,
            header_rows: 1,
        };
        let mut first = Vec::new();
        while first.len() < MAX_HEADER_ROWS
            && let Some(record) = reader.next().await?
        {
            if record.fields.is_none() && first.is_empty() {
                return Err(refuse("header", "The first line is too long to be a row of column names."));
            }
            first.push(record);
        }
        if first.is_empty() {
            return Err(refuse("empty", "This file is empty. Its first line must contain the column names."));
        }
        let names: Vec<Vec<String>> = first.iter().map(|record| cells(record).unwrap_or_default()).collect();
        reader.header_rows = header_rows.unwrap_or_else(|| domain::imports::count_header_rows(&names)).clamp(1, first.len());
        reader.header = domain::imports::header(&names[..reader.header_rows]).iter().map(|name| name.replace('\0', "")).collect();
        reader.ahead = first.split_off(reader.header_rows).into();
        Ok(reader)
    }

    /// Returns the next record; its end is a position in the file.
    ///
    /// # Errors
    /// Returns an error if the bytes cannot be read.
    pub async fn next(&mut self) -> Result<Option<CsvRecord>> {
        if let Some(record) = self.ahead.pop_front() {
            return Ok(Some(record));
        }
        loop {
            while self.at < self.buffer.len() {
                let (taken, record) = self.records.next(&self.buffer[self.at..]);
                self.at += taken;
                if let Some(record) = record {
                    return Ok(Some(self.placed(record)));
                }
            }
            if self.decoder.is_none() {
                let last = self.records.finish();
                return Ok(last.map(|record| self.placed(record)));
            }
            self.read_on().await?;
        }
    }

    fn placed(&self, record: CsvRecord) -> CsvRecord {
        CsvRecord { end: self.piece.file_at(record.end), ..record }
    }

    async fn read_on(&mut self) -> Result<()> {
        let raw = self.bytes.piece().await?;
        let mut text = String::new();
        if let Some(decoder) = &mut self.decoder {
            decoder.decode(&raw, raw.is_empty(), &mut text);
        }
        if raw.is_empty() {
            self.decoder = None;
        }
        self.piece = DecodedChunk {
            file_start: self.piece.file_start + self.piece.file_length,
            file_length: raw.len() as u64,
            text_start: self.piece.text_start + self.piece.text_length,
            text_length: text.len() as u64,
        };
        self.buffer = text.into_bytes();
        self.at = 0;
        Ok(())
    }
}

/// Returns a record's cells as text; `None` if it was too large to keep. In UTF-8, separators and quotation marks never split a character.
pub fn cells(record: &CsvRecord) -> Option<Vec<String>> {
    let fields = record.fields.as_ref()?;
    Some(fields.iter().map(|field| String::from_utf8_lossy(field).replace(UNREADABLE, "\u{FFFD}")).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    async fn records(bytes: &[u8], encoding: Option<Encoding>) -> Result<Vec<CsvRecord>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let mut reader = CsvReader::open(FileSource::File(tokio::fs::File::from_std(file)), encoding, None).await?;
        let mut all = Vec::new();
        while let Some(record) = reader.next().await? {
            all.push(record);
        }
        Ok(all)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_file_is_read_to_its_end_or_refused(
            bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), "[a,\"\r\n;é ]{0,200}".prop_map(String::into_bytes)],
            n in prop::option::of(0..Encoding::ALL.len()),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            match runtime.block_on(records(&bytes, n.map(|n| Encoding::ALL[n]))) {
                Ok(all) => {
                    prop_assert!(all.iter().all(|r| r.end <= bytes.len() as u64 && r.line <= r.last));
                    prop_assert!(all.is_sorted_by_key(|r| r.end));
                }
                Err(error) => prop_assert!(error.refusal().is_some()),
            }
        }
    }
}
