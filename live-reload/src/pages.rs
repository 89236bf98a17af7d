//! Building the web pages: the npm script `pages` of the front end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::builder::{Built, Recipe};
use crate::folder::{Folder, Problem, WEB, hash, hex};
use crate::process_group::ProcessGroup;
use crate::services::pass_on;
use crate::sources::Sources;
use crate::terminal::say;

/// What the programs of a cancelled build get to end.
pub(crate) const CANCEL_GRACE: Duration = Duration::from_secs(2);

/// The file that leads to all others.
const INDEX: &str = "index.html";

/// Holds the hash of the lock file whose packages are installed; `scripts/lib/common.sh` keeps the
/// same file.
const INSTALLED: &str = "node_modules/.flixtube-packages";

/// The pages.
pub(crate) struct Pages {
    web: PathBuf,
    /// Where it is built: there, or in a copy.
    place: PathBuf,
    folder: Folder,
    /// Files of the last build that was published: pages that are open may still ask for them.
    last: BTreeSet<PathBuf>,
}

impl Pages {
    pub(crate) fn new(web: PathBuf, copy: Option<&Path>, folder: Folder) -> io::Result<Self> {
        let last = files(&folder.pages())?;
        let place = match copy {
            None => web.clone(),
            Some(copy) => {
                fs::create_dir_all(copy)?;
                copy.canonicalize()?
            }
        };
        Ok(Self {
            web,
            place,
            folder,
            last,
        })
    }

    /// Runs npm; an error is what it wrote.
    async fn npm(
        &self,
        arguments: &[&str],
        cancel: &CancellationToken,
    ) -> anyhow::Result<Result<(), String>> {
        let mut command = Command::new("npm");
        command.args(arguments).current_dir(&self.place);
        let mut npm =
            ProcessGroup::start(command).context("npm cannot be started; is Node.js installed?")?;
        let written = pass_on(npm.stdout.take());
        let complaints = pass_on(npm.stderr.take());
        let running = async {
            let (written, complaints) = tokio::join!(written, complaints);
            (written + &complaints, npm.wait().await)
        };
        let Some((written, ended)) = cancel.run_until_cancelled(running).await else {
            npm.end(CANCEL_GRACE).await;
            return Ok(Ok(()));
        };
        Ok(if ended?.success() {
            Ok(())
        } else {
            Err(written)
        })
    }

    async fn install(&self, cancel: &CancellationToken) -> anyhow::Result<Result<(), String>> {
        let lock = self.place.join("package-lock.json");
        let Ok(wanted) = hash(&lock) else {
            // Without a lock file there is nothing to install.
            return Ok(Ok(()));
        };
        let stamp = self.place.join(INSTALLED);
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(Ok(()));
        }
        say("installing the front end's packages");
        let installed = self.npm(&["ci", "--no-audit", "--no-fund"], cancel).await?;
        if installed.is_ok() && !cancel.is_cancelled() {
            fs::write(stamp, wanted).context("the front end's packages cannot be marked")?;
        }
        Ok(installed)
    }
}

impl Recipe for Pages {
    fn about(&self) -> &'static str {
        WEB
    }

    fn title(&self) -> &'static str {
        "the build of the pages"
    }

    async fn sources(&mut self) -> (Sources, Result<(), Problem>) {
        (Sources::of_pages(&self.web), Ok(()))
    }

    async fn build(&mut self, cancel: &CancellationToken) -> anyhow::Result<Built> {
        let began = Instant::now();
        let failed = |title: &str, text: String| Ok(Err(vec![Problem::new(title, text)]));
        if self.place != self.web {
            let (from, to) = (self.web.clone(), self.place.clone());
            let copying = tokio::task::spawn_blocking(move || copy_sources(&from, &to));
            copying.await?.context("the front end cannot be copied")?;
        }
        if let Err(text) = self.install(cancel).await? {
            return failed("The front end's packages cannot be installed", text);
        }
        let staged = self.folder.hidden("web");
        let out = staged.to_string_lossy().into_owned();
        let script = [
            "run",
            "--silent",
            "pages",
            "--",
            "--outDir",
            &out,
            "--emptyOutDir",
        ];
        let built = self.npm(&script, cancel).await?;
        if cancel.is_cancelled() {
            return Ok(Ok(BTreeMap::new()));
        }
        if let Err(text) = built {
            return failed("The pages cannot be built", text);
        }
        let (pages, last) = (self.folder.pages(), self.last.clone());
        let publishing = tokio::task::spawn_blocking(move || publish(&staged, &pages, &last));
        let (version, published) = publishing.await?.context("the pages cannot be published")?;
        self.last = published;
        say(&format!(
            "pages built in {:.1} s",
            began.elapsed().as_secs_f64()
        ));
        Ok(Ok(BTreeMap::from([(WEB.to_owned(), version)])))
    }
}

/// Makes a folder hold the sources of the front end, and no others. What is installed there stays.
fn copy_sources(from: &Path, to: &Path) -> io::Result<()> {
    let sources = |folder: &Path| Sources::of_pages(folder).snapshot().below(folder);
    let (wanted, there) = (sources(from), sources(to));
    for name in there.keys().filter(|name| !wanted.contains_key(*name)) {
        fs::remove_file(to.join(name))?;
    }
    for (name, content) in &wanted {
        if there.get(name) == Some(content) {
            continue;
        }
        let copy = to.join(name);
        if let Some(folder) = copy.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(from.join(name), copy)?;
    }
    Ok(())
}

/// Moves the built pages to where they are served from, each by renaming and the index last: it
/// never leads to a file that is not there. What neither this build nor the last one has is removed.
fn publish(
    staged: &Path,
    pages: &Path,
    last: &BTreeSet<PathBuf>,
) -> io::Result<(String, BTreeSet<PathBuf>)> {
    let built = files(staged)?;
    let mut contents = Sha256::new();
    for name in &built {
        contents.update(name.to_string_lossy().as_bytes());
        contents.update(hash(&staged.join(name))?);
    }
    fs::create_dir_all(pages)?;
    let (index, others): (Vec<_>, Vec<_>) = built
        .iter()
        .partition(|name| name.as_path() == Path::new(INDEX));
    for name in others.into_iter().chain(index) {
        let place = pages.join(name);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::rename(staged.join(name), place)?;
    }
    for name in files(pages)? {
        if !built.contains(&name) && !last.contains(&name) {
            fs::remove_file(pages.join(name))?;
        }
    }
    Ok((hex(&contents.finalize()), built))
}

/// The files below a folder, by their names from there; none if it is not there.
fn files(folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = match fs::read_dir(&next) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if let Ok(name) = entry.path().strip_prefix(folder) {
                found.insert(name.to_owned());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(staged: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = staged.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn the_files_of_the_last_build_stay_and_those_before_go() {
        let folder = tempfile::tempdir().unwrap();
        let (staged, pages) = (folder.path().join("staged"), folder.path().join("web"));
        let mut last = BTreeSet::new();
        let mut versions = BTreeSet::new();
        for number in ["1", "2", "3"] {
            let asset = format!("assets/{number}.js");
            build(&staged, &[("index.html", number), (&asset, "let")]);
            let (version, published) = publish(&staged, &pages, &last).unwrap();
            last = published;
            versions.insert(version);
        }
        assert_eq!(versions.len(), 3);
        assert_eq!(fs::read_to_string(pages.join(INDEX)).unwrap(), "3");
        let expected = ["assets/2.js", "assets/3.js", "index.html"].map(PathBuf::from);
        assert_eq!(files(&pages).unwrap(), BTreeSet::from(expected));
    }

    #[test]
    fn a_copy_follows_the_sources_and_keeps_what_is_installed() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("web"), folder.path().join("copy"));
        build(&from, &[("package.json", "1"), ("src/Old.svelte", "old")]);
        build(&from, &[("node_modules/x/x.js", "of another system")]);
        copy_sources(&from, &to).unwrap();
        build(&to, &[("node_modules/x/x.js", "of this one")]);
        fs::remove_file(from.join("src/Old.svelte")).unwrap();
        build(
            &from,
            &[("package.json", "2"), ("src/new/New.svelte", "new")],
        );
        copy_sources(&from, &to).unwrap();
        let expected = ["node_modules/x/x.js", "package.json", "src/new/New.svelte"];
        assert_eq!(
            files(&to).unwrap(),
            BTreeSet::from(expected.map(PathBuf::from))
        );
        let read = |name: &str| fs::read_to_string(to.join(name)).unwrap();
        assert_eq!(read("package.json"), "2");
        assert_eq!(read("node_modules/x/x.js"), "of this one");
    }

    #[test]
    fn the_same_pages_have_the_same_version() {
        let folder = tempfile::tempdir().unwrap();
        let (staged, pages) = (folder.path().join("staged"), folder.path().join("web"));
        let build_one = || {
            build(&staged, &[("index.html", "x"), ("assets/a.js", "y")]);
            publish(&staged, &pages, &BTreeSet::new()).unwrap().0
        };
        assert_eq!(build_one(), build_one());
    }
}
