//! What the head of an upload must say, checked in a fixed order.

use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use service_kit::problem::Problem;

use crate::idempotency::KeyHash;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TITLE_CHARACTERS: usize = 200;

/// The head of an upload, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UploadRequest {
    pub(crate) title: String,
    pub(crate) declared_length: Option<u64>,
    pub(crate) key: Option<KeyHash>,
}

impl UploadRequest {
    pub(crate) fn check(
        title: Option<String>,
        headers: &HeaderMap,
        max_bytes: u64,
    ) -> Result<Self, Problem> {
        let title = check_title(title)?;
        let key = check_key(headers)?;
        check_type(headers)?;
        let declared_length = check_length(headers, max_bytes)?;
        Ok(Self {
            title,
            declared_length,
            key,
        })
    }
}

fn check_title(title: Option<String>) -> Result<String, Problem> {
    let title = title.ok_or_else(|| {
        Problem::bad_request("The title is missing: add `?title=...` to the address.")
    })?;
    let length = title.chars().count();
    if title.trim().is_empty() || length > TITLE_CHARACTERS || title.chars().any(char::is_control) {
        return Err(Problem::bad_request(format!(
            "A title has 1 to {TITLE_CHARACTERS} characters, not all of them blank and none of them a control character."
        )));
    }
    Ok(title)
}

fn check_key(headers: &HeaderMap) -> Result<Option<KeyHash>, Problem> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    // A second line is refused like a key with a comma and a blank in it, which it is equal to.
    let value = if keys.next().is_some() {
        &b""[..]
    } else {
        key.as_bytes()
    };
    KeyHash::of(value)
        .map(Some)
        .map_err(|error| Problem::bad_request(error.to_string()))
}

/// Clients that set no type themselves, such as curl, would otherwise store forms as videos.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let is_video = types
        .next()
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .and_then(|essence| essence.trim().split_once('/'))
        .is_some_and(|(kind, subtype)| kind.eq_ignore_ascii_case("video") && !subtype.is_empty());
    if is_video && types.next().is_none() {
        return Ok(());
    }
    Err(Problem::unsupported_media_type(
        "The Content-Type must be that of a video. With curl: -H 'Content-Type: video/mp4' --data-binary @FILE, or -T FILE for large ones.",
    ))
}

fn check_length(headers: &HeaderMap, max_bytes: u64) -> Result<Option<u64>, Problem> {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    match length {
        Some(length) if length > max_bytes => Err(too_large(max_bytes)),
        length => Ok(length),
    }
}

pub(super) fn too_large(max_bytes: u64) -> Problem {
    Problem::payload_too_large(format!("A video may have {max_bytes} bytes at most."))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, StatusCode};

    use super::*;

    fn checked(title: Option<&str>, lines: &[(&'static str, &str)]) -> Result<UploadRequest, u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        UploadRequest::check(title.map(str::to_owned), &headers, 1_000)
            .map_err(|problem| problem.status().as_u16())
    }

    const MP4: (&str, &str) = ("content-type", "video/mp4");

    #[test]
    fn a_title_has_1_to_200_characters() {
        for title in ["a", "\u{1F600}", &"\u{e4}".repeat(200), " kept as given "] {
            assert_eq!(checked(Some(title), &[MP4]).unwrap().title, title);
        }
        for title in ["", "  ", "two\nlines", "nul\0", &"x".repeat(201)] {
            assert_eq!(checked(Some(title), &[MP4]), Err(400), "{title:?}");
        }
        assert_eq!(checked(None, &[MP4]), Err(400));
    }

    #[test]
    fn only_video_types_are_taken() {
        for good in [
            "video/mp4",
            "VIDEO/WebM; codecs=\"vp9\"",
            "video/x-unheard-of",
        ] {
            assert!(
                checked(Some("a"), &[("content-type", good)]).is_ok(),
                "{good}"
            );
        }
        for bad in [
            "application/octet-stream",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=video/mp4",
            "video/",
            "video",
            "image/png",
            "",
        ] {
            assert_eq!(
                checked(Some("a"), &[("content-type", bad)]),
                Err(415),
                "{bad}"
            );
        }
        assert_eq!(checked(Some("a"), &[]), Err(415));
        assert_eq!(checked(Some("a"), &[MP4, MP4]), Err(415));
    }

    #[test]
    fn the_type_of_a_refusal_shows_the_flag_for_curl() {
        let refusal = UploadRequest::check(Some("a".into()), &HeaderMap::new(), 1).unwrap_err();
        assert_eq!(refusal.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(refusal.detail().contains("-H 'Content-Type: video/mp4'"));
    }

    #[test]
    fn a_declared_length_is_held_against_the_limit() {
        let exact = checked(Some("a"), &[MP4, ("content-length", "1000")]).unwrap();
        assert_eq!(exact.declared_length, Some(1_000));
        assert_eq!(
            checked(Some("a"), &[MP4, ("content-length", "1001")]),
            Err(413)
        );
        assert_eq!(checked(Some("a"), &[MP4]).unwrap().declared_length, None);
    }

    #[test]
    fn what_is_wrong_first_is_said_first() {
        let long = ("content-length", "1001");
        let text = ("content-type", "text/plain");
        assert_eq!(checked(None, &[text, long]), Err(400));
        assert_eq!(checked(Some("a"), &[text, long]), Err(415));
    }

    #[test]
    fn a_key_is_checked_and_may_be_sent_once() {
        let key = ("idempotency-key", "k-1");
        let found = checked(Some("a"), &[MP4, key]).unwrap().key;
        assert_eq!(found, Some(KeyHash::of(b"k-1").unwrap()));
        assert_eq!(checked(Some("a"), &[MP4, key, key]), Err(400));
        assert_eq!(
            checked(Some("a"), &[MP4, ("idempotency-key", "a b")]),
            Err(400)
        );
    }
}
