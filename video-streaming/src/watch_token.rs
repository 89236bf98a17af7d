//! Watch sessions as stateless tokens.
//!
//! A token says which session it is, of which viewer and video, and when it started. It is signed
//! with HMAC-SHA256 (RFC 2104), so that every replica which has the key can check a beat without
//! asking anybody. It travels as base64url without padding (RFC 4648 §5) of
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 16, 16, 16 | session, video, viewer |
//! | 8 | start in milliseconds since the epoch, big endian |
//! | 9 | 1 and the duration in milliseconds, or all zero when it is not known |
//! | 32 | the code over all the bytes before |

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use service_kit::secret::Secret;
use sha2::Sha256;
use uuid::Uuid;

/// How long beats are taken for a session after it was opened.
pub(crate) const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

const VERSION: u8 = 1;
const CLAIMS_LENGTH: usize = 1 + 3 * 16 + 8 + 9;
const CODE_LENGTH: usize = 32;

/// Goes into the code before the claims, so that a code made for another purpose with the same
/// key never passes for a watch session.
const PURPOSE: &[u8] = b"flixtube watch session\0";

/// What a viewer does with one video from one press of play on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WatchSession {
    /// Names the session in events.
    pub(crate) session: Uuid,
    /// The video that is watched.
    pub(crate) video: Uuid,
    /// Who watches it.
    pub(crate) viewer: Uuid,
    /// When it was opened, in whole milliseconds.
    pub(crate) started_at: Timestamp,
    /// The video's duration as it was known then.
    pub(crate) duration_ms: Option<u64>,
}

/// Why a token is not taken. The caller learns no more than that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// It has not the form of a token.
    #[error("the watch session is malformed")]
    Malformed,
    /// It was not signed with our key.
    #[error("the watch session is not one of ours")]
    Forged,
    /// It is older than [`LIFETIME`].
    #[error("the watch session has expired")]
    Expired,
}

/// The key that signs watch sessions, the same at every replica.
#[derive(Clone)]
pub(crate) struct SessionKey(Hmac<Sha256>);

impl SessionKey {
    /// The key made of a secret.
    pub(crate) fn new(secret: &Secret) -> Self {
        let mut code = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .expect("HMAC takes keys of every length");
        code.update(PURPOSE);
        Self(code)
    }

    /// The token for a session.
    pub(crate) fn sign(&self, session: &WatchSession) -> String {
        let mut bytes = Vec::with_capacity(CLAIMS_LENGTH + CODE_LENGTH);
        bytes.extend_from_slice(&encode_claims(session));
        let mut code = self.0.clone();
        code.update(&bytes);
        bytes.extend_from_slice(&code.finalize().into_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The session that a token stands for, if it is ours and still good at `now`.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<WatchSession, TokenError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| TokenError::Malformed)?;
        let (claims, code) = bytes
            .split_first_chunk::<CLAIMS_LENGTH>()
            .filter(|(_, code)| code.len() == CODE_LENGTH)
            .ok_or(TokenError::Malformed)?;
        let mut expected = self.0.clone();
        expected.update(claims);
        // Compares in constant time: how much of a forgery is right must not be measurable.
        expected
            .verify_slice(code)
            .map_err(|_| TokenError::Forged)?;
        // Only now are the claims looked at: up to here they may be anybody's.
        let session = decode_claims(claims).ok_or(TokenError::Malformed)?;
        if now.duration_since(session.started_at) > LIFETIME {
            return Err(TokenError::Expired);
        }
        Ok(session)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionKey(…)")
    }
}

fn encode_claims(session: &WatchSession) -> [u8; CLAIMS_LENGTH] {
    let WatchSession {
        session,
        video,
        viewer,
        started_at,
        duration_ms,
    } = session;
    let mut claims = [0; CLAIMS_LENGTH];
    claims[0] = VERSION;
    claims[1..17].copy_from_slice(session.as_bytes());
    claims[17..33].copy_from_slice(video.as_bytes());
    claims[33..49].copy_from_slice(viewer.as_bytes());
    claims[49..57].copy_from_slice(&started_at.as_millisecond().to_be_bytes());
    if let Some(duration_ms) = duration_ms {
        claims[57] = 1;
        claims[58..66].copy_from_slice(&duration_ms.to_be_bytes());
    }
    claims
}

fn decode_claims(claims: &[u8; CLAIMS_LENGTH]) -> Option<WatchSession> {
    let (&version, rest) = claims.split_first()?;
    if version != VERSION {
        return None;
    }
    let (&session, rest) = rest.split_first_chunk::<16>()?;
    let (&video, rest) = rest.split_first_chunk::<16>()?;
    let (&viewer, rest) = rest.split_first_chunk::<16>()?;
    let (&started_at, rest) = rest.split_first_chunk::<8>()?;
    let (&known, rest) = rest.split_first()?;
    let (&duration_ms, _) = rest.split_first_chunk::<8>()?;
    Some(WatchSession {
        session: Uuid::from_bytes(session),
        video: Uuid::from_bytes(video),
        viewer: Uuid::from_bytes(viewer),
        started_at: Timestamp::from_millisecond(i64::from_be_bytes(started_at)).ok()?,
        duration_ms: (known == 1).then(|| u64::from_be_bytes(duration_ms)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn started_at() -> Timestamp {
        Timestamp::from_millisecond(1_780_000_000_123).unwrap()
    }

    fn a_session() -> WatchSession {
        WatchSession {
            session: Uuid::from_u128(1),
            video: Uuid::from_u128(2),
            viewer: Uuid::from_u128(3),
            started_at: started_at(),
            duration_ms: Some(61_234),
        }
    }

    fn any_session() -> impl Strategy<Value = WatchSession> {
        (
            any::<[u128; 3]>(),
            0_i64..4_000_000_000_000,
            any::<Option<u64>>(),
        )
            .prop_map(
                |([session, video, viewer], started_at, duration_ms)| WatchSession {
                    session: Uuid::from_u128(session),
                    video: Uuid::from_u128(video),
                    viewer: Uuid::from_u128(viewer),
                    started_at: Timestamp::from_millisecond(started_at).unwrap(),
                    duration_ms,
                },
            )
    }

    #[test]
    fn a_token_is_good_for_24_hours_and_no_longer() {
        let key = SessionKey::new(&Secret::random());
        let token = key.sign(&a_session());
        let last = started_at() + LIFETIME;
        assert_eq!(key.verify(&token, last), Ok(a_session()));
        let later = last + SignedDuration::from_millis(1);
        assert_eq!(key.verify(&token, later), Err(TokenError::Expired));
    }

    #[test]
    fn a_token_signed_with_another_key_is_forged() {
        let token = SessionKey::new(&Secret::random()).sign(&a_session());
        let key = SessionKey::new(&Secret::random());
        assert_eq!(key.verify(&token, started_at()), Err(TokenError::Forged));
    }

    #[test]
    fn a_token_of_an_unknown_version_is_refused_even_when_it_is_ours() {
        let key = SessionKey::new(&Secret::random());
        let mut bytes = encode_claims(&a_session()).to_vec();
        bytes[0] = 2;
        let mut code = key.0.clone();
        code.update(&bytes);
        bytes.extend_from_slice(&code.finalize().into_bytes());
        let token = URL_SAFE_NO_PAD.encode(bytes);
        assert_eq!(key.verify(&token, started_at()), Err(TokenError::Malformed));
    }

    #[test]
    fn the_key_is_not_shown() {
        let key = SessionKey::new(&Secret::random());
        assert_eq!(format!("{key:?}"), "SessionKey(…)");
    }

    proptest! {
        #[test]
        fn what_was_signed_comes_back(session in any_session()) {
            let key = SessionKey::new(&Secret::random());
            let token = key.sign(&session);
            prop_assert_eq!(key.verify(&token, session.started_at), Ok(session));
        }

        #[test]
        fn a_token_with_any_character_changed_is_refused(
            session in any_session(),
            place in any::<prop::sample::Index>(),
            replacement in "[A-Za-z0-9_-]",
        ) {
            let key = SessionKey::new(&Secret::random());
            let token = key.sign(&session);
            let place = place.index(token.len());
            let mut changed = token.clone();
            changed.replace_range(place..=place, &replacement);
            prop_assume!(changed != token);
            prop_assert!(key.verify(&changed, session.started_at).is_err());
        }

        #[test]
        fn a_token_that_is_cut_or_grown_is_refused(
            session in any_session(),
            kept in any::<prop::sample::Index>(),
            added in "[A-Za-z0-9_=-]{1,80}",
        ) {
            let key = SessionKey::new(&Secret::random());
            let token = key.sign(&session);
            let cut = &token[..kept.index(token.len())];
            prop_assert!(key.verify(cut, session.started_at).is_err());
            let grown = format!("{token}{added}");
            prop_assert!(key.verify(&grown, session.started_at).is_err());
        }

        #[test]
        fn no_text_at_all_is_taken_for_a_token(text in any::<String>()) {
            let key = SessionKey::new(&Secret::random());
            prop_assert!(key.verify(&text, started_at()).is_err());
        }
    }
}
