//! Two replicas of `video-storage` on one store: what one receives, the other never takes away, and
//! what one left when it was killed, the other does.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::json;
use service_kit::settings::loopback;
use system_tests::{Engines, Rig, SOON};
use test_support::engines::{BlobServer, azurite, s3};
use test_support::media::mp4_of;
use test_support::process::ChildProcess;
use test_support::{DataFolder, RawConnection, TestClient, eventually};
use tokio::process::Command;

const TOKEN: &str = "the-token-of-the-services-in-a-test";
const LEASE: Duration = Duration::from_secs(3);

/// A process of its own, with a bus of its own: it is the store that is shared.
struct Replica {
    process: ChildProcess,
    address: SocketAddr,
    operator: TestClient,
}

impl Replica {
    async fn start(rig: &Rig, blobs: &BlobServer, store: &str, folder: &Path) -> Self {
        let free = || {
            let listener = std::net::TcpListener::bind(loopback(0)).unwrap();
            listener.local_addr().unwrap()
        };
        let (address, admin) = (free(), free());
        let test = std::env::current_exe().unwrap();
        let programs = test.parent().and_then(Path::parent).unwrap();
        let mut command = Command::new(programs.join("video-storage"));
        command
            .env("LISTEN", address.to_string())
            .env("ADMIN_LISTEN", admin.to_string())
            .env("SERVICE_TOKEN", TOKEN)
            .env("STORE_URL", store)
            .env("METADATA_URL", format!("http://{}", rig.metadata))
            .env("EVENTS_URL", format!("embedded:{}", folder.display()))
            .env("UPLOAD_LEASE_SECONDS", LEASE.as_secs().to_string())
            .envs(
                blobs
                    .environment()
                    .iter()
                    .map(|(name, value)| (*name, value)),
            );
        let process = ChildProcess::start(command);
        let operator = TestClient::at(admin);
        eventually(SOON, || async {
            let answer = operator.get("/readyz").attempt().await.ok()?;
            (answer.status == StatusCode::OK).then_some(())
        })
        .await;
        Self {
            process,
            address,
            operator,
        }
    }

    fn client(&self) -> TestClient {
        TestClient::at(self.address).with_bearer(TOKEN)
    }

    /// Begins an upload of so many bytes, and sends the first part of them.
    async fn begin_upload(&self, bytes: &[u8], part: usize) -> RawConnection {
        let mut upload = RawConnection::open(self.address).await;
        let length = bytes.len();
        upload
            .write(format!(
                "POST /videos?title=A HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
                 content-type: video/mp4\r\ncontent-length: {length}\r\n\r\n"
            ))
            .await;
        upload.write(&bytes[..part]).await;
        upload
    }

    /// The bytes of videos that it has taken in.
    async fn received(&self) -> usize {
        let metrics = self.operator.get("/metrics").await.text();
        let line = metrics
            .lines()
            .find(|line| line.starts_with("video_received_bytes_total"));
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Compares and removes all it may; the report.
    async fn reconcile(&self) -> serde_json::Value {
        let asked = self.client().post("/reconciliations");
        let asked = asked.json(&json!({ "remove_strays": true })).await;
        let asked = asked.expect(StatusCode::ACCEPTED).value();
        let path = format!("/reconciliations/{}", asked["id"].as_str().unwrap());
        eventually(SOON, || async {
            let run = self
                .client()
                .get(&path)
                .await
                .expect(StatusCode::OK)
                .value();
            assert_ne!(run["state"], "failed", "{run}");
            (run["state"] == "done").then(|| run["report"].clone())
        })
        .await
    }
}

async fn replicas_leave_each_other_alone_and_clean_up_after_each_other(blobs: &BlobServer) {
    let rig = Rig::start(Engines::embedded()).await;
    let folder = DataFolder::new();
    let store = blobs.store_url();
    let mut one = Replica::start(&rig, blobs, &store, &folder.join("one.db")).await;
    let other = Replica::start(&rig, blobs, &store, &folder.join("other.db")).await;

    // A slow upload, several leases long, beside a replica that looks for what it may remove.
    let bytes = mp4_of(12_000_000);
    let pieces = bytes.chunks(bytes.len() / 12).collect::<Vec<_>>();
    let mut upload = one.begin_upload(&bytes, pieces[0].len()).await;
    let mut rest = pieces[1..].iter();
    let begun = Instant::now();
    while begun.elapsed() < LEASE * 4 {
        let report = other.reconcile().await;
        assert_eq!(report["broken_uploads_removed"], 0, "{report}");
        assert_eq!(report["strays_removed"]["count"], 0, "{report}");
        // The last piece is kept back.
        if rest.len() > 1 {
            upload.write(rest.next().unwrap()).await;
        }
    }
    for piece in rest {
        upload.write(piece).await;
    }
    let head = upload.read_head().await;
    assert!(head.starts_with("HTTP/1.1 201"), "{head}");
    let report = other.reconcile().await;
    assert_eq!(report["checked"]["blobs"], 1, "{report}");
    assert_eq!(report["checked"]["entries"], 1, "{report}");
    let listed = rig.inner(rig.metadata).get("/videos").await.value();
    let id = listed["videos"][0]["id"].as_str().unwrap();
    let served = other.client().get(&format!("/videos/{id}")).await;
    assert!(served.expect(StatusCode::OK).body == bytes);

    // One that dies in the middle of an upload: more is taken in than waits for the store.
    let received = one.received().await;
    let _broken = one.begin_upload(&bytes, bytes.len() / 2).await;
    eventually(SOON, || async {
        (one.received().await - received > 2_000_000).then_some(())
    })
    .await;
    one.process.kill9().await;
    let said = "an upload that stood still was taken away";
    other.process.wait_for_line(said, SOON).await;
    let report = other.reconcile().await;
    assert_eq!(report["checked"]["blobs"], 1, "{report}");
    assert_eq!(report["strays"]["count"], 0, "{report}");
    rig.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_share_a_container_of_azure() {
    let Some(blobs) = azurite::shared().await else {
        return;
    };
    replicas_leave_each_other_alone_and_clean_up_after_each_other(blobs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_share_a_bucket_of_s3() {
    let Some(blobs) = s3::shared().await else {
        return;
    };
    replicas_leave_each_other_alone_and_clean_up_after_each_other(blobs).await;
}
