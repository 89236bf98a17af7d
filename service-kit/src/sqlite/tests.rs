use std::sync::Arc;

use super::*;

const SCHEMA: &[&str] = &["CREATE TABLE words (word TEXT PRIMARY KEY) STRICT"];

async fn insert(database: &Database, word: String) -> Result<(), DatabaseError> {
    database
        .write(move |connection| {
            connection.execute("INSERT INTO words VALUES (?1)", [word])?;
            Ok(())
        })
        .await
}

async fn count(database: &Database) -> i64 {
    database
        .read(|connection| {
            connection
                .query_row("SELECT count(*) FROM words", [], |row| row.get(0))
                .map_err(DatabaseError::from)
        })
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_undoes_itself_and_none_of_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("test.db"), SCHEMA)
        .await
        .unwrap();
    let database = Arc::new(database);
    let mut writes = tokio::task::JoinSet::new();
    for number in 0..200 {
        let database = Arc::clone(&database);
        // Every word comes twice, so that half of the changes break the unique key.
        writes.spawn(async move {
            insert(&database, format!("word {}", number / 2))
                .await
                .is_ok()
        });
    }
    let outcomes = writes.join_all().await;
    assert_eq!(outcomes.iter().filter(|done| **done).count(), 100);
    assert_eq!(count(&database).await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("below/test.db");
    let database = Database::open(&path, SCHEMA).await.unwrap();
    insert(&database, "kept".to_owned()).await.unwrap();
    drop(database);
    let database = Database::open(&path, SCHEMA).await.unwrap();
    assert_eq!(count(&database).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_panics_is_undone_and_the_writer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("test.db"), SCHEMA)
        .await
        .unwrap();
    let panicked: Result<(), DatabaseError> = database
        .write(|connection| {
            connection.execute("INSERT INTO words VALUES ('half')", [])?;
            panic!("in the middle of a change")
        })
        .await;
    assert!(matches!(panicked, Err(DatabaseError::Panicked)));
    insert(&database, "whole".to_owned()).await.unwrap();
    assert_eq!(count(&database).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_later_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    Database::open(&path, &["SELECT 1", "SELECT 2"])
        .await
        .unwrap();
    let error = Database::open(&path, SCHEMA).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Newer { found: 2, known: 1 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_panic_or_lose_their_callers_take_no_connection_away() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("test.db"), SCHEMA)
        .await
        .unwrap();
    let mut reads = tokio::task::JoinSet::new();
    for _ in 0..3 * READERS {
        let database = database.clone();
        reads.spawn(async move {
            let read = database.read(|_| -> Result<(), DatabaseError> { panic!("on purpose") });
            read.await
        });
    }
    while let Some(ended) = reads.join_next().await {
        assert!(ended.unwrap_err().is_panic());
    }
    for _ in 0..3 * READERS {
        let (tell, running) = tokio::sync::oneshot::channel();
        let slow = database.read(move |connection| {
            let _ = tell.send(());
            let rows =
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 200000)
                        SELECT max(x) FROM n";
            Ok::<i64, DatabaseError>(connection.query_row(rows, [], |row| row.get(0))?)
        });
        tokio::select! {
            _ = slow => {}
            _ = running => {}
        }
    }
    assert_eq!(count(&database).await, 0);
}
