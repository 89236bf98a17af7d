//! Tiny real videos and pictures, made by `scripts/make-fixtures` and committed.
//!
//! The videos show 96x64 moving pixels for two seconds, with a soft tone unless they are `SILENT`.

/// One video file and what a reader of it must find.
#[derive(Clone, Copy, Debug)]
pub struct VideoFile {
    /// The file's name in `test-support/fixtures`.
    pub name: &'static str,
    /// The media type of an upload of it.
    pub content_type: &'static str,
    /// The whole file.
    pub bytes: &'static [u8],
    /// The length that the file tells. Containers round: compare with [`VideoFile::is_duration`].
    pub duration_ms: u64,
    /// The picture's width in pixels.
    pub width: u32,
    /// The picture's height in pixels.
    pub height: u32,
}

impl VideoFile {
    /// Whether a duration is this file's, within the 100 ms by which audio and video tracks and
    /// the units of the containers differ.
    pub fn is_duration(&self, duration_ms: u64) -> bool {
        duration_ms.abs_diff(self.duration_ms) <= 100
    }
}

macro_rules! video {
    ($name:literal, $content_type:literal, $duration_ms:literal) => {
        VideoFile {
            name: $name,
            content_type: $content_type,
            bytes: include_bytes!(concat!("../fixtures/", $name)),
            duration_ms: $duration_ms,
            width: 96,
            height: 64,
        }
    };
}

/// H.264 and AAC, `moov` before `mdat`.
pub const FASTSTART: VideoFile = video!("faststart.mp4", "video/mp4", 2000);
/// H.264 and AAC, `moov` after `mdat`, as cameras write it.
pub const MOOV_LAST: VideoFile = video!("moov-last.mp4", "video/mp4", 2000);
/// H.264 and AAC in fragments: `moov` holds no samples and no duration.
pub const FRAGMENTED: VideoFile = video!("fragmented.mp4", "video/mp4", 2100);
/// H.264 without sound, `moov` before `mdat`.
pub const SILENT: VideoFile = video!("silent.mp4", "video/mp4", 2000);
/// H.264 and AAC in a `QuickTime` file.
pub const QUICKTIME: VideoFile = video!("quicktime.mov", "video/quicktime", 2000);
/// H.264 and AAC in Matroska.
pub const MATROSKA: VideoFile = video!("matroska.mkv", "video/x-matroska", 2046);
/// VP8 and Vorbis in `WebM`.
pub const VP8: VideoFile = video!("vp8.webm", "video/webm", 2023);
/// VP9 and Opus in `WebM`.
pub const VP9: VideoFile = video!("vp9.webm", "video/webm", 2008);

/// Every video above.
pub const VIDEOS: [VideoFile; 8] = [
    FASTSTART, MOOV_LAST, FRAGMENTED, SILENT, QUICKTIME, MATROSKA, VP8, VP9,
];

/// A JPEG picture of 64x36 pixels.
pub const POSTER_JPEG: &[u8] = include_bytes!("../fixtures/poster.jpg");
/// A PNG picture of 64x36 pixels.
pub const POSTER_PNG: &[u8] = include_bytes!("../fixtures/poster.png");
/// A WebP picture of 64x36 pixels.
pub const POSTER_WEBP: &[u8] = include_bytes!("../fixtures/poster.webp");

/// An MP4 of exactly `length` bytes that players accept: [`FASTSTART`] with a `free` box behind
/// it. The padding differs from place to place, so that a range from the wrong offset is noticed.
///
/// # Panics
/// When `length` leaves no room for the video and a box header, or needs a 64-bit box.
#[must_use]
pub fn mp4_of(length: usize) -> Vec<u8> {
    let mut bytes = FASTSTART.bytes.to_vec();
    let padding = length
        .checked_sub(bytes.len())
        .filter(|padding| *padding >= 8)
        .expect("the length must exceed the video by a box header");
    let padding = u32::try_from(padding).expect("the padding must fit a 32-bit box");
    bytes.reserve_exact(padding as usize);
    bytes.extend_from_slice(&padding.to_be_bytes());
    bytes.extend_from_slice(b"free");
    // A multiplicative generator: cheap in unoptimised builds, and without a short period.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    while bytes.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let left = length - bytes.len();
        let word = state.to_be_bytes();
        bytes.extend_from_slice(&word[..left.min(word.len())]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_video_is_tiny_and_begins_as_its_container_does() {
        for video in VIDEOS {
            assert!(video.bytes.len() <= 30 * 1024, "{}", video.name);
            match video.content_type {
                "video/mp4" | "video/quicktime" => assert_eq!(&video.bytes[4..8], b"ftyp"),
                _ => assert_eq!(&video.bytes[..4], b"\x1A\x45\xDF\xA3"),
            }
        }
    }

    #[test]
    fn a_padded_video_has_the_length_asked_for_and_a_box_that_fills_it() {
        let start = FASTSTART.bytes.len();
        for extra in [8, 9, 15, 16, 100_003] {
            let bytes = mp4_of(start + extra);
            assert_eq!(bytes.len(), start + extra);
            let size = u32::from_be_bytes(bytes[start..start + 4].try_into().unwrap());
            assert_eq!(size as usize, extra);
            assert_eq!(&bytes[start + 4..start + 8], b"free");
        }
    }
}
