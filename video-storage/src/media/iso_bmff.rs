//! A push parser for the ISO base media file format (ISO/IEC 14496-12) and QuickTime.
//!
//! It walks the boxes as they stream by, goes into those that lead to durations and picture sizes
//! and skips all else, media data and sample tables included: `moov` may be first or last and of
//! any size. Fragmented files tell their length only through their fragments, so those are added up.

mod boxes;

use super::{MediaFacts, PictureTrack, to_ms};
use boxes::{
    EditList, FragmentHeader, MediaHeader, MovieHeader, Run, SampleTable, TrackExtends, TrackHeader,
};

/// Boxes of boxes are nested six deep in real files; a hostile one must not grow the stack.
const MAX_DEPTH: usize = 12;
/// More tracks than this are ignored.
const MAX_TRACKS: usize = 256;
/// A box of interest is read up to here. Only a fragment run can be longer: at 16 bytes for each
/// sample this is an hour of video in one fragment.
const MAX_LEAF: usize = 4 * 1024 * 1024;

/// The parser.
#[derive(Debug, Default)]
pub(crate) struct Walker {
    state: State,
    position: u64,
    open: Vec<OpenBox>,
    movie: Option<MovieHeader>,
    /// The length of all fragments, in the movie's time scale, as declared by `mehd`.
    declared_fragments: Option<u64>,
    tracks: Vec<Track>,
    extends: Vec<TrackExtends>,
    fragment: Fragment,
    fragmented: bool,
}

#[derive(Debug)]
enum State {
    Header(Vec<u8>),
    Leaf {
        kind: Kind,
        content: Vec<u8>,
        missing: usize,
        then_skip: u64,
    },
    Skip(u64),
    /// The rest of the file says nothing.
    Done,
}

impl Default for State {
    fn default() -> Self {
        Self::Header(Vec::with_capacity(16))
    }
}

type Kind = [u8; 4];

#[derive(Debug)]
struct OpenBox {
    kind: Kind,
    end: u64,
}

#[derive(Debug, Default)]
struct Track {
    header: Option<TrackHeader>,
    media: Option<MediaHeader>,
    is_picture: bool,
    coded_size: Option<(u32, u32)>,
    edits: EditList,
    /// Where the fragments seen so far end, in the track's time scale: as they are decoded,
    decoded_end: u64,
    /// and as they are shown.
    shown_end: u64,
}

/// The `traf` that is being walked.
#[derive(Debug, Default)]
struct Fragment {
    header: Option<FragmentHeader>,
    time: Option<u64>,
}

impl Walker {
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                State::Done => return,
                State::Skip(left) => {
                    let taken = clip(*left, bytes.len());
                    *left -= taken as u64;
                    taken
                }
                State::Header(header) => {
                    let wanted = if header.len() < 8 { 8 } else { 16 };
                    let taken = bytes.len().min(wanted - header.len());
                    header.extend_from_slice(&bytes[..taken]);
                    taken
                }
                State::Leaf {
                    content, missing, ..
                } => {
                    let taken = bytes.len().min(*missing);
                    content.extend_from_slice(&bytes[..taken]);
                    *missing -= taken;
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

    /// Goes on to the next state once the present one has all its bytes.
    fn advance(&mut self) {
        loop {
            match &mut self.state {
                State::Header(header) => match boxes::header(header) {
                    boxes::Header::Incomplete => return,
                    boxes::Header::Complete { kind, content } => self.enter(kind, content),
                    boxes::Header::Nonsense => self.state = State::Done,
                },
                State::Leaf {
                    kind,
                    content,
                    missing: 0,
                    then_skip,
                } => {
                    let (kind, content, then_skip) = (*kind, std::mem::take(content), *then_skip);
                    self.take_leaf(kind, &content);
                    self.state = State::Skip(then_skip);
                }
                State::Skip(0) => {
                    while self
                        .open
                        .last()
                        .is_some_and(|open| open.end <= self.position)
                    {
                        self.open.pop();
                    }
                    self.state = State::default();
                    return;
                }
                State::Leaf { .. } | State::Skip(_) | State::Done => return,
            }
        }
    }

    /// A box begins; its content has this size, or goes to the end of the file.
    fn enter(&mut self, kind: Kind, content: Option<u64>) {
        let room = self
            .open
            .last()
            .map_or(u64::MAX, |parent| parent.end.saturating_sub(self.position));
        let content = content.unwrap_or(u64::MAX).min(room);
        let parent = self.open.last().map(|open| open.kind);
        match role(parent, kind) {
            Role::Container if self.open.len() < MAX_DEPTH => {
                if kind == *b"trak" && self.tracks.len() < MAX_TRACKS {
                    self.tracks.push(Track::default());
                } else if kind == *b"traf" {
                    self.fragment = Fragment::default();
                    self.fragmented = true;
                }
                self.open.push(OpenBox {
                    kind,
                    end: self.position.saturating_add(content),
                });
                // An empty container ends where it begins.
                self.state = State::Skip(0);
            }
            Role::Leaf => {
                let missing = clip(content, MAX_LEAF);
                self.state = State::Leaf {
                    kind,
                    content: Vec::new(),
                    missing,
                    then_skip: content - missing as u64,
                };
            }
            Role::Container | Role::Other => self.state = State::Skip(content),
        }
    }

    fn take_leaf(&mut self, kind: Kind, content: &[u8]) {
        match &kind {
            b"mvhd" => self.movie = self.movie.or_else(|| MovieHeader::decode(content)),
            b"mehd" => self.declared_fragments = boxes::movie_extends_header(content),
            b"trex" if self.extends.len() < MAX_TRACKS => {
                self.extends.extend(TrackExtends::decode(content));
            }
            b"tfhd" => self.fragment.header = FragmentHeader::decode(content),
            b"tfdt" => self.fragment.time = boxes::decode_time(content),
            b"trun" => self.take_run(content),
            _ => self.take_track_leaf(kind, content),
        }
    }

    fn take_track_leaf(&mut self, kind: Kind, content: &[u8]) {
        let Some(track) = self.tracks.last_mut() else {
            return;
        };
        match &kind {
            b"tkhd" => track.header = TrackHeader::decode(content),
            b"mdhd" => track.media = MediaHeader::decode(content),
            b"hdlr" => track.is_picture = boxes::handler(content) == Some(*b"vide"),
            b"elst" => track.edits = EditList::decode(content).unwrap_or_default(),
            b"stsd" => track.coded_size = SampleTable::coded_size(content),
            _ => {}
        }
    }

    fn take_run(&mut self, content: &[u8]) {
        let Some(header) = self.fragment.header else {
            return;
        };
        let default = header.sample_duration.or_else(|| {
            self.extends
                .iter()
                .find(|extends| extends.track == header.track)
                .map(|extends| extends.sample_duration)
        });
        let Some(track) = self
            .tracks
            .iter_mut()
            .find(|track| track.header.is_some_and(|known| known.id == header.track))
        else {
            return;
        };
        let start = self.fragment.time.unwrap_or(track.decoded_end);
        let run = Run::decode(content, default.unwrap_or(0));
        let decoded_end = start.saturating_add(run.decoded);
        self.fragment.time = Some(decoded_end);
        track.decoded_end = track.decoded_end.max(decoded_end);
        track.shown_end = track.shown_end.max(start.saturating_add(run.shown));
    }

    /// The movie header tells for plain files; for fragmented ones the fragments do, because
    /// their header is written before anything is known.
    fn duration_ms(&self) -> Option<u64> {
        let movie = self
            .movie
            .filter(|movie| movie.duration > 0)
            .and_then(|movie| to_ms(movie.duration, movie.timescale));
        let fragments = self
            .tracks
            .iter()
            .filter_map(|track| self.fragments_ms(track))
            .max()
            .filter(|ms| self.fragmented && *ms > 0);
        let declared = || {
            let ticks = self.declared_fragments.filter(|ticks| *ticks > 0)?;
            to_ms(ticks, self.movie?.timescale)
        };
        movie.max(fragments).or_else(declared).or_else(|| {
            let media = self.tracks.iter().filter_map(|track| track.media);
            media
                .filter_map(|media| to_ms(media.duration, media.timescale))
                .max()
                .filter(|ms| *ms > 0)
        })
    }

    /// When the last fragment of a track has been shown.
    fn fragments_ms(&self, track: &Track) -> Option<u64> {
        let pause = self
            .movie
            .and_then(|movie| to_ms(track.edits.pause, movie.timescale))
            .unwrap_or(0);
        let shown = track.shown_end.saturating_sub(track.edits.cut);
        Some(to_ms(shown, track.media?.timescale)?.saturating_add(pause))
    }
}

impl Track {
    fn size(&self) -> Option<(u32, u32)> {
        let header = self.header;
        let shown = header
            .map(|header| header.size)
            .filter(|(width, height)| *width > 0 && *height > 0);
        let (width, height) = shown.or(self.coded_size)?;
        Some(if header.is_some_and(|header| header.is_turned) {
            (height, width)
        } else {
            (width, height)
        })
    }
}

enum Role {
    Container,
    Leaf,
    Other,
}

/// What a box is for. The parent matters: QuickTime has a second `hdlr` below `minf`, and `meta`
/// boxes have theirs.
fn role(parent: Option<Kind>, kind: Kind) -> Role {
    match (parent.as_ref(), &kind) {
        (None, b"moov" | b"moof")
        | (Some(b"moov"), b"trak" | b"mvex")
        | (Some(b"trak"), b"edts" | b"mdia")
        | (Some(b"mdia"), b"minf")
        | (Some(b"minf"), b"stbl")
        | (Some(b"moof"), b"traf") => Role::Container,
        (Some(b"moov"), b"mvhd")
        | (Some(b"mvex"), b"mehd" | b"trex")
        | (Some(b"trak"), b"tkhd")
        | (Some(b"edts"), b"elst")
        | (Some(b"mdia"), b"mdhd" | b"hdlr")
        | (Some(b"stbl"), b"stsd")
        | (Some(b"traf"), b"tfhd" | b"tfdt" | b"trun") => Role::Leaf,
        _ => Role::Other,
    }
}

/// The smaller of the two, as a length in memory.
fn clip(left: u64, most: usize) -> usize {
    usize::try_from(left).map_or(most, |left| left.min(most))
}
