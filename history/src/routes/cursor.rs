//! The cursor of a viewer's list: where the next page begins, as opaque text.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::entry::ListPosition;
use crate::error::ApiError;

/// What a cursor carries. The names are short because each page's address repeats them.
#[derive(Deserialize, Serialize)]
struct CursorBody {
    /// A hash of the list that it was made for, so that it fits no other.
    #[serde(rename = "l")]
    list: Uuid,
    /// When the last entry of the page was watched, in milliseconds since the epoch.
    #[serde(rename = "t")]
    last_watched_ms: i64,
    /// The video of that entry.
    #[serde(rename = "v")]
    video: Uuid,
}

pub(super) fn encode(viewer: Uuid, position: ListPosition) -> String {
    let ListPosition {
        last_watched_at,
        video,
    } = position;
    let body = CursorBody {
        list: hash_of_list(viewer),
        last_watched_ms: last_watched_at.as_millisecond(),
        video,
    };
    let json = serde_json::to_vec(&body).expect("ids and numbers always have a JSON form");
    BASE64_URL_SAFE_NO_PAD.encode(json)
}

pub(super) fn decode(viewer: Uuid, cursor: &str) -> Result<ListPosition, ApiError> {
    let read = || {
        let json = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let body: CursorBody = serde_json::from_slice(&json).ok()?;
        let CursorBody {
            list,
            last_watched_ms,
            video,
        } = body;
        let position = ListPosition {
            last_watched_at: Timestamp::from_millisecond(last_watched_ms).ok()?,
            video,
        };
        (list == hash_of_list(viewer)).then_some(position)
    };
    read().ok_or(ApiError::BadCursor)
}

/// Tells a viewer's list from any other without telling who the viewer is.
fn hash_of_list(viewer: Uuid) -> Uuid {
    Uuid::new_v5(&viewer, b"history entries, newest first")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_gives_its_position_back_to_its_own_list_only() {
        let viewer = Uuid::new_v4();
        let position = ListPosition {
            last_watched_at: Timestamp::from_millisecond(1_800_000_000_123).unwrap(),
            video: Uuid::now_v7(),
        };
        let cursor = encode(viewer, position);
        assert_eq!(decode(viewer, &cursor).unwrap(), position);
        assert!(decode(Uuid::new_v4(), &cursor).is_err());
    }

    #[test]
    fn a_text_that_is_no_cursor_is_refused() {
        let not_json = BASE64_URL_SAFE_NO_PAD.encode("entries");
        let too_late = BASE64_URL_SAFE_NO_PAD.encode(format!(
            r#"{{"l":"{}","t":{},"v":"{}"}}"#,
            hash_of_list(Uuid::nil()),
            i64::MAX,
            Uuid::nil(),
        ));
        for text in ["", "!", "e30", &not_json, &too_late] {
            assert!(decode(Uuid::nil(), text).is_err(), "{text:?}");
        }
    }
}
