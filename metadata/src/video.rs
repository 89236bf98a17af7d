//! The videos of the catalogue and the rules for what may be said about one.

use std::collections::HashSet;

use jiff::Timestamp;
use uuid::Uuid;

/// One video as the catalogue knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Video {
    /// What never changes: the facts about the bytes.
    pub(crate) facts: Facts,
    /// What people say about it.
    pub(crate) text: Text,
    /// The highest number that a counted view has brought.
    pub(crate) views: u64,
    /// Which poster is shown, if there is one.
    pub(crate) poster: Option<PosterVersion>,
}

/// What is known from the upload and stays so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The id that `video-storage` gave, a UUID of version 7.
    pub(crate) id: Uuid,
    /// The media type of the bytes.
    pub(crate) content_type: ContentType,
    /// The length of the bytes.
    pub(crate) size_bytes: u64,
    /// The SHA-256 of the bytes.
    pub(crate) etag: ContentHash,
    /// How long it plays; unknown where the file does not tell.
    pub(crate) duration_ms: Option<u64>,
    /// The width of the picture in pixels.
    pub(crate) width: Option<u32>,
    /// The height of the picture in pixels.
    pub(crate) height: Option<u32>,
    /// When the upload was complete, in whole milliseconds.
    pub(crate) uploaded_at: Timestamp,
}

/// What people say about a video, and what search looks into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// The name people see.
    pub(crate) title: Title,
    /// A longer text, possibly empty.
    pub(crate) description: Description,
    /// Words to find it by, in the order in which they were given.
    pub(crate) tags: Tags,
}

/// A video as it is registered: nobody has described or watched it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewVideo {
    /// The facts about the bytes.
    pub(crate) facts: Facts,
    /// The title that it starts with.
    pub(crate) title: Title,
}

/// A change of the text; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The new title.
    pub(crate) title: Option<Title>,
    /// The new description.
    pub(crate) description: Option<Description>,
    /// The new tags, all of them.
    pub(crate) tags: Option<Tags>,
}

/// What remains of a deleted video, for ever: nothing may bring its id back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tombstone {
    /// The id of the video.
    pub(crate) video: Uuid,
    /// When it was deleted, in whole milliseconds.
    pub(crate) deleted_at: Timestamp,
}

impl NewVideo {
    /// The video as it stands in the catalogue right after its registration.
    pub(crate) fn into_video(self, views: u64) -> Video {
        let Self { facts, title } = self;
        Video {
            facts,
            text: Text {
                title,
                description: Description::default(),
                tags: Tags::default(),
            },
            views,
            poster: None,
        }
    }
}

impl Text {
    /// The text after the edit.
    pub(crate) fn edited(self, edit: Edit) -> Self {
        let Edit {
            title,
            description,
            tags,
        } = edit;
        Self {
            title: title.unwrap_or(self.title),
            description: description.unwrap_or(self.description),
            tags: tags.unwrap_or(self.tags),
        }
    }
}

/// A value that breaks a rule: names the member and says what is accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {accepted}")]
pub(crate) struct Invalid {
    /// The member as the API spells it.
    pub(crate) field: &'static str,
    /// What it would have to be, to be read after "must be".
    pub(crate) accepted: &'static str,
}

/// A title: 1 to 200 characters (Unicode scalar values), kept as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Title(String);

/// A description: up to 5,000 characters, kept as given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Description(String);

/// Up to 20 different tags of 1 to 50 characters, without white space around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags(Vec<String>);

/// The media type of the bytes, fit to be sent as a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContentType(String);

/// The SHA-256 of a video's bytes as 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContentHash(String);

/// Tells one poster of a video from the next; made by `video-storage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PosterVersion(String);

/// Each of these types is made from input by `new`, which judges it, and from a catalogue's own
/// store by `stored`, which does not: what was accepted once stays readable when a rule gets stricter.
macro_rules! text_type {
    ($name:ident) => {
        impl $name {
            /// Takes a value that a catalogue kept.
            pub(crate) fn stored(value: String) -> Self {
                Self(value)
            }

            /// The value as text.
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }

            /// The value as owned text.
            pub(crate) fn into_string(self) -> String {
                self.0
            }
        }
    };
}

text_type!(Title);
text_type!(Description);
text_type!(ContentType);
text_type!(ContentHash);
text_type!(PosterVersion);

impl Title {
    const MAX_CHARS: usize = 200;

    /// Judges a title.
    pub(crate) fn new(title: String) -> Result<Self, Invalid> {
        let fits = (1..=Self::MAX_CHARS).contains(&title.chars().count());
        if !fits || is_blank(&title) || title.chars().any(char::is_control) {
            return Err(Invalid {
                field: "title",
                accepted: "1 to 200 characters that are not all white space, without control characters",
            });
        }
        Ok(Self(title))
    }
}

impl Description {
    const MAX_CHARS: usize = 5_000;

    /// Judges a description.
    pub(crate) fn new(description: String) -> Result<Self, Invalid> {
        if description.chars().count() > Self::MAX_CHARS {
            return Err(Invalid {
                field: "description",
                accepted: "0 to 5000 characters",
            });
        }
        Ok(Self(description))
    }
}

impl Tags {
    const MAX_TAGS: usize = 20;
    const MAX_CHARS: usize = 50;

    /// Trims the tags, drops the ones that are there already, and judges what remains.
    pub(crate) fn new(tags: Vec<String>) -> Result<Self, Invalid> {
        let mut seen = HashSet::new();
        let tags: Vec<String> = tags
            .into_iter()
            .map(|tag| tag.trim().to_owned())
            .filter(|tag| seen.insert(tag.clone()))
            .collect();
        let each_fits = tags.iter().all(|tag| {
            (1..=Self::MAX_CHARS).contains(&tag.chars().count())
                && !tag.chars().any(char::is_control)
        });
        if tags.len() > Self::MAX_TAGS || !each_fits {
            return Err(Invalid {
                field: "tags",
                accepted: "at most 20 different tags of 1 to 50 characters each, without control characters",
            });
        }
        Ok(Self(tags))
    }

    /// Takes tags that a catalogue kept.
    pub(crate) fn stored(tags: Vec<String>) -> Self {
        Self(tags)
    }

    /// The tags in their order.
    pub(crate) fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// The tags in their order, owned.
    pub(crate) fn into_vec(self) -> Vec<String> {
        self.0
    }
}

impl ContentType {
    const MAX_BYTES: usize = 127;

    /// Judges a media type: it becomes a response header one day.
    pub(crate) fn new(content_type: String) -> Result<Self, Invalid> {
        let printable = content_type
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic());
        let named = content_type
            .split_once('/')
            .is_some_and(|(kind, subtype)| !is_blank(kind) && !is_blank(subtype));
        if content_type.len() > Self::MAX_BYTES || !printable || !named {
            return Err(Invalid {
                field: "content_type",
                accepted: "a media type such as video/mp4, at most 127 printable ASCII characters",
            });
        }
        Ok(Self(content_type))
    }
}

impl ContentHash {
    /// Judges a hash.
    pub(crate) fn new(hash: String) -> Result<Self, Invalid> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if hash.len() != 64 || !hash.bytes().all(is_digit) {
            return Err(Invalid {
                field: "etag",
                accepted: "the SHA-256 of the bytes as 64 lower-case hexadecimal digits, without quotes",
            });
        }
        Ok(Self(hash))
    }
}

impl PosterVersion {
    const MAX_BYTES: usize = 64;

    /// Judges a version: it becomes part of an address, so nothing in it may need escaping.
    pub(crate) fn new(version: String) -> Result<Self, Invalid> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !(1..=Self::MAX_BYTES).contains(&version.len()) || !version.bytes().all(is_plain) {
            return Err(Invalid {
                field: "version",
                accepted: "1 to 64 ASCII letters, digits, '-' or '_'",
            });
        }
        Ok(Self(version))
    }
}

/// Lengths and durations end where every engine's signed 64-bit integers end.
pub(crate) fn storable(field: &'static str, number: u64) -> Result<u64, Invalid> {
    if i64::try_from(number).is_err() {
        return Err(Invalid {
            field,
            accepted: "an integer from 0 to 9223372036854775807",
        });
    }
    Ok(number)
}

/// Every time in the catalogue has whole milliseconds: what is finer would be lost in one engine
/// and kept in another, and the order of a list would depend on the engine.
pub(crate) fn whole_milliseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond())
        .expect("the milliseconds of a timestamp are within its range")
}

fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

#[cfg(test)]
mod tests;
