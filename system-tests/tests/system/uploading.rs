//! From a file to the catalogue, and what becomes of a file that does not get there.

use http::{Method, StatusCode};
use serde_json::Value;
use system_tests::{Engines, Rig, SOON, on_all_engines};
use test_support::media::{self, FASTSTART, MATROSKA, MOOV_LAST, VIDEOS};
use test_support::{RawConnection, eventually};

on_all_engines!(
    a_video_is_complete_in_the_answer_and_in_the_list_at_once,
    the_same_key_gives_the_same_video_again,
    what_is_no_video_is_refused_and_leaves_nothing,
    an_upload_that_is_broken_off_leaves_nothing,
    an_upload_taken_while_the_catalogue_is_down_is_listed_after_its_return,
    what_is_said_of_a_video_can_be_changed_and_found,
    a_poster_is_kept_replaced_and_served_like_any_bytes,
    every_refusal_of_the_public_api_is_a_problem,
);

async fn titles(rig: &Rig) -> Vec<String> {
    let list = rig.plain().get("/api/videos").await.expect(StatusCode::OK);
    let videos = list.value()["videos"].as_array().unwrap().clone();
    videos
        .iter()
        .map(|video| video["title"].as_str().unwrap().to_owned())
        .collect()
}

async fn a_video_is_complete_in_the_answer_and_in_the_list_at_once(engines: Engines) {
    let rig = Rig::start(engines).await;
    for file in VIDEOS {
        let video = rig.upload(file.name, &file).await;
        assert_eq!(video["title"], file.name);
        assert_eq!(video["content_type"], file.content_type, "{}", file.name);
        assert_eq!(video["size_bytes"], file.bytes.len(), "{}", file.name);
        let duration = video["duration_ms"].as_u64().unwrap();
        assert!(file.is_duration(duration), "{}: {duration} ms", file.name);
        assert_eq!(video["width"], file.width, "{}", file.name);
        assert_eq!(video["height"], file.height, "{}", file.name);
        assert_eq!(video["views"], 0);
        assert_eq!(video["tags"], Value::Array(vec![]));
        assert_eq!(video["description"], "");
        assert_eq!(video["poster_url"], Value::Null);
        // What is listed, what is answered for itself, and what was answered are the same.
        let id = video["id"].as_str().unwrap();
        let client = rig.plain();
        let alone = client.get(&format!("/api/videos/{id}")).await.value();
        assert_eq!(alone, video);
        let listed = client.get("/api/videos").await.value();
        assert_eq!(listed["videos"][0], video);
        let stream = video["stream_url"].as_str().unwrap();
        let bytes = client.get(stream).await.expect(StatusCode::OK);
        assert_eq!(bytes.body, file.bytes, "{}", file.name);
    }
    assert_eq!(titles(&rig).await.len(), VIDEOS.len());
}

async fn the_same_key_gives_the_same_video_again(engines: Engines) {
    let rig = Rig::start(engines).await;
    let upload = || async {
        let request = rig.plain().post("/api/videos?title=Once");
        let request = request.header("idempotency-key", "one-and-the-same");
        let answer = request.body(MOOV_LAST.content_type, MOOV_LAST.bytes).await;
        answer.expect(StatusCode::CREATED)
    };
    let first = upload().await;
    let again = upload().await;
    assert_eq!(first.value(), again.value());
    assert_eq!(first.header("location"), again.header("location"));
    assert_eq!(titles(&rig).await, ["Once"]);
}

async fn what_is_no_video_is_refused_and_leaves_nothing(engines: Engines) {
    let rig = Rig::start(engines).await;
    let upload = |title: &str, content_type: &str, bytes: Vec<u8>| {
        let request = rig.plain().post(&format!("/api/videos?title={title}"));
        request.body(content_type, bytes)
    };
    let rubbish = vec![b'x'; 100_000];
    let half = FASTSTART.bytes[..200].to_vec();
    for (title, content_type, bytes, status) in [
        (
            "T",
            "video/mp4",
            rubbish,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (
            "T",
            "video/mp4",
            media::POSTER_JPEG.to_vec(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        ("T", "video/mp4", half, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (
            "T",
            "text/plain",
            FASTSTART.bytes.to_vec(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (
            "",
            "video/mp4",
            FASTSTART.bytes.to_vec(),
            StatusCode::BAD_REQUEST,
        ),
        (
            &"x".repeat(201),
            "video/mp4",
            FASTSTART.bytes.to_vec(),
            StatusCode::BAD_REQUEST,
        ),
        (
            "T",
            "video/mp4",
            media::mp4_of(65 * 1024 * 1024),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ] {
        upload(title, content_type, bytes).await.expect(status);
    }
    assert!(titles(&rig).await.is_empty());
    assert_eq!(rig.engines().objects_in(["videos"]), [0]);
}

async fn an_upload_that_is_broken_off_leaves_nothing(engines: Engines) {
    let rig = Rig::start(engines).await;
    let whole = media::mp4_of(4 * 1024 * 1024);
    for framing in ["Content-Length: 4194304", "Transfer-Encoding: chunked"] {
        let mut connection = RawConnection::open(rig.gateway).await;
        let head = format!(
            "POST /api/videos?title=Broken HTTP/1.1\r\nHost: localhost\r\nContent-Type: video/mp4\r\n{framing}\r\n\r\n"
        );
        connection.write(head).await;
        let half = &whole[..whole.len() / 2];
        if framing.starts_with("Transfer") {
            connection.write(format!("{:x}\r\n", half.len())).await;
            connection.write(half).await;
            connection.write("\r\n").await;
        } else {
            connection.write(half).await;
        }
        drop(connection);
    }
    // Nothing is left of it in the store, not even of what the store itself stages.
    let empty = || async {
        let left = rig.engines().objects_in(["videos", "records", "intents"]);
        (left == [0, 0, 0]).then_some(())
    };
    eventually(SOON, empty).await;
    assert!(titles(&rig).await.is_empty());
}

async fn an_upload_taken_while_the_catalogue_is_down_is_listed_after_its_return(engines: Engines) {
    let mut rig = Rig::start(engines).await;
    rig.stop("metadata").await;
    let video = rig.upload("Patience", &MATROSKA).await;
    assert_eq!(video["title"], "Patience");
    let list = rig.plain().get("/api/videos").await;
    list.expect(StatusCode::SERVICE_UNAVAILABLE);
    let engines = rig.stop_all().await;
    let rig = Rig::start(engines).await;
    let listed = || async { (titles(&rig).await == ["Patience"]).then_some(()) };
    eventually(SOON, listed).await;
}

async fn what_is_said_of_a_video_can_be_changed_and_found(engines: Engines) {
    let rig = Rig::start(engines).await;
    let client = rig.plain();
    let video = rig.upload("Untitled", &FASTSTART).await;
    rig.upload("Another", &FASTSTART).await;
    let path = format!("/api/videos/{}", video["id"].as_str().unwrap());
    let change = serde_json::json!({
        "title": "Früh am Morgen", "description": "Ein Fluß im Nebel", "tags": ["Natur", "Ruhe"],
    });
    let edited = client
        .patch(&path)
        .json(&change)
        .await
        .expect(StatusCode::OK);
    assert_eq!(edited.value()["title"], "Früh am Morgen");
    assert_eq!(client.get(&path).await.value(), edited.value());
    for query in ["fruh", "FRÜH%20morg", "fluss", "natur%20nebel"] {
        let found = client.get(&format!("/api/videos?q={query}")).await.value();
        assert_eq!(found["videos"].as_array().unwrap().len(), 1, "{query}");
        assert_eq!(found["incomplete"], false);
    }
    let none = client.get("/api/videos?q=fruh%20abend").await.value();
    assert!(none["videos"].as_array().unwrap().is_empty());
}

async fn a_poster_is_kept_replaced_and_served_like_any_bytes(engines: Engines) {
    let rig = Rig::start(engines).await;
    let client = rig.plain();
    let video = rig.upload("Pictured", &FASTSTART).await;
    let path = format!("/api/videos/{}", video["id"].as_str().unwrap());
    let poster = format!("{path}/poster");
    client.get(&poster).await.expect(StatusCode::NOT_FOUND);
    for (content_type, picture) in [
        ("image/jpeg", media::POSTER_JPEG),
        ("image/png", media::POSTER_PNG),
        ("image/webp", media::POSTER_WEBP),
    ] {
        let put = client.put(&poster).body(content_type, picture).await;
        put.expect(StatusCode::NO_CONTENT);
        let url = client.get(&path).await.value()["poster_url"].clone();
        let served = client
            .get(url.as_str().unwrap())
            .await
            .expect(StatusCode::OK);
        assert_eq!(served.body, picture);
        assert_eq!(served.header("content-type"), Some(content_type));
        let tag = served.header("etag").unwrap();
        let same = client.get(&poster).header("if-none-match", tag).await;
        same.expect(StatusCode::NOT_MODIFIED);
        client.head(&poster).await.expect(StatusCode::OK);
    }
    let no_picture = client.put(&poster).body("image/png", vec![0; 100]).await;
    no_picture.expect(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let huge = client
        .put(&poster)
        .body("image/png", vec![0; (1 << 20) + 1])
        .await;
    huge.expect(StatusCode::PAYLOAD_TOO_LARGE);
}

async fn every_refusal_of_the_public_api_is_a_problem(engines: Engines) {
    let rig = Rig::start(engines).await;
    let client = rig.plain();
    let id = "00000000-0000-7000-8000-000000000000";
    // The client checks the form of each answer with an error status.
    for (method, path, status) in [
        (Method::GET, "/api/nothing".to_owned(), 404),
        (Method::GET, "/nothing".to_owned(), 404),
        (Method::GET, format!("/api/videos/{id}"), 404),
        (Method::GET, "/api/videos/42".to_owned(), 404),
        (Method::DELETE, format!("/api/videos/{id}"), 404),
        (
            Method::POST,
            format!("/api/videos/{id}/watch-sessions"),
            404,
        ),
        (Method::PUT, "/api/videos".to_owned(), 405),
        (Method::DELETE, "/api/videos".to_owned(), 405),
        (Method::POST, format!("/api/videos/{id}/stream"), 405),
        (Method::GET, "/api/videos?limit=0".to_owned(), 400),
        (Method::GET, "/api/videos?limit=101".to_owned(), 400),
        (Method::GET, "/api/videos?limit=many".to_owned(), 400),
        (Method::GET, "/api/videos?sort=best".to_owned(), 400),
        (Method::GET, "/api/videos?cursor=made-up".to_owned(), 400),
        (Method::GET, "/api/history?limit=-1".to_owned(), 400),
        (Method::GET, "/api/history?cursor=made-up".to_owned(), 400),
    ] {
        let answer = client.request(method.clone(), &path).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
    }
}
