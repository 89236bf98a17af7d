//! What differs between the engines, all of it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use super::{StoreError, StoreUrl};

const LOCK_FILE: &str = "store.lock";

/// Writing to a disk gains nothing from larger parts, and uploads hold three each in memory.
const FILE_PART_BYTES: usize = 1024 * 1024;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder is not there and cannot be made, or is not writable.
    #[error("the folder {} for the videos cannot be used", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The lock is held.
    #[error(
        "another video-storage is using the folder {}; a folder serves one process",
        folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The engine refused its settings.
    #[error("the store cannot be opened")]
    Engine(#[source] object_store::Error),
    /// The marker could not be written.
    #[error("the store cannot be written to")]
    Mark(#[source] StoreError),
}

#[derive(Clone, Debug)]
pub(super) enum Engine {
    File {
        folder: Arc<Path>,
        /// Held until the service has stopped writing; the system drops it with the process.
        lock: Arc<File>,
    },
    #[cfg(test)]
    Other,
}

pub(super) async fn open(url: &StoreUrl) -> Result<(Arc<dyn ObjectStore>, Engine), OpenError> {
    match url {
        StoreUrl::File(folder) => {
            let folder = folder.clone();
            let opened = tokio::task::spawn_blocking(move || open_folder(&folder)).await;
            // The blocking task is not cancelled, so it can only have panicked.
            opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
        }
    }
}

fn open_folder(folder: &Path) -> Result<(Arc<dyn ObjectStore>, Engine), OpenError> {
    let unusable = |source| OpenError::Folder {
        folder: folder.to_owned(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(unusable)?;
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join(LOCK_FILE))
        .map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::InUse {
                folder: folder.to_owned(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(unusable(source)),
    }
    remove_staged(folder).map_err(unusable)?;
    let objects = LocalFileSystem::new_with_prefix(folder)
        .map_err(OpenError::Engine)?
        // A 201 promises that the video survives a power cut.
        .with_fsync(true);
    let engine = Engine::File {
        folder: folder.into(),
        lock: Arc::new(lock),
    };
    Ok((Arc::new(objects), engine))
}

/// Removes what writes of a process that was killed have left: the engine writes to `NAME#N` and
/// renames. The lock is held, so nobody is writing now.
fn remove_staged(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_staged(&entry.path())?;
        } else if entry.file_name().to_str().is_some_and(is_staged) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn is_staged(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, number)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

impl Engine {
    pub(super) fn release(&self) {
        match self {
            Self::File { folder, lock } => {
                if let Err(error) = lock.unlock() {
                    let folder = folder.display();
                    tracing::warn!(%folder, %error, "the lock of the store is held until the end");
                }
            }
            #[cfg(test)]
            Self::Other => {}
        }
    }

    pub(super) fn part_bytes(&self) -> usize {
        match self {
            Self::File { .. } => FILE_PART_BYTES,
            #[cfg(test)]
            Self::Other => FILE_PART_BYTES,
        }
    }

    pub(super) async fn available_bytes(&self) -> Option<u64> {
        match self {
            Self::File { folder, .. } => {
                let folder = Arc::clone(folder);
                let asked = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&*folder));
                let found = asked.await.ok()?.ok()?;
                Some(found.f_bavail.saturating_mul(found.f_frsize))
            }
            #[cfg(test)]
            Self::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_engines_own_names_are_staged_ones() {
        for (name, expected) in [
            ("0199-aa#1", true),
            ("0199-aa.json#12", true),
            ("0199-aa", false),
            ("0199-aa#", false),
            ("0199#aa", false),
        ] {
            assert_eq!(is_staged(name), expected, "{name}");
        }
    }

    #[test]
    fn a_folder_serves_one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let held = open_folder(folder.path()).unwrap();
        let refused = open_folder(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("another video-storage is using the folder"));
        drop(held);
        open_folder(folder.path()).unwrap();
    }

    #[test]
    fn what_a_killed_process_was_writing_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let videos = folder.path().join("videos");
        std::fs::create_dir(&videos).unwrap();
        std::fs::write(videos.join("a"), "whole").unwrap();
        std::fs::write(videos.join("b#1"), "half").unwrap();
        open_folder(folder.path()).unwrap();
        assert!(videos.join("a").exists());
        assert!(!videos.join("b#1").exists());
    }
}
