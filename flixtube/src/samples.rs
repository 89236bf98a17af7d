//! The sample videos of the first start.
//!
//! They go the way that everybody's videos go: through the public API, of this process or of a
//! system that runs elsewhere. A mark says that they were put in, so that a sample that somebody
//! deletes stays deleted; idempotency keys keep a start that was interrupted from putting one in
//! twice.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use bytes::Bytes;
use clap::{ArgAction, Args};
use gateway::OwnerToken;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use service_kit::client::ServiceUrl;
use service_kit::context::ServiceContext;
use uuid::Uuid;

use crate::config::Config;

/// The mark in the data folder.
const MARK: &str = "samples-added";

/// How long the system may take to be ready before the samples are given up for this start.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How often readiness is looked at; it is an in-memory flag.
const READY_POLL: Duration = Duration::from_millis(20);

/// How long another system may take to answer; its first start can take minutes.
const ANSWERS_WITHIN: Duration = Duration::from_mins(10);

/// How often another system is asked whether it answers.
const ANSWER_POLL: Duration = Duration::from_secs(1);

/// By this name every system can be called, whatever its public hosts are.
const HOST: &str = "localhost";

/// Putting the samples into a system that runs elsewhere.
#[derive(Clone, Debug, Args)]
pub struct Errand {
    /// Where that system answers
    #[arg(long, env = "GATEWAY_URL", default_value = "http://127.0.0.1:4000")]
    pub gateway_url: ServiceUrl,

    /// The file that says that it was done; if it is there, nothing is done
    #[arg(long)]
    pub mark: PathBuf,

    /// Whether there shall be samples; without them only the mark is made
    #[arg(long, env = "ADD_SAMPLES", action = ArgAction::Set, default_value_t = true)]
    pub add: bool,
}

impl Errand {
    /// Waits until the system answers, and puts the samples of the folder in.
    pub async fn run(&self, folder: &Path, owner_token: Option<&OwnerToken>) -> anyhow::Result<()> {
        if self.mark.exists() {
            return Ok(());
        }
        if self.add {
            let system = PublicApi::new(&self.gateway_url.to_string(), owner_token);
            tokio::time::timeout(ANSWERS_WITHIN, system.answers())
                .await
                .context("the system does not answer")?;
            system.add_all(folder).await?;
        }
        make_mark(&self.mark)
    }
}

/// One video of `samples.json`.
#[derive(Debug, Deserialize)]
struct Sample {
    file: String,
    poster: String,
    title: String,
    #[serde(flatten)]
    words: Words,
}

/// What is said about a video after it was uploaded.
#[derive(Debug, Deserialize, Serialize)]
struct Words {
    description: String,
    tags: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Uploaded {
    id: Uuid,
}

/// Runs `task` when all services are ready.
pub async fn when_ready(
    services: &[ServiceContext],
    task: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let ready = async {
        while !services.iter().all(|service| service.readiness.is_ready()) {
            tokio::time::sleep(READY_POLL).await;
        }
    };
    tokio::time::timeout(READY_WITHIN, ready)
        .await
        .context("the services are not ready")?;
    task.await
}

/// Puts the samples of a folder into the system at this address, unless that was done before.
pub async fn add_once(folder: &Path, config: &Config, address: SocketAddr) -> anyhow::Result<()> {
    let mark = config.data.join(MARK);
    if mark.exists() {
        return Ok(());
    }
    let base = format!("http://{}", reachable(address));
    let system = PublicApi::new(&base, config.public.owner_token.as_ref());
    system.add_all(folder).await?;
    make_mark(&mark)
}

fn make_mark(mark: &Path) -> anyhow::Result<()> {
    std::fs::write(
        mark,
        "The sample videos were put in; remove this file to have them again.\n",
    )
    .with_context(|| format!("cannot write {}", mark.display()))
}

/// An address at which this machine reaches a server that listens on `address`.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

struct PublicApi {
    client: Client<HttpConnector, Body>,
    base: String,
    owner_token: Option<String>,
}

impl PublicApi {
    fn new(base: &str, owner_token: Option<&OwnerToken>) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            base: base.trim_end_matches('/').to_owned(),
            owner_token: owner_token.map(|token| token.expose().to_owned()),
        }
    }

    /// Waits until the catalogue can be read.
    async fn answers(&self) {
        loop {
            let list = Request::get(format!("{}/api/videos?limit=1", self.base));
            match self.send(list, Vec::new(), StatusCode::OK).await {
                Ok(_) => return,
                Err(error) => tracing::info!(error = format!("{error:#}"), "not yet"),
            }
            tokio::time::sleep(ANSWER_POLL).await;
        }
    }

    async fn add_all(&self, folder: &Path) -> anyhow::Result<()> {
        let list = folder.join("samples.json");
        let list =
            std::fs::read(&list).with_context(|| format!("cannot read {}", list.display()))?;
        let samples: Vec<Sample> =
            serde_json::from_slice(&list).context("samples.json is wrong")?;
        for sample in samples {
            let file = &sample.file;
            self.add(folder, &sample)
                .await
                .with_context(|| format!("the sample {file} was not put in"))?;
        }
        Ok(())
    }

    async fn add(&self, folder: &Path, sample: &Sample) -> anyhow::Result<()> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let title: String = form_encoded(&sample.title);
        // The key is the file's name: the same sample has the same key in each try.
        let key = Uuid::new_v5(&Uuid::NAMESPACE_URL, sample.file.as_bytes()).to_string();
        let upload = Request::post(format!("{}/api/videos?title={title}", self.base))
            .header(header::CONTENT_TYPE, "video/mp4")
            .header("idempotency-key", key);
        let answer = self
            .send(upload, read(&sample.file)?, StatusCode::CREATED)
            .await?;
        let Uploaded { id } = serde_json::from_slice(&answer).context("the answer is no video")?;
        let video = format!("{}/api/videos/{id}", self.base);
        let edit = Request::builder()
            .method(Method::PATCH)
            .uri(&video)
            .header(header::CONTENT_TYPE, "application/json");
        self.send(edit, serde_json::to_vec(&sample.words)?, StatusCode::OK)
            .await?;
        let poster =
            Request::put(format!("{video}/poster")).header(header::CONTENT_TYPE, "image/jpeg");
        self.send(poster, read(&sample.poster)?, StatusCode::NO_CONTENT)
            .await?;
        Ok(())
    }

    async fn send(
        &self,
        request: axum::http::request::Builder,
        body: Vec<u8>,
        expected: StatusCode,
    ) -> anyhow::Result<Bytes> {
        let request = request.header(header::HOST, HOST);
        let request = match &self.owner_token {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        };
        let response = self.client.request(request.body(Body::from(body))?).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        if status != expected {
            bail!(
                "the answer was {status}: {}",
                String::from_utf8_lossy(&answer)
            );
        }
        Ok(answer)
    }
}

/// Percent-encodes a value of a query string (RFC 3986 §2.1): everything but unreserved characters.
fn form_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => write!(encoded, "%{byte:02X}").expect("writing to a string does not fail"),
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_encoded_for_the_query_string() {
        assert_eq!(form_encoded("Tag & Nacht ü"), "Tag%20%26%20Nacht%20%C3%BC");
    }

    #[test]
    fn a_server_on_all_addresses_is_reached_through_the_loopback() {
        let everywhere = "0.0.0.0:4000".parse().unwrap();
        assert_eq!(reachable(everywhere).to_string(), "127.0.0.1:4000");
    }
}
