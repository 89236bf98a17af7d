//! The tables and every statement that is run on them, in one place: the test below reads the plan
//! of each one.

/// The versions of the schema; each step is run once, in order.
///
/// A video has its terms in a table of their own that is ordered by time within each term, so that
/// the newest matches of a word are the first rows of a range. `words` keeps the words that the
/// terms were made of: what has to be removed later is known even if folding should change, and a
/// word that is longer than any term can be compared. It stands last in the row because lists do
/// not read it.
pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE videos (
        id           BLOB    NOT NULL PRIMARY KEY,
        uploaded_at  INTEGER NOT NULL,
        views        INTEGER NOT NULL,
        title_key    TEXT    NOT NULL,
        title        TEXT    NOT NULL,
        content_type TEXT    NOT NULL,
        size_bytes   INTEGER NOT NULL,
        etag         TEXT    NOT NULL,
        duration_ms  INTEGER,
        width        INTEGER,
        height       INTEGER,
        poster       TEXT,
        tags         TEXT    NOT NULL,
        description  TEXT    NOT NULL,
        words        TEXT    NOT NULL
    ) STRICT;
    CREATE INDEX videos_by_upload ON videos (uploaded_at, id);
    CREATE INDEX videos_by_title  ON videos (title_key, id);
    CREATE INDEX videos_by_views  ON videos (views, id);

    CREATE TABLE terms (
        term        TEXT    NOT NULL,
        uploaded_at INTEGER NOT NULL,
        id          BLOB    NOT NULL,
        PRIMARY KEY (term, uploaded_at DESC, id DESC)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE awaited_views (
        id     BLOB    NOT NULL PRIMARY KEY,
        number INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE tombstones (
        id         BLOB    NOT NULL PRIMARY KEY,
        deleted_at INTEGER NOT NULL,
        confirmed  INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX tombstones_by_confirmation ON tombstones (confirmed, deleted_at, id);
"];

/// Declares the statements as constants, and all of them once more for the test of their plans.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)+) => {
        $($(#[$doc])* pub(super) const $name: &str = $sql;)+

        #[cfg(test)]
        const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),+];
    };
}

/// A statement that reads whole videos, in the order of [`VideoRow`](super::rows::VideoRow).
macro_rules! select_videos {
    ($rest:literal) => {
        concat!(
            "SELECT id, uploaded_at, views, title, content_type, size_bytes, etag, duration_ms, \
             width, height, poster, tags, description FROM videos ",
            $rest
        )
    };
}

statements! {
    FIND_VIDEO = select_videos!("WHERE id = ?1");

    // Each list begins after a place; the first page begins after one that no video can have.
    // So there is one plan per order, and none that reads from the start.
    LIST_NEWEST = select_videos!(
        "WHERE (uploaded_at, id) < (?1, ?2) ORDER BY uploaded_at DESC, id DESC LIMIT ?3"
    );
    LIST_BY_TITLE = select_videos!(
        "WHERE (title_key, id) > (?1, ?2) ORDER BY title_key, id LIMIT ?3"
    );
    LIST_BY_VIEWS = select_videos!(
        "WHERE (views, id) < (?1, ?2) ORDER BY views DESC, id DESC LIMIT ?3"
    );

    COUNT_TERM =
        "SELECT count(*) FROM (SELECT 1 FROM terms \
         WHERE term = ?1 AND (uploaded_at, id) <= (?2, ?3) LIMIT ?4)";
    WALK_TERM =
        "SELECT uploaded_at, id FROM terms \
         WHERE term = ?1 AND (uploaded_at, id) <= (?2, ?3) \
         ORDER BY uploaded_at DESC, id DESC LIMIT ?4";
    HAS_TERM = "SELECT 1 FROM terms WHERE term = ?1 AND uploaded_at = ?2 AND id = ?3";
    FIND_SORT_KEYS = "SELECT title_key, views FROM videos WHERE id = ?1";
    FIND_WORDS = "SELECT words FROM videos WHERE id = ?1";

    INSERT_VIDEO =
        "INSERT INTO videos (id, uploaded_at, views, title_key, title, content_type, size_bytes, \
         etag, duration_ms, width, height, poster, tags, description, words) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    UPDATE_TEXT =
        "UPDATE videos SET title_key = ?2, title = ?3, tags = ?4, description = ?5, words = ?6 \
         WHERE id = ?1";
    UPDATE_POSTER = "UPDATE videos SET poster = ?2 WHERE id = ?1";
    RAISE_VIEWS = "UPDATE videos SET views = ?2 WHERE id = ?1 AND views < ?2";
    DELETE_VIDEO = "DELETE FROM videos WHERE id = ?1 RETURNING uploaded_at, words";
    INSERT_TERM = "INSERT OR IGNORE INTO terms (term, uploaded_at, id) VALUES (?1, ?2, ?3)";
    DELETE_TERM = "DELETE FROM terms WHERE term = ?1 AND uploaded_at = ?2 AND id = ?3";

    AWAIT_VIEWS =
        "INSERT INTO awaited_views (id, number) VALUES (?1, ?2) \
         ON CONFLICT (id) DO UPDATE SET number = max(number, excluded.number)";
    TAKE_AWAITED_VIEWS = "DELETE FROM awaited_views WHERE id = ?1 RETURNING number";

    FIND_TOMBSTONE = "SELECT deleted_at FROM tombstones WHERE id = ?1";
    INSERT_TOMBSTONE = "INSERT INTO tombstones (id, deleted_at) VALUES (?1, ?2)";
    PENDING_TOMBSTONES =
        "SELECT id, deleted_at FROM tombstones WHERE confirmed = 0 \
         ORDER BY deleted_at, id LIMIT ?1";
    STATES_AFTER =
        "SELECT id, 0 FROM videos WHERE id > ?1 UNION ALL \
         SELECT id, 1 FROM tombstones WHERE id > ?1 ORDER BY id LIMIT ?2";
    CONFIRM_TOMBSTONE = "UPDATE tombstones SET confirmed = 1 WHERE id = ?1";

    // For moving the whole catalogue.
    EXPORT_VIDEOS = select_videos!("WHERE id > ?1 ORDER BY id LIMIT ?2");
    EXPORT_AWAITED = "SELECT id, number FROM awaited_views WHERE id > ?1 ORDER BY id LIMIT ?2";
    EXPORT_TOMBSTONES =
        "SELECT id, deleted_at, confirmed FROM tombstones WHERE id > ?1 ORDER BY id LIMIT ?2";
    FIND_AWAITED = "SELECT number FROM awaited_views WHERE id = ?1";
    IS_CONFIRMED = "SELECT confirmed FROM tombstones WHERE id = ?1";
    PUT_TOMBSTONE = "INSERT INTO tombstones (id, deleted_at, confirmed) VALUES (?1, ?2, ?3)";
    DELETE_TOMBSTONE = "DELETE FROM tombstones WHERE id = ?1";
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use rusqlite::types::Null;

    use super::*;

    /// The lines of a plan, which name what is searched, scanned or sorted.
    fn plan(connection: &Connection, sql: &str) -> Vec<String> {
        let mut statement = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let nulls = vec![Null; statement.parameter_count()];
        statement
            .query_map(rusqlite::params_from_iter(nulls), |row| row.get("detail"))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    }

    fn reads_too_much(line: &str) -> bool {
        let scans = line.starts_with("SCAN") && !line.starts_with("SCAN (subquery");
        scans || line.contains("TEMP B-TREE")
    }

    #[test]
    fn no_statement_scans_a_table_or_sorts_rows() {
        let connection = Connection::open_in_memory().unwrap();
        for migration in MIGRATIONS {
            connection.execute_batch(migration).unwrap();
        }
        for (name, sql) in ALL {
            for line in plan(&connection, sql) {
                assert!(!reads_too_much(&line), "{name}: {line}");
            }
        }
    }

    #[test]
    fn the_test_of_the_plans_would_notice_a_scan_and_a_sort() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        for sql in [
            "SELECT id FROM videos WHERE title = ?1",
            "SELECT id FROM videos WHERE id = ?1 ORDER BY title LIMIT 3",
            "SELECT id FROM videos WHERE views < ?1 ORDER BY title",
        ] {
            let noticed = plan(&connection, sql)
                .iter()
                .any(|line| reads_too_much(line));
            assert_eq!(noticed, !sql.contains("id = ?1"), "{sql}");
        }
    }
}
