//! Pages for development: served from the folder in which `live-reload` publishes, and told of what
//! changes there. Exists only where `DEVELOPMENT_FOLDER` is set, which is never so by itself.
//!
//! A small script is added to the page. It asks for the state of the builders and runners, whose
//! answer waits until there is another state than the one that the script knows; it loads the page
//! again when something newer is served, and shows what is broken over the page until it is mended.
//! It is a file of this origin like every other script, so the policy of the pages stays as it is.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use serde_json::Value;
use service_kit::context::Readiness;
use service_kit::extract::Query;
use sha2::{Digest as _, Sha256};

use crate::edge::Edge;

const SCRIPT: &str = include_str!("../development/live-reload.js");

/// Where the script is; what is added to the page names it.
const SCRIPT_PATH: &str = "/development/live-reload.js";
const SCRIPT_ELEMENT: &str = "<script src=\"/development/live-reload.js\" defer></script></head>";

/// How long an answer waits for something new.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// How often the folder is looked at meanwhile: some small files are read.
const POLL: Duration = Duration::from_millis(100);

/// The folder, and what tells that this process is on its way down.
#[derive(Clone, Debug)]
pub(crate) struct Development {
    folder: PathBuf,
    readiness: Readiness,
}

/// What the script is told.
#[derive(Debug, Serialize)]
struct StateBody {
    /// Stands for the whole answer; the next question names it.
    state: String,
    /// Stands for what is served: pages and services.
    served: String,
    /// What is broken, as the reports tell it.
    problems: Vec<Value>,
}

#[derive(Debug, serde::Deserialize)]
struct Since {
    #[serde(default)]
    since: String,
}

impl Development {
    pub(crate) fn new(folder: PathBuf, readiness: Readiness) -> Self {
        Self { folder, readiness }
    }

    /// The newest page with the script in it, if one was built.
    pub(crate) fn index(&self) -> Option<String> {
        let page = fs::read_to_string(self.folder.join("web/index.html")).ok()?;
        Some(page.replacen("</head>", SCRIPT_ELEMENT, 1))
    }

    /// The newest file at a path of the site.
    pub(crate) fn asset(&self, path: &str) -> Option<Response> {
        let name = Path::new(path.strip_prefix('/')?);
        let stays_inside = name
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        // The page is at `/`; here it would come without a cookie.
        if !stays_inside || name == Path::new("index.html") {
            return None;
        }
        let content = fs::read(self.folder.join("web").join(name)).ok()?;
        let headers = [
            (CONTENT_TYPE, media_type(name)),
            (CACHE_CONTROL, "public, no-cache"),
        ];
        Some((headers, content).into_response())
    }

    fn state(&self) -> io::Result<StateBody> {
        let mut reports: Vec<(String, Value)> = Vec::new();
        for entry in fs::read_dir(self.folder.join("status"))? {
            let entry = entry?;
            // One that is replaced at this moment is read the next time.
            if let Ok(text) = fs::read(entry.path())
                && let Ok(report) = serde_json::from_slice(&text)
            {
                let name = entry.file_name().to_string_lossy().into_owned();
                reports.push((name, report));
            }
        }
        reports.sort_by(|one, other| one.0.cmp(&other.0));
        // What was built is not served yet; its runner tells when it is.
        let served = reports
            .iter()
            .filter(|(name, _)| name != "build.json")
            .map(|(name, report)| format!("{name}:{}", report["versions"]));
        let served = digest(&served.collect::<String>());
        let problems: Vec<Value> = reports
            .iter()
            .filter_map(|(_, report)| report["problems"].as_array().cloned())
            .flatten()
            .collect();
        let told = Value::from(problems.clone()).to_string();
        Ok(StateBody {
            state: digest(&format!("{served}{told}")),
            served,
            problems,
        })
    }

    /// The state, once it is another one than the client knows, or after a while.
    async fn changed(&self, known: &str) -> io::Result<StateBody> {
        let until = tokio::time::Instant::now() + LONGEST_WAIT;
        loop {
            let state = self.state()?;
            // A process that is replaced keeps nobody waiting: the next one answers better.
            let leaving = !self.readiness.is_ready();
            if state.state != known || leaving || tokio::time::Instant::now() >= until {
                return Ok(state);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// The routes of the script.
pub(crate) fn router(development: Development) -> Router<Arc<Edge>> {
    Router::new()
        .route(SCRIPT_PATH, get(script))
        .route("/development/state", get(state))
        .with_state(development)
}

async fn script() -> impl IntoResponse {
    ([(CONTENT_TYPE, media_type(Path::new("x.js")))], SCRIPT)
}

async fn state(
    State(development): State<Development>,
    Query(since): Query<Since>,
) -> Result<axum::Json<StateBody>, service_kit::problem::Problem> {
    let state = development.changed(&since.since).await;
    state.map(axum::Json).map_err(|error| {
        tracing::warn!(%error, "the folder of live-reload cannot be read");
        service_kit::problem::Problem::unavailable("Nothing was published yet.")
    })
}

/// The types of what a front end is built into.
fn media_type(name: &Path) -> &'static str {
    match name.extension().and_then(OsStr::to_str) {
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn digest(text: &str) -> String {
    use std::fmt::Write as _;
    let hash = Sha256::digest(text.as_bytes());
    hash[..12].iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use test_support::DataFolder as TestFolder;

    use super::*;

    fn published() -> (TestFolder, Development) {
        let folder = TestFolder::new();
        let path = folder.path();
        fs::create_dir_all(path.join("web/assets")).unwrap();
        fs::create_dir_all(path.join("status")).unwrap();
        fs::write(path.join("web/index.html"), "<head></head>").unwrap();
        fs::write(path.join("web/assets/a.js"), "let").unwrap();
        fs::write(path.join("secret"), "x").unwrap();
        let development = Development::new(path.to_owned(), Readiness::default());
        (folder, development)
    }

    fn report(development: &Development, about: &str, text: &str) {
        let path = development.folder.join(format!("status/{about}.json"));
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_page_has_the_script_and_nothing_outside_the_pages_is_served() {
        let (_folder, development) = published();
        let page = development.index().unwrap();
        assert_eq!(page, format!("<head>{SCRIPT_ELEMENT}"));
        assert!(SCRIPT_ELEMENT.contains(SCRIPT_PATH));
        let asset = development.asset("/assets/a.js").unwrap();
        assert_eq!(
            asset.headers()[CONTENT_TYPE],
            "text/javascript; charset=utf-8"
        );
        for path in [
            "/index.html",
            "/../secret",
            "//etc/passwd",
            "/assets/../../secret",
            "/",
            "x",
        ] {
            assert!(development.asset(path).is_none(), "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_served_changes_with_runners_and_pages_and_not_with_builds() {
        let (_folder, development) = published();
        let first = development.changed("").await.unwrap();
        report(
            &development,
            "build",
            r#"{"versions":{"a":"1"},"problems":[{"title":"t"}]}"#,
        );
        let second = development.changed(&first.state).await.unwrap();
        assert_eq!(second.served, first.served);
        assert_eq!(second.problems[0]["title"], "t");
        report(
            &development,
            "web",
            r#"{"versions":{"web":"1"},"problems":[]}"#,
        );
        let third = development.changed(&second.state).await.unwrap();
        assert_ne!(third.served, second.served);
    }

    #[tokio::test]
    async fn a_process_that_leaves_keeps_nobody_waiting() {
        let (_folder, development) = published();
        let known = development.changed("").await.unwrap().state;
        development.readiness.drain();
        assert_eq!(development.changed(&known).await.unwrap().state, known);
    }
}
