//! What uploads and reads do when the store fails under them, on an engine other than files.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt as _;
use service_kit::client::{ServiceClient, ServiceUrl};
use service_kit::context::ServiceContext;
use service_kit::guard::ServiceToken;
use service_kit::settings::loopback;
use test_support::media::{FASTSTART, mp4_of};
use tokio::sync::Semaphore;

use crate::catalogue::Catalogue;
use crate::completion::Completion;
use crate::keys::Keys;
use crate::lease::Lease;
use crate::measures::Measures;
use crate::record::UploadRecord;
use crate::records::Records;
use crate::running::Running;
use crate::serve::{Reads, Redirects, Verification};
use crate::store::{Fault, FaultyStore, Store};
use crate::upload::{UploadRequest, Uploads};

struct Room {
    objects: FaultyStore,
    uploads: Uploads,
    reads: Reads,
}

/// A service without its HTTP server, whose catalogue is nowhere.
async fn room() -> Room {
    let objects = FaultyStore::default();
    let store = Store::on(Arc::new(objects.clone())).await;
    let records = Records::new(store.clone());
    let context = ServiceContext::new("test");
    let measures = Measures::new(&context.metrics);
    let nowhere = ServiceClient::new(ServiceUrl::at(loopback(1)), &ServiceToken::random());
    let keys = Arc::new(Keys::new(store.clone(), records.clone()));
    let completion = Arc::new(Completion::new(
        store.clone(),
        records.clone(),
        Arc::clone(&keys),
        Catalogue::new(nowhere),
        measures.clone(),
    ));
    let tasks = context.tasks;
    Room {
        objects,
        uploads: Uploads {
            store: store.clone(),
            records: records.clone(),
            keys,
            lease: Lease::on(&store, Duration::from_mins(3)),
            completion,
            running: Running::default(),
            measures: measures.clone(),
            tasks: tasks.clone(),
            places: Arc::new(Semaphore::new(1)),
            max_bytes: u64::MAX,
        },
        reads: Reads {
            verification: Verification::new(store.clone(), records.clone(), tasks.clone()),
            tasks,
            redirects: Redirects(None),
            store,
            records,
            measures,
        },
    }
}

impl Room {
    async fn upload(&self, bytes: Vec<u8>) -> Result<UploadRecord, StatusCode> {
        let request = UploadRequest {
            title: "A".to_owned(),
            declared_length: None,
            key: None,
        };
        let taken = self.uploads.take(request, Body::from(bytes)).await;
        taken.map_err(|problem| problem.status())
    }

    async fn get(&self, record: &UploadRecord) -> Result<axum::response::Response, StatusCode> {
        let headers = HeaderMap::new();
        let answer = self.reads.video(record.id, &Method::GET, &headers);
        answer.await.map_err(|problem| problem.status())
    }
}

#[tokio::test]
async fn a_video_is_taken_and_served_on_any_engine() {
    let room = room().await;
    let bytes = mp4_of(3_000_000);
    let record = room.upload(bytes.clone()).await.unwrap();
    let answer = room.get(&record).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(body == bytes);
}

#[tokio::test]
async fn a_store_that_fails_at_any_step_is_named_and_keeps_nothing() {
    for (fault, status) in [
        (Fault::FullDisk, StatusCode::INSUFFICIENT_STORAGE),
        (Fault::Completion, StatusCode::SERVICE_UNAVAILABLE),
        (Fault::Write("intents/"), StatusCode::SERVICE_UNAVAILABLE),
        (Fault::Write("records/"), StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let room = room().await;
        room.objects.set(fault);
        // Long enough that the store fails while the body is still coming.
        for length in [FASTSTART.bytes.len() + 8, 5_000_000] {
            assert_eq!(room.upload(mp4_of(length)).await, Err(status), "{fault:?}");
            assert!(room.objects.names().await.is_empty(), "{fault:?}");
        }
        room.objects.set(Fault::None);
        assert!(room.upload(FASTSTART.bytes.to_vec()).await.is_ok());
    }
}

#[tokio::test]
async fn a_read_that_breaks_in_the_middle_does_not_end_well() {
    let room = room().await;
    let record = room.upload(FASTSTART.bytes.to_vec()).await.unwrap();
    room.objects.set(Fault::HalfRead);
    let mut body = room.get(&record).await.unwrap().into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, &FASTSTART.bytes[..FASTSTART.bytes.len() / 2]);
    room.objects.set(Fault::Read);
    assert!(body.frame().await.unwrap().is_err());
}
