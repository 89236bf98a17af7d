//! How often one client may ask.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use super::Refusal;

/// A token bucket per client: a minute's worth at once, and then at that pace.
///
/// Clients are kept apart by a hash of 16 bits, so that however many addresses come, no more than
/// 65,536 buckets are kept. Two clients that share one share its tokens; which ones do is random
/// and cannot be aimed at.
#[derive(Debug)]
pub(super) struct RateLimit {
    buckets: RateLimiter<u16, HashMapStateStore<u16>, DefaultClock>,
    clock: DefaultClock,
    hasher: RandomState,
}

impl RateLimit {
    pub(super) fn per_minute(requests: NonZeroU32) -> Self {
        Self {
            buckets: RateLimiter::hashmap(Quota::per_minute(requests)),
            clock: DefaultClock::default(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        self.buckets
            .check_key(&self.bucket(address))
            .map_err(|not_until| Refusal::TooOften {
                wait: not_until.wait_time_from(self.clock.now()),
            })
    }

    fn bucket(&self, address: IpAddr) -> u16 {
        let hash = match address.to_canonical() {
            IpAddr::V4(address) => self.hasher.hash_one(address),
            // A household gets a /64 at least, and every machine in it as many addresses as it
            // likes.
            IpAddr::V6(address) => self.hasher.hash_one(address.to_bits() >> 64),
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any 16 bits of the hash do"
        )]
        let bucket = hash as u16;
        bucket
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limit(requests: u32) -> RateLimit {
        RateLimit::per_minute(NonZeroU32::new(requests).unwrap())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_requests_of_a_minute_may_come_at_once_and_the_next_one_is_too_much() {
        let limit = limit(3);
        for _ in 0..3 {
            assert!(limit.check(address("192.0.2.1")).is_ok());
        }
        let refusal = limit.check(address("192.0.2.1")).unwrap_err();
        assert!(
            matches!(refusal, Refusal::TooOften { wait } if wait > Duration::from_secs(10)),
            "{refusal:?}"
        );
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_count_as_one_client() {
        let limit = limit(1);
        let one = limit.bucket(address("2001:db8:1:2::1"));
        assert_eq!(one, limit.bucket(address("2001:db8:1:2:ffff::9")));
        assert!(
            (0..64)
                .any(|network| limit.bucket(address(&format!("2001:db8:1:{network:x}::1"))) != one)
        );
    }

    #[test]
    fn an_ipv4_address_on_an_ipv6_socket_is_the_same_client() {
        let limit = limit(1);
        assert_eq!(
            limit.bucket(address("192.0.2.1")),
            limit.bucket(address("::ffff:192.0.2.1"))
        );
    }
}
