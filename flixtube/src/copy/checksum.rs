//! A checksum over what a store holds, in the form that its room writes.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// SHA-256 of all that was fed to it, in its order.
#[derive(Clone, Default)]
pub(super) struct Checksum(Sha256);

impl Checksum {
    /// Takes the next part.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

impl PartialEq for Checksum {
    fn eq(&self, other: &Self) -> bool {
        self.0.clone().finalize() == other.0.clone().finalize()
    }
}

impl Eq for Checksum {}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = self.0.clone().finalize();
        digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({self})")
    }
}
