//! How values of the domain are stored in columns.

use jiff::Timestamp;
use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use uuid::Uuid;

use crate::watch_session::PlaybackState;

/// A UUID as its 16 bytes, which sort as the UUID does.
#[derive(Clone, Copy)]
pub(super) struct Id(pub(super) Uuid);

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.as_bytes().as_slice()))
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = <[u8; 16]>::column_result(value)?;
        Ok(Self(Uuid::from_bytes(bytes)))
    }
}

/// A time as milliseconds since the epoch.
#[derive(Clone, Copy)]
pub(super) struct At(pub(super) Timestamp);

impl ToSql for At {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.as_millisecond()))
    }
}

impl FromSql for At {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let milliseconds = i64::column_result(value)?;
        Timestamp::from_millisecond(milliseconds)
            .map(Self)
            .map_err(|_| FromSqlError::OutOfRange(milliseconds))
    }
}

/// A count, a number or a time span in milliseconds.
///
/// SQLite's integers are signed: what does not fit is stored as the largest that does, which no
/// real position, duration or sequence number reaches.
#[derive(Clone, Copy)]
pub(super) struct Count(pub(super) u64);

impl ToSql for Count {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(i64::try_from(self.0).unwrap_or(i64::MAX)))
    }
}

impl FromSql for Count {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let count = i64::column_result(value)?;
        u64::try_from(count)
            .map(Self)
            .map_err(|_| FromSqlError::OutOfRange(count))
    }
}

/// A playback state as a number that is never given to another state.
#[derive(Clone, Copy)]
pub(super) struct State(pub(super) PlaybackState);

impl ToSql for State {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let code: i64 = match self.0 {
            PlaybackState::Playing => 0,
            PlaybackState::Paused => 1,
            PlaybackState::Ended => 2,
        };
        Ok(ToSqlOutput::from(code))
    }
}

impl FromSql for State {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match i64::column_result(value)? {
            0 => Ok(Self(PlaybackState::Playing)),
            1 => Ok(Self(PlaybackState::Paused)),
            2 => Ok(Self(PlaybackState::Ended)),
            code => Err(FromSqlError::OutOfRange(code)),
        }
    }
}
