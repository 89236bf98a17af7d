//! Who a plain player is, without keeping its address.

use std::fmt;
use std::fmt::Write as _;
use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use service_kit::secret::Secret;
use sha2::Sha256;

/// A client as events name it: HMAC-SHA256 of its address and user agent. Without the key the
/// address cannot be found by trying them all.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClientHash([u8; 32]);

impl ClientHash {
    /// 64 lower-case hex digits.
    pub(crate) fn to_hex(self) -> String {
        self.0
            .iter()
            .fold(String::with_capacity(64), |mut hex, byte| {
                // Writing to a `String` does not fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            })
    }
}

impl fmt::Debug for ClientHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ClientHash({}…)", &self.to_hex()[..8])
    }
}

/// The key of the hash, the same at every replica: one player that reaches several of them is
/// still one player.
#[derive(Clone)]
pub(crate) struct ClientHashKey(Hmac<Sha256>);

impl ClientHashKey {
    /// The key made of a secret.
    pub(crate) fn new(secret: &Secret) -> Self {
        Self(
            Hmac::<Sha256>::new_from_slice(secret.as_bytes())
                .expect("HMAC takes keys of every length"),
        )
    }

    /// The hash of a client. An IPv4 address in IPv6 clothes is the IPv4 address.
    pub(crate) fn hash(&self, address: IpAddr, user_agent: &[u8]) -> ClientHash {
        let mut code = self.0.clone();
        code.update(address.to_canonical().to_string().as_bytes());
        code.update(&[0]);
        code.update(user_agent);
        ClientHash(code.finalize().into_bytes().into())
    }
}

impl fmt::Debug for ClientHashKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientHashKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(address: &str, user_agent: &str) -> String {
        let secret = "2a".repeat(32).parse().unwrap();
        ClientHashKey::new(&secret)
            .hash(address.parse().unwrap(), user_agent.as_bytes())
            .to_hex()
    }

    #[test]
    fn a_client_is_its_address_and_its_user_agent() {
        assert_eq!(hash("192.0.2.7", "curl/8"), hash("192.0.2.7", "curl/8"));
        assert_ne!(hash("192.0.2.7", "curl/8"), hash("192.0.2.8", "curl/8"));
        assert_ne!(hash("192.0.2.7", "curl/8"), hash("192.0.2.7", "VLC/3"));
        assert_eq!(hash("192.0.2.7", "curl/8").len(), 64);
    }

    #[test]
    fn an_address_is_the_same_in_both_families() {
        assert_eq!(
            hash("::ffff:192.0.2.7", "VLC/3"),
            hash("192.0.2.7", "VLC/3")
        );
    }

    #[test]
    fn another_key_gives_another_hash() {
        let address = "192.0.2.7".parse().unwrap();
        let other = ClientHashKey::new(&Secret::random());
        assert_ne!(
            other.hash(address, b"curl/8").to_hex(),
            hash("192.0.2.7", "curl/8")
        );
    }
}
