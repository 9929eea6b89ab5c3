//! Encoding detection, and chunk-by-chunk decoding to UTF-8.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use domain::imports::{Encoding, UNREADABLE};

/// Bytes of a file that is not plain ASCII used to tell encodings apart, which takes 0.1 s per megabyte; UTF-8 validity is checked for the
/// whole file.
const LOOKED_AT: usize = 256 << 10;
/// Bytes at the start of a file used to detect UTF-16.
const HEAD: usize = 64 << 10;

/// Returns the encoding and length of the byte order mark at the start of a file.
#[must_use]
pub fn byte_order_mark(head: &[u8]) -> Option<(Encoding, usize)> {
    match head {
        [0xef, 0xbb, 0xbf, ..] => Some((Encoding::Utf8, 3)),
        [0xff, 0xfe, ..] => Some((Encoding::Utf16Le, 2)),
        [0xfe, 0xff, ..] => Some((Encoding::Utf16Be, 2)),
        _ => None,
    }
}

/// Detects a file's encoding from its chunks. Keeps the first 64 kB.
pub struct CharsetDetector {
    head: Vec<u8>,
    legacy: EncodingDetector,
    looked_at: usize,
    /// The start of a character that the last chunk ended in.
    cut: Vec<u8>,
    /// Number of valid multi-byte UTF-8 characters.
    valid: u64,
    /// Number of bytes or sequences that are not valid UTF-8.
    invalid: u64,
    before: u8,
    mac: u64,
    windows: u64,
}

impl Default for CharsetDetector {
    fn default() -> Self {
        Self {
            head: Vec::new(),
            legacy: EncodingDetector::new(Iso2022JpDetection::Allow),
            looked_at: 0,
            cut: Vec::new(),
            valid: 0,
            invalid: 0,
            before: 0,
            mac: 0,
            windows: 0,
        }
    }
}

impl CharsetDetector {
    /// Processes the next chunk.
    pub fn feed(&mut self, piece: &[u8]) {
        let room = HEAD.saturating_sub(self.head.len()).min(piece.len());
        self.head.extend_from_slice(&piece[..room]);
        let is_ascii = piece.is_ascii();
        if self.looked_at < LOOKED_AT && (!is_ascii || self.looked_at == 0) {
            let some = &piece[..piece.len().min(LOOKED_AT - self.looked_at)];
            self.legacy.feed(some, false);
            self.letters(some);
            self.looked_at += if is_ascii { 0 } else { some.len() };
        }
        if !is_ascii || !self.cut.is_empty() {
            self.check_utf8(piece);
        }
    }

    fn check_utf8(&mut self, piece: &[u8]) {
        let joined;
        let bytes = if self.cut.is_empty() {
            piece
        } else {
            joined = [self.cut.as_slice(), piece].concat();
            self.cut.clear();
            &joined
        };
        let mut at = 0;
        for chunk in bytes.utf8_chunks() {
            self.valid += chunk.valid().bytes().filter(|b| *b >= 0xc0).count() as u64;
            at += chunk.valid().len() + chunk.invalid().len();
            if at == bytes.len() && is_beginning(chunk.invalid()) {
                self.cut = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                self.invalid += 1;
            }
        }
    }

    /// Counts non-ASCII letters next to ASCII letters, by their code points in Mac Roman and in the Windows encodings.
    fn letters(&mut self, piece: &[u8]) {
        for (n, byte) in piece.iter().enumerate() {
            let after = piece.get(n + 1).copied().unwrap_or_default();
            let in_word = self.before.is_ascii_alphabetic() || after.is_ascii_alphabetic();
            match byte {
                // In Windows encodings: the euro sign and the ellipsis, which do not begin a word.
                0x80 | 0x85 if after.is_ascii_lowercase() && !self.before.is_ascii_alphabetic() => self.mac += 1,
                // In Windows encodings: rare letters and signs; quotation marks and dashes are excluded.
                0x81 | 0x83 | 0x86..=0x8a | 0x8c..=0x90 | 0x98 | 0x9a | 0x9c..=0x9f if in_word => self.mac += 1,
                // In Mac Roman: quotation marks, dashes and the ellipsis.
                0xc9 | 0xd0..=0xd5 => {}
                0xc0.. if in_word => self.windows += 1,
                _ => {}
            }
            self.before = *byte;
        }
    }

    /// Returns the most likely encoding. Text in other encodings is rarely valid UTF-8, so a few invalid bytes in an otherwise valid file
    /// count as damage.
    #[must_use]
    pub fn finish(mut self) -> Encoding {
        if let Some((encoding, _)) = byte_order_mark(&self.head) {
            return encoding;
        }
        if let Some(encoding) = utf16(&self.head) {
            return encoding;
        }
        self.invalid += u64::from(!self.cut.is_empty());
        self.legacy.feed(&[], true);
        let legacy = self.legacy.guess(None, Utf8Detection::Deny).name().to_lowercase();
        if self.invalid == 0 && (legacy != "iso-2022-jp" || self.valid > 0) || self.valid > 4 * self.invalid {
            return Encoding::Utf8;
        }
        let legacy = Encoding::parse(if legacy == "gbk" { "gb18030" } else { &legacy }).unwrap_or(Encoding::Windows1252);
        if self.mac > self.windows && is_latin(legacy) { Encoding::Macintosh } else { legacy }
    }
}

/// Whether the bytes may be the start of a UTF-8 character that continues in the next chunk.
fn is_beginning(bytes: &[u8]) -> bool {
    match bytes {
        [] => false,
        bytes => std::str::from_utf8(bytes).is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none()),
    }
}

/// Whether Mac Roman text may be mistaken for this encoding.
fn is_latin(encoding: Encoding) -> bool {
    use Encoding::{Ibm866, Iso8859_2, Iso8859_4, Iso8859_13, Windows1250, Windows1252, Windows1254, Windows1257, Windows1258};
    matches!(encoding, Windows1252 | Windows1250 | Windows1254 | Windows1257 | Windows1258 | Iso8859_2 | Iso8859_4 | Iso8859_13 | Ibm866)
}

/// Detects UTF-16 without a byte order mark: zero bytes on one side of the byte pairs, and none on the other.
fn utf16(head: &[u8]) -> Option<Encoding> {
    let (pairs, _) = head.as_chunks::<2>();
    let zeros = |side: usize| pairs.iter().filter(|pair| pair[side] == 0).count();
    let (encoding, some) = match (zeros(0), zeros(1)) {
        (0, low) if low > 2 => (Encoding::Utf16Le, low),
        (high, 0) if high > 2 => (Encoding::Utf16Be, high),
        _ => return None,
    };
    let units = pairs.iter().map(|pair| if encoding == Encoding::Utf16Le { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) });
    let has_line = units.clone().any(|unit| unit == 0x0a || unit == 0x0d);
    // The head may end in the middle of a surrogate pair.
    let broken = char::decode_utf16(units).filter(Result::is_err).count();
    (broken <= 1 && (has_line || some * 10 >= pairs.len())).then_some(encoding)
}

/// Decodes a file to UTF-8, chunk by chunk.
pub struct ChunkDecoder(encoding_rs::Decoder);

impl ChunkDecoder {
    /// Creates a decoder for an encoding; it treats a byte order mark as text.
    #[must_use]
    pub fn new(encoding: Encoding) -> Self {
        let known = encoding_rs::Encoding::for_label(encoding.as_str().as_bytes()).unwrap_or(encoding_rs::UTF_8);
        Self(known.new_decoder_without_bom_handling())
    }

    /// Appends the text of the next chunk; invalid bytes become [`UNREADABLE`]. No chunk may follow the `last` one.
    pub fn decode(&mut self, mut piece: &[u8], last: bool, text: &mut String) {
        loop {
            text.reserve(self.0.max_utf8_buffer_length_without_replacement(piece.len()).unwrap_or_default());
            let (result, read) = self.0.decode_to_string_without_replacement(piece, text, last);
            piece = piece.get(read..).unwrap_or_default();
            match result {
                encoding_rs::DecoderResult::InputEmpty => return,
                encoding_rs::DecoderResult::OutputFull => {}
                encoding_rs::DecoderResult::Malformed(..) => text.push(UNREADABLE),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn detect(bytes: &[u8]) -> Encoding {
        let mut detector = CharsetDetector::default();
        for piece in bytes.chunks(7) {
            detector.feed(piece);
        }
        detector.finish()
    }

    fn decoded(encoding: Encoding, bytes: &[u8], piece: usize) -> String {
        let (mut decoder, mut text) = (ChunkDecoder::new(encoding), String::new());
        for piece in bytes.chunks(piece) {
            decoder.decode(piece, false, &mut text);
        }
        decoder.decode(&[], true, &mut text);
        text
    }

    /// Encodes text as a program of that time would have.
    fn encoded(encoding: Encoding, text: &str) -> Vec<u8> {
        match encoding {
            Encoding::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Encoding::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            other => encoding_rs::Encoding::for_label(other.as_str().as_bytes()).unwrap().encode(text).0.into_owned(),
        }
    }

    const GERMAN: &str = "text;category\nÄpfel für Zürich wären größer, sagt Jörg.\nDie Übersicht lädt sehr langsam.\nplain;b\n";
    const FRENCH: &str =
        "texte;catégorie\nL’application est très lente à démarrer, même après la mise à jour.\nÇa ne marche pas où je suis né.\n";

    #[test]
    fn c02_c03_c37_encodings_are_told_apart() {
        let japanese = "text,category\n検索が遅いです。画面が表示されません。,a\nログインできない,b\n";
        for (encoding, text) in [
            (Encoding::Utf8, "text\nplain\n"),
            (Encoding::Utf8, GERMAN),
            (Encoding::Utf8, japanese),
            (Encoding::Windows1252, GERMAN),
            (Encoding::Windows1252, FRENCH),
            (Encoding::Macintosh, GERMAN),
            (Encoding::Macintosh, FRENCH),
            (Encoding::Utf16Le, GERMAN),
            (Encoding::Utf16Be, GERMAN),
            (Encoding::Utf16Le, japanese),
            (Encoding::Utf16Be, japanese),
            (Encoding::ShiftJis, japanese),
            (Encoding::EucJp, japanese),
            (Encoding::Iso2022Jp, japanese),
            (Encoding::Gb18030, "text,category\n移动端很慢，搜索结果不对，请尽快修复。,a\n登录失败,b\n"),
            (Encoding::EucKr, "text,category\n검색이 너무 느립니다. 로그인이 되지 않습니다.,a\n"),
            (Encoding::Windows1251, "text,category\nПоиск работает очень медленно, исправьте пожалуйста.,a\n"),
        ] {
            let bytes = encoded(encoding, text);
            assert_eq!(detect(&bytes), encoding, "{text}");
            assert_eq!(decoded(encoding, &bytes, 5), text);
        }
    }

    #[test]
    fn a_byte_order_mark_decides() {
        assert_eq!(detect(b"\xff\xfet\0"), Encoding::Utf16Le);
        assert_eq!(detect(b"\xfe\xff\0t"), Encoding::Utf16Be);
        assert_eq!(detect(b"\xef\xbb\xbfM\xfcller"), Encoding::Utf8);
    }

    #[test]
    fn a_broken_byte_in_much_utf8_changes_nothing() {
        let mut bytes = GERMAN.repeat(4).into_bytes();
        bytes.extend(b"\xff\n");
        assert_eq!(detect(&bytes), Encoding::Utf8);
    }

    #[test]
    fn a_letter_late_in_a_large_file_is_seen() {
        let mut bytes = b"text;category\n".to_vec();
        bytes.extend(b"plain;a\n".repeat(400_000));
        bytes.extend(encoded(Encoding::Windows1252, GERMAN));
        let mut detector = CharsetDetector::default();
        bytes.chunks(512 << 10).for_each(|piece| detector.feed(piece));
        assert_eq!(detector.finish(), Encoding::Windows1252);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), n in 0..Encoding::ALL.len()) {
            detect(&bytes);
            let text = decoded(Encoding::ALL[n], &bytes, 3);
            prop_assert_eq!(text, decoded(Encoding::ALL[n], &bytes, 1000));
        }

        #[test]
        fn a_text_is_the_same_in_every_encoding(text in "\\PC{0,60}", latin in "[a-zA-ZÀ-ÿ ,;\n]{0,60}", piece in 1_usize..9) {
            for encoding in [Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be, Encoding::Gb18030] {
                prop_assert_eq!(&decoded(encoding, &encoded(encoding, &text), piece), &text);
            }
            prop_assert_eq!(&decoded(Encoding::Windows1252, &encoded(Encoding::Windows1252, &latin), piece), &latin);
        }

        #[test]
        fn valid_utf8_is_utf8(text in "[a-z äöü漢🦀\n,]{0,80}") {
            prop_assert_eq!(detect(text.as_bytes()), Encoding::Utf8);
        }
    }
}
