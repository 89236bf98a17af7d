//! What lies where below the data folder.
//!
//! One folder holds everything: it may be copied as a backup while nothing runs, and deleted to
//! begin anew.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "flixtube.lock";

/// A data folder that this process alone uses.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

/// Why a folder cannot hold the data.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// It cannot be made or written to.
    #[error("cannot use {} as the data folder", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process uses it.
    #[error(
        "another FlixTube uses the data folder {}; stop it, or give this one its own with --data",
        path.display()
    )]
    Taken {
        /// The folder.
        path: PathBuf,
    },
}

impl DataFolder {
    /// Makes the folder if need be, and takes it for this process; a crash gives it back.
    pub fn take(path: &Path) -> Result<Self, DataFolderError> {
        let unusable = |source| DataFolderError::Unusable {
            path: path.to_owned(),
            source,
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(DataFolderError::Taken {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// Whether a process uses this folder now.
    pub fn is_taken(path: &Path) -> bool {
        let Ok(lock) = File::open(path.join(LOCK_FILE)) else {
            return false;
        };
        // What this takes it gives back at once.
        matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// A path below the folder.
    pub fn join(&self, path: &str) -> PathBuf {
        self.path.join(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_used_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let first = DataFolder::take(&path).unwrap();
        let refused = DataFolder::take(&path).unwrap_err();
        assert!(refused.to_string().contains("--data"), "{refused}");
        assert!(DataFolder::is_taken(&path));
        drop(first);
        assert!(!DataFolder::is_taken(&path));
        DataFolder::take(&path).unwrap();
    }
}
