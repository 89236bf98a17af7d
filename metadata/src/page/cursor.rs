//! Cursors: a [`Position`] as one opaque word.
//!
//! A cursor is the base64url form of a small JSON document. It carries a hash of the query and the
//! order that it was made for, and is refused with any other: a position in one list means nothing
//! in another. It is not signed, because it gives no access; all of its values are checked.

use std::cmp::Reverse;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Moment, Place, Position, Sort};

/// No cursor that was made here is longer: the longest title key has 600 characters.
const LONGEST_CURSOR: usize = 8 * 1024;

/// A text that is no cursor of this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadCursor {
    /// It was never made by [`encode`].
    #[error("cursor must be the next_cursor of an earlier answer, unchanged")]
    Malformed,
    /// It was made for another list.
    #[error("cursor must be used with the q and sort that it was made for")]
    OfAnotherList,
}

/// The position in the list of this query and order as one word.
pub(crate) fn encode(position: &Position, query: Option<&str>, sort: Sort) -> String {
    let Position {
        after,
        newest_match,
    } = position;
    let body = CursorBody {
        list: list_hash(query, sort),
        after: PlaceBody::from(after),
        newest_match: newest_match.as_ref().map(MomentBody::from),
    };
    let json = serde_json::to_vec(&body).expect("a cursor has no map and no fallible member");
    URL_SAFE_NO_PAD.encode(json)
}

/// Reads a position in the list of this query and order.
pub(crate) fn decode(cursor: &str, query: Option<&str>, sort: Sort) -> Result<Position, BadCursor> {
    if cursor.len() > LONGEST_CURSOR {
        return Err(BadCursor::Malformed);
    }
    let json = URL_SAFE_NO_PAD
        .decode(cursor)
        .map_err(|_| BadCursor::Malformed)?;
    let body: CursorBody = serde_json::from_slice(&json).map_err(|_| BadCursor::Malformed)?;
    if body.list != list_hash(query, sort) {
        return Err(BadCursor::OfAnotherList);
    }
    let after = body.after.into_place().ok_or(BadCursor::Malformed)?;
    let is_of_sort = match after {
        Place::Newest(_) => sort == Sort::Newest,
        Place::Title(..) => sort == Sort::Title,
        Place::Views(_) => sort == Sort::Views,
    };
    let newest_match = match body.newest_match {
        Some(moment) => Some(moment.into_moment().ok_or(BadCursor::Malformed)?),
        None => None,
    };
    if !is_of_sort || newest_match.is_some() != query.is_some() {
        return Err(BadCursor::Malformed);
    }
    Ok(Position {
        after,
        newest_match,
    })
}

#[derive(Serialize, Deserialize)]
struct CursorBody {
    list: String,
    after: PlaceBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    newest_match: Option<MomentBody>,
}

#[derive(Serialize, Deserialize)]
struct MomentBody {
    at: i64,
    id: Uuid,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PlaceBody {
    Newest(MomentBody),
    Title { key: String, id: Uuid },
    Views { views: u64, id: Uuid },
}

impl From<&Moment> for MomentBody {
    fn from(moment: &Moment) -> Self {
        let Moment { uploaded_at, id } = moment;
        Self {
            at: uploaded_at.as_millisecond(),
            id: *id,
        }
    }
}

impl MomentBody {
    fn into_moment(self) -> Option<Moment> {
        let Self { at, id } = self;
        let uploaded_at = Timestamp::from_millisecond(at).ok()?;
        Some(Moment { uploaded_at, id })
    }
}

impl From<&Place> for PlaceBody {
    fn from(place: &Place) -> Self {
        match place {
            Place::Newest(Reverse(moment)) => Self::Newest(moment.into()),
            Place::Title(key, id) => Self::Title {
                key: key.clone(),
                id: *id,
            },
            Place::Views(Reverse((views, id))) => Self::Views {
                views: *views,
                id: *id,
            },
        }
    }
}

impl PlaceBody {
    fn into_place(self) -> Option<Place> {
        match self {
            Self::Newest(moment) => Some(Place::Newest(Reverse(moment.into_moment()?))),
            Self::Title { key, id } => Some(Place::Title(key, id)),
            Self::Views { views, id } => {
                i64::try_from(views).ok()?;
                Some(Place::Views(Reverse((views, id))))
            }
        }
    }
}

/// Sixteen hexadecimal digits that tell lists apart. The list without a query and the one of an
/// empty query are different lists.
fn list_hash(query: Option<&str>, sort: Sort) -> String {
    let mut hash = Sha256::new();
    hash.update(sort.name());
    if let Some(query) = query {
        hash.update([0]);
        hash.update(query);
    }
    let digest = hash.finalize();
    let mut start = [0; 8];
    start.copy_from_slice(&digest[..8]);
    format!("{:016x}", u64::from_be_bytes(start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment(at: i64, id: u128) -> Moment {
        Moment {
            uploaded_at: Timestamp::from_millisecond(at).unwrap(),
            id: Uuid::from_u128(id),
        }
    }

    fn by_title(key: &str) -> Position {
        Position {
            after: Place::Title(key.to_owned(), Uuid::from_u128(7)),
            newest_match: None,
        }
    }

    #[test]
    fn a_cursor_is_refused_with_another_query_or_order() {
        let cursor = encode(&by_title("a"), None, Sort::Title);
        assert_eq!(decode(&cursor, None, Sort::Title), Ok(by_title("a")));
        for (query, sort) in [
            (Some("a"), Sort::Title),
            (Some(""), Sort::Title),
            (None, Sort::Newest),
            (None, Sort::Views),
        ] {
            assert_eq!(decode(&cursor, query, sort), Err(BadCursor::OfAnotherList));
        }
    }

    #[test]
    fn what_was_never_a_cursor_is_refused() {
        let whole = encode(&by_title("a"), None, Sort::Title);
        let long = "A".repeat(LONGEST_CURSOR + 1);
        for garbage in [
            "",
            "x",
            "null",
            "%00",
            "e30",
            &whole[1..],
            &whole[..20],
            &long,
        ] {
            assert_eq!(
                decode(garbage, None, Sort::Title),
                Err(BadCursor::Malformed)
            );
        }
    }

    #[test]
    fn a_cursor_with_values_that_no_list_has_is_refused() {
        let forged = |sort: Sort, after: &str| {
            let list = list_hash(None, sort);
            URL_SAFE_NO_PAD.encode(format!(r#"{{"list":"{list}","after":{after}}}"#))
        };
        let id = Uuid::from_u128(7);
        for (sort, after) in [
            (
                Sort::Newest,
                format!(r#"{{"newest":{{"at":{},"id":"{id}"}}}}"#, i64::MAX),
            ),
            (
                Sort::Views,
                format!(r#"{{"views":{{"views":{},"id":"{id}"}}}}"#, u64::MAX),
            ),
            (
                Sort::Views,
                format!(r#"{{"title":{{"key":"a","id":"{id}"}}}}"#),
            ),
        ] {
            let cursor = forged(sort, &after);
            assert_eq!(
                decode(&cursor, None, sort),
                Err(BadCursor::Malformed),
                "{after}"
            );
        }
    }

    #[test]
    fn the_longest_title_still_makes_a_cursor_that_is_taken_back() {
        let position = by_title(&"\u{10ffff}".repeat(600));
        let cursor = encode(&position, None, Sort::Title);
        assert_eq!(decode(&cursor, None, Sort::Title), Ok(position));
    }

    proptest! {
        #[test]
        fn a_position_survives_its_cursor(
            at in 0_i64..4_000_000_000_000,
            views in 0..=i64::MAX.cast_unsigned(),
            key in "\\PC{0,20}",
            query in proptest::option::of("\\PC{0,20}"),
            id: u128,
        ) {
            let newest_match = query.is_some().then(|| moment(at, id));
            for (sort, after) in [
                (Sort::Newest, Place::Newest(Reverse(moment(at, id)))),
                (Sort::Title, Place::Title(key.clone(), Uuid::from_u128(id))),
                (Sort::Views, Place::Views(Reverse((views, Uuid::from_u128(id))))),
            ] {
                let position = Position { after, newest_match };
                let cursor = encode(&position, query.as_deref(), sort);
                prop_assert_eq!(decode(&cursor, query.as_deref(), sort), Ok(position));
            }
        }

        #[test]
        fn no_text_makes_the_decoder_panic(cursor in "[A-Za-z0-9_-]{0,200}") {
            prop_assert!(decode(&cursor, None, Sort::Newest).is_err());
        }
    }
}
