//! The possible encodings of a text file. The server detects and decodes them.

use crate::words::words;

words! {
    /// An encoding, named by its label in the WHATWG Encoding Standard.
    Encoding {
        /// UTF-8, with or without a byte order mark.
        Utf8 = "utf-8" / "Unicode (UTF-8)",
        /// UTF-16, low byte first: Excel's "Unicode text".
        Utf16Le = "utf-16le" / "Unicode (UTF-16 LE)",
        /// UTF-16, high byte first.
        Utf16Be = "utf-16be" / "Unicode (UTF-16 BE)",
        /// Western European Windows.
        Windows1252 = "windows-1252" / "Western European (Windows-1252)",
        /// Western European, Mac OS before 2001 and Excel for Mac.
        Macintosh = "macintosh" / "Western European (Mac Roman)",
        /// Central European Windows.
        Windows1250 = "windows-1250" / "Central European (Windows-1250)",
        /// Central European ISO.
        Iso8859_2 = "iso-8859-2" / "Central European (ISO 8859-2)",
        /// Baltic Windows.
        Windows1257 = "windows-1257" / "Baltic (Windows-1257)",
        /// Baltic ISO.
        Iso8859_4 = "iso-8859-4" / "Baltic (ISO 8859-4)",
        /// Baltic ISO, later.
        Iso8859_13 = "iso-8859-13" / "Baltic (ISO 8859-13)",
        /// Cyrillic Windows.
        Windows1251 = "windows-1251" / "Cyrillic (Windows-1251)",
        /// Cyrillic, Ukrainian KOI8.
        Koi8U = "koi8-u" / "Cyrillic (KOI8-U)",
        /// Cyrillic ISO.
        Iso8859_5 = "iso-8859-5" / "Cyrillic (ISO 8859-5)",
        /// Cyrillic DOS.
        Ibm866 = "ibm866" / "Cyrillic (DOS 866)",
        /// Greek Windows.
        Windows1253 = "windows-1253" / "Greek (Windows-1253)",
        /// Greek ISO.
        Iso8859_7 = "iso-8859-7" / "Greek (ISO 8859-7)",
        /// Turkish Windows.
        Windows1254 = "windows-1254" / "Turkish (Windows-1254)",
        /// Hebrew Windows.
        Windows1255 = "windows-1255" / "Hebrew (Windows-1255)",
        /// Hebrew ISO, in visual order.
        Iso8859_8 = "iso-8859-8" / "Hebrew (ISO 8859-8)",
        /// Arabic Windows.
        Windows1256 = "windows-1256" / "Arabic (Windows-1256)",
        /// Arabic ISO.
        Iso8859_6 = "iso-8859-6" / "Arabic (ISO 8859-6)",
        /// Vietnamese Windows.
        Windows1258 = "windows-1258" / "Vietnamese (Windows-1258)",
        /// Thai Windows.
        Windows874 = "windows-874" / "Thai (Windows-874)",
        /// Japanese Windows.
        ShiftJis = "shift_jis" / "Japanese (Shift-JIS)",
        /// Japanese Unix.
        EucJp = "euc-jp" / "Japanese (EUC-JP)",
        /// Japanese e-mail.
        Iso2022Jp = "iso-2022-jp" / "Japanese (ISO-2022-JP)",
        /// Simplified Chinese; includes GBK and GB2312.
        Gb18030 = "gb18030" / "Chinese, simplified (GB18030)",
        /// Traditional Chinese.
        Big5 = "big5" / "Chinese, traditional (Big5)",
        /// Korean.
        EucKr = "euc-kr" / "Korean (EUC-KR)",
    }
}

/// Replaces bytes that are not valid in the file's encoding: a code point that Unicode reserves for use inside a program.
pub const UNREADABLE: char = '\u{FDD0}';
