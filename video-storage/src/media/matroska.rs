//! A push parser for Matroska and `WebM` (RFC 9559) on EBML (RFC 8794).
//!
//! Recorders that write live (a browser's `MediaRecorder` among them) leave out sizes and the
//! duration. Elements of unknown size end where one begins that cannot be inside them, and the
//! duration is then where the last block ends.

use super::{MediaFacts, PictureTrack};

/// Master elements are nested five deep in real files.
const MAX_DEPTH: usize = 12;
/// More tracks than this are ignored.
const MAX_TRACKS: usize = 256;
/// A number takes 8 bytes, and the head of a block 11.
const MAX_LEAF: u64 = 16;
const NANOSECONDS_PER_MS: u64 = 1_000_000;

mod id {
    pub(super) const EBML: u32 = 0x1A45_DFA3;
    pub(super) const SEGMENT: u32 = 0x1853_8067;
    pub(super) const SEEK_HEAD: u32 = 0x114D_9B74;
    pub(super) const CUES: u32 = 0x1C53_BB6B;
    pub(super) const CHAPTERS: u32 = 0x1043_A770;
    pub(super) const ATTACHMENTS: u32 = 0x1941_A469;
    pub(super) const TAGS: u32 = 0x1254_C367;
    pub(super) const INFO: u32 = 0x1549_A966;
    pub(super) const TIMESTAMP_SCALE: u32 = 0x002A_D7B1;
    pub(super) const DURATION: u32 = 0x4489;
    pub(super) const TRACKS: u32 = 0x1654_AE6B;
    pub(super) const TRACK_ENTRY: u32 = 0xAE;
    pub(super) const TRACK_NUMBER: u32 = 0xD7;
    pub(super) const TRACK_TYPE: u32 = 0x83;
    pub(super) const DEFAULT_DURATION: u32 = 0x0023_E383;
    pub(super) const VIDEO: u32 = 0xE0;
    pub(super) const PIXEL_WIDTH: u32 = 0xB0;
    pub(super) const PIXEL_HEIGHT: u32 = 0xBA;
    pub(super) const DISPLAY_WIDTH: u32 = 0x54B0;
    pub(super) const DISPLAY_HEIGHT: u32 = 0x54BA;
    pub(super) const DISPLAY_UNIT: u32 = 0x54B2;
    pub(super) const CLUSTER: u32 = 0x1F43_B675;
    pub(super) const CLUSTER_TIMESTAMP: u32 = 0xE7;
    pub(super) const SIMPLE_BLOCK: u32 = 0xA3;
    pub(super) const BLOCK_GROUP: u32 = 0xA0;
    pub(super) const BLOCK: u32 = 0xA1;
    pub(super) const BLOCK_DURATION: u32 = 0x9B;
}

/// The track type of pictures.
const TYPE_VIDEO: u64 = 1;
/// The display unit that counts pixels; the others are centimetres, inches and ratios.
const UNIT_PIXELS: u64 = 0;

/// The parser.
#[derive(Debug)]
pub(crate) struct Walker {
    state: State,
    position: u64,
    open: Vec<OpenElement>,
    /// Nanoseconds of one tick.
    scale: u64,
    /// In ticks.
    duration: Option<f64>,
    tracks: Vec<Track>,
    cluster_time: u64,
    /// The track and time of the block whose group is open.
    group_block: Option<(u64, u64)>,
}

#[derive(Debug)]
enum State {
    Header(Vec<u8>),
    Leaf {
        id: u32,
        content: Vec<u8>,
        missing: u64,
        then_skip: u64,
    },
    Skip(u64),
    /// The rest of the file says nothing.
    Done,
}

#[derive(Debug)]
struct OpenElement {
    id: u32,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    At(u64),
    Unknown,
}

#[derive(Debug, Default)]
struct Track {
    number: u64,
    is_picture: bool,
    pixels: (u64, u64),
    display: (u64, u64),
    display_unit: u64,
    /// Nanoseconds of one frame.
    frame: Option<u64>,
    /// Ticks of the last block and how long after the one before it came.
    last_block: Option<u64>,
    last_gap: u64,
    end: u64,
}

impl Default for Walker {
    fn default() -> Self {
        Self {
            state: State::Header(Vec::with_capacity(12)),
            position: 0,
            open: Vec::new(),
            scale: NANOSECONDS_PER_MS,
            duration: None,
            tracks: Vec::new(),
            cluster_time: 0,
            group_block: None,
        }
    }
}

impl Walker {
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                State::Done => return,
                State::Skip(left) => {
                    let taken = usize::try_from(*left).map_or(bytes.len(), |n| n.min(bytes.len()));
                    *left -= taken as u64;
                    taken
                }
                // A header has no length of its own before it is understood.
                State::Header(header) => {
                    header.push(bytes[0]);
                    1
                }
                State::Leaf {
                    content, missing, ..
                } => {
                    let taken =
                        usize::try_from(*missing).map_or(bytes.len(), |n| n.min(bytes.len()));
                    content.extend_from_slice(&bytes[..taken]);
                    *missing -= taken as u64;
                    taken
                }
            };
            self.position += taken as u64;
            bytes = &bytes[taken..];
            self.advance();
        }
    }

    pub(super) fn finish(self) -> MediaFacts {
        MediaFacts {
            duration_ms: self.duration_ms(),
            picture: self
                .tracks
                .iter()
                .find(|track| track.is_picture)
                .map(|track| PictureTrack { size: track.size() }),
        }
    }

    fn advance(&mut self) {
        loop {
            match &mut self.state {
                State::Header(header) => match parse_header(header) {
                    Header::Incomplete => return,
                    Header::Complete { id, size } => self.enter(id, size),
                    Header::Nonsense => self.state = State::Done,
                },
                State::Leaf {
                    id,
                    content,
                    missing: 0,
                    then_skip,
                } => {
                    let (id, content, then_skip) = (*id, std::mem::take(content), *then_skip);
                    self.take_leaf(id, &content);
                    self.state = State::Skip(then_skip);
                }
                State::Skip(0) => {
                    while self.open.last().is_some_and(
                        |open| matches!(open.end, End::At(end) if end <= self.position),
                    ) {
                        self.open.pop();
                    }
                    self.state = State::Header(Vec::with_capacity(12));
                    return;
                }
                State::Leaf { .. } | State::Skip(_) | State::Done => return,
            }
        }
    }

    fn enter(&mut self, id: u32, size: Option<u64>) {
        self.close_unknown(id);
        let parent = self.open.last();
        // Inside an element of unknown size, the nearest known end still holds.
        let room = self
            .open
            .iter()
            .filter_map(|open| match open.end {
                End::At(end) => Some(end.saturating_sub(self.position)),
                End::Unknown => None,
            })
            .min()
            .unwrap_or(u64::MAX);
        match role(parent.map(|open| open.id), id) {
            Role::Master if self.open.len() < MAX_DEPTH => {
                let end = size.map_or(End::Unknown, |size| {
                    End::At(self.position.saturating_add(size.min(room)))
                });
                self.begin(id);
                self.open.push(OpenElement { id, end });
                // An empty element ends where it begins.
                self.state = State::Skip(0);
            }
            role => {
                let size = size.map(|size| size.min(room));
                self.state = match (role, size) {
                    // Only segments and clusters may be of unknown size (RFC 9559 §4.5).
                    (_, None) => State::Done,
                    (Role::Leaf, Some(size)) => {
                        let missing = size.min(MAX_LEAF);
                        State::Leaf {
                            id,
                            content: Vec::new(),
                            missing,
                            then_skip: size - missing,
                        }
                    }
                    (Role::Master | Role::Other, Some(size)) => State::Skip(size),
                };
            }
        }
    }

    /// An element of unknown size ends before one that belongs further out.
    fn close_unknown(&mut self, id: u32) {
        while let Some(open) = self.open.last() {
            let ends = match open.id {
                _ if open.end != End::Unknown => false,
                id::SEGMENT => matches!(id, id::EBML | id::SEGMENT),
                _ => is_top_level(id) || matches!(id, id::EBML | id::SEGMENT),
            };
            if !ends {
                return;
            }
            self.open.pop();
        }
    }

    fn begin(&mut self, id: u32) {
        match id {
            id::TRACK_ENTRY if self.tracks.len() < MAX_TRACKS => {
                self.tracks.push(Track::default());
            }
            id::CLUSTER => self.cluster_time = 0,
            id::BLOCK_GROUP => self.group_block = None,
            _ => {}
        }
    }

    fn take_leaf(&mut self, id: u32, content: &[u8]) {
        match id {
            id::TIMESTAMP_SCALE => {
                if let Some(scale) = unsigned(content).filter(|scale| *scale > 0) {
                    self.scale = scale;
                }
            }
            id::DURATION => self.duration = float(content),
            id::CLUSTER_TIMESTAMP => self.cluster_time = unsigned(content).unwrap_or(0),
            id::SIMPLE_BLOCK => self.take_block(content),
            id::BLOCK => {
                self.take_block(content);
                self.group_block = self.block(content);
            }
            id::BLOCK_DURATION => {
                if let (Some((number, time)), Some(duration)) =
                    (self.group_block, unsigned(content))
                    && let Some(track) = self.track(number)
                {
                    track.end = track.end.max(time.saturating_add(duration));
                }
            }
            _ => self.take_track_leaf(id, content),
        }
    }

    fn take_track_leaf(&mut self, id: u32, content: &[u8]) {
        let (Some(track), Some(value)) = (self.tracks.last_mut(), unsigned(content)) else {
            return;
        };
        match id {
            id::TRACK_NUMBER => track.number = value,
            id::TRACK_TYPE => track.is_picture = value == TYPE_VIDEO,
            id::DEFAULT_DURATION => track.frame = Some(value).filter(|frame| *frame > 0),
            id::PIXEL_WIDTH => track.pixels.0 = value,
            id::PIXEL_HEIGHT => track.pixels.1 = value,
            id::DISPLAY_WIDTH => track.display.0 = value,
            id::DISPLAY_HEIGHT => track.display.1 = value,
            id::DISPLAY_UNIT => track.display_unit = value,
            _ => {}
        }
    }

    fn take_block(&mut self, content: &[u8]) {
        let Some((number, time)) = self.block(content) else {
            return;
        };
        let scale = self.scale;
        let Some(track) = self.track(number) else {
            return;
        };
        if let Some(before) = track.last_block.replace(time) {
            track.last_gap = time.saturating_sub(before);
        }
        let frame = track.frame.map(|frame| frame / scale);
        let length = frame.unwrap_or(track.last_gap);
        track.end = track.end.max(time.saturating_add(length));
    }

    /// The track number and the time of a block, from its first bytes.
    fn block(&self, content: &[u8]) -> Option<(u64, u64)> {
        let (number, length) = size(content)?;
        let relative = content.get(length..length + 2)?;
        let relative = i16::from_be_bytes([relative[0], relative[1]]);
        let time = self.cluster_time.checked_add_signed(i64::from(relative));
        Some((number?, time.unwrap_or(0)))
    }

    fn track(&mut self, number: u64) -> Option<&mut Track> {
        self.tracks.iter_mut().find(|track| track.number == number)
    }

    fn duration_ms(&self) -> Option<u64> {
        let declared = self
            .duration
            .and_then(|ticks| ticks_to_ms(ticks, self.scale));
        declared.or_else(|| {
            let end = self.tracks.iter().map(|track| track.end).max()?;
            let nanoseconds = u128::from(end) * u128::from(self.scale);
            let ms = nanoseconds / u128::from(NANOSECONDS_PER_MS);
            u64::try_from(ms).ok().filter(|ms| *ms > 0)
        })
    }
}

impl Track {
    fn size(&self) -> Option<(u32, u32)> {
        let display = Some(self.display)
            .filter(|_| self.display_unit == UNIT_PIXELS)
            .filter(|(width, height)| *width > 0 && *height > 0);
        let (width, height) = display.unwrap_or(self.pixels);
        let size = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
        (size.0 > 0 && size.1 > 0).then_some(size)
    }
}

#[derive(Clone, Copy)]
enum Role {
    Master,
    Leaf,
    Other,
}

fn role(parent: Option<u32>, id: u32) -> Role {
    match (parent, id) {
        (None, id::SEGMENT)
        | (Some(id::SEGMENT), id::INFO | id::TRACKS | id::CLUSTER)
        | (Some(id::TRACKS), id::TRACK_ENTRY)
        | (Some(id::TRACK_ENTRY), id::VIDEO)
        | (Some(id::CLUSTER), id::BLOCK_GROUP) => Role::Master,
        (Some(id::INFO), id::TIMESTAMP_SCALE | id::DURATION)
        | (Some(id::TRACK_ENTRY), id::TRACK_NUMBER | id::TRACK_TYPE | id::DEFAULT_DURATION)
        | (
            Some(id::VIDEO),
            id::PIXEL_WIDTH
            | id::PIXEL_HEIGHT
            | id::DISPLAY_WIDTH
            | id::DISPLAY_HEIGHT
            | id::DISPLAY_UNIT,
        )
        | (Some(id::CLUSTER), id::CLUSTER_TIMESTAMP | id::SIMPLE_BLOCK)
        | (Some(id::BLOCK_GROUP), id::BLOCK | id::BLOCK_DURATION) => Role::Leaf,
        _ => Role::Other,
    }
}

/// What can only stand directly in a segment.
fn is_top_level(id: u32) -> bool {
    matches!(
        id,
        id::SEEK_HEAD
            | id::INFO
            | id::TRACKS
            | id::CLUSTER
            | id::CUES
            | id::CHAPTERS
            | id::ATTACHMENTS
            | id::TAGS
    )
}

enum Header {
    Incomplete,
    Complete { id: u32, size: Option<u64> },
    Nonsense,
}

fn parse_header(bytes: &[u8]) -> Header {
    let Some(first) = bytes.first() else {
        return Header::Incomplete;
    };
    let id_length = first.leading_zeros() as usize + 1;
    if id_length > 4 {
        return Header::Nonsense;
    }
    let (Some(id), Some(rest)) = (bytes.get(..id_length), bytes.get(id_length..)) else {
        return Header::Incomplete;
    };
    let id = id.iter().fold(0, |id, byte| (id << 8) | u32::from(*byte));
    match rest.first() {
        None => Header::Incomplete,
        Some(0) => Header::Nonsense,
        Some(_) => match size(rest) {
            None => Header::Incomplete,
            Some((size, _)) => Header::Complete { id, size },
        },
    }
}

/// A variable-length number and how many bytes it takes; all ones mean that it is unknown.
fn size(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let bytes = bytes.get(..length).filter(|_| length <= 8)?;
    let raw = unsigned(bytes)?;
    let unknown = (1_u64 << (7 * length)) - 1;
    let value = raw & unknown;
    Some(((value != unknown).then_some(value), length))
}

fn unsigned(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| {
        bytes
            .iter()
            .fold(0, |value, byte| (value << 8) | u64::from(*byte))
    })
}

fn float(bytes: &[u8]) -> Option<f64> {
    match bytes.len() {
        4 => Some(f64::from(f32::from_be_bytes(bytes.try_into().ok()?))),
        8 => Some(f64::from_be_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}

/// `None` for what cannot be a duration: zero, negative, not a number, or beyond all measure.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is between 0 and 2^53 where it is cast"
)]
fn ticks_to_ms(ticks: f64, scale: u64) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let ms = (ticks * (scale as f64) / (NANOSECONDS_PER_MS as f64)).round();
    (1.0..EXACT).contains(&ms).then_some(ms as u64)
}
