//! Files that arrive with messages, and what becomes of pictures. A picture is decoded and encoded
//! anew: what is not a picture of it (place and time it was taken, a page hidden behind it) is not kept, and its bytes are of our making.

use std::{io::Cursor, sync::Arc};

use bytes::Bytes;
use domain::{
    Error as Refusal,
    tickets::{
        Attachment,
        files::{FileType, MAX_BYTES, clean_name},
    },
};
use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    codecs::{
        gif::{GifDecoder, GifEncoder, Repeat},
        jpeg::JpegEncoder,
    },
};
use tokio::sync::Semaphore;

use crate::{error::Result, state::App, store::tickets::NewAttachment};

/// Pictures that are worked on at once.
const HANDS: usize = 2;
/// Longest side of a picture.
const MAX_SIDE: u32 = 16_384;
/// Most pixels of a picture: what a good telephone takes.
const MAX_PIXELS: u64 = 50_000_000;
/// Most pixels of all pictures of an animation.
const MAX_ANIMATED: u64 = 60_000_000;
/// Most memory for decoding one.
const MAX_ALLOC: u64 = 256 << 20;
/// Most bytes that a picture may become.
const MAX_ENCODED: usize = 3 * MAX_BYTES;
/// Quality of JPEG, of 100.
const JPEG_QUALITY: u8 = 88;

/// What limits how many files are worked on at a time.
#[derive(Debug)]
pub struct Workshop {
    hands: Arc<Semaphore>,
}

impl Default for Workshop {
    fn default() -> Self {
        Self { hands: Arc::new(Semaphore::new(HANDS)) }
    }
}

/// Files of one request, in memory.
#[derive(Debug, Default)]
pub struct Arriving {
    files: Vec<(String, Vec<u8>)>,
    bytes: usize,
}

impl Arriving {
    /// Begins a file.
    pub fn begin(&mut self, name: &str) {
        self.files.push((name.to_owned(), Vec::new()));
    }

    /// Adds bytes to the file begun last.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        if let Some((_, file)) = self.files.last_mut() {
            file.extend_from_slice(bytes);
        }
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many files there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// The cleaned name of the first file that was chosen and has no bytes.
    #[must_use]
    pub fn first_empty(&self) -> Option<String> {
        let empty = self.files.iter().find(|(name, bytes)| bytes.is_empty() && !name.is_empty())?;
        Some(clean_name(&empty.0, FileType::Other))
    }

    /// Takes out a file without a byte: what a browser sends for an empty field.
    pub fn drop_empty(&mut self) {
        self.files.retain(|(_, bytes)| !bytes.is_empty());
    }

    /// Lets everything go.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The files as they are stored.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a picture that is too large or cannot be read.
    pub async fn prepare(mut self, app: &App) -> Result<Vec<NewAttachment>> {
        self.drop_empty();
        let mut done = Vec::with_capacity(self.files.len());
        for (name, bytes) in std::mem::take(&mut self.files) {
            done.push(prepare(app, &name, bytes).await?);
        }
        Ok(done)
    }
}

async fn prepare(app: &App, name: &str, bytes: Vec<u8>) -> Result<NewAttachment> {
    let kind = FileType::of(&bytes);
    let (kind, bytes) = if kind.is_picture() {
        let hand = Arc::clone(&app.workshop.hands).acquire_owned().await.map_err(|_| Refusal::Busy(10))?;
        let work = tokio::task::spawn_blocking(move || {
            let _hand = hand;
            encode_anew(kind, &bytes)
        });
        // A decoder that panics has met a broken picture.
        work.await.unwrap_or(Err(Wrong::Broken)).map_err(|wrong| wrong.refusal(&clean_name(name, kind)))?
    } else {
        (kind, bytes)
    };
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let file = Attachment { id: app.id(), name: clean_name(name, kind), media_type: kind.media_type().into(), size };
    Ok(NewAttachment { file, bytes: Bytes::from(bytes) })
}

/// Why a picture is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Large,
    Broken,
}

impl Wrong {
    fn refusal(self, name: &str) -> Refusal {
        match self {
            Self::Large => Refusal::field(
                "files",
                "picture_large",
                format!("The picture “{name}” has too many pixels. Make it smaller, or pack it into a ZIP file."),
            ),
            Self::Broken => Refusal::field(
                "files",
                "picture_broken",
                format!("The picture “{name}” cannot be read. Save it again, or pack it into a ZIP file."),
            ),
        }
    }
}

impl From<ImageError> for Wrong {
    fn from(error: ImageError) -> Self {
        if matches!(error, ImageError::Limits(_)) { Self::Large } else { Self::Broken }
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOC);
    limits
}

fn fits(decoder: &impl ImageDecoder) -> std::result::Result<(), Wrong> {
    let (width, height) = decoder.dimensions();
    limits().check_dimensions(width, height)?;
    if u64::from(width) * u64::from(height) > MAX_PIXELS { Err(Wrong::Large) } else { Ok(()) }
}

/// The picture as new bytes, turned as its metadata wanted it, without any metadata. WebP becomes PNG or JPEG.
fn encode_anew(kind: FileType, bytes: &[u8]) -> std::result::Result<(FileType, Vec<u8>), Wrong> {
    let format = match kind {
        FileType::Gif => return animation(bytes, MAX_ANIMATED),
        FileType::Png => ImageFormat::Png,
        FileType::Jpeg => ImageFormat::Jpeg,
        _ => ImageFormat::WebP,
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits());
    let mut decoder = reader.into_decoder()?;
    fits(&decoder)?;
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    let mut out = Cursor::new(Vec::new());
    let kind = match kind {
        FileType::Webp if picture.color().has_alpha() => FileType::Png,
        FileType::Webp => FileType::Jpeg,
        other => other,
    };
    if kind == FileType::Png {
        picture.write_to(&mut out, ImageFormat::Png)?;
    } else {
        // JPEG knows neither transparency nor more than eight bits.
        let picture = if picture.color() == image::ColorType::L8 { picture } else { picture.into_rgb8().into() };
        picture.write_with_encoder(JpegEncoder::new_with_quality(&mut out, JPEG_QUALITY))?;
    }
    let out = out.into_inner();
    if out.len() > MAX_ENCODED { Err(Wrong::Large) } else { Ok((kind, out)) }
}

fn animation(bytes: &[u8], most: u64) -> std::result::Result<(FileType, Vec<u8>), Wrong> {
    let mut decoder = GifDecoder::new(Cursor::new(bytes))?;
    decoder.set_limits(limits())?;
    fits(&decoder)?;
    let (width, height) = decoder.dimensions();
    let each = u64::from(width) * u64::from(height);
    let mut out = Vec::new();
    let mut pixels = 0;
    {
        let mut encoder = GifEncoder::new_with_speed(&mut out, 30);
        encoder.set_repeat(Repeat::Infinite)?;
        for frame in decoder.into_frames() {
            pixels += each;
            if pixels > most {
                return Err(Wrong::Large);
            }
            encoder.encode_frame(frame?)?;
        }
    }
    match out.len() {
        _ if pixels == 0 => Err(Wrong::Broken),
        len if len > MAX_ENCODED => Err(Wrong::Large),
        _ => Ok((FileType::Gif, out)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        picture.write_to(&mut out, format).unwrap();
        out.into_inner()
    }

    fn small() -> DynamicImage {
        DynamicImage::new_rgb8(6, 4)
    }

    #[test]
    fn pictures_of_each_kind_stay_pictures() {
        for (format, kind, becomes) in [
            (ImageFormat::Png, FileType::Png, FileType::Png),
            (ImageFormat::Jpeg, FileType::Jpeg, FileType::Jpeg),
            (ImageFormat::Gif, FileType::Gif, FileType::Gif),
            (ImageFormat::WebP, FileType::Webp, FileType::Jpeg),
        ] {
            let bytes = encoded(&small(), format);
            assert_eq!(FileType::of(&bytes), kind);
            let (now, again) = encode_anew(kind, &bytes).unwrap();
            assert_eq!(now, becomes);
            assert_eq!(FileType::of(&again), becomes);
            let read = image::load_from_memory(&again).unwrap();
            assert_eq!((read.width(), read.height()), (6, 4));
        }
        let clear = encoded(&DynamicImage::new_rgba8(2, 2), ImageFormat::WebP);
        assert_eq!(encode_anew(FileType::Webp, &clear).unwrap().0, FileType::Png);
    }

    #[test]
    fn what_hides_behind_a_picture_is_gone() {
        let mut bytes = encoded(&small(), ImageFormat::Png);
        bytes.extend_from_slice(b"<script>alert(1)</script>");
        let (_, again) = encode_anew(FileType::Png, &bytes).unwrap();
        assert!(!String::from_utf8_lossy(&again).contains("script"));
    }

    #[test]
    fn a_flood_of_pixels_is_no_work() {
        // A PNG that says it is 60,000 pixels wide and high; the checksum of its header is right.
        let mut bytes = encoded(&small(), ImageFormat::Png);
        bytes[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
        bytes[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
        let sum = crc(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(encode_anew(FileType::Png, &bytes).unwrap_err(), Wrong::Large);
        // Within the sides, but too many altogether.
        bytes[16..20].copy_from_slice(&16_000_u32.to_be_bytes());
        bytes[20..24].copy_from_slice(&16_000_u32.to_be_bytes());
        let sum = crc(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(encode_anew(FileType::Png, &bytes).unwrap_err(), Wrong::Large);
    }

    #[test]
    fn an_animation_has_an_end() {
        let mut bytes = Vec::new();
        {
            let mut encoder = GifEncoder::new_with_speed(&mut bytes, 30);
            for _ in 0..16 {
                encoder.encode_frame(image::Frame::new(image::RgbaImage::new(10, 10))).unwrap();
            }
        }
        assert_eq!(animation(&bytes, 1600).unwrap().0, FileType::Gif);
        assert_eq!(animation(&bytes, 1599).unwrap_err(), Wrong::Large);
        assert_eq!(encode_anew(FileType::Gif, &bytes[..20]).unwrap_err(), Wrong::Broken);
    }

    fn crc(bytes: &[u8]) -> u32 {
        let mut crc = u32::MAX;
        for byte in bytes {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            }
        }
        !crc
    }
}
