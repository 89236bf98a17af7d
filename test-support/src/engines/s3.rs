//! S3: the server and bucket that `S3_URL` names (`http://KEY:SECRET@HOST:PORT/BUCKET`); else a
//! `versitygw` of this machine over a folder of its own, in which a bucket is a folder.

use std::path::Path;

use tokio::sync::OnceCell;

use super::blob_store::{BUCKET, BlobServer, Home, OwnServer};
use super::ports::free_port;
use super::program::find;
use super::{Availability, setting};
use crate::DataFolder;

/// What to do where there is no server.
const HOW_TO_GET: &str = "Set S3_URL to http://KEY:SECRET@HOST:PORT/BUCKET, or run: \
    GOBIN=~/.cache/flixtube/bin go install github.com/versity/versitygw/cmd/versitygw@v1.8.0";

const KEY: &str = "flixtube";
const SECRET: &str = "flixtube-secret";

/// The server that all tests of this program share, or `None` after having said that there is none.
pub async fn shared() -> Option<&'static BlobServer> {
    available().await.or_left_out("an S3 server")
}

/// The same for who wants to know why there is none.
pub async fn available() -> Availability<&'static BlobServer> {
    static SHARED: OnceCell<Availability<BlobServer>> = OnceCell::const_new();
    let found = SHARED.get_or_init(|| async {
        match setting("S3_URL") {
            Some(url) => of_environment(&url),
            None => start().await,
        }
    });
    match found.await {
        Availability::Running(server) => Availability::Running(server),
        Availability::Missing(how) => Availability::Missing(how.clone()),
    }
}

/// A server of the caller's own, which it may kill and start again.
pub async fn own() -> Option<BlobServer> {
    start().await.or_left_out("an S3 server")
}

fn of_environment(url: &str) -> Availability<BlobServer> {
    let parts = parse(url);
    let (key, secret, endpoint, bucket) =
        parts.unwrap_or_else(|| panic!("S3_URL is http://KEY:SECRET@HOST:PORT/BUCKET"));
    Availability::Running(BlobServer {
        url: format!("s3://{bucket}"),
        variables: variables(&endpoint, key, secret),
        endpoint,
        variable: "S3_URL",
        own: None,
    })
}

/// Key, secret, endpoint and bucket.
fn parse(url: &str) -> Option<(&str, &str, String, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let (user, rest) = rest.split_once('@')?;
    let (key, secret) = user.split_once(':')?;
    let (host, bucket) = rest.split_once('/')?;
    Some((key, secret, format!("{scheme}://{host}"), bucket))
}

fn variables(endpoint: &str, key: &str, secret: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", key.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
    ]
}

async fn start() -> Availability<BlobServer> {
    if let Some(why) = super::unwanted() {
        return Availability::Missing(why);
    }
    let Some(program) = find("versitygw", Some("bin"), Some("go/bin")) else {
        return Availability::Missing(HOW_TO_GET.to_owned());
    };
    let port = free_port();
    let credentials = vec![
        ("ROOT_ACCESS_KEY", KEY.to_owned()),
        ("ROOT_SECRET_KEY", SECRET.to_owned()),
    ];
    let home = Home::Program(program);
    let folder = DataFolder::new();
    let mut own = OwnServer::new(home, port, arguments, credentials, None, folder);
    std::fs::create_dir_all(own.data().join(BUCKET)).expect("the folder is writable");
    own.run().await;
    let endpoint = format!("http://127.0.0.1:{port}");
    Availability::Running(BlobServer {
        url: format!("s3://{BUCKET}"),
        variables: variables(&endpoint, KEY, SECRET),
        endpoint,
        variable: "S3_URL",
        own: Some(own),
    })
}

fn arguments(port: u16, data: &Path) -> Vec<String> {
    vec![
        "--port".to_owned(),
        format!("127.0.0.1:{port}"),
        "--quiet".to_owned(),
        "posix".to_owned(),
        data.display().to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_the_environment_names_server_bucket_and_who_may_use_it() {
        assert_eq!(
            parse("http://key:secret@127.0.0.1:7070/videos"),
            Some((
                "key",
                "secret",
                "http://127.0.0.1:7070".to_owned(),
                "videos"
            ))
        );
        assert_eq!(parse("http://127.0.0.1:7070/videos"), None);
    }

    #[tokio::test]
    async fn a_server_of_ones_own_can_be_killed_and_started_again_on_its_port() {
        let Some(mut server) = own().await else {
            return;
        };
        let address = server.endpoint().trim_start_matches("http://").to_owned();
        assert!(tokio::net::TcpStream::connect(&address).await.is_ok());
        server.kill().await;
        assert!(tokio::net::TcpStream::connect(&address).await.is_err());
        server.start_again().await;
        assert!(tokio::net::TcpStream::connect(&address).await.is_ok());
        assert_ne!(server.store_url(), server.store_url());
    }
}
