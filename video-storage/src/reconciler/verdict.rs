//! What to make of an id at which store and catalogue do not fit together.
//!
//! Uploads and deletions go on beside a run, so what was listed may be old. The second look is
//! taken in an order that makes it certain:
//!
//! - An upload writes its intent before anything else and removes it only after the catalogue
//!   knows the video. So where there was no intent, and the catalogue, asked *afterwards*, has
//!   never heard of the id, no upload is on its way.
//! - A video has its bytes before the catalogue knows it, and loses them only after the catalogue
//!   has its tombstone. So where an entry was there, then the bytes were missing, and then the
//!   entry was still there, the bytes are gone.
//! - A tombstone is for ever: what the store has of a deleted video goes.

use uuid::Uuid;

use crate::catalogue::State;
use crate::record::UploadRecord;
use crate::records::{Fate, Records};
use crate::running::Running;
use crate::store::{Object, Opened, Store, StoreError};

/// What is done or reported.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing is wrong, or not any more.
    Fine,
    /// An upload is on its way, or the sweeper will take it away.
    Underway,
    /// The video was deleted, and something of it is left.
    HalfDeleted,
    /// A complete upload that the catalogue has lost.
    Unlisted(Box<UploadRecord>),
    /// An entry that cannot be played: its bytes or their record are gone.
    WithoutBytes,
    /// Something that belongs to nothing.
    Stray,
    /// It did.
    RemovedStray,
    /// A record that cannot be read, or that the catalogue refuses.
    Unusable,
}

/// What the store has of an id, seen a second time.
#[derive(Debug)]
pub(super) struct Look {
    has_intent: bool,
    record: Found,
    has_bytes: bool,
    has_poster: bool,
}

#[derive(Debug)]
enum Found {
    Record(Box<UploadRecord>),
    /// Of an upload that was taken away.
    Abandoned,
    Nothing,
    Unreadable,
}

impl Look {
    /// Looks at the intent first.
    pub(super) async fn at(
        id: Uuid,
        store: &Store,
        records: &Records,
        running: &Running,
    ) -> Result<Self, StoreError> {
        let has_intent = running.contains(id) || is_there(store, &Object::intent(id)).await?;
        let record = match records.find(id).await {
            Ok(Fate::Complete(record)) => Found::Record(record),
            Ok(Fate::Abandoned(_)) => Found::Abandoned,
            Ok(Fate::Open) => Found::Nothing,
            Err(StoreError::Damaged { .. }) => Found::Unreadable,
            Err(error) => return Err(error),
        };
        Ok(Self {
            has_intent,
            record,
            has_bytes: is_there(store, &Object::video(id)).await?,
            has_poster: is_there(store, &Object::poster(id)).await?,
        })
    }

    /// With what the catalogue said before this look, and says after it.
    pub(super) fn judge(self, before: State, after: State) -> Verdict {
        let has_something =
            self.has_bytes || self.has_poster || !matches!(self.record, Found::Nothing);
        match (before, after) {
            (_, State::Deleted) if has_something => Verdict::HalfDeleted,
            (State::Present, State::Present) => match self.record {
                Found::Unreadable => Verdict::Unusable,
                Found::Record(_) if self.has_bytes => Verdict::Fine,
                _ => Verdict::WithoutBytes,
            },
            // It was registered meanwhile; or all of it is gone.
            (_, State::Present | State::Deleted) => Verdict::Fine,
            (_, State::Unknown) if self.has_intent => Verdict::Underway,
            (_, State::Unknown) => match self.record {
                Found::Unreadable => Verdict::Unusable,
                Found::Record(record) if self.has_bytes => Verdict::Unlisted(record),
                _ if has_something => Verdict::Stray,
                _ => Verdict::Fine,
            },
        }
    }
}

async fn is_there(store: &Store, object: &Object) -> Result<bool, StoreError> {
    Ok(matches!(store.find(object, None).await?, Opened::Found(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was seen, by its first letters: intent, record, abandoned, bytes, poster, unreadable.
    fn look(seen: &str) -> Look {
        let has = |letter| seen.contains(letter);
        let record = || {
            Box::new(UploadRecord {
                id: Uuid::nil(),
                title: "A".to_owned(),
                container: crate::media::Container::WebM,
                size_bytes: 1,
                sha256: "ab".repeat(32),
                duration_ms: None,
                picture_size: None,
                uploaded_at: jiff::Timestamp::UNIX_EPOCH,
                store_tag: None,
                key: None,
            })
        };
        Look {
            has_intent: has('i'),
            record: match () {
                () if has('r') => Found::Record(record()),
                () if has('a') => Found::Abandoned,
                () if has('u') => Found::Unreadable,
                () => Found::Nothing,
            },
            has_bytes: has('b'),
            has_poster: has('p'),
        }
    }

    fn name(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Fine => "fine",
            Verdict::Underway => "under way",
            Verdict::HalfDeleted => "half deleted",
            Verdict::Unlisted(_) => "unlisted",
            Verdict::WithoutBytes => "without bytes",
            Verdict::Stray => "stray",
            Verdict::RemovedStray => "removed",
            Verdict::Unusable => "unusable",
        }
    }

    #[test]
    fn each_state_has_one_verdict() {
        use State::{Deleted, Present, Unknown};
        for (before, after, seen, expected) in [
            (Present, Present, "rb", "fine"),
            (Present, Present, "r", "without bytes"),
            (Present, Present, "b", "without bytes"),
            (Present, Present, "", "without bytes"),
            (Present, Present, "ab", "without bytes"),
            (Present, Present, "ub", "unusable"),
            // Registered since it was listed: its bytes may have come after this look.
            (Unknown, Present, "i", "fine"),
            (Unknown, Present, "", "fine"),
            // Deleted since.
            (Present, Deleted, "", "fine"),
            (Present, Deleted, "rb", "half deleted"),
            (Deleted, Deleted, "p", "half deleted"),
            (Deleted, Deleted, "irb", "half deleted"),
            (Deleted, Deleted, "u", "half deleted"),
            (Unknown, Unknown, "ib", "under way"),
            (Unknown, Unknown, "irb", "under way"),
            (Unknown, Unknown, "iab", "under way"),
            (Unknown, Unknown, "rb", "unlisted"),
            (Unknown, Unknown, "rbp", "unlisted"),
            (Unknown, Unknown, "r", "stray"),
            (Unknown, Unknown, "b", "stray"),
            (Unknown, Unknown, "p", "stray"),
            (Unknown, Unknown, "ab", "stray"),
            (Unknown, Unknown, "ub", "unusable"),
            (Unknown, Unknown, "", "fine"),
            // The catalogue was put back to an older copy in the middle of a run.
            (Present, Unknown, "b", "stray"),
        ] {
            let verdict = look(seen).judge(before, after);
            assert_eq!(name(&verdict), expected, "{before:?} {after:?} {seen:?}");
        }
    }
}
