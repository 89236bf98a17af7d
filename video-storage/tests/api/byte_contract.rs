use std::time::{Duration, UNIX_EPOCH};

use axum::http::{Method, StatusCode};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use test_support::media::mp4_of;
use test_support::{Ending, RawConnection, TestClient, eventually};
use uuid::Uuid;

use crate::world::{PATIENCE, TOKEN, World, id_of, sha256};

const LENGTH: usize = 300_007;

pub(crate) struct Video {
    world: World,
    path: String,
    bytes: Vec<u8>,
    tag: String,
    modified: String,
}

impl Video {
    async fn new() -> Self {
        Self::of(World::new().await).await
    }

    pub(crate) async fn of(world: World) -> Self {
        let bytes = mp4_of(LENGTH);
        let video = world.uploaded(bytes.clone()).await;
        let uploaded: jiff::Timestamp = video["uploaded_at"].as_str().unwrap().parse().unwrap();
        let seconds = u64::try_from(uploaded.as_second()).unwrap();
        Self {
            path: format!("/videos/{}", id_of(&video)),
            tag: format!("\"{}\"", sha256(&bytes)),
            modified: httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)),
            world,
            bytes,
        }
    }

    fn client(&self) -> TestClient {
        self.world.client()
    }

    fn seconds_after(&self, seconds: i64) -> String {
        let time = httpdate::parse_http_date(&self.modified).unwrap();
        let step = Duration::from_secs(seconds.unsigned_abs());
        httpdate::fmt_http_date(if seconds < 0 {
            time - step
        } else {
            time + step
        })
    }
}

#[tokio::test]
async fn every_case_of_the_table_has_its_status_headers_and_bytes() {
    answers_by_the_table(&Video::new().await).await;
}

#[expect(clippy::too_many_lines, reason = "a table with a line for each case")]
pub(crate) async fn answers_by_the_table(video: &Video) {
    let tag = video.tag.as_str();
    let weak = format!("W/{tag}");
    let list = format!("\"x\", {tag}");
    let (date, earlier, later) = (
        video.modified.as_str(),
        video.seconds_after(-1),
        video.seconds_after(1),
    );
    let all = 0..LENGTH;
    // Headers, status, and the bytes where there are some.
    let table = [
        (vec![], 200, Some(all.clone())),
        (vec![("range", "bytes=0-0")], 206, Some(0..1)),
        (vec![("range", "bytes=0-99")], 206, Some(0..100)),
        (
            vec![("range", "bytes=131071-131073")],
            206,
            Some(131_071..131_074),
        ),
        (vec![("range", "bytes=300000-")], 206, Some(300_000..LENGTH)),
        (vec![("range", "bytes=0-")], 206, Some(all.clone())),
        (
            vec![("range", "bytes=300006-300006")],
            206,
            Some(300_006..LENGTH),
        ),
        (vec![("range", "bytes=-7")], 206, Some(300_000..LENGTH)),
        (vec![("range", "bytes=-9999999")], 206, Some(all.clone())),
        (
            vec![("range", "bytes=5-99999999999999999999")],
            206,
            Some(5..LENGTH),
        ),
        (vec![("range", "bytes=300007-")], 416, None),
        (vec![("range", "bytes=-0")], 416, None),
        (vec![("range", "bytes=99999999999999999999-")], 416, None),
        (vec![("range", "bytes=9-3")], 200, Some(all.clone())),
        (vec![("range", "bytes=0-1,5-6")], 200, Some(all.clone())),
        (vec![("range", "bytes=x")], 200, Some(all.clone())),
        (vec![("range", "chapters=1-2")], 200, Some(all.clone())),
        (vec![("if-match", tag)], 200, Some(all.clone())),
        (vec![("if-match", "*")], 200, Some(all.clone())),
        (
            vec![("if-match", &*list), ("range", "bytes=1-2")],
            206,
            Some(1..3),
        ),
        (vec![("if-match", &*weak)], 412, None),
        (
            vec![("if-match", "\"x\""), ("range", "bytes=1-2")],
            412,
            None,
        ),
        (vec![("if-unmodified-since", date)], 200, Some(all.clone())),
        (vec![("if-unmodified-since", &*earlier)], 412, None),
        (
            vec![("if-match", tag), ("if-unmodified-since", &*earlier)],
            200,
            Some(all.clone()),
        ),
        (vec![("if-none-match", tag)], 304, None),
        (vec![("if-none-match", &*weak)], 304, None),
        (vec![("if-none-match", &*list)], 304, None),
        (
            vec![("if-none-match", "*"), ("range", "bytes=1-2")],
            304,
            None,
        ),
        (vec![("if-none-match", "\"x\"")], 200, Some(all.clone())),
        (vec![("if-modified-since", date)], 304, None),
        (vec![("if-modified-since", &*later)], 304, None),
        (
            vec![("if-modified-since", &*earlier)],
            200,
            Some(all.clone()),
        ),
        (
            vec![("if-none-match", "\"x\""), ("if-modified-since", date)],
            200,
            Some(all.clone()),
        ),
        (
            vec![("if-range", tag), ("range", "bytes=1-2")],
            206,
            Some(1..3),
        ),
        (
            vec![("if-range", date), ("range", "bytes=1-2")],
            206,
            Some(1..3),
        ),
        (
            vec![("if-range", &*weak), ("range", "bytes=1-2")],
            200,
            Some(all.clone()),
        ),
        (
            vec![("if-range", &*later), ("range", "bytes=1-2")],
            200,
            Some(all.clone()),
        ),
        (
            vec![("if-range", "\"x\""), ("range", "bytes=-0")],
            200,
            Some(all.clone()),
        ),
    ];
    for (headers, status, bytes) in table {
        let mut request = video.client().get(&video.path);
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let answer = request.await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}");
        if status < 400 {
            assert_eq!(answer.header("etag"), Some(tag), "{headers:?}");
            assert_eq!(answer.header("last-modified"), Some(date), "{headers:?}");
            assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
        }
        if status == 416 {
            assert_eq!(answer.header("content-range"), Some("bytes */300007"));
        }
        if let Some(range) = bytes {
            assert!(answer.body == video.bytes[range.clone()], "{headers:?}");
            assert_eq!(answer.header("accept-ranges"), Some("bytes"));
            assert_eq!(answer.header("content-type"), Some("video/mp4"));
            let length = range.len().to_string();
            assert_eq!(answer.header("content-length"), Some(&*length));
            let part = format!("bytes {}-{}/{LENGTH}", range.start, range.end - 1);
            let expected = (status == 206).then_some(&*part);
            assert_eq!(answer.header("content-range"), expected, "{headers:?}");
        } else if status == 304 {
            assert!(answer.body.is_empty());
        }
    }
}

#[tokio::test]
async fn head_answers_the_headers_of_a_get_without_range() {
    let video = Video::new().await;
    let get = video.client().get(&video.path).await.expect(StatusCode::OK);
    for range in ["bytes=0-9", "bytes=99999999-", "bytes=-0"] {
        let head = video
            .client()
            .head(&video.path)
            .header("range", range)
            .await;
        let mut head = head.expect(StatusCode::OK);
        assert!(head.body.is_empty());
        let mut expected = get.headers.clone();
        for headers in [&mut head.headers, &mut expected] {
            headers.remove("date");
        }
        assert_eq!(head.headers, expected);
    }
    let head = video
        .client()
        .head(&video.path)
        .header("if-none-match", &video.tag);
    head.await.expect(StatusCode::NOT_MODIFIED);
    let head = video.client().head(&video.path).header("if-match", "\"x\"");
    head.await.expect(StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn lines_of_a_list_are_combined() {
    let video = Video::new().await;
    let mut raw = video.world.raw().await;
    raw.write(format!(
        "GET {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
         if-none-match: \"x\"\r\nif-none-match: {}\r\nconnection: close\r\n\r\n",
        video.path, video.tag
    ))
    .await;
    assert!(raw.read_head().await.starts_with("HTTP/1.1 304"));
}

#[tokio::test]
async fn an_id_that_names_nothing_is_not_found_whatever_its_form() {
    let video = Video::new().await;
    let upper = video.path.replacen("/videos/", "", 1).to_uppercase();
    for id in [
        Uuid::now_v7().to_string(),
        "x".to_owned(),
        "%2e%2e%2frecords".to_owned(),
        "%00".to_owned(),
        "%ff".to_owned(),
        upper,
    ] {
        for method in [Method::GET, Method::HEAD] {
            let answer = video
                .client()
                .request(method, &format!("/videos/{id}"))
                .await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id}");
        }
    }
}

#[test]
fn random_ranges_are_the_bytes_of_the_file() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let video = runtime.block_on(Video::new());
    answers_random_ranges(&runtime, &video, 300);
    runtime.block_on(async { drop(video) });
}

pub(crate) fn answers_random_ranges(runtime: &tokio::runtime::Runtime, video: &Video, cases: u32) {
    let length = LENGTH as u64;
    let ranges = (
        0..length + 1_000,
        prop_oneof![0..20_u64, 0..length + 1_000],
        0..3_u8,
    );
    let mut runner = TestRunner::new(Cases::with_cases(cases));
    let outcome = runner.run(&ranges, |(first, more, form)| {
        let last = first + more;
        let (range, expected) = match form {
            0 => (
                format!("bytes={first}-{last}"),
                first..(last + 1).min(length),
            ),
            1 => (format!("bytes={first}-"), first..length),
            _ => (
                format!("bytes=-{first}"),
                length.saturating_sub(first)..length,
            ),
        };
        let request = video.client().get(&video.path).header("range", &range);
        let answer = runtime.block_on(request.into_future());
        let expected = usize::try_from(expected.start)?..usize::try_from(expected.end)?;
        if expected.start >= expected.end {
            prop_assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE);
        } else {
            prop_assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
            prop_assert!(answer.body == video.bytes[expected], "{}", range);
        }
        Ok(())
    });
    outcome.unwrap();
}

pub(crate) async fn slow_reader(world: &World, path: &str) -> RawConnection {
    let mut reader = RawConnection::open_with_small_window(world.address()).await;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    reader.write(request).await;
    assert!(reader.read_head().await.starts_with("HTTP/1.1 200"));
    reader
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_the_read() {
    let world = World::new().await;
    let id = id_of(&world.uploaded(mp4_of(40_000_000)).await);
    let mut readers = Vec::new();
    for _ in 0..5 {
        let mut reader = slow_reader(&world, &format!("/videos/{id}")).await;
        reader.read_exactly(1_000).await;
        readers.push(reader);
    }
    let file = format!("videos/{id}");
    assert_eq!(world.open_handles(&file), 5);
    readers.into_iter().for_each(RawConnection::reset);
    eventually(PATIENCE, || async {
        (world.open_handles(&file) == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_body_that_the_store_does_not_finish_is_aborted_and_never_looks_complete() {
    let world = World::new().await;
    let id = id_of(&world.uploaded(mp4_of(40_000_000)).await);
    let mut reader = slow_reader(&world, &format!("/videos/{id}")).await;
    reader.read_exactly(1_000).await;
    let file = std::fs::File::options()
        .write(true)
        .open(world.store().join(format!("videos/{id}")))
        .unwrap();
    file.set_len(30_000_000).unwrap();
    let (rest, ending) = reader.read_to_end().await;
    assert!(rest.len() < 30_000_000, "{}", rest.len());
    assert!(matches!(ending, Ending::Closed | Ending::Reset));
}
