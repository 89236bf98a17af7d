//! What a file says about itself: its kind from the first bytes, and its duration and picture size
//! from a single pass while it streams by.
//!
//! Nothing here trusts its input. Sizes are clipped to what surrounds them, what is collected is
//! bounded, and a file that stops making sense keeps what it has told until then.

mod iso_bmff;
mod matroska;
mod picture;
mod sniff;

pub(crate) use picture::Picture;
pub(crate) use sniff::{HEAD_BYTES, Sniffed, sniff};

/// The file formats that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    /// MPEG-4 and its relatives on the ISO base media file format.
    Mp4,
    /// Apple's older sibling of it.
    QuickTime,
    /// The part of Matroska that browsers play.
    WebM,
    /// Matroska with any codec.
    Matroska,
}

impl Container {
    /// The media type that the bytes are served with, whatever their sender called them.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Mp4 => "video/mp4",
            Self::QuickTime => "video/quicktime",
            Self::WebM => "video/webm",
            Self::Matroska => "video/x-matroska",
        }
    }

    /// The container that is served with this media type.
    pub(crate) fn of_content_type(content_type: &str) -> Option<Self> {
        [Self::Mp4, Self::QuickTime, Self::WebM, Self::Matroska]
            .into_iter()
            .find(|container| container.content_type() == content_type)
    }
}

/// What a complete file said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MediaFacts {
    /// How long it plays; `None` if the file does not tell.
    pub(crate) duration_ms: Option<u64>,
    /// The first picture track; `None` if there is none, which makes the file no video.
    pub(crate) picture: Option<PictureTrack>,
}

/// The picture of a video as it is shown: pixel aspect and rotation are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PictureTrack {
    /// Width and height in pixels; `None` if the file does not tell.
    pub(crate) size: Option<(u32, u32)>,
}

/// Reads a file that is pushed through it piece by piece.
#[derive(Debug)]
pub(crate) enum Probe {
    /// MP4 and QuickTime.
    IsoBmff(Box<iso_bmff::Walker>),
    /// `WebM` and Matroska.
    Matroska(Box<matroska::Walker>),
}

impl Probe {
    /// A probe for a file whose first bytes were sniffed as `container`.
    pub(crate) fn new(container: Container) -> Self {
        match container {
            Container::Mp4 | Container::QuickTime => Self::IsoBmff(Box::default()),
            Container::WebM | Container::Matroska => Self::Matroska(Box::default()),
        }
    }

    /// The next bytes of the file, in order.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::IsoBmff(walker) => walker.push(bytes),
            Self::Matroska(walker) => walker.push(bytes),
        }
    }

    /// The file is complete.
    pub(crate) fn finish(self) -> MediaFacts {
        match self {
            Self::IsoBmff(walker) => walker.finish(),
            Self::Matroska(walker) => walker.finish(),
        }
    }
}

/// Rounds `ticks` of `per_second` to milliseconds.
fn to_ms(ticks: u64, per_second: u32) -> Option<u64> {
    if per_second == 0 {
        return None;
    }
    let per_second = u128::from(per_second);
    u64::try_from((u128::from(ticks) * 1_000 + per_second / 2) / per_second).ok()
}

#[cfg(test)]
mod tests;
