//! Filling a catalogue with videos that nobody uploaded, to measure it at a size.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Catalogue, TransferError};
use crate::catalog::transfer::Kept;
use crate::video::{
    ContentHash, ContentType, Description, Facts, Invalid, Tags, Text, Title, Video, storable,
    whole_milliseconds,
};

/// A video to fill a catalogue with. There are no bytes of it anywhere.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its id, a UUID of version 7.
    pub id: Uuid,
    /// When it would have been uploaded.
    pub uploaded_at: Timestamp,
    /// What it is called.
    pub title: String,
    /// A longer text, possibly empty.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// How often it would have been watched.
    pub views: u64,
}

impl Catalogue {
    /// Takes these in, in one change where the engine has such. What breaks a rule for videos is
    /// refused, and nothing is written then.
    pub async fn fill(&self, samples: Vec<Sample>) -> Result<(), TransferError> {
        let kept = samples
            .into_iter()
            .map(|sample| {
                let id = sample.id;
                sample.into_video().map_err(|invalid| TransferError::Unfit {
                    id,
                    source: Box::new(invalid),
                })
            })
            .map(|video| video.map(|video| Kept::Present(Box::new(video))))
            .collect::<Result<_, _>>()?;
        Ok(self.transfer.put(kept).await?)
    }
}

impl Sample {
    fn into_video(self) -> Result<Video, Invalid> {
        let Self {
            id,
            uploaded_at,
            title,
            description,
            tags,
            views,
        } = self;
        Ok(Video {
            facts: Facts {
                id,
                content_type: ContentType::new("video/mp4".to_owned())?,
                size_bytes: 1,
                etag: ContentHash::new(format!("{:064x}", id.as_u128()))?,
                duration_ms: None,
                width: None,
                height: None,
                uploaded_at: whole_milliseconds(uploaded_at),
            },
            text: Text {
                title: Title::new(title)?,
                description: Description::new(description)?,
                tags: Tags::new(tags)?,
            },
            views: storable("views", views)?,
            poster: None,
        })
    }
}
