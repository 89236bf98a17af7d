//! Values that a client keeps for the gateway and cannot change: `<payload>.<HMAC-SHA-256>`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Signs and checks values of one purpose.
#[derive(Clone)]
pub(crate) struct Signer {
    keyed: Hmac<Sha256>,
}

impl Signer {
    /// A key of its own for each purpose is derived from the secret parts, so that a value signed
    /// for one purpose is worth nothing for another.
    pub(crate) fn derive(purpose: &'static str, secrets: &[&[u8]]) -> Self {
        let mut derivation = keyed(purpose.as_bytes());
        for secret in secrets {
            // With its length in front, a secret cannot borrow bytes from the next one.
            derivation.update(&secret.len().to_be_bytes());
            derivation.update(secret);
        }
        Self {
            keyed: keyed(&derivation.finalize().into_bytes()),
        }
    }

    /// The payload with its signature. The payload must not need escaping in a cookie.
    pub(crate) fn sign(&self, payload: &str) -> String {
        let tag = self.tag(payload).finalize().into_bytes();
        format!("{payload}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// The payload, if it was signed with this key; compared in constant time.
    pub(crate) fn verify<'value>(&self, signed: &'value str) -> Option<&'value str> {
        let (payload, tag) = signed.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        self.tag(payload).verify_slice(&tag).ok()?;
        Some(payload)
    }

    fn tag(&self, payload: &str) -> Hmac<Sha256> {
        let mut tag = self.keyed.clone();
        tag.update(payload.as_bytes());
        tag
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Signer(…)")
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_value_is_read_back() {
        let signer = Signer::derive("test", &[b"secret"]);
        let value = signer.sign("payload.with.dots");
        assert_eq!(signer.verify(&value), Some("payload.with.dots"));
    }

    #[test]
    fn a_changed_payload_or_signature_is_refused() {
        let signer = Signer::derive("test", &[b"secret"]);
        let value = signer.sign("a");
        assert_eq!(signer.verify(&value.replacen('a', "b", 1)), None);
        assert_eq!(signer.verify(&value[..value.len() - 2]), None);
        assert_eq!(signer.verify("a"), None);
        assert_eq!(signer.verify("a."), None);
        assert_eq!(signer.verify(""), None);
    }

    #[test]
    fn each_purpose_and_each_secret_has_a_key_of_its_own() {
        let value = Signer::derive("one", &[b"ab", b"c"]).sign("x");
        assert_eq!(Signer::derive("two", &[b"ab", b"c"]).verify(&value), None);
        assert_eq!(Signer::derive("one", &[b"a", b"bc"]).verify(&value), None);
    }
}
