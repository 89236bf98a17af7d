//! The byte contract (RFC 9110), case by case, at the gateway, at `video-streaming` and at
//! `video-storage`.

use http::StatusCode;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use system_tests::{Engines, Rig, on_all_engines};
use test_support::media::mp4_of;
use test_support::{TestClient, TestResponse};
use tokio::runtime::Handle;

const LENGTH: usize = 100_000;

/// What a case expects of the answer.
enum Answer {
    Whole,
    Part(usize, usize),
    NotSatisfiable,
    NotModified,
    PreconditionFailed,
}
use Answer::{NotModified, NotSatisfiable, Part, PreconditionFailed, Whole};

on_all_engines!(
    every_case_of_the_byte_contract_holds_at_every_server_of_bytes,
    what_is_not_there_or_not_allowed_is_a_problem_at_every_server_of_bytes,
    any_range_gives_these_bytes_of_the_file_and_no_others,
);

/// The three services that serve the bytes, and the path of a video at each.
fn servers(rig: &Rig, id: &str) -> Vec<(&'static str, TestClient, String)> {
    vec![
        ("gateway", rig.plain(), format!("/api/videos/{id}/stream")),
        (
            "video-streaming",
            rig.inner(rig.video_streaming),
            format!("/videos/{id}/stream"),
        ),
        (
            "video-storage",
            rig.inner(rig.video_storage),
            format!("/videos/{id}"),
        ),
    ]
}

async fn uploaded(rig: &Rig, bytes: &[u8]) -> String {
    let video = rig.upload_bytes("Bytes", "video/mp4", bytes.to_vec()).await;
    video["id"].as_str().unwrap().to_owned()
}

#[expect(clippy::too_many_lines, reason = "it is one table")]
fn cases(tag: &str, modified: &str) -> Vec<(Vec<(&'static str, String)>, Answer)> {
    let one = |name: &'static str, value: &str| vec![(name, value.to_owned())];
    let range = |value: &str| one("range", value);
    let with = |value: &str, name: &'static str, condition: &str| {
        vec![("range", value.to_owned()), (name, condition.to_owned())]
    };
    let early = "Sun, 06 Nov 1994 08:49:37 GMT";
    let late = "Thu, 01 Jan 2099 00:00:00 GMT";
    let weak = format!("W/{tag}");
    let listed = format!("\"other\", {weak}");
    vec![
        (vec![], Whole),
        // Ranges, §14.
        (range("bytes=0-0"), Part(0, 0)),
        (range("bytes=0-99"), Part(0, 99)),
        (range("bytes=500-"), Part(500, LENGTH - 1)),
        (range("bytes=-1"), Part(LENGTH - 1, LENGTH - 1)),
        (range("bytes=-500"), Part(LENGTH - 500, LENGTH - 1)),
        (range("bytes=-999999"), Part(0, LENGTH - 1)),
        (range("bytes=99990-999999"), Part(99_990, LENGTH - 1)),
        (range("bytes=0-99999"), Part(0, LENGTH - 1)),
        (range("bytes=99999-"), Part(LENGTH - 1, LENGTH - 1)),
        (range("Bytes=0-9"), Part(0, 9)),
        (range("bytes=0-18446744073709551615"), Part(0, LENGTH - 1)),
        (
            range("bytes=0-99999999999999999999999"),
            Part(0, LENGTH - 1),
        ),
        (range("bytes=100000-"), NotSatisfiable),
        (range("bytes=100000-100001"), NotSatisfiable),
        (range("bytes=99999999999999999999999-"), NotSatisfiable),
        (range("bytes=-0"), NotSatisfiable),
        (range("bytes=5-2"), Whole),
        (range("bytes=a-b"), Whole),
        (range("bytes="), Whole),
        (range("bytes=-"), Whole),
        (range("bytes=1"), Whole),
        (range("bytes=+1-2"), Whole),
        (range("bytes=0x1-2"), Whole),
        (range("bytes 0-1"), Whole),
        (range("0-1"), Whole),
        (range("items=0-1"), Whole),
        (range("bytes=0-0,2-3"), Whole),
        (range("bytes=0-0,-1"), Whole),
        // If-Match and If-Unmodified-Since, §13.1.1 and §13.1.4.
        (one("if-match", tag), Whole),
        (one("if-match", "*"), Whole),
        (one("if-match", &format!("\"other\", {tag}")), Whole),
        (one("if-match", "\"other\""), PreconditionFailed),
        (one("if-match", &weak), PreconditionFailed),
        (one("if-unmodified-since", modified), Whole),
        (one("if-unmodified-since", late), Whole),
        (one("if-unmodified-since", early), PreconditionFailed),
        (one("if-unmodified-since", "yesterday"), Whole),
        (
            vec![
                ("if-match", tag.to_owned()),
                ("if-unmodified-since", early.to_owned()),
            ],
            Whole,
        ),
        // If-None-Match and If-Modified-Since, §13.1.2 and §13.1.3.
        (one("if-none-match", tag), NotModified),
        (one("if-none-match", &weak), NotModified),
        (one("if-none-match", &listed), NotModified),
        (one("if-none-match", "*"), NotModified),
        (one("if-none-match", "\"other\""), Whole),
        (one("if-modified-since", modified), NotModified),
        (one("if-modified-since", late), NotModified),
        (one("if-modified-since", early), Whole),
        (one("if-modified-since", "tomorrow"), Whole),
        (
            vec![
                ("if-none-match", "\"other\"".to_owned()),
                ("if-modified-since", late.to_owned()),
            ],
            Whole,
        ),
        // The order, §13.2.2.
        (
            vec![
                ("if-match", "\"other\"".to_owned()),
                ("if-none-match", tag.to_owned()),
            ],
            PreconditionFailed,
        ),
        (
            vec![
                ("if-match", tag.to_owned()),
                ("if-none-match", tag.to_owned()),
            ],
            NotModified,
        ),
        (with("bytes=0-9", "if-none-match", tag), NotModified),
        (
            with("bytes=100000-", "if-match", "\"other\""),
            PreconditionFailed,
        ),
        (with("bytes=0-9", "if-match", tag), Part(0, 9)),
        // If-Range, §13.1.5.
        (with("bytes=0-9", "if-range", tag), Part(0, 9)),
        (with("bytes=0-9", "if-range", &weak), Whole),
        (with("bytes=0-9", "if-range", "\"other\""), Whole),
        (with("bytes=0-9", "if-range", modified), Part(0, 9)),
        (with("bytes=0-9", "if-range", early), Whole),
        (with("bytes=0-9", "if-range", late), Whole),
        (with("bytes=0-9", "if-range", "nonsense"), Whole),
        (with("bytes=100000-", "if-range", "\"other\""), Whole),
        (one("if-range", "\"other\""), Whole),
    ]
}

fn check(answer: &TestResponse, expected: &Answer, file: &[u8], of: &str) {
    let status = answer.status;
    match expected {
        Whole => {
            assert_eq!(status, StatusCode::OK, "{of}");
            assert_eq!(answer.body, file, "{of}");
            assert_eq!(answer.header("content-range"), None, "{of}");
        }
        Part(first, last) => {
            assert_eq!(status, StatusCode::PARTIAL_CONTENT, "{of}");
            assert_eq!(answer.body, file[*first..=*last], "{of}");
            let range = format!("bytes {first}-{last}/{}", file.len());
            assert_eq!(answer.header("content-range"), Some(&*range), "{of}");
        }
        NotSatisfiable => {
            assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE, "{of}");
            let range = format!("bytes */{}", file.len());
            assert_eq!(answer.header("content-range"), Some(&*range), "{of}");
            assert_eq!(answer.problem_kind(), "range-not-satisfiable", "{of}");
        }
        NotModified => {
            assert_eq!(status, StatusCode::NOT_MODIFIED, "{of}");
            assert!(answer.body.is_empty(), "{of}");
        }
        PreconditionFailed => {
            assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{of}");
            assert_eq!(answer.problem_kind(), "precondition-failed", "{of}");
        }
    }
    if matches!(expected, Whole | Part(..)) {
        let length = answer.body.len().to_string();
        assert_eq!(answer.header("content-length"), Some(&*length), "{of}");
        assert_eq!(answer.header("content-type"), Some("video/mp4"), "{of}");
        assert_eq!(answer.header("accept-ranges"), Some("bytes"), "{of}");
    }
    if matches!(expected, Whole | Part(..) | NotModified) {
        assert!(answer.header("etag").is_some(), "{of}");
        assert!(answer.header("last-modified").is_some(), "{of}");
        let cache = answer.header("cache-control");
        assert_eq!(cache, Some("private, no-cache"), "{of}");
    }
    assert_eq!(answer.header("set-cookie"), None, "{of}");
}

async fn every_case_of_the_byte_contract_holds_at_every_server_of_bytes(engines: Engines) {
    let rig = Rig::start(engines).await;
    let file = mp4_of(LENGTH);
    let id = uploaded(&rig, &file).await;
    for (name, client, path) in servers(&rig, &id) {
        let plain = client.get(&path).await.expect(StatusCode::OK);
        let tag = plain.header("etag").unwrap().to_owned();
        let modified = plain.header("last-modified").unwrap().to_owned();
        assert!(tag.len() == 66 && tag.starts_with('"'), "{name}: {tag}");
        for (headers, expected) in cases(&tag, &modified) {
            let of = format!("{name} {headers:?}");
            let ask = |mut request: test_support::TestRequest| {
                for (header, value) in &headers {
                    request = request.header(header, value);
                }
                request
            };
            let answer = ask(client.get(&path)).await;
            check(&answer, &expected, &file, &of);

            // HEAD is a GET without its range and without its bytes.
            let head = ask(client.head(&path)).await;
            assert!(head.body.is_empty(), "HEAD {of}");
            let status = match expected {
                Whole | Part(..) | NotSatisfiable => StatusCode::OK,
                NotModified => StatusCode::NOT_MODIFIED,
                PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            };
            assert_eq!(head.status, status, "HEAD {of}");
            if status == StatusCode::OK {
                let length = LENGTH.to_string();
                assert_eq!(head.header("content-length"), Some(&*length), "HEAD {of}");
                assert_eq!(head.header("etag"), Some(&*tag), "HEAD {of}");
            }
        }
    }
}

async fn what_is_not_there_or_not_allowed_is_a_problem_at_every_server_of_bytes(engines: Engines) {
    let rig = Rig::start(engines).await;
    let id = uploaded(&rig, &mp4_of(LENGTH)).await;
    for (name, client, path) in servers(&rig, &id) {
        for unknown in [
            "00000000-0000-7000-8000-000000000000",
            "42",
            "%2e%2e",
            "x%00y",
        ] {
            let path = path.replace(&id, unknown);
            let answer = client.get(&path).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name} {unknown}");
        }
        let refused = client.put(&path).await;
        assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED, "{name}");
    }
}

/// Any header that looks more or less like a range.
fn ranges() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        0..200_000_u64,
        Just(0),
        Just(99_999),
        Just(100_000),
        any::<u64>()
    ];
    let maybe = proptest::option::of(number);
    (maybe.clone(), maybe).prop_map(|(first, last)| {
        let text = |bound: Option<u64>| bound.map_or_else(String::new, |bound| bound.to_string());
        format!("bytes={}-{}", text(first), text(last))
    })
}

async fn any_range_gives_these_bytes_of_the_file_and_no_others(engines: Engines) {
    let rig = Rig::start(engines).await;
    let file = mp4_of(LENGTH);
    let id = uploaded(&rig, &file).await;
    let path = format!("/api/videos/{id}/stream");
    let client = rig.plain();
    let mut runner = TestRunner::new(Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    });
    let runtime = Handle::current();
    let held = || {
        runner.run(&ranges(), |range| {
            let answer =
                runtime.block_on(async { client.get(&path).header("range", &range).await });
            match answer.status {
                StatusCode::OK => prop_assert_eq!(&answer.body[..], &file[..]),
                StatusCode::PARTIAL_CONTENT => {
                    let told = answer.header("content-range").unwrap();
                    let (span, length) = told["bytes ".len()..].split_once('/').unwrap();
                    let (first, last) = span.split_once('-').unwrap();
                    let (first, last) = (
                        first.parse::<usize>().unwrap(),
                        last.parse::<usize>().unwrap(),
                    );
                    prop_assert_eq!(length, LENGTH.to_string());
                    prop_assert_eq!(&answer.body[..], &file[first..=last]);
                }
                status => prop_assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE),
            }
            Ok(())
        })
    };
    tokio::task::block_in_place(held).unwrap();
}
