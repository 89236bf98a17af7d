//! Filling a view log with entries that nobody's watching made, to measure it at a size.

use jiff::Timestamp;
use uuid::Uuid;

use super::{History, TransferError};
use crate::view_log::transfer::{Kept, KeptEntry, KeptShown};
use crate::watch_session::{Beat, PlaybackState};

/// An entry to fill a view log with. There is no session behind it, as there is none of an entry
/// whose session was swept.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Who watched.
    pub viewer: Uuid,
    /// What was watched.
    pub video: Uuid,
    /// When it was watched last.
    pub last_watched_at: Timestamp,
    /// Where the viewer stopped.
    pub position_ms: u64,
    /// How long the video is.
    pub duration_ms: u64,
}

impl History {
    /// Takes these in, in one change where the engine has such.
    pub async fn fill(&self, samples: Vec<Sample>) -> Result<(), TransferError> {
        let kept = samples.into_iter().map(Sample::into_entry);
        let kept = kept.map(Kept::Entry).collect();
        Ok(self.log.put(kept).await?)
    }
}

impl Sample {
    fn into_entry(self) -> KeptEntry {
        let Self {
            viewer,
            video,
            last_watched_at,
            position_ms,
            duration_ms,
        } = self;
        // Times are kept in whole milliseconds.
        let last_watched_at = Timestamp::from_millisecond(last_watched_at.as_millisecond())
            .expect("the milliseconds of a timestamp are within its range");
        KeptEntry {
            viewer,
            video,
            forgotten_until: None,
            shown: Some(KeptShown {
                started_at: last_watched_at,
                // The same at each filling, and another for each entry.
                session: Uuid::from_u128(viewer.as_u128() ^ video.as_u128().rotate_left(64)),
                beat: Beat {
                    seq: 1,
                    position_ms,
                    state: PlaybackState::Paused,
                    received_at: last_watched_at,
                },
                watched_ms: position_ms,
                duration_ms: Some(duration_ms),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use test_support::DataFolder;

    use super::*;
    use crate::config::ViewLogUrl;
    use crate::entry::PageRequest;
    use crate::view_log::ViewLog as _;
    use crate::view_log::sqlite::SqliteViewLog;

    #[tokio::test]
    async fn a_filled_log_answers_like_one_that_was_watched_into() {
        let folder = DataFolder::new();
        let path = folder.join("history.db");
        let history = History::open(&ViewLogUrl::Sqlite(path.clone()))
            .await
            .unwrap();
        let [viewer, other] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let samples: Vec<Sample> = [(viewer, 10_u8), (viewer, 11), (other, 10)]
            .into_iter()
            .map(|(viewer, video)| Sample {
                viewer,
                video: Uuid::from_u128(video.into()),
                last_watched_at: Timestamp::from_millisecond(video.into()).unwrap(),
                position_ms: 60_000,
                duration_ms: 600_000,
            })
            .collect();
        for _ in 0..2 {
            history.fill(samples.clone()).await.unwrap();
            assert_eq!(history.estimate().await.unwrap(), 3);
        }

        let log = SqliteViewLog::open(&path).await.unwrap();
        let request = PageRequest {
            after: None,
            limit: 10,
        };
        let page = log.entries(viewer, request).await.unwrap();
        let videos: Vec<_> = page.entries.iter().map(|entry| entry.video).collect();
        assert_eq!(videos, [11, 10].map(Uuid::from_u128));
        let entry = log.entry(other, Uuid::from_u128(10)).await.unwrap();
        assert_eq!(entry.unwrap().resume_position_ms(), 60_000);
    }
}
