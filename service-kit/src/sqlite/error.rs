use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why a database could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The folder of the file cannot be made.
    #[error("cannot make the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be opened.
    #[error("cannot open the database {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The thread that writes cannot be started.
    #[error("cannot start the thread that writes to the database")]
    Thread(#[source] io::Error),
    /// A later release has written this file.
    #[error(
        "the database has schema {found}; this release knows schemas up to {known}: run the later release, or restore a backup of before"
    )]
    Newer {
        /// The file's schema.
        found: usize,
        /// The last schema that this release knows.
        known: usize,
    },
    /// All connections are at work.
    #[error("the database is busy")]
    Busy,
    /// The writer has stopped, or cannot begin a transaction.
    #[error("the database takes no changes")]
    Closed,
    /// The change panicked, and was undone.
    #[error("the change to the database panicked")]
    Panicked,
    /// The commit of a group of changes failed; none of them happened.
    #[error("the change could not be committed: {0}")]
    Commit(String),
    /// A statement failed.
    #[error("a statement failed")]
    Statement(#[from] rusqlite::Error),
}

impl DatabaseError {
    /// Whether the same call may succeed later: the file is locked, the disk full or failing.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Busy | Self::Closed | Self::Commit(_) | Self::Folder { .. } | Self::Thread(_) => {
                true
            }
            Self::Newer { .. } | Self::Panicked => false,
            Self::Open { source, .. } | Self::Statement(source) => matches!(
                source.sqlite_error_code(),
                Some(
                    ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::CannotOpen
                        | ErrorCode::ReadOnly
                        | ErrorCode::FileLockingProtocolFailed
                )
            ),
        }
    }
}
