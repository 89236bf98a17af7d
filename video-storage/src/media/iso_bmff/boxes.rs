//! The few boxes that are read. Each decoder takes the content after the box header and gives
//! `None` for one that is too short.

/// What the first bytes of a box say.
pub(super) enum Header {
    /// More bytes are needed.
    Incomplete,
    /// `content` is the size of what follows; `None` means to the end of the file.
    Complete {
        /// The four letters.
        kind: [u8; 4],
        /// The size without the header.
        content: Option<u64>,
    },
    /// The size is smaller than the header itself.
    Nonsense,
}

/// Reads 8 bytes of a box header, or 16 if the size is a large one.
pub(super) fn header(bytes: &[u8]) -> Header {
    let (Some(size), Some(kind)) = (u32_at(bytes, 0), kind_at(bytes, 4)) else {
        return Header::Incomplete;
    };
    let content = match size {
        // Four zero bytes as a type are padding at the end of a file, not a box without end.
        0 if kind == [0; 4] => return Header::Nonsense,
        0 => Some(None),
        1 => match u64_at(bytes, 8) {
            None => return Header::Incomplete,
            Some(size) => size.checked_sub(16).map(Some),
        },
        size => u64::from(size).checked_sub(8).map(Some),
    };
    match content {
        Some(content) => Header::Complete { kind, content },
        None => Header::Nonsense,
    }
}

/// `mvhd`
#[derive(Clone, Copy, Debug)]
pub(super) struct MovieHeader {
    pub(super) timescale: u32,
    pub(super) duration: u64,
}

impl MovieHeader {
    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        let (timescale, duration) = timescale_and_duration(content)?;
        Some(Self {
            timescale,
            duration,
        })
    }
}

/// `mdhd`
#[derive(Clone, Copy, Debug)]
pub(super) struct MediaHeader {
    pub(super) timescale: u32,
    pub(super) duration: u64,
}

impl MediaHeader {
    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        let (timescale, duration) = timescale_and_duration(content)?;
        Some(Self {
            timescale,
            duration,
        })
    }
}

/// `mvhd` and `mdhd` begin alike. All ones mean that the duration is unknown.
fn timescale_and_duration(content: &[u8]) -> Option<(u32, u64)> {
    if is_long(content)? {
        let duration = u64_at(content, 24)?;
        Some((u32_at(content, 20)?, known(duration, u64::MAX)))
    } else {
        let duration = u64::from(u32_at(content, 16)?);
        Some((u32_at(content, 12)?, known(duration, u64::from(u32::MAX))))
    }
}

fn known(duration: u64, unknown: u64) -> u64 {
    if duration == unknown { 0 } else { duration }
}

/// `tkhd`
#[derive(Clone, Copy, Debug)]
pub(super) struct TrackHeader {
    pub(super) id: u32,
    /// As it is shown, before it is turned.
    pub(super) size: (u32, u32),
    /// The matrix turns the picture by a quarter, to either side.
    pub(super) is_turned: bool,
}

impl TrackHeader {
    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        let (id_at, matrix_at) = if is_long(content)? {
            (20, 52)
        } else {
            (12, 40)
        };
        let matrix = |index: usize| u32_at(content, matrix_at + 4 * index);
        let (a, b, c, d) = (matrix(0)?, matrix(1)?, matrix(3)?, matrix(4)?);
        Some(Self {
            id: u32_at(content, id_at)?,
            size: (
                rounded(u32_at(content, matrix_at + 36)?),
                rounded(u32_at(content, matrix_at + 40)?),
            ),
            is_turned: a == 0 && d == 0 && b != 0 && c != 0,
        })
    }
}

/// A 16.16 fixed-point number to the nearest integer.
fn rounded(fixed: u32) -> u32 {
    u32::try_from((u64::from(fixed) + 0x8000) >> 16).unwrap_or(0)
}

/// `hdlr`: what the track is of.
pub(super) fn handler(content: &[u8]) -> Option<[u8; 4]> {
    kind_at(content, 8)
}

/// `stsd`
pub(super) struct SampleTable;

impl SampleTable {
    /// The size in the first visual sample entry.
    pub(super) fn coded_size(content: &[u8]) -> Option<(u32, u32)> {
        let size = (
            u32::from(u16_at(content, 40)?),
            u32::from(u16_at(content, 42)?),
        );
        (size.0 > 0 && size.1 > 0).then_some(size)
    }
}

/// `mehd`: how long all fragments are, in the movie's time scale.
pub(super) fn movie_extends_header(content: &[u8]) -> Option<u64> {
    if is_long(content)? {
        u64_at(content, 4)
    } else {
        u32_at(content, 4).map(u64::from)
    }
}

/// `trex`
#[derive(Clone, Copy, Debug)]
pub(super) struct TrackExtends {
    pub(super) track: u32,
    pub(super) sample_duration: u32,
}

impl TrackExtends {
    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        Some(Self {
            track: u32_at(content, 4)?,
            sample_duration: u32_at(content, 12)?,
        })
    }
}

/// `tfhd`
#[derive(Clone, Copy, Debug)]
pub(super) struct FragmentHeader {
    pub(super) track: u32,
    pub(super) sample_duration: Option<u32>,
}

impl FragmentHeader {
    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        const BASE_DATA_OFFSET: u32 = 0x01;
        const SAMPLE_DESCRIPTION: u32 = 0x02;
        const SAMPLE_DURATION: u32 = 0x08;
        let flags = flags(content)?;
        let mut at = 8;
        if flags & BASE_DATA_OFFSET != 0 {
            at += 8;
        }
        if flags & SAMPLE_DESCRIPTION != 0 {
            at += 4;
        }
        Some(Self {
            track: u32_at(content, 4)?,
            sample_duration: (flags & SAMPLE_DURATION != 0)
                .then(|| u32_at(content, at))
                .flatten(),
        })
    }
}

/// `tfdt`: when the fragment starts.
pub(super) fn decode_time(content: &[u8]) -> Option<u64> {
    if is_long(content)? {
        u64_at(content, 4)
    } else {
        u32_at(content, 4).map(u64::from)
    }
}

/// `elst`: how the track is placed on the time line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EditList {
    /// The pause before the track begins, in the movie's time scale.
    pub(super) pause: u64,
    /// What is cut off its beginning, in the track's time scale.
    pub(super) cut: u64,
}

impl EditList {
    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        let long = is_long(content)?;
        let stride = if long { 20 } else { 12 };
        let mut edits = Self::default();
        for entry in content.get(8..)?.chunks_exact(stride) {
            let (duration, start) = if long {
                (u64_at(entry, 0)?, u64_at(entry, 8)?.cast_signed())
            } else {
                let start = u32_at(entry, 4)?.cast_signed();
                (u64::from(u32_at(entry, 0)?), i64::from(start))
            };
            // A negative start is a pause; the first edit that plays ends the search.
            match u64::try_from(start) {
                Ok(start) => {
                    edits.cut = start;
                    break;
                }
                Err(_) => edits.pause = edits.pause.saturating_add(duration),
            }
        }
        Some(edits)
    }
}

/// `trun`: some samples of a fragment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    /// How long it takes to decode them all.
    pub(super) decoded: u64,
    /// When the one that is shown last has been shown: frames are shown later than decoded where
    /// they refer to each other.
    pub(super) shown: u64,
}

impl Run {
    pub(super) fn decode(content: &[u8], default_duration: u32) -> Self {
        const DATA_OFFSET: u32 = 0x001;
        const FIRST_SAMPLE_FLAGS: u32 = 0x004;
        const DURATION: u32 = 0x100;
        const SIZE: u32 = 0x200;
        const FLAGS: u32 = 0x400;
        const COMPOSITION_OFFSET: u32 = 0x800;
        let (Some(flags), Some(samples)) = (flags(content), u32_at(content, 4)) else {
            return Self::default();
        };
        let words = |among: &[u32]| 4 * among.iter().filter(|flag| flags & **flag != 0).count();
        if flags & (DURATION | COMPOSITION_OFFSET) == 0 {
            let decoded = u64::from(samples) * u64::from(default_duration);
            return Self {
                decoded,
                shown: decoded,
            };
        }
        let table = content
            .get(8 + words(&[DATA_OFFSET, FIRST_SAMPLE_FLAGS])..)
            .unwrap_or_default();
        let stride = words(&[DURATION, SIZE, FLAGS, COMPOSITION_OFFSET]);
        let offset_at = words(&[DURATION, SIZE, FLAGS]);
        let mut run = Self::default();
        for sample in table.chunks_exact(stride).take(samples as usize) {
            let duration = Some(0)
                .filter(|_| flags & DURATION != 0)
                .and_then(|at| u32_at(sample, at))
                .unwrap_or(default_duration);
            let offset = Some(offset_at)
                .filter(|_| flags & COMPOSITION_OFFSET != 0)
                .and_then(|at| u32_at(sample, at))
                .map_or(0, u32::cast_signed);
            run.decoded += u64::from(duration);
            let shown = run.decoded.saturating_add_signed(i64::from(offset));
            run.shown = run.shown.max(shown);
        }
        run
    }
}

/// Version 1 of a box has 64-bit times.
fn is_long(content: &[u8]) -> Option<bool> {
    content.first().map(|version| *version == 1)
}

fn flags(content: &[u8]) -> Option<u32> {
    u32_at(content, 0).map(|word| word & 0x00FF_FFFF)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn kind_at(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    array_at(bytes, at)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_be_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_be_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_be_bytes)
}
