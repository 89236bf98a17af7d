//! For which host a request is meant. A page of another site can make a browser resolve its own
//! name to this address (DNS rebinding); that request then carries the foreign name.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

use super::Refusal;

/// The host and port that a client names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// In lower case; an IPv6 address keeps its brackets.
    pub(super) name: String,
    pub(super) port: Option<u16>,
}

impl Host {
    /// Exactly one well-formed `Host` (RFC 9112, 3.2), which an absolute request target repeats.
    pub(super) fn of(target: &Uri, headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut lines = headers.get_all(HOST).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err(Refusal::MalformedHost);
        };
        let host = line
            .to_str()
            .ok()
            .and_then(Self::parse)
            .ok_or(Refusal::MalformedHost)?;
        match target.authority() {
            Some(authority) if Self::parse(authority.as_str()).as_ref() != Some(&host) => {
                Err(Refusal::TwoHosts)
            }
            _ => Ok(host),
        }
    }

    /// `name`, `name:port`, `[IPv6]` or `[IPv6]:port`, and nothing that a URL would allow besides.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.contains('@') {
            return None;
        }
        let authority: Authority = text.parse().ok()?;
        let port = match text.strip_prefix(authority.host())?.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            Some(_) => return None,
            None => None,
        };
        let name = authority.host().to_ascii_lowercase();
        let in_brackets = name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        match in_brackets {
            Some(address) => address.parse::<Ipv6Addr>().ok().map(drop)?,
            None if name.is_empty() || name.contains(['[', ']', ':', '%']) => return None,
            None => {}
        }
        Some(Self { name, port })
    }

    /// Whether the name can only mean this very machine.
    fn is_loopback(&self) -> bool {
        self.name == "localhost"
            || self.name == "[::1]"
            || self
                .name
                .parse()
                .is_ok_and(|address: Ipv4Addr| address.is_loopback())
    }
}

/// The names under which this installation may be called besides the loopback ones.
#[derive(Clone, Debug, Default)]
pub struct PublicHosts(Vec<Host>);

impl PublicHosts {
    /// Whether no name is listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A listed name without a port stands for every port.
    pub(super) fn check(&self, host: &Host) -> Result<(), Refusal> {
        let listed = self.0.iter().any(|listed| {
            listed.name == host.name && (listed.port.is_none() || listed.port == host.port)
        });
        if listed || host.is_loopback() {
            Ok(())
        } else {
            Err(Refusal::ForeignHost)
        }
    }
}

impl FromStr for PublicHosts {
    type Err = MalformedPublicHosts;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        list.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(|entry| Host::parse(entry).ok_or_else(|| MalformedPublicHosts(entry.to_owned())))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// An entry of `PUBLIC_HOSTS` that is no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a host; the hosts are separated by commas, each a name or an address with or \
     without a port, like `videos.example.org` or `192.168.1.5:4000`"
)]
pub struct MalformedPublicHosts(String);

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn verdict(public: &str, host: &str) -> Result<(), Refusal> {
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_str(host).unwrap())]);
        Host::of(&Uri::from_static("/"), &headers)
            .and_then(|host| public.parse::<PublicHosts>().unwrap().check(&host))
    }

    #[test]
    fn loopback_names_are_answered_at_any_port() {
        for host in [
            "localhost",
            "LOCALHOST:4000",
            "127.0.0.1:1",
            "127.8.9.10",
            "[::1]:4000",
            "[::1]",
        ] {
            assert_eq!(verdict("", host), Ok(()), "{host}");
        }
    }

    #[test]
    fn foreign_names_are_misdirected() {
        for host in [
            "example.org",
            "localhost.example.org",
            "localhost.",
            "127.0.0.1.example.org",
            "192.168.1.5:4000",
            "[::2]",
            "0.0.0.0:4000",
            "127.1",
        ] {
            assert_eq!(verdict("", host), Err(Refusal::ForeignHost), "{host}");
        }
    }

    #[test]
    fn listed_names_are_answered_at_their_port_or_at_any() {
        let public = "videos.example.org, tv.local:8080";
        assert_eq!(verdict(public, "Videos.Example.org:4000"), Ok(()));
        assert_eq!(verdict(public, "tv.local:8080"), Ok(()));
        assert!(verdict(public, "tv.local:8081").is_err());
        assert!(verdict(public, "tv.local").is_err());
    }

    #[test]
    fn a_malformed_host_is_a_bad_request() {
        for host in [
            "",
            "user@localhost",
            "localhost:",
            "localhost:99999",
            "localhost:x",
            "a b",
            "[::1",
            "[localhost]",
            "::1",
            "localhost/path",
        ] {
            assert_eq!(verdict("", host), Err(Refusal::MalformedHost), "{host}");
        }
    }

    #[test]
    fn a_missing_or_repeated_or_contradicting_host_is_a_bad_request() {
        let mut headers = HeaderMap::new();
        let target = Uri::from_static("/");
        assert!(Host::of(&target, &headers).is_err());
        headers.append(HOST, HeaderValue::from_static("localhost"));
        assert!(Host::of(&target, &headers).is_ok());
        let elsewhere = Uri::from_static("http://example.org/");
        assert!(Host::of(&elsewhere, &headers).is_err());
        headers.append(HOST, HeaderValue::from_static("localhost"));
        assert!(Host::of(&target, &headers).is_err());
    }

    #[test]
    fn a_malformed_list_names_the_entry_and_what_is_accepted() {
        let error = "ok.example, http://no".parse::<PublicHosts>().unwrap_err();
        assert!(error.to_string().contains("`http://no`"), "{error}");
        assert!(error.to_string().contains("videos.example.org"), "{error}");
    }
}
