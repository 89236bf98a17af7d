//! Who owns this installation: whoever knows the owner's token may write.

mod sign_in_attempts;

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use service_kit::secret::Secret;
use subtle::ConstantTimeEq as _;

use crate::cookie::{self, SameSite, SetCookie};
use crate::signature::Signer;

pub(crate) use self::sign_in_attempts::SignInAttempts;

const COOKIE: &str = "owner";
const SIGNED_IN_FOR: Duration = Duration::from_hours(30 * 24);
const MIN_TOKEN_BYTES: usize = 32;

/// The secret that gives the right to write: at least 32 visible ASCII characters.
#[derive(Clone)]
pub struct OwnerToken(String);

impl OwnerToken {
    /// The token itself, for whoever is to show it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Takes as long for a wrong token as for the right one.
    fn matches(&self, presented: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(presented).into()
    }
}

impl FromStr for OwnerToken {
    type Err = WeakOwnerToken;

    fn from_str(token: &str) -> Result<Self, Self::Err> {
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(WeakOwnerToken::Characters);
        }
        if token.len() < MIN_TOKEN_BYTES {
            return Err(WeakOwnerToken::Short { bytes: token.len() });
        }
        Ok(Self(token.to_owned()))
    }
}

impl std::fmt::Debug for OwnerToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("OwnerToken(…)")
    }
}

/// Why a token is not accepted as the owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakOwnerToken {
    /// It can be guessed.
    #[error("it has {bytes} bytes, but needs at least 32; `openssl rand -hex 32` makes a good one")]
    Short {
        /// How long it is.
        bytes: usize,
    },
    /// It could not be sent in an `Authorization` header.
    #[error("it may hold only visible ASCII characters; `openssl rand -hex 32` makes a good one")]
    Characters,
}

/// Decides who may write, and keeps people signed in.
#[derive(Debug)]
pub(crate) enum Ownership {
    /// No token is set: everybody may write.
    Everybody,
    /// Only who shows the token, or the cookie that was given for it.
    Token { token: OwnerToken, signer: Signer },
}

/// What a sign-in came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SignIn {
    /// The `Set-Cookie` header of a person who is now signed in.
    Welcome(HeaderValue),
    WrongToken,
    /// There is no token here, and so nothing to sign in to.
    NotNeeded,
}

impl Ownership {
    /// The cookies' key comes from both secrets: a new token signs everybody out.
    pub(crate) fn new(token: Option<OwnerToken>, key: &Secret) -> Self {
        match token {
            None => Self::Everybody,
            Some(token) => {
                let signer = Signer::derive("owner cookie", &[key.as_bytes(), token.0.as_bytes()]);
                Self::Token { token, signer }
            }
        }
    }

    /// Whether a token exists, so that signing in is possible.
    pub(crate) fn can_sign_in(&self) -> bool {
        matches!(self, Self::Token { .. })
    }

    /// Whether the request may write.
    pub(crate) fn may_write(&self, headers: &HeaderMap) -> bool {
        !self.can_sign_in() || self.is_signed_in(headers)
    }

    /// Whether the request carries the token or a cookie given for it.
    pub(crate) fn is_signed_in(&self, headers: &HeaderMap) -> bool {
        self.is_signed_in_at(headers, SystemTime::now())
    }

    fn is_signed_in_at(&self, headers: &HeaderMap, now: SystemTime) -> bool {
        let Self::Token { token, signer } = self else {
            return false;
        };
        let bearer = headers
            .get(AUTHORIZATION)
            .is_some_and(|value| bearer_token(value).is_some_and(|shown| token.matches(shown)));
        bearer
            || cookie::values(headers, COOKIE)
                .filter_map(|value| signer.verify(value))
                .filter_map(|expires| expires.parse().ok())
                .any(|expires: u64| unix_seconds(now) < expires)
    }

    /// Signs the bearer of the token in for 30 days.
    pub(crate) fn sign_in(&self, presented: &str, over_tls: bool) -> SignIn {
        self.sign_in_at(presented, over_tls, SystemTime::now())
    }

    fn sign_in_at(&self, presented: &str, over_tls: bool, now: SystemTime) -> SignIn {
        let Self::Token { token, signer } = self else {
            return SignIn::NotNeeded;
        };
        if !token.matches(presented.as_bytes()) {
            return SignIn::WrongToken;
        }
        let expires = unix_seconds(now + SIGNED_IN_FOR);
        SignIn::Welcome(owner_cookie(
            &signer.sign(&expires.to_string()),
            SIGNED_IN_FOR,
            over_tls,
        ))
    }

    /// The `Set-Cookie` header that makes the browser forget the sign-in.
    pub(crate) fn sign_out(over_tls: bool) -> HeaderValue {
        owner_cookie("", Duration::ZERO, over_tls)
    }
}

fn owner_cookie(value: &str, max_age: Duration, over_tls: bool) -> HeaderValue {
    SetCookie {
        name: COOKIE,
        value,
        max_age,
        same_site: SameSite::Strict,
        over_tls,
    }
    .header()
}

/// The token of `Authorization: Bearer <token>`; the scheme's case does not matter (RFC 9110).
fn bearer_token(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

fn unix_seconds(time: SystemTime) -> u64 {
    // A clock before 1970 makes every cookie valid for longer, never for everybody.
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn ownership(token: &str, key: &Secret) -> Ownership {
        Ownership::new(Some(token.parse().unwrap()), key)
    }

    fn with(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    fn signed_in(ownership: &Ownership, now: SystemTime) -> HeaderMap {
        let SignIn::Welcome(cookie) = ownership.sign_in_at(TOKEN, false, now) else {
            panic!("the token is right");
        };
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        with(header::COOKIE, pair)
    }

    #[test]
    fn without_a_token_everybody_may_write_and_nobody_can_sign_in() {
        let ownership = Ownership::new(None, &Secret::random());
        assert!(ownership.may_write(&HeaderMap::new()));
        assert!(!ownership.is_signed_in(&HeaderMap::new()));
        assert_eq!(ownership.sign_in("", false), SignIn::NotNeeded);
    }

    #[test]
    fn with_a_token_only_its_bearer_may_write() {
        let ownership = ownership(TOKEN, &Secret::random());
        assert!(!ownership.may_write(&HeaderMap::new()));
        for accepted in [format!("Bearer {TOKEN}"), format!("bearer {TOKEN}")] {
            assert!(ownership.may_write(&with(AUTHORIZATION, &accepted)));
        }
        for refused in [
            format!("Basic {TOKEN}"),
            TOKEN.to_owned(),
            format!("Bearer {TOKEN}x"),
            "Bearer ".to_owned(),
        ] {
            assert!(
                !ownership.may_write(&with(AUTHORIZATION, &refused)),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_sign_in_lasts_30_days() {
        let ownership = ownership(TOKEN, &Secret::random());
        let now = SystemTime::now();
        let headers = signed_in(&ownership, now);
        let almost = now + SIGNED_IN_FOR - Duration::from_secs(2);
        assert!(ownership.is_signed_in_at(&headers, almost));
        assert!(!ownership.is_signed_in_at(&headers, now + SIGNED_IN_FOR));
    }

    #[test]
    fn a_new_token_signs_everybody_out() {
        let key = Secret::random();
        let headers = signed_in(&ownership(TOKEN, &key), SystemTime::now());
        let changed = ownership("another-token-that-is-long-enough", &key);
        assert!(!changed.is_signed_in(&headers));
    }

    #[test]
    fn a_wrong_token_signs_nobody_in() {
        let ownership = ownership(TOKEN, &Secret::random());
        assert_eq!(ownership.sign_in("guess", false), SignIn::WrongToken);
    }

    #[test]
    fn a_weak_token_is_refused_with_the_way_to_a_good_one() {
        let short = "short".parse::<OwnerToken>().unwrap_err();
        assert!(short.to_string().contains("at least 32"), "{short}");
        let blank = format!("{TOKEN} ").parse::<OwnerToken>().unwrap_err();
        assert!(blank.to_string().contains("visible ASCII"), "{blank}");
    }

    #[test]
    fn a_token_is_not_shown() {
        let token: OwnerToken = TOKEN.parse().unwrap();
        assert_eq!(format!("{token:?}"), "OwnerToken(…)");
    }
}
