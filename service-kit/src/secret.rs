//! Random keys that outlive a restart.

use std::fmt;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rand::TryRng as _;
use rand::rngs::SysRng;

/// A key of 256 random bits.
#[derive(Clone)]
pub struct Secret([u8; 32]);

/// Why a key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file could not be read or made.
    #[error("cannot read or make the key file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} holds no key of 64 hexadecimal digits; restore it, or remove it to make a new key", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner may read the file.
    #[error("{} can be read by others than its owner; `chmod 600` mends that", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
}

/// Says why a text is no key.
#[derive(Debug, thiserror::Error)]
#[error("a key has 64 hexadecimal digits; `openssl rand -hex 32` makes one")]
pub struct InvalidSecret;

/// Bytes from the operating system's random source.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SysRng
        .try_fill_bytes(&mut bytes)
        .expect("the operating system gives random bytes");
    bytes
}

impl Secret {
    /// A new key.
    pub fn random() -> Self {
        Self(random_bytes())
    }

    /// The key as bytes, for a MAC.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the key from a file, which is made on the first start: readable by its owner only,
    /// whole or not at all, and on disk before the key is used.
    pub async fn load_or_create(path: impl Into<PathBuf>) -> Result<Self, SecretError> {
        let path = path.into();
        tokio::task::spawn_blocking(move || match load(&path) {
            Err(SecretError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                create(&path).map_err(|source| SecretError::File {
                    path: path.clone(),
                    source,
                })?;
                // Read back: when two processes start at once, both use the one that was first.
                load(&path)
            }
            loaded => loaded,
        })
        .await
        .expect("reading a key does not panic")
    }

    fn to_hex(&self) -> String {
        use std::fmt::Write as _;
        let mut hex = String::with_capacity(64);
        for byte in self.0 {
            write!(hex, "{byte:02x}").expect("writing to a string does not fail");
        }
        hex
    }
}

impl FromStr for Secret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(InvalidSecret);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| InvalidSecret)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| InvalidSecret)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a key comes from.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// This file, which is made when it is not there.
    File(PathBuf),
    /// It is known already.
    Known(Secret),
}

impl SecretSource {
    /// The key, read from its file or made there if it is not known.
    pub async fn load(&self) -> Result<Secret, SecretError> {
        match self {
            Self::File(path) => Secret::load_or_create(path).await,
            Self::Known(secret) => Ok(secret.clone()),
        }
    }
}

impl FromStr for SecretSource {
    type Err = std::convert::Infallible;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        Ok(Self::File(path.into()))
    }
}

fn load(path: &Path) -> Result<Secret, SecretError> {
    let failed = |source| SecretError::File {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::metadata(path).map_err(failed)?;
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let user = rustix::process::geteuid().as_raw();
    if !is_private(file.mode(), file.uid(), user) {
        return Err(SecretError::Exposed {
            path: path.to_owned(),
        });
    }
    text.trim().parse().map_err(|_| SecretError::Malformed {
        path: path.to_owned(),
    })
}

/// Whether nobody but this user and root can come by what is in a file.
///
/// The group may read a file that belongs to root: so an orchestrator mounts secrets for a process
/// that is not root, under a group that only this process has (Kubernetes: `fsGroup`).
fn is_private(mode: u32, owner: u32, user: u32) -> bool {
    let mounted_by_root = owner == 0 && user != 0;
    let of_others = if mounted_by_root { 0o037 } else { 0o077 };
    mode & of_others == 0
}

fn create(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let draft = folder.join(format!(
        ".{}.{}",
        path.file_name().unwrap_or_default().to_string_lossy(),
        u64::from_ne_bytes(random_bytes())
    ));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    writeln!(file, "{}", Secret::random().to_hex())?;
    file.sync_all()?;
    // A link fails where the name is taken, so that the first of two processes wins.
    let linked = match std::fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    };
    std::fs::remove_file(&draft)?;
    linked?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn a_key_outlives_a_restart_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets/some.key");
        let first = Secret::load_or_create(&path).await.unwrap();
        let second = Secret::load_or_create(&path).await.unwrap();
        assert_eq!(first.as_bytes(), second.as_bytes());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.key");
        Secret::load_or_create(&path).await.unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = Secret::load_or_create(&path).await.unwrap_err();
        assert!(matches!(error, SecretError::Exposed { .. }));
    }

    #[test]
    fn only_a_file_of_roots_may_be_read_by_a_group_and_never_by_root_itself() {
        for (mode, owner, user, expected) in [
            (0o100_600, 1000, 1000, true),
            (0o100_640, 1000, 1000, false),
            (0o100_440, 0, 65_532, true),
            (0o100_640, 0, 65_532, true),
            (0o100_660, 0, 65_532, false),
            (0o100_444, 0, 65_532, false),
            (0o100_640, 0, 0, false),
        ] {
            assert_eq!(is_private(mode, owner, user), expected, "{mode:o}");
        }
    }

    #[tokio::test]
    async fn a_damaged_key_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.key");
        std::fs::write(&path, "half a k").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let error = Secret::load_or_create(&path).await.unwrap_err();
        assert!(matches!(error, SecretError::Malformed { .. }));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "half a k");
    }
}
