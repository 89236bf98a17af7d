//! From whom a request really comes, when reverse proxies stand in front.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::HeaderMap;
use axum::http::header::{FORWARDED, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Where a request comes from, as far as it can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visitor {
    pub(crate) address: IpAddr,
    /// Whether the visitor's own connection is encrypted. This server speaks plain HTTP; only a
    /// trusted proxy can say so.
    pub(crate) over_tls: bool,
}

/// The networks of the proxies whose `Forwarded` headers are believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Each proxy appends the address that it saw. Read from the right, the first one that is no
    /// trusted proxy is the visitor's; what stands left of it the visitor may have made up.
    pub(super) fn visitor(&self, peer: IpAddr, headers: &HeaderMap) -> Visitor {
        let peer = peer.to_canonical();
        let direct = Visitor {
            address: peer,
            over_tls: false,
        };
        if !self.trusts(peer) {
            return direct;
        }
        // A proxy that keeps one of the two headers passes the other on as the visitor sent it.
        // Where both are there and differ, nobody can tell which is which.
        let told = (x_forwarded_hops(headers), forwarded_hops(headers));
        match (self.nearest(told.0), self.nearest(told.1)) {
            (Some(one), Some(other)) if one.address != other.address => direct,
            (Some(one), _) | (None, Some(one)) => one,
            (None, None) => Visitor {
                over_tls: last_proto(headers).is_some_and(is_https),
                ..direct
            },
        }
    }

    /// `hops` run from the nearest to the farthest and end where one cannot be read.
    fn nearest(&self, hops: Vec<Visitor>) -> Option<Visitor> {
        let mut found = None;
        for hop in hops {
            found = Some(hop);
            if !self.trusts(hop.address) {
                break;
            }
        }
        found
    }
}

impl FromStr for TrustedProxies {
    type Err = MalformedProxies;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let network = |entry: &str| {
            let address = entry.parse::<IpAddr>().map(IpNet::from);
            address
                .or_else(|_| entry.parse::<IpNet>())
                .map_err(|_| MalformedProxies(entry.to_owned()))
        };
        list.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(network)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// An entry of `TRUSTED_PROXIES` that is no address or network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither an address nor a network; the entries are separated by commas, each like \
     `10.0.0.7`, `10.0.0.0/8` or `fd00::/8`"
)]
pub struct MalformedProxies(String);

/// The hops that `X-Forwarded-For` and `X-Forwarded-Proto` tell, the nearest first.
fn x_forwarded_hops(headers: &HeaderMap) -> Vec<Visitor> {
    let schemes = elements(headers, &X_FORWARDED_PROTO);
    elements(headers, &X_FORWARDED_FOR)
        .into_iter()
        .rev()
        .enumerate()
        .map_while(|(distance, node)| {
            // Many proxies keep one scheme for the whole chain, some append theirs as well.
            let scheme = schemes.iter().rev().nth(distance).or(schemes.last());
            Some(Visitor {
                address: node_address(node)?,
                over_tls: scheme.copied().is_some_and(is_https),
            })
        })
        .collect()
}

/// The hops that `Forwarded` (RFC 7239) tells, the nearest first.
fn forwarded_hops(headers: &HeaderMap) -> Vec<Visitor> {
    elements(headers, &FORWARDED)
        .into_iter()
        .rev()
        .map_while(|element| {
            let parameter = |name: &str| {
                element
                    .split(';')
                    .filter_map(|pair| pair.split_once('='))
                    .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.trim().trim_matches('"'))
            };
            Some(Visitor {
                address: node_address(parameter("for")?)?,
                over_tls: parameter("proto").is_some_and(is_https),
            })
        })
        .collect()
}

/// The elements of a comma-separated header in their order, over all of its lines. A line that is
/// no text counts as one unreadable element.
fn elements<'request>(headers: &'request HeaderMap, name: &HeaderName) -> Vec<&'request str> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.to_str().unwrap_or_default().split(','))
        .map(str::trim)
        .collect()
}

/// An address as proxies write it: bare, with a port, IPv6 with or without brackets.
fn node_address(node: &str) -> Option<IpAddr> {
    let bare = node.trim_start_matches('[').trim_end_matches(']');
    bare.parse()
        .or_else(|_| node.parse().map(|socket: SocketAddr| socket.ip()))
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

fn last_proto(headers: &HeaderMap) -> Option<&str> {
    elements(headers, &X_FORWARDED_PROTO).pop()
}

fn is_https(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn visitor(peer: &str, headers: &[(&'static str, &'static str)]) -> (String, bool) {
        let proxies: TrustedProxies = "10.0.0.0/8, fd00::1".parse().unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let Visitor { address, over_tls } = proxies.visitor(peer.parse().unwrap(), &map);
        (address.to_string(), over_tls)
    }

    fn expect(address: &str, over_tls: bool) -> (String, bool) {
        (address.to_owned(), over_tls)
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let headers = [
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=203.0.113.9;proto=https"),
        ];
        assert_eq!(visitor("192.0.2.1", &headers), expect("192.0.2.1", false));
    }

    #[test]
    fn a_trusted_proxy_names_the_visitor() {
        for headers in [
            [
                ("x-forwarded-for", "203.0.113.9"),
                ("x-forwarded-proto", "https"),
            ],
            [
                ("x-forwarded-for", "203.0.113.9:5123"),
                ("x-forwarded-proto", "HTTPS"),
            ],
            [
                ("forwarded", "for=203.0.113.9;proto=https"),
                ("x-forwarded-proto", ""),
            ],
            [
                ("forwarded", "Proto=https; For=\"203.0.113.9:80\""),
                ("x-other", ""),
            ],
        ] {
            assert_eq!(
                visitor(PROXY, &headers),
                expect("203.0.113.9", true),
                "{headers:?}"
            );
        }
        let headers = [("forwarded", "for=\"[2001:db8::7]:4711\"")];
        assert_eq!(visitor("fd00::1", &headers), expect("2001:db8::7", false));
    }

    #[test]
    fn the_rightmost_address_that_is_no_trusted_proxy_counts() {
        let made_up = [("x-forwarded-for", "1.1.1.1, 203.0.113.9, 10.0.0.2")];
        assert_eq!(visitor(PROXY, &made_up), expect("203.0.113.9", false));
        let two_lines = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "203.0.113.9"),
        ];
        assert_eq!(visitor(PROXY, &two_lines), expect("203.0.113.9", false));
        let schemes = [
            ("x-forwarded-for", "203.0.113.9, 10.0.0.2"),
            ("x-forwarded-proto", "https, http"),
        ];
        assert_eq!(visitor(PROXY, &schemes), expect("203.0.113.9", true));
    }

    #[test]
    fn an_unreadable_hop_ends_the_chain_at_the_last_known_one() {
        let headers = [("x-forwarded-for", "203.0.113.9, unknown, 10.0.0.2")];
        assert_eq!(visitor(PROXY, &headers), expect("10.0.0.2", false));
        let headers = [("forwarded", "for=203.0.113.9, for=_hidden")];
        assert_eq!(visitor(PROXY, &headers), expect(PROXY, false));
    }

    #[test]
    fn two_headers_that_contradict_one_another_are_both_left_aside() {
        let headers = [
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", "for=203.0.113.10;proto=https"),
        ];
        assert_eq!(visitor(PROXY, &headers), expect(PROXY, false));
    }

    #[test]
    fn a_proxy_that_tells_only_the_scheme_is_believed() {
        let headers = [("x-forwarded-proto", "https")];
        assert_eq!(visitor(PROXY, &headers), expect(PROXY, true));
    }

    #[test]
    fn an_ipv4_address_on_an_ipv6_socket_is_the_same_address() {
        let headers = [("x-forwarded-for", "203.0.113.9")];
        assert_eq!(
            visitor("::ffff:10.0.0.1", &headers),
            expect("203.0.113.9", false)
        );
    }

    #[test]
    fn a_malformed_list_names_the_entry_and_what_is_accepted() {
        let error = "10.0.0.0/33".parse::<TrustedProxies>().unwrap_err();
        assert!(error.to_string().contains("`10.0.0.0/33`"), "{error}");
        assert!(error.to_string().contains("10.0.0.0/8"), "{error}");
    }
}
