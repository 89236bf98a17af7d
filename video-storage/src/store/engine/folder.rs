//! A folder on this machine.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use super::{Built, Engine, OpenError};

const LOCK_FILE: &str = "store.lock";

/// Takes the folder for this process, or, if it takes over, uses it beside the one that has it.
pub(super) fn take(folder: &Path, takes_over: bool) -> Result<Built, OpenError> {
    let unusable = |source| unusable(folder, source);
    std::fs::create_dir_all(folder).map_err(unusable)?;
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join(LOCK_FILE))
        .map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => remove_staged(folder).map_err(unusable)?,
        // What the other one is writing is no leftover.
        Err(TryLockError::WouldBlock) if takes_over => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::InUse {
                folder: folder.to_owned(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(unusable(source)),
    }
    Ok(Built {
        objects: objects(folder)?,
        engine: Engine::File {
            folder: folder.into(),
            lock: Arc::new(lock),
        },
    })
}

/// What is in the folder, without taking it.
pub(super) fn objects(folder: &Path) -> Result<Arc<dyn ObjectStore>, OpenError> {
    std::fs::create_dir_all(folder).map_err(|source| unusable(folder, source))?;
    let objects = LocalFileSystem::new_with_prefix(folder)
        .map_err(OpenError::Engine)?
        // A 201 promises that the video survives a power cut.
        .with_fsync(true);
    Ok(Arc::new(objects))
}

fn unusable(folder: &Path, source: io::Error) -> OpenError {
    OpenError::Folder {
        folder: folder.to_owned(),
        source,
    }
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
        let held = take(folder.path(), false).unwrap();
        let refused = take(folder.path(), false).unwrap_err().to_string();
        assert!(refused.contains("another video-storage is using the folder"));
        drop(held);
        take(folder.path(), false).unwrap();
    }

    #[test]
    fn a_process_that_takes_over_is_alone_once_the_other_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let held = take(folder.path(), false).unwrap();
        let staged = folder.path().join("b#1");
        std::fs::write(&staged, "half").unwrap();
        let next = take(folder.path(), true).unwrap();
        assert!(staged.exists());
        assert!(!next.engine.is_alone());
        drop(held);
        assert!(next.engine.is_alone());
        assert!(take(folder.path(), false).is_err());
    }

    #[test]
    fn what_a_killed_process_was_writing_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let videos = folder.path().join("videos");
        std::fs::create_dir(&videos).unwrap();
        std::fs::write(videos.join("a"), "whole").unwrap();
        std::fs::write(videos.join("b#1"), "half").unwrap();
        take(folder.path(), false).unwrap();
        assert!(videos.join("a").exists());
        assert!(!videos.join("b#1").exists());
    }
}
