//! The `Idempotency-Key` of an upload: the same key means the same upload.

use sha2::{Digest as _, Sha256};

use crate::digest::hex;

/// The SHA-256 of a key, in hexadecimal. The key itself is never stored: it is the client's secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyHash(String);

/// Says why a key is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "An Idempotency-Key is sent once and has 1 to 255 visible ASCII characters, such as a UUID."
)]
pub(crate) struct InvalidKey;

impl KeyHash {
    /// Checks and hashes the value of the header.
    pub(crate) fn of(key: &[u8]) -> Result<Self, InvalidKey> {
        if (1..=255).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic) {
            Ok(Self(hex(&Sha256::digest(key))))
        } else {
            Err(InvalidKey)
        }
    }

    pub(crate) fn from_hex(hex: String) -> Self {
        Self(hex)
    }

    pub(crate) fn into_hex(self) -> String {
        self.0
    }

    /// In lower-case hexadecimal.
    pub(crate) fn as_hex(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_few_visible_characters() {
        for good in ["a", "01994f7e-0000-7000-8000-000000000000", "\"quoted\""] {
            assert!(KeyHash::of(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in ["", " ", "two words", "caf\u{e9}", "tab\t", &"x".repeat(256)] {
            assert_eq!(KeyHash::of(bad.as_bytes()), Err(InvalidKey), "{bad}");
        }
        assert!(KeyHash::of("x".repeat(255).as_bytes()).is_ok());
    }

    #[test]
    fn different_keys_have_different_hashes() {
        assert_ne!(KeyHash::of(b"a"), KeyHash::of(b"b"));
        assert_eq!(KeyHash::of(b"a").unwrap().as_hex().len(), 64);
    }
}
