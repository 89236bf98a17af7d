//! How a command finds the system that runs on a data folder: a file in it, readable by its owner
//! only, says where `video-storage` listens and the token of this run.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use service_kit::guard::ServiceToken;

const FILE: &str = "control.json";

/// Where an inner service of a running system is, and how it is called.
#[derive(Clone, Debug)]
pub struct Control {
    /// Where `video-storage` listens.
    pub video_storage: SocketAddr,
    /// What its callers show.
    pub token: ServiceToken,
}

/// `control.json`
#[derive(Deserialize, Serialize)]
struct ControlDocument {
    video_storage: SocketAddr,
    service_token: String,
}

/// The file, which is removed when this is dropped. One that a killed system left says nothing:
/// whoever reads it knows by the lock of the folder whether a system runs.
#[derive(Debug)]
pub(crate) struct ControlFile(PathBuf);

impl ControlFile {
    /// Writes it into a data folder that this process has taken.
    pub(crate) fn write(data: &Path, control: &Control) -> io::Result<Self> {
        let document = ControlDocument {
            video_storage: control.video_storage,
            service_token: control.token.as_str().to_owned(),
        };
        let path = data.join(FILE);
        let new = data.join("control.json.new");
        // Made anew, so that nobody has it open from before and its mode is this one.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&serde_json::to_vec(&document)?)?;
        fs::rename(&new, &path)?;
        Ok(Self(path))
    }
}

impl Drop for ControlFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(%error, "the control file was not removed");
        }
    }
}

impl Control {
    /// Of the system that runs on this data folder.
    pub fn read(data: &Path) -> io::Result<Self> {
        let document: ControlDocument = serde_json::from_slice(&fs::read(data.join(FILE))?)?;
        let ControlDocument {
            video_storage,
            service_token,
        } = document;
        let token = service_token.parse().map_err(io::Error::other)?;
        Ok(Self {
            video_storage,
            token,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_file_is_for_its_owner_only_and_goes_with_the_system() {
        let folder = tempfile::tempdir().unwrap();
        let control = Control {
            video_storage: ([127, 0, 0, 1], 4020).into(),
            token: ServiceToken::random(),
        };
        let file = ControlFile::write(folder.path(), &control).unwrap();
        let mode = fs::metadata(folder.path().join(FILE))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let read = Control::read(folder.path()).unwrap();
        assert_eq!(read.video_storage, control.video_storage);
        assert_eq!(read.token, control.token);
        drop(file);
        assert!(Control::read(folder.path()).is_err());
    }
}
