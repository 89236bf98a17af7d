//! The key files: with them a viewer's old cookie finds its history, a watch session that is open
//! goes on, and a plain player is known again.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use service_kit::secret::Secret;

/// The files. Each service has its own, and a side may hold those of some services only.
const NAMES: [&str; 3] = ["viewer.key", "session.key", "client-hash.key"];

/// Why the keys could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There are none.
    #[error("there is none of the keys viewer.key, session.key and client-hash.key in {}", folder.display())]
    None {
        /// Where they should be.
        folder: PathBuf,
    },
    /// A file is not what it should be.
    #[error("{} holds no key of 64 hexadecimal digits", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The target has another key.
    #[error(
        "{} is another key than the source's; to have the viewers of the source found again, remove \
         it first; to keep it, leave the keys out with --only",
        path.display()
    )]
    Another {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("cannot copy the key {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Which keys there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Those that the target lacks.
    pub(super) new: Vec<&'static str>,
    /// Those that it has.
    pub(super) known: Vec<&'static str>,
}

/// Looks at the keys of both sides; nothing is written.
pub(super) fn check(from: &Path, to: &Path) -> Result<Found, KeyError> {
    let mut found = Found::default();
    for name in NAMES {
        let Some(key) = read(&from.join(name))? else {
            continue;
        };
        match read(&to.join(name))? {
            None => found.new.push(name),
            Some(known) if known.as_bytes() == key.as_bytes() => found.known.push(name),
            Some(_) => {
                return Err(KeyError::Another {
                    path: to.join(name),
                });
            }
        }
    }
    if found == Found::default() {
        return Err(KeyError::None {
            folder: from.to_owned(),
        });
    }
    Ok(found)
}

/// Writes the keys that the target lacks, readable by their owner only.
pub(super) fn copy(from: &Path, to: &Path, found: &Found) -> Result<(), KeyError> {
    for name in &found.new {
        let path = to.join(name);
        let failed = |source| KeyError::File {
            path: path.clone(),
            source,
        };
        let key = std::fs::read(from.join(name)).map_err(failed)?;
        write(to, name, &key).map_err(failed)?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Option<Secret>, KeyError> {
    match std::fs::read_to_string(path) {
        Ok(text) => match text.trim().parse() {
            Ok(key) => Ok(Some(key)),
            Err(_) => Err(KeyError::Malformed {
                path: path.to_owned(),
            }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(KeyError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Whole or not at all, and on disk when it returns.
fn write(folder: &Path, name: &str, key: &[u8]) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let staged = folder.join(format!("{name}.copying"));
    let mut file = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&staged)?;
    file.write_all(key)?;
    file.sync_all()?;
    std::fs::rename(&staged, folder.join(name))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn put(folder: &Path, name: &str, digit: &str) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(name), digit.repeat(64)).unwrap();
    }

    #[test]
    fn keys_are_copied_once_and_only_their_owner_can_read_them() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        put(&from, "viewer.key", "a");
        put(&from, "session.key", "b");
        let found = check(&from, &to).unwrap();
        assert_eq!(found.new, ["viewer.key", "session.key"]);
        assert!(!to.exists(), "looking writes nothing");
        copy(&from, &to, &found).unwrap();
        let copied = to.join("viewer.key");
        assert_eq!(std::fs::read_to_string(&copied).unwrap(), "a".repeat(64));
        let mode = std::fs::metadata(&copied).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let found = check(&from, &to).unwrap();
        assert_eq!((found.new.len(), found.known.len()), (0, 2));
    }

    #[test]
    fn another_key_is_not_overwritten_and_nonsense_is_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        assert!(matches!(check(&from, &to), Err(KeyError::None { .. })));
        put(&from, "viewer.key", "a");
        put(&to, "viewer.key", "c");
        assert!(matches!(check(&from, &to), Err(KeyError::Another { .. })));
        put(&from, "viewer.key", "x");
        assert!(matches!(check(&from, &to), Err(KeyError::Malformed { .. })));
    }
}
