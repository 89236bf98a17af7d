//! The tables of the embedded view log.

/// One string per version of the schema; a shipped one is never changed.
///
/// Ids are 16 byte blobs, times and durations integer milliseconds, states and flags small
/// integers. Tables whose key is the whole way to a row are `WITHOUT ROWID`: one tree, not two.
pub(super) const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE sessions (
    session      BLOB    PRIMARY KEY,
    viewer       BLOB    NOT NULL,
    video        BLOB    NOT NULL,
    started_at   INTEGER NOT NULL,
    duration_ms  INTEGER,
    -- The sequence number of the event that told the duration; a later event knows better.
    duration_seq INTEGER NOT NULL,
    watched_ms   INTEGER NOT NULL,
    beats        INTEGER NOT NULL,
    -- Beats up to this one were swept before; the one with this very number is kept in `beats`.
    swept_seq    INTEGER NOT NULL,
    stored_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_video ON sessions (video);
CREATE INDEX sessions_by_stored_at ON sessions (stored_at);

CREATE TABLE beats (
    session     BLOB    NOT NULL,
    seq         INTEGER NOT NULL,
    position_ms INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (session, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE entries (
    viewer          BLOB    NOT NULL,
    video           BLOB    NOT NULL,
    -- The rank of the beat that the entry shows: the greatest of these three wins.
    started_at      INTEGER NOT NULL,
    session         BLOB    NOT NULL,
    seq             INTEGER NOT NULL,
    position_ms     INTEGER NOT NULL,
    state           INTEGER NOT NULL,
    watched_ms      INTEGER NOT NULL,
    duration_ms     INTEGER,
    last_watched_at INTEGER NOT NULL,
    PRIMARY KEY (viewer, video)
) STRICT, WITHOUT ROWID;
CREATE INDEX entries_by_last_watched ON entries (viewer, last_watched_at DESC, video);
CREATE INDEX entries_by_video ON entries (video);

-- Events received until then bring no entry back.
CREATE TABLE forgotten_entries (
    viewer BLOB    NOT NULL,
    video  BLOB    NOT NULL,
    until  INTEGER NOT NULL,
    PRIMARY KEY (viewer, video)
) STRICT, WITHOUT ROWID;
CREATE INDEX forgotten_entries_by_video ON forgotten_entries (video);
CREATE TABLE forgotten_viewers (
    viewer BLOB    PRIMARY KEY,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE deleted_videos (
    video      BLOB    PRIMARY KEY,
    deleted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE views (
    session    BLOB    PRIMARY KEY,
    video      BLOB    NOT NULL,
    number     INTEGER NOT NULL,
    counted_at INTEGER NOT NULL,
    published  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX views_by_number ON views (video, number);
CREATE INDEX views_unpublished ON views (counted_at) WHERE published = 0;
-- Numbers that were given back when two counted implicit sessions turned out to be one.
CREATE TABLE spare_numbers (
    video  BLOB    NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (video, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE implicit_sessions (
    session       BLOB    PRIMARY KEY,
    video         BLOB    NOT NULL,
    client        TEXT    NOT NULL,
    first_byte_at INTEGER NOT NULL,
    last_byte_at  INTEGER NOT NULL,
    covers_start  INTEGER NOT NULL,
    duration_ms   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX implicit_sessions_by_client ON implicit_sessions (video, client, first_byte_at);
CREATE INDEX implicit_sessions_by_last_byte ON implicit_sessions (last_byte_at);
",
    "
-- Beats that came by a copy: of those whose numbers follow each other only the first and the last
-- are in `beats`, and what was watched between them is told here.
CREATE TABLE beat_runs (
    session    BLOB    NOT NULL,
    first_seq  INTEGER NOT NULL,
    last_seq   INTEGER NOT NULL,
    watched_ms INTEGER NOT NULL,
    PRIMARY KEY (session, first_seq)
) STRICT, WITHOUT ROWID;
",
];
