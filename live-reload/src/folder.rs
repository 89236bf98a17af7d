//! The folder between builders and runners.
//!
//! ```text
//! DIR/gateway, DIR/metadata …    the newest build of each program, replaced by renaming
//! DIR/web/                       the newest build of the pages
//! DIR/status/build.json          a report: what was built, or why not
//! DIR/status/web.json            the same of the pages
//! DIR/status/gateway.json …      a report of each runner: what runs, or why not
//! DIR/.run/                      what runners keep for themselves
//! ```
//!
//! Everything appears by renaming, so whoever reads finds the old or the new whole. A report is
//! written after what it speaks of.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The report of the builder of the programs.
pub(crate) const BUILD: &str = "build";
/// The report of the builder of the pages.
pub(crate) const WEB: &str = "web";

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

/// What somebody has to tell; a file of JSON.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Report {
    /// Who tells it: `build`, `web`, or a service.
    pub(crate) about: String,
    /// What it is doing.
    pub(crate) state: State,
    /// What is wrong and was not mended yet; shown until it is.
    pub(crate) problems: Vec<Problem>,
    /// What is in use or published, by name: hashes of contents.
    pub(crate) versions: BTreeMap<String, String>,
}

/// What a builder or a runner is doing.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Something newer is being built, or started.
    Working,
    /// The newest is published, or serves.
    Done,
    /// The newest cannot be used; what was before is still there.
    Failed,
}

/// Something that a person has to mend.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Problem {
    /// In one line.
    pub(crate) title: String,
    /// The whole of it, as the compiler or the service wrote it, without colours.
    pub(crate) text: String,
}

impl Problem {
    pub(crate) fn new(title: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            text: text.into(),
        }
    }
}

impl Folder {
    /// Makes the folder if need be.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path.join("status"))?;
        // Whatever this process changes its folder to later, it is the same one.
        Ok(Self(path.canonicalize()?))
    }

    /// Where the program of a service is.
    pub(crate) fn program(&self, service: &str) -> PathBuf {
        self.0.join(service)
    }

    /// Where the pages are.
    pub(crate) fn pages(&self) -> PathBuf {
        self.0.join("web")
    }

    /// A place within the folder that nobody looks at.
    pub(crate) fn hidden(&self, name: &str) -> PathBuf {
        self.0.join(format!(".{name}"))
    }

    /// Writes a report.
    pub(crate) fn tell(&self, report: &Report) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(report)?;
        let name = format!("{}.json", report.about);
        let staged = self.hidden(&name);
        fs::write(&staged, text)?;
        fs::rename(staged, self.0.join("status").join(name))
    }

    /// The report of this name, if there is one that can be read.
    pub(crate) fn report(&self, about: &str) -> Option<Report> {
        let text = fs::read(self.0.join("status").join(format!("{about}.json"))).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The version of a service's program that was published last, if its file is there.
    pub(crate) fn version(&self, service: &str) -> Option<String> {
        let version = self.report(BUILD)?.versions.remove(service)?;
        self.program(service).is_file().then_some(version)
    }

    /// Publishes a program, and answers its version.
    pub(crate) fn publish(&self, service: &str, built: &Path) -> io::Result<String> {
        let version = hash(built)?;
        if self.version(service).as_ref() == Some(&version) {
            return Ok(version);
        }
        let staged = self.hidden(&format!("new-{service}"));
        // A copy: the compiler may write into its own file.
        fs::copy(built, &staged)?;
        fs::rename(staged, self.program(service))?;
        Ok(version)
    }
}

/// The SHA-256 of a file's content.
pub(crate) fn hash(file: &Path) -> io::Result<String> {
    let mut file = fs::File::open(file)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    Ok(hex(&hasher.finalize()))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_a_version_once_the_report_tells_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(&place.path().join("out")).unwrap();
        let built = place.path().join("built");
        fs::write(&built, "one").unwrap();
        let version = folder.publish("gateway", &built).unwrap();
        assert_eq!(folder.version("gateway"), None);
        let report = Report {
            about: BUILD.to_owned(),
            state: State::Done,
            problems: Vec::new(),
            versions: BTreeMap::from([("gateway".to_owned(), version.clone())]),
        };
        folder.tell(&report).unwrap();
        assert_eq!(folder.report(BUILD), Some(report));
        assert_eq!(folder.version("gateway"), Some(version.clone()));
        assert_eq!(version.len(), 64);
        fs::remove_file(folder.program("gateway")).unwrap();
        assert_eq!(folder.version("gateway"), None);
    }
}
