//! The time as tokens and events carry it.

use jiff::Timestamp;

/// Now, in whole milliseconds: what is written to JSON or a database comes back equal.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond())
        .expect("the milliseconds of a timestamp are in its range")
}
