//! Decodes and re-encodes an image: drops everything that is not visible (place and time it was taken, a page hidden behind it), so that
//! all its bytes are our own output.
//!
//! A separate process does this ([`serve`], started by [`super::processing`]). Before it reads a byte, it gives up the right
//! to more memory, processor time and files than an image needs. So whatever an image claims, and whatever a decoder does
//! with it, the serving program is unaffected.

use std::{
    io::{self, Cursor, Read, Write},
    num::NonZeroU64,
    time::Duration,
};

use domain::tickets::{
    files::{FileType, MAX_BYTES},
    image_limits::{ImageRejection, MAX_DECODED},
};
use image::{
    DynamicImage, GenericImageView, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, Rgb, RgbImage, codecs::jpeg::JpegEncoder,
    metadata::Orientation,
};

/// Maximum bytes of a re-encoded image.
pub const MAX_ENCODED: usize = 2 * MAX_BYTES;
/// JPEG quality, out of 100.
const JPEG_QUALITY: u8 = 88;
/// Open files that the process needs.
const FILES: u64 = 16;
/// Bytes of a response before the image: the result, and the processor time in microseconds.
pub const RESULT_HEADER_BYTES: usize = 9;

/// Resource limits of an image process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerLimits {
    /// Bytes of memory besides the program itself.
    pub memory: u64,
    /// Seconds of processor time.
    pub seconds: u64,
}

/// Reads an image from standard input and writes it to standard output, after [`RESULT_HEADER_BYTES`].
///
/// # Errors
/// Returns an error if limits cannot be set, or reading or writing fails.
pub fn serve(means: WorkerLimits) -> io::Result<()> {
    confine(means)?;
    let mut bytes = Vec::new();
    io::stdin().lock().take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    let kind = FileType::of(&bytes);
    let (word, picture) = match reencode(kind, &bytes) {
        Ok((kind, picture)) => (word(kind), picture),
        Err(ImageRejection::Large) => (b'L', Vec::new()),
        Err(ImageRejection::Broken) => (b'B', Vec::new()),
    };
    let mut out = io::stdout().lock();
    out.write_all(&[word])?;
    out.write_all(&u64::try_from(processor_time().as_micros()).unwrap_or(u64::MAX).to_le_bytes())?;
    out.write_all(&picture)?;
    out.flush()
}

fn word(kind: FileType) -> u8 {
    match kind {
        FileType::Png => b'p',
        FileType::Jpeg => b'j',
        _ => b'g',
    }
}

/// Parses the start of a response: the image type or the rejection, and the processor time.
#[must_use]
pub fn read_head(head: &[u8; RESULT_HEADER_BYTES]) -> Option<(Result<FileType, ImageRejection>, Duration)> {
    let [word, micros @ ..] = head;
    let what = match word {
        b'p' => Ok(FileType::Png),
        b'j' => Ok(FileType::Jpeg),
        b'g' => Ok(FileType::Gif),
        b'L' => Err(ImageRejection::Large),
        b'B' => Err(ImageRejection::Broken),
        _ => return None,
    };
    Some((what, Duration::from_micros(u64::from_le_bytes(*micros))))
}

/// Permanently gives up all rights that an image does not need.
#[cfg(unix)]
fn confine(means: WorkerLimits) -> io::Result<()> {
    use rlimit::{Resource, setrlimit};
    let own = address_space().unwrap_or_default();
    setrlimit(Resource::CORE, 0, 0)?;
    setrlimit(Resource::FSIZE, 0, 0)?;
    setrlimit(Resource::NOFILE, FILES, FILES)?;
    setrlimit(Resource::CPU, means.seconds, means.seconds)?;
    setrlimit(Resource::AS, own + means.memory, own + means.memory)
}

#[cfg(not(unix))]
fn confine(_: WorkerLimits) -> io::Result<()> {
    Ok(())
}

/// Bytes of address space that this process currently has, where the system reports them as Linux does.
#[cfg(unix)]
fn address_space() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes: u64 = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Processor time of this process so far; zero where the system does not report it as Linux does.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

/// Converts a decoder error to the reason for rejection.
fn why(error: &ImageError) -> ImageRejection {
    if matches!(error, ImageError::Limits(_)) { ImageRejection::Large } else { ImageRejection::Broken }
}

/// Re-encodes the image, rotated according to its metadata, without any metadata. WebP becomes PNG or JPEG.
///
/// # Errors
/// [`ImageRejection`].
pub fn reencode(kind: FileType, bytes: &[u8]) -> Result<(FileType, Vec<u8>), ImageRejection> {
    let (kind, out) = match kind {
        FileType::Gif => (kind, animation(bytes)?),
        _ => still(kind, bytes).map_err(|error| why(&error))?,
    };
    if out.len() > MAX_ENCODED { Err(ImageRejection::Large) } else { Ok((kind, out)) }
}

fn still(kind: FileType, bytes: &[u8]) -> Result<(FileType, Vec<u8>), ImageError> {
    let format = match kind {
        FileType::Png => ImageFormat::Png,
        FileType::Jpeg => ImageFormat::Jpeg,
        _ => ImageFormat::WebP,
    };
    let mut limits = Limits::default();
    limits.max_alloc = Some(2 * MAX_DECODED);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder)?;
    let kind = match kind {
        FileType::Webp if picture.color().has_alpha() => FileType::Png,
        FileType::Webp => FileType::Jpeg,
        other => other,
    };
    let mut out = Cursor::new(Vec::new());
    if kind == FileType::Png {
        let mut picture = eight_bits(picture);
        picture.apply_orientation(orientation);
        picture.write_to(&mut out, ImageFormat::Png)?;
    } else {
        let mut encoder = JpegEncoder::new_with_quality(&mut out, JPEG_QUALITY);
        match picture {
            DynamicImage::ImageLuma8(_) => {
                let mut picture = picture;
                picture.apply_orientation(orientation);
                picture.write_with_encoder(encoder)?;
            }
            // JPEG supports neither transparency nor more than eight bits.
            picture => encoder.encode_image(&OrientedImage { picture: picture.into_rgb8(), orientation })?,
        }
    }
    Ok((kind, out.into_inner()))
}

/// Converts the image to eight bits per colour channel: more is not visible.
fn eight_bits(picture: DynamicImage) -> DynamicImage {
    match picture {
        DynamicImage::ImageLuma16(_) => DynamicImage::ImageLuma8(picture.into_luma8()),
        DynamicImage::ImageLumaA16(_) => DynamicImage::ImageLumaA8(picture.into_luma_alpha8()),
        DynamicImage::ImageRgb16(_) => DynamicImage::ImageRgb8(picture.into_rgb8()),
        DynamicImage::ImageRgba16(_) => DynamicImage::ImageRgba8(picture.into_rgba8()),
        other => other,
    }
}

/// An image in its display orientation, without a second copy in memory.
struct OrientedImage {
    picture: RgbImage,
    orientation: Orientation,
}

impl GenericImageView for OrientedImage {
    type Pixel = Rgb<u8>;

    fn dimensions(&self) -> (u32, u32) {
        let (width, height) = self.picture.dimensions();
        match self.orientation {
            Orientation::NoTransforms | Orientation::Rotate180 | Orientation::FlipHorizontal | Orientation::FlipVertical => (width, height),
            _ => (height, width),
        }
    }

    fn get_pixel(&self, x: u32, y: u32) -> Rgb<u8> {
        let (right, bottom) = (self.picture.width() - 1, self.picture.height() - 1);
        let (x, y) = match self.orientation {
            Orientation::NoTransforms => (x, y),
            Orientation::FlipHorizontal => (right - x, y),
            Orientation::FlipVertical => (x, bottom - y),
            Orientation::Rotate180 => (right - x, bottom - y),
            Orientation::Rotate90 => (y, bottom - x),
            Orientation::Rotate270 => (right - y, x),
            Orientation::Rotate90FlipH => (y, x),
            Orientation::Rotate270FlipH => (right - y, bottom - x),
        };
        *self.picture.get_pixel(x, y)
    }
}

/// Re-encodes the frames of a GIF, each within the canvas, with unchanged colours: nothing is composed or blended again.
fn animation(bytes: &[u8]) -> Result<Vec<u8>, ImageRejection> {
    let broken = |_| ImageRejection::Broken;
    let mut options = gif::DecodeOptions::new();
    options.check_frame_consistency(true);
    options.set_memory_limit(NonZeroU64::new(MAX_DECODED).map_or(gif::MemoryLimit::Unlimited, gif::MemoryLimit::Bytes));
    let decoder = options.read_info(Cursor::new(bytes)).map_err(broken)?;
    let palette = decoder.global_palette().unwrap_or_default().to_owned();
    let mut out = Vec::new();
    let mut encoder = gif::Encoder::new(&mut out, decoder.width(), decoder.height(), &palette).map_err(|_| ImageRejection::Broken)?;
    encoder.set_repeat(gif::Repeat::Infinite).map_err(|_| ImageRejection::Broken)?;
    let mut frames = 0;
    for frame in decoder {
        let mut frame = frame.map_err(broken)?;
        // The decoded lines are in order.
        frame.interlaced = false;
        encoder.write_frame(&frame).map_err(|_| ImageRejection::Broken)?;
        frames += 1;
    }
    drop(encoder);
    if frames == 0 { Err(ImageRejection::Broken) } else { Ok(out) }
}

#[cfg(test)]
mod tests {
    use image::codecs::gif::GifEncoder;

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
            let (now, again) = reencode(kind, &bytes).unwrap();
            assert_eq!(now, becomes);
            assert_eq!(FileType::of(&again), becomes);
            let read = image::load_from_memory(&again).unwrap();
            assert_eq!((read.width(), read.height()), (6, 4));
        }
        let clear = encoded(&DynamicImage::new_rgba8(2, 2), ImageFormat::WebP);
        assert_eq!(reencode(FileType::Webp, &clear).unwrap().0, FileType::Png);
        let deep = encoded(&DynamicImage::new_rgb16(2, 2), ImageFormat::Png);
        let (_, again) = reencode(FileType::Png, &deep).unwrap();
        assert_eq!(image::load_from_memory(&again).unwrap().color(), image::ColorType::Rgb8);
    }

    #[test]
    fn what_hides_behind_a_picture_is_gone() {
        for (kind, format) in [(FileType::Png, ImageFormat::Png), (FileType::Gif, ImageFormat::Gif)] {
            let mut bytes = encoded(&small(), format);
            bytes.extend_from_slice(b"<script>alert(1)</script>");
            let (_, again) = reencode(kind, &bytes).unwrap();
            assert!(!String::from_utf8_lossy(&again).contains("script"));
        }
    }

    #[test]
    fn a_turned_picture_is_the_one_that_image_turns() {
        let picture = RgbImage::from_fn(3, 2, |x, y| Rgb([x as u8, y as u8, 9]));
        for exif in 1..=8 {
            let orientation = Orientation::from_exif(exif).unwrap();
            let mut expected = DynamicImage::ImageRgb8(picture.clone());
            expected.apply_orientation(orientation);
            let turned = OrientedImage { picture: picture.clone(), orientation };
            assert_eq!(turned.dimensions(), expected.dimensions(), "{exif}");
            assert!(
                turned.pixels().eq(expected.into_rgb8().pixels().enumerate().map(|(n, p)| {
                    let width = turned.dimensions().0;
                    (n as u32 % width, n as u32 / width, *p)
                })),
                "{exif}"
            );
        }
    }

    #[test]
    fn an_animation_keeps_its_frames_and_none_leaves_the_canvas() {
        let mut bytes = Vec::new();
        {
            let mut encoder = GifEncoder::new(&mut bytes);
            for n in 0..3 {
                encoder.encode_frame(image::Frame::new(image::RgbaImage::from_pixel(10, 10, image::Rgba([n * 80, 0, 0, 255])))).unwrap();
            }
        }
        let (_, again) = reencode(FileType::Gif, &bytes).unwrap();
        let frames = image::AnimationDecoder::into_frames(image::codecs::gif::GifDecoder::new(Cursor::new(&again)).unwrap());
        let colours: Vec<u8> = frames.map(|frame| frame.unwrap().buffer().get_pixel(5, 5)[0]).collect();
        assert_eq!(colours, [0, 80, 160]);
        assert_eq!(reencode(FileType::Gif, &bytes[..20]), Err(ImageRejection::Broken));
        // The canvas claims to be smaller than its frames.
        bytes[6..10].copy_from_slice(&[1, 0, 1, 0]);
        assert_eq!(reencode(FileType::Gif, &bytes), Err(ImageRejection::Broken));
    }
}
