//! Attached files: limits, names and types. Neither the name nor the header that the client sends is trusted.

use crate::text::{cut, is_invisible, spaced};

/// Most bytes of all files of one message together, as sent.
pub const MAX_BYTES: usize = 10 << 20;
/// Most files of one message.
pub const MAX_FILES: usize = 10;
/// Longest stored name, in characters.
pub const MAX_FILE_NAME: usize = 100;

/// The type of a file, by its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// An image, which is re-encoded.
    Png,
    /// An image, which is re-encoded.
    Jpeg,
    /// An image, which is re-encoded.
    Gif,
    /// An image, which is re-encoded.
    Webp,
    /// A document.
    Pdf,
    /// An archive, or one of the many document formats based on it.
    Zip,
    /// Readable text of any kind, HTML and SVG included.
    Text,
    /// Anything else.
    Other,
}

impl FileType {
    const ALL: [Self; 7] = [Self::Png, Self::Jpeg, Self::Gif, Self::Webp, Self::Pdf, Self::Zip, Self::Text];

    /// Detects the type from the first bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Self::Png,
            [0xff, 0xd8, 0xff, ..] => Self::Jpeg,
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Self::Gif,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::Webp,
            [b'%', b'P', b'D', b'F', b'-', ..] => Self::Pdf,
            [b'P', b'K', 3, 4, ..] => Self::Zip,
            _ if is_text(bytes) => Self::Text,
            _ => Self::Other,
        }
    }

    /// Its media type. HTML and SVG count as plain text here, so that no page of ours ever executes them.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Pdf => "application/pdf",
            Self::Zip => "application/zip",
            Self::Text => "text/plain",
            Self::Other => "application/octet-stream",
        }
    }

    /// Parses a stored media type.
    #[must_use]
    pub fn parse(media_type: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.media_type() == media_type).unwrap_or(Self::Other)
    }

    /// Returns whether it is an image, which is re-encoded.
    #[must_use]
    pub fn is_picture(self) -> bool {
        matches!(self, Self::Png | Self::Jpeg | Self::Gif | Self::Webp)
    }

    /// The file name extensions of an image type.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Png => &["png"],
            Self::Jpeg => &["jpg", "jpeg"],
            Self::Gif => &["gif"],
            Self::Webp => &["webp"],
            _ => &[],
        }
    }
}

fn is_text(bytes: &[u8]) -> bool {
    let is_readable = |b: &u8| *b >= 0x20 || matches!(b, b'\t' | b'\n' | b'\r' | 0x0c);
    !bytes.is_empty() && bytes.iter().all(is_readable) && std::str::from_utf8(bytes).is_ok()
}

/// A safe name for a file of this type: the last part of any path, without characters that cause problems. Images get the extension of
/// their type.
#[must_use]
pub fn sanitize_file_name(name: &str, kind: FileType) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible: String = last
        .chars()
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .map(|c| if matches!(c, '"' | '<' | '>' | ':' | '|' | '?' | '*') { '_' } else { c })
        .collect();
    let name = spaced(&visible);
    let name = name.trim_matches(['.', ' ']);
    let (stem, ending) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).unwrap_or((name, ""));
    let ending = match kind.endings() {
        [] => cut(ending, 16).to_owned(),
        fit if fit.contains(&ending.to_ascii_lowercase().as_str()) => ending.to_owned(),
        fit => fit.first().copied().unwrap_or_default().to_owned(),
    };
    let stem = cut(stem, MAX_FILE_NAME - 17);
    let stem = if stem.is_empty() { "file" } else { stem.trim_end() };
    if ending.is_empty() { stem.to_owned() } else { format!("{stem}.{ending}") }
}

/// The value of `Content-Disposition` (RFC 6266): a plain ASCII name for old programs, and the full one encoded as in RFC 5987.
#[must_use]
pub fn content_disposition(is_inline: bool, name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%' | ';') || c == ' ' { c } else { '_' }).collect();
    let mut whole = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            whole.push(char::from(byte));
        } else {
            whole.push_str(&format!("%{byte:02X}"));
        }
    }
    let how = if is_inline { "inline" } else { "attachment" };
    format!("{how}; filename=\"{plain}\"; filename*=UTF-8''{whole}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_say_what_a_file_is() {
        assert_eq!(FileType::of(b"\x89PNG\r\n\x1a\nrest"), FileType::Png);
        assert_eq!(FileType::of(b"\xff\xd8\xff\xe0"), FileType::Jpeg);
        assert_eq!(FileType::of(b"GIF89a.."), FileType::Gif);
        assert_eq!(FileType::of(b"RIFF\0\0\0\0WEBPVP8 "), FileType::Webp);
        assert_eq!(FileType::of(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), FileType::Text);
        assert_eq!(FileType::of(b"<!doctype html><script>"), FileType::Text);
        assert_eq!(FileType::of(b"\0\x01"), FileType::Other);
        assert_eq!(FileType::of(b""), FileType::Other);
        for kind in FileType::ALL {
            assert_eq!(FileType::parse(kind.media_type()), kind);
        }
        assert_eq!(FileType::parse("image/svg+xml"), FileType::Other);
    }

    #[test]
    fn names_are_names_and_nothing_else() {
        for (name, kind, clean) in [
            ("../../etc/passwd", FileType::Text, "passwd"),
            ("C:\\Users\\ann\\bild.PNG", FileType::Png, "bild.PNG"),
            ("a\r\nSet-Cookie: x.txt", FileType::Text, "aSet-Cookie_ x.txt"),
            ("..", FileType::Other, "file"),
            ("", FileType::Jpeg, "file.jpg"),
            (".htaccess", FileType::Text, "htaccess"),
            ("page.html", FileType::Png, "page.png"),
            ("\u{202e}gnp.exe", FileType::Other, "gnp.exe"),
            ("Größe 1.pdf", FileType::Pdf, "Größe 1.pdf"),
        ] {
            assert_eq!(sanitize_file_name(name, kind), clean, "{name:?}");
        }
        assert!(sanitize_file_name(&format!("{}.{}", "n".repeat(500), "e".repeat(500)), FileType::Other).chars().count() <= MAX_FILE_NAME);
    }

    #[test]
    fn dispositions_quote_names() {
        assert_eq!(
            content_disposition(false, "Größe \"1\".pdf"),
            "attachment; filename=\"Gr__e _1_.pdf\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%221%22.pdf"
        );
        assert!(content_disposition(true, "a.png").starts_with("inline; filename=\"a.png\""));
    }
}
