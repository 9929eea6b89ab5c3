//! The cost of decoding an image, estimated from its structure: a small header may precede very expensive content.

use super::files::FileType;

/// Most pixels of an image: enough for a good phone camera.
pub const MAX_PIXELS: u64 = 24_000_000;
/// Most bytes of the decoded pixels: `MAX_PIXELS` with four 8-bit channels.
pub const MAX_DECODED: u64 = 4 * MAX_PIXELS;
/// Longest side.
pub const MAX_SIDE: u32 = 16_384;
/// Most pixels of all frames of an animation.
pub const MAX_ANIMATED: u64 = 48_000_000;
/// Most frames of an animation.
pub const MAX_FRAMES: u32 = 1_000;
/// Most passes over an image. Encoders of progressive images use about ten.
pub const MAX_PASSES: u32 = 32;

/// The reason why an image is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageRejection {
    /// Decoding would cost too much.
    Large,
    /// It cannot be read.
    Broken,
}

/// The cost of decoding an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodingCost {
    /// Pixels to process, over all frames and passes.
    pub pixels: u64,
    /// Bytes of one decoded image or frame.
    pub bytes: u64,
}

/// Estimates the cost; reads each byte at most once.
///
/// # Errors
/// [`ImageRejection`] for an image that must not be decoded.
pub fn decoding_cost(kind: FileType, bytes: &[u8]) -> Result<DecodingCost, ImageRejection> {
    match kind {
        FileType::Png => png(bytes),
        FileType::Jpeg => jpeg(bytes),
        FileType::Gif => gif(bytes),
        FileType::Webp => webp(bytes),
        _ => Err(ImageRejection::Broken),
    }
}

fn cost(width: u32, height: u32, bytes_per_pixel: u32, passes: u32) -> Result<DecodingCost, ImageRejection> {
    if width == 0 || height == 0 {
        return Err(ImageRejection::Broken);
    }
    let pixels = u64::from(width) * u64::from(height);
    let bytes = pixels * u64::from(bytes_per_pixel);
    if width.max(height) > MAX_SIDE || pixels > MAX_PIXELS || bytes > MAX_DECODED || passes > MAX_PASSES {
        return Err(ImageRejection::Large);
    }
    Ok(DecodingCost { pixels: pixels * u64::from(passes.max(1)), bytes })
}

fn big(bytes: &[u8], at: usize) -> Result<u32, ImageRejection> {
    let four = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(ImageRejection::Broken)?;
    Ok(u32::from_be_bytes(*four))
}

fn big16(bytes: &[u8], at: usize) -> Result<u16, ImageRejection> {
    let two = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(ImageRejection::Broken)?;
    Ok(u16::from_be_bytes(*two))
}

fn little16(bytes: &[u8], at: usize) -> Result<u16, ImageRejection> {
    Ok(big16(bytes, at)?.swap_bytes())
}

/// The header is always the first chunk.
fn png(bytes: &[u8]) -> Result<DecodingCost, ImageRejection> {
    if bytes.get(12..16) != Some(b"IHDR") {
        return Err(ImageRejection::Broken);
    }
    let (depth, colour) = (*bytes.get(24).ok_or(ImageRejection::Broken)?, *bytes.get(25).ok_or(ImageRejection::Broken)?);
    // Grey, RGB, palette, grey and RGB with alpha. Palettes and transparent colours become up to four bytes.
    let channels = match colour {
        0 => 2,
        4 => 2,
        2 | 3 | 6 => 4,
        _ => return Err(ImageRejection::Broken),
    };
    cost(big(bytes, 16)?, big(bytes, 20)?, channels * if depth > 8 { 2 } else { 1 }, 1)
}

/// Scans markers up to the end of the image: one contains the size, and each scan is a pass over the whole image.
fn jpeg(bytes: &[u8]) -> Result<DecodingCost, ImageRejection> {
    let (mut at, mut size, mut scans) = (2, None, 0);
    while at < bytes.len() {
        // Between segments, and inside a scan, skip to the next marker.
        let Some(skipped) = bytes[at..].iter().position(|byte| *byte == 0xff) else { break };
        at += skipped;
        let Some(marker) = bytes.get(at + 1) else { break };
        match marker {
            // Padding, escaped bytes, and markers without a length.
            0xff => at += 1,
            0x00 | 0x01 | 0xd0..=0xd8 => at += 2,
            0xd9 => break,
            _ => {
                let length = usize::from(big16(bytes, at + 2)?);
                if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
                    if size.is_some() || big16(bytes, at + 5)? == 0 {
                        return Err(ImageRejection::Broken);
                    }
                    let channels = u32::from(*bytes.get(at + 9).ok_or(ImageRejection::Broken)?);
                    size = Some((u32::from(big16(bytes, at + 7)?), u32::from(big16(bytes, at + 5)?), channels));
                }
                scans += u32::from(*marker == 0xda);
                at += 2 + length.max(2);
            }
        }
    }
    let (width, height, channels) = size.filter(|_| scans > 0).ok_or(ImageRejection::Broken)?;
    if !matches!(channels, 1..=4) {
        return Err(ImageRejection::Broken);
    }
    cost(width, height, channels, scans)
}

/// Every frame has its own size, which may exceed the declared canvas.
fn gif(bytes: &[u8]) -> Result<DecodingCost, ImageRejection> {
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3_usize << ((flags & 7) + 1) };
    let flags = *bytes.get(10).ok_or(ImageRejection::Broken)?;
    let canvas = cost(little16(bytes, 6)?.into(), little16(bytes, 8)?.into(), 1, 1)?;
    let (mut at, mut frames, mut pixels, mut largest) = (13 + table(flags), 0, 0, canvas.bytes);
    let skip = |mut at: usize| {
        // Blocks with a length prefix; an empty one is the last.
        while let Some(length) = bytes.get(at) {
            at += 1 + usize::from(*length);
            if *length == 0 {
                break;
            }
        }
        at
    };
    while let Some(block) = bytes.get(at) {
        match block {
            0x21 => at = skip(at + 2),
            0x2c => {
                let frame = cost(little16(bytes, at + 5)?.into(), little16(bytes, at + 7)?.into(), 1, 1)?;
                frames += 1;
                pixels += frame.pixels;
                largest = largest.max(frame.bytes);
                if frames > MAX_FRAMES || pixels > MAX_ANIMATED {
                    return Err(ImageRejection::Large);
                }
                let flags = *bytes.get(at + 9).ok_or(ImageRejection::Broken)?;
                at = skip(at + 11 + table(flags));
            }
            _ => break,
        }
    }
    if frames == 0 { Err(ImageRejection::Broken) } else { Ok(DecodingCost { pixels, bytes: largest }) }
}

/// The first chunk contains the size: lossy, lossless, or of an image with more chunks.
fn webp(bytes: &[u8]) -> Result<DecodingCost, ImageRejection> {
    let byte = |at: usize| bytes.get(at).map(|byte| u32::from(*byte)).ok_or(ImageRejection::Broken);
    let (width, height) = match bytes.get(12..16) {
        Some(b"VP8 ") => (u32::from(little16(bytes, 26)? & 0x3fff), u32::from(little16(bytes, 28)? & 0x3fff)),
        Some(b"VP8L") => {
            let bits = big(bytes, 21)?.swap_bytes();
            ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
        }
        Some(b"VP8X") => {
            let three = |at: usize| Ok((byte(at)? | byte(at + 1)? << 8 | byte(at + 2)? << 16) + 1);
            (three(24)?, three(27)?)
        }
        _ => return Err(ImageRejection::Broken),
    };
    cost(width, height, 4, 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn png_head(width: u32, height: u32, depth: u8, colour: u8) -> Vec<u8> {
        let mut out = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        out.extend(width.to_be_bytes());
        out.extend(height.to_be_bytes());
        out.extend([depth, colour, 0, 0, 0]);
        out
    }

    #[test]
    fn deep_colours_cost_twice() {
        let of = |width, height, depth, colour| decoding_cost(FileType::Png, &png_head(width, height, depth, colour));
        assert_eq!(of(6000, 4000, 8, 6), Ok(DecodingCost { pixels: 24_000_000, bytes: 96_000_000 }));
        assert_eq!(of(6600, 6600, 16, 2), Err(ImageRejection::Large));
        assert_eq!(of(6000, 4000, 16, 2), Err(ImageRejection::Large));
        assert_eq!(of(3000, 2000, 16, 6), Ok(DecodingCost { pixels: 6_000_000, bytes: 48_000_000 }));
        assert_eq!(of(60_000, 1, 8, 0), Err(ImageRejection::Large));
        assert_eq!(of(0, 1, 8, 0), Err(ImageRejection::Broken));
        assert_eq!(of(1, 1, 8, 9), Err(ImageRejection::Broken));
    }

    /// A GIF with this canvas and empty frames of these sizes.
    fn gif_of(canvas: (u16, u16), frames: &[(u16, u16)]) -> Vec<u8> {
        let mut out = b"GIF89a".to_vec();
        out.extend(canvas.0.to_le_bytes());
        out.extend(canvas.1.to_le_bytes());
        out.extend([0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
        for (width, height) in frames {
            out.extend([0x21, 0xf9, 4, 0, 0, 0, 0, 0, 0x2c, 0, 0, 0, 0]);
            out.extend(width.to_le_bytes());
            out.extend(height.to_le_bytes());
            out.extend([0x81, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 2, 2, 0x4c, 1, 0]);
        }
        out.push(0x3b);
        out
    }

    #[test]
    fn frames_count_and_not_the_canvas_alone() {
        let of = |canvas, frames: &[(u16, u16)]| decoding_cost(FileType::Gif, &gif_of(canvas, frames));
        assert_eq!(of((10, 10), &[(10, 10), (5, 5)]), Ok(DecodingCost { pixels: 125, bytes: 100 }));
        assert_eq!(of((1, 1), &[(8000, 7990)]), Err(ImageRejection::Large));
        assert_eq!(of((1, 1), &[(4000, 4000); 4]), Err(ImageRejection::Large));
        assert_eq!(of((1, 1), &[(1, 1); 1001]), Err(ImageRejection::Large));
        assert_eq!(of((1, 1), &[]), Err(ImageRejection::Broken));
    }

    fn jpeg_of(width: u16, height: u16, scans: usize) -> Vec<u8> {
        let mut out = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 0xff, 0xda, 0xff, 0xc2, 0, 11, 8];
        out.extend(height.to_be_bytes());
        out.extend(width.to_be_bytes());
        out.extend([1, 1, 0x11, 0]);
        for _ in 0..scans {
            out.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0, 7, 0xff, 0, 7, 0xff, 0xd0, 7]);
        }
        out.extend([0xff, 0xd9]);
        out
    }

    #[test]
    fn each_scan_is_a_pass() {
        let of = |width, height, scans| decoding_cost(FileType::Jpeg, &jpeg_of(width, height, scans));
        assert_eq!(of(100, 50, 1), Ok(DecodingCost { pixels: 5000, bytes: 5000 }));
        assert_eq!(of(100, 50, 10), Ok(DecodingCost { pixels: 50_000, bytes: 5000 }));
        assert_eq!(of(100, 50, 100), Err(ImageRejection::Large));
        assert_eq!(of(100, 50, 0), Err(ImageRejection::Broken));
        assert_eq!(of(8000, 8000, 1), Err(ImageRejection::Large));
        // Bytes after the end do not belong to the image.
        let mut two = jpeg_of(10, 10, 1);
        two.extend(jpeg_of(9000, 9000, 90));
        assert_eq!(decoding_cost(FileType::Jpeg, &two), Ok(DecodingCost { pixels: 100, bytes: 100 }));
    }

    #[test]
    fn webp_says_its_size_in_three_ways() {
        let of = |chunk: &[u8]| {
            let mut bytes = b"RIFF\0\0\0\0WEBP".to_vec();
            bytes.extend_from_slice(chunk);
            decoding_cost(FileType::Webp, &bytes)
        };
        let pixels = |found: Result<DecodingCost, ImageRejection>| found.map(|cost| cost.pixels);
        assert_eq!(pixels(of(b"VP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x40\x01\xf0\x00")), Ok(320 * 240));
        let bits = (7_999_u32 | 5_999 << 14).to_le_bytes();
        let lossless = [b"VP8L\0\0\0\0\x2f".as_slice(), &bits].concat();
        assert_eq!(of(&lossless), Err(ImageRejection::Large));
        assert_eq!(pixels(of(b"VP8X\0\0\0\0\0\0\0\0\x3f\x01\0\xef\0\0")), Ok(320 * 240));
        assert_eq!(of(b"ALPH"), Err(ImageRejection::Broken));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0..4_usize) {
            let kind = [FileType::Png, FileType::Jpeg, FileType::Gif, FileType::Webp][kind];
            if let Ok(cost) = decoding_cost(kind, &bytes) {
                prop_assert!(cost.bytes <= MAX_DECODED && cost.pixels <= MAX_PIXELS * u64::from(MAX_PASSES));
            }
        }

        #[test]
        fn a_part_of_a_picture_is_measured_or_refused(cut in 0..400_usize) {
            for (kind, bytes) in [
                (FileType::Png, png_head(10, 10, 8, 2)),
                (FileType::Gif, gif_of((10, 10), &[(10, 10); 3])),
                (FileType::Jpeg, jpeg_of(10, 10, 3)),
            ] {
                let part = decoding_cost(kind, &bytes[..cut.min(bytes.len())]);
                prop_assert!(part.is_err() || part.map(|cost| cost.bytes) == decoding_cost(kind, &bytes).map(|cost| cost.bytes));
            }
        }
    }
}
