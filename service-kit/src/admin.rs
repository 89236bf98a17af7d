//! The listener for operators: `/livez`, `/readyz`, `/metrics`, `/version`. One per process, on a
//! port of its own, so that nothing of it can be reached through the public address.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::context::ServiceContext;
use crate::problem::Problem;
use crate::server::HttpServer;
use crate::settings::ServerSettings;
use crate::version::{REVISION, VERSION};

/// A bound listener for operators.
#[derive(Debug)]
pub struct AdminServer(HttpServer);

impl AdminServer {
    /// Opens the port.
    pub async fn bind(address: SocketAddr, settings: &ServerSettings) -> io::Result<Self> {
        let settings = ServerSettings {
            // Probes and scrapes are short, and they come until the very end.
            drain_grace: std::time::Duration::from_secs(1),
            drain_delay: std::time::Duration::ZERO,
            drain_idle: std::time::Duration::ZERO,
            max_connections: 64,
            ..settings.clone()
        };
        Ok(Self(HttpServer::bind(address, &settings).await?))
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local_addr()
    }

    /// Answers for these services until the token is cancelled.
    pub async fn run(
        self,
        services: Vec<ServiceContext>,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        let router = Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/version", get(version))
            .with_state(services);
        self.0
            .run(router, &ServiceContext::new("admin"), shutdown)
            .await
    }
}

async fn readyz(State(services): State<Vec<ServiceContext>>) -> Result<&'static str, Problem> {
    let waiting: Vec<String> = services
        .iter()
        .flat_map(|service| {
            let obstacles = service.readiness.obstacles();
            obstacles
                .into_iter()
                .map(|obstacle| format!("{}: {obstacle}", service.name))
        })
        .collect();
    if waiting.is_empty() {
        return Ok("ready\n");
    }
    Err(Problem::unavailable(format!(
        "Not ready yet; waiting for {}.",
        waiting.join(", ")
    )))
}

async fn metrics(State(services): State<Vec<ServiceContext>>) -> Result<Response, Problem> {
    let mut text = String::new();
    for service in &services {
        service.metrics.encode(&mut text).map_err(|error| {
            tracing::error!(%error, "cannot encode the metrics");
            Problem::internal()
        })?;
    }
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, media_type)], by_family(&text)).into_response())
}

/// Puts the lines of one metric family together, as OpenMetrics demands: services in one process
/// have families of the same name.
fn by_family(text: &str) -> String {
    let mut families: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut current = 0;
    for line in text.lines() {
        if let Some(name) = described(line) {
            current = families
                .iter()
                .position(|(known, _)| *known == name)
                .unwrap_or_else(|| {
                    families.push((name, Vec::new()));
                    families.len() - 1
                });
            if families[current].1.contains(&line) {
                continue;
            }
        }
        if let Some((_, lines)) = families.get_mut(current) {
            lines.push(line);
        }
    }
    let mut sorted = String::with_capacity(text.len());
    for line in families.iter().flat_map(|(_, lines)| lines) {
        writeln!(sorted, "{line}").expect("writing to a string does not fail");
    }
    sorted.push_str("# EOF\n");
    sorted
}

/// The family that a `# HELP`, `# TYPE` or `# UNIT` line describes.
fn described(line: &str) -> Option<&str> {
    let mut words = line.strip_prefix("# ")?.split(' ');
    matches!(words.next()?, "HELP" | "TYPE" | "UNIT").then(|| words.next())?
}

#[derive(Serialize)]
struct VersionBody {
    version: &'static str,
    revision: Option<&'static str>,
    services: Vec<&'static str>,
}

async fn version(State(services): State<Vec<ServiceContext>>) -> Json<VersionBody> {
    Json(VersionBody {
        version: VERSION,
        revision: REVISION,
        services: services.iter().map(|service| service.name).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_of_the_same_name_are_put_together() {
        let mut text = String::new();
        for name in ["one", "two"] {
            let service = ServiceContext::new(name);
            service.metrics.counter("births", "Births").inc();
            service.metrics.gauge("alive", "Alive").set(1);
            service.metrics.encode(&mut text).unwrap();
        }
        let expected = "\
# HELP births Births.
# TYPE births counter
births_total{service=\"one\"} 1
births_total{service=\"two\"} 1
# HELP alive Alive.
# TYPE alive gauge
alive{service=\"one\"} 1
alive{service=\"two\"} 1
# EOF
";
        assert_eq!(by_family(&text), expected);
    }
}
