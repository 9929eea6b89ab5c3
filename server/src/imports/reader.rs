//! A file to import, from wherever it is: opened (encoding, separator, header), then read record by record.

use domain::{Error as Refusal, accounts::Scope, ids::ImportId};
use tokio::io::AsyncReadExt;

use super::records::{Record, Records, guess_delimiter};
use crate::{
    error::{Error, Result},
    store::Store,
};

/// Largest piece of an uploaded file in the database.
pub const CHUNK: usize = 512 << 10;
/// How much of a file is looked at to find its separator.
const HEAD: usize = 64 << 10;

/// Where the bytes are.
pub enum Bytes {
    /// In pieces in the database.
    Stored {
        /// The database.
        store: Store,
        /// Whose.
        scope: Scope,
        /// Which import's.
        import: ImportId,
        /// The next piece.
        next: i64,
    },
    /// In a file of this machine.
    File(tokio::fs::File),
}

impl Bytes {
    async fn piece(&mut self) -> Result<Vec<u8>> {
        match self {
            Self::Stored { store, scope, import, next } => {
                let piece = store.import_chunk(scope, *import, *next).await?.unwrap_or_default();
                *next += 1;
                Ok(piece)
            }
            Self::File(file) => {
                let mut piece = vec![0; CHUNK];
                let read = file.read(&mut piece).await.map_err(|e| Error::internal("reading the file", e))?;
                piece.truncate(read);
                Ok(piece)
            }
        }
    }
}

/// An opened file.
pub struct FileReader {
    bytes: Bytes,
    buffer: Vec<u8>,
    at: usize,
    records: Records,
    /// The first record.
    pub header: Vec<String>,
}

impl FileReader {
    /// Reads the beginning: what kind of file it is, and its header.
    ///
    /// # Errors
    /// A refusal when it is no CSV file in UTF-8, or empty.
    pub async fn open(mut bytes: Bytes) -> Result<Self> {
        let mut head = Vec::new();
        while head.len() < HEAD {
            let piece = bytes.piece().await?;
            if piece.is_empty() {
                break;
            }
            head.extend(piece);
        }
        let refuse = |code: &str, text: &str| Error::from(Refusal::field("file", code, text));
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            return Err(refuse("utf16", "This file is UTF-16 text. Save it as “CSV UTF-8” and import that."));
        }
        if head.starts_with(b"PK\x03\x04") || head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
            return Err(refuse("workbook", "This is a workbook, not a CSV file. Save its sheet as “CSV UTF-8” and import that."));
        }
        if head.iter().take(4096).filter(|b| **b == 0).count() > 16 {
            return Err(refuse("binary", "This is not a text file. Choose a CSV file."));
        }
        let mark = if head.starts_with(&[0xef, 0xbb, 0xbf]) { 3 } else { 0 };
        let records = Records::new(guess_delimiter(&head[mark..]), mark as u64);
        let mut reader = Self { bytes, buffer: head, at: mark, records, header: Vec::new() };
        let first = reader
            .next()
            .await?
            .ok_or_else(|| refuse("empty", "This file is empty. It needs a first line with the names of its columns."))?;
        let fields = first.fields.ok_or_else(|| refuse("header", "The first line is too long to be the names of columns."))?;
        reader.header = fields.into_iter().map(|f| String::from_utf8_lossy(&f).replace('\0', "").trim().to_owned()).collect();
        Ok(reader)
    }

    /// The next record.
    ///
    /// # Errors
    /// When the bytes cannot be read.
    pub async fn next(&mut self) -> Result<Option<Record>> {
        loop {
            while self.at < self.buffer.len() {
                let (taken, record) = self.records.next(&self.buffer[self.at..]);
                self.at += taken;
                if record.is_some() {
                    return Ok(record);
                }
            }
            self.buffer = self.bytes.piece().await?;
            self.at = 0;
            if self.buffer.is_empty() {
                return Ok(self.records.finish());
            }
        }
    }
}
