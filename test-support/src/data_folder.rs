use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A test's own folder, removed with it. When the test panics the folder stays and its path is
/// printed, so that the databases of a failed test can be looked at.
#[derive(Debug)]
pub struct DataFolder {
    folder: Option<TempDir>,
    path: PathBuf,
}

impl DataFolder {
    /// Makes an empty folder below the system's temporary folder.
    ///
    /// # Panics
    /// When the folder cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("flixtube-test-")
            .tempdir()
            .expect("the temporary folder must be writable");
        let path = folder.path().to_owned();
        Self {
            folder: Some(folder),
            path,
        }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path inside the folder; nothing is created.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

impl Default for DataFolder {
    fn default() -> Self {
        Self::new()
    }
}

impl AsRef<Path> for DataFolder {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

impl Drop for DataFolder {
    #[expect(
        clippy::print_stderr,
        reason = "the reader of a failed test needs the path"
    )]
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            let kept = folder.keep();
            eprintln!("the data of the failed test is kept in {}", kept.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_goes_with_its_owner() {
        let folder = DataFolder::new();
        std::fs::write(folder.join("a"), "b").unwrap();
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn the_folder_of_a_test_that_panics_is_kept() {
        let path = std::thread::spawn(|| {
            let folder = DataFolder::new();
            let path = folder.path().to_owned();
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                let _owned = folder;
                panic!("on purpose");
            }));
            assert!(result.is_err());
            path
        })
        .join()
        .unwrap();
        assert!(path.exists());
        std::fs::remove_dir_all(path).unwrap();
    }
}
