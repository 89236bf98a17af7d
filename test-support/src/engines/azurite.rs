//! Azure Blob Storage: the emulator that `AZURITE_URL` names (`http://HOST:PORT`); else an Azurite
//! of this machine with a folder of its own; else one in a container if Docker has the image. All
//! have the account that all emulators have.

use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use super::blob_store::{BUCKET, BlobServer, Home, OwnServer};
use super::container::{Container, Recipe, has_image};
use super::ports::free_port;
use super::program::find;
use super::{Availability, setting};
use crate::{DataFolder, eventually};

const IMAGE: &str = "mcr.microsoft.com/azure-storage/azurite";

/// What to do where there is no emulator.
const HOW_TO_GET: &str = "Set AZURITE_URL to http://HOST:PORT, or run: \
    npm install --prefix ~/.cache/flixtube/azurite azurite@3.35.0";

/// The account and key that every emulator has; they are published and protect nothing.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Written every five seconds while something changes.
const STATE: &str = "__azurite_db_blob__.json";

const CONTAINER_DEADLINE: Duration = Duration::from_mins(1);

/// The emulator that all tests of this program share, or `None` after having said that there is
/// none.
pub async fn shared() -> Option<&'static BlobServer> {
    available().await.or_left_out("Azurite")
}

/// The same for who wants to know why there is none.
pub async fn available() -> Availability<&'static BlobServer> {
    static SHARED: OnceCell<Availability<BlobServer>> = OnceCell::const_new();
    let found = SHARED.get_or_init(|| async {
        match setting("AZURITE_URL") {
            Some(url) => {
                let endpoint = url.trim_end_matches('/').to_owned();
                create_container(&endpoint).await;
                Availability::Running(server(endpoint, None))
            }
            None => start().await,
        }
    });
    match found.await {
        Availability::Running(server) => Availability::Running(server),
        Availability::Missing(how) => Availability::Missing(how.clone()),
    }
}

/// An emulator of the caller's own, which it may kill and start again.
pub async fn own() -> Option<BlobServer> {
    start().await.or_left_out("Azurite")
}

fn server(endpoint: String, own: Option<OwnServer>) -> BlobServer {
    BlobServer {
        url: format!("azure://{BUCKET}"),
        variables: vec![
            // The account is part of the path, as it is for every emulator, instead of the host.
            ("AZURE_STORAGE_ENDPOINT", format!("{endpoint}/{ACCOUNT}")),
            ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.to_owned()),
            ("AZURE_STORAGE_ACCOUNT_KEY", KEY.to_owned()),
        ],
        endpoint,
        variable: "AZURITE_URL",
        own,
    }
}

async fn start() -> Availability<BlobServer> {
    if let Some(why) = super::unwanted() {
        return Availability::Missing(why);
    }
    let port = free_port();
    let folder = DataFolder::new();
    let home = if let Some(program) = find("azurite-blob", Some("azurite/node_modules/.bin"), None)
    {
        Home::Program(program)
    } else if has_image(IMAGE) {
        Home::Container {
            container: container(port, &folder),
            image: IMAGE,
        }
    } else {
        return Availability::Missing(HOW_TO_GET.to_owned());
    };
    let mut own = OwnServer::new(home, port, arguments, Vec::new(), Some(STATE), folder);
    own.run().await;
    let endpoint = format!("http://127.0.0.1:{port}");
    create_container(&endpoint).await;
    Availability::Running(server(endpoint, Some(own)))
}

fn container(port: u16, folder: &DataFolder) -> Container {
    const INSIDE: u16 = 10_000;
    let data = OwnServer::data_in(folder);
    std::fs::create_dir_all(&data).expect("the folder is writable");
    let mut command = vec!["azurite-blob".to_owned()];
    command.extend(flags("0.0.0.0", INSIDE, Path::new("/data")));
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    Container::create(&Recipe {
        image: IMAGE,
        ports: &[(port, INSIDE)],
        variables: &[],
        folder: Some((&data, "/data")),
        arguments: &command,
    })
}

fn arguments(port: u16, data: &Path) -> Vec<String> {
    flags("127.0.0.1", port, data)
}

fn flags(host: &str, port: u16, data: &Path) -> Vec<String> {
    let port = port.to_string();
    let data = data.display().to_string();
    [
        "--blobHost",
        host,
        "--blobPort",
        &port,
        "--location",
        &data,
        "--silent",
        "--disableTelemetry",
        "--skipApiVersionCheck",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Makes the container in which each test has a prefix.
async fn create_container(endpoint: &str) {
    eventually(CONTAINER_DEADLINE, || async {
        let status = put_container(endpoint).await.ok()?;
        // 409: an earlier run made it.
        matches!(status, 201 | 409).then_some(())
    })
    .await;
}

/// `PUT /account/container`, signed with the shared key
/// (<https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>).
async fn put_container(endpoint: &str) -> std::io::Result<u16> {
    const VERSION: &str = "2021-08-06";
    let host = endpoint.trim_start_matches("http://");
    let date = httpdate::fmt_http_date(SystemTime::now());
    let path = format!("/{ACCOUNT}/{BUCKET}");
    let signed = format!(
        "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{VERSION}\n\
         /{ACCOUNT}{path}\nrestype:container"
    );
    let key = BASE64.decode(KEY).expect("the published key is base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length makes a key");
    mac.update(signed.as_bytes());
    let signature = BASE64.encode(mac.finalize().into_bytes());
    let request = format!(
        "PUT {path}?restype=container HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\n\
         x-ms-date: {date}\r\nx-ms-version: {VERSION}\r\n\
         authorization: SharedKey {ACCOUNT}:{signature}\r\nconnection: close\r\n\r\n"
    );
    let mut connection = TcpStream::connect(host).await?;
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    status.ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_emulator_of_ones_own_keeps_its_container_when_it_is_killed() {
        let Some(mut server) = own().await else {
            return;
        };
        server.kill().await;
        assert!(put_container(server.endpoint()).await.is_err());
        server.start_again().await;
        assert_eq!(put_container(server.endpoint()).await.unwrap(), 409);
    }
}
