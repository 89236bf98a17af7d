//! Which files something is built from, and whether they have changed.
//!
//! That a file was written says little: editors rename, `git checkout` goes there and back, Cargo
//! writes its lock file. So every event only makes this program look, and what counts is whether
//! the contents differ from those of the last build.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use notify::RecursiveMode;

use crate::folder::Problem;

/// The files of a workspace's own folder that every program is built from.
const OF_THE_WORKSPACE: [&str; 5] = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain",
    "rust-toolchain.toml",
    ".cargo/config.toml",
];

/// What lies in a package's folder and is in no program.
const NOT_IN_PROGRAMS: [&str; 4] = ["benches", "examples", "target", "tests"];

/// What lies in a front end's folder and was built or installed there.
const NOT_IN_PAGES: [&str; 4] = ["dist", "node_modules", "playwright-report", "test-results"];

/// Files and folders that something is built from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Sources {
    folders: Vec<SourceFolder>,
    files: Vec<PathBuf>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct SourceFolder {
    path: PathBuf,
    /// Names directly below that do not count.
    without: &'static [&'static str],
}

/// What the sources contain at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Snapshot(BTreeMap<PathBuf, u64>);

impl Sources {
    /// The sources of these programs, as Cargo tells them: their packages, all packages of this
    /// machine that those depend on, and the workspace's manifests.
    pub(crate) fn of_programs(workspace: &Path, programs: &[String]) -> Result<Self, Problem> {
        let metadata = MetadataCommand::new()
            .manifest_path(workspace.join("Cargo.toml"))
            .no_deps()
            .exec()
            .map_err(|error| {
                let text = match &error {
                    cargo_metadata::Error::CargoMetadata { stderr } => stderr.clone(),
                    other => other.to_string(),
                };
                Problem::new("Cargo cannot read the workspace", text)
            })?;
        let mut folders = BTreeSet::new();
        for name in programs {
            let package = package_of(&metadata, name).ok_or_else(|| {
                let text = format!("No package of the workspace makes a program {name}.");
                Problem::new(format!("There is no program {name}"), text)
            })?;
            add_with_dependencies(&metadata, package, &mut folders);
        }
        let root = metadata.workspace_root.as_std_path();
        Ok(Self {
            folders: folders
                .into_iter()
                .map(|path| SourceFolder {
                    path,
                    without: &NOT_IN_PROGRAMS,
                })
                .collect(),
            files: OF_THE_WORKSPACE.map(|name| root.join(name)).into(),
        })
    }

    /// Everything below a workspace: for as long as Cargo cannot tell.
    pub(crate) fn of_workspace(workspace: &Path) -> Self {
        Self {
            folders: vec![SourceFolder {
                path: workspace.to_owned(),
                without: &NOT_IN_PROGRAMS,
            }],
            files: Vec::new(),
        }
    }

    /// The sources of a front end.
    pub(crate) fn of_pages(web: &Path) -> Self {
        Self {
            folders: vec![SourceFolder {
                path: web.to_owned(),
                without: &NOT_IN_PAGES,
            }],
            files: Vec::new(),
        }
    }

    /// What has to be watched to hear of every change. Folders and not files: an editor that saves
    /// by renaming puts another file in the place of the old one.
    pub(crate) fn places(&self) -> BTreeMap<PathBuf, RecursiveMode> {
        let mut places = BTreeMap::new();
        let alone = |path: &Path| (path.to_owned(), RecursiveMode::NonRecursive);
        places.extend(
            self.files
                .iter()
                .filter_map(|file| file.parent())
                .map(alone),
        );
        for folder in &self.folders {
            places.extend([alone(&folder.path)]);
        }
        for folder in &self.folders {
            // Not the folder as a whole: what is built may lie in it, and is large.
            let below = entries(&folder.path)
                .filter(|(name, path)| is_source(name) && path.is_dir())
                .filter(|(name, _)| !folder.without.contains(&name.as_str()));
            places.extend(below.map(|(_, path)| (path, RecursiveMode::Recursive)));
        }
        places.retain(|path, _| path.is_dir());
        places
    }

    /// Reads everything.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut contents = BTreeMap::new();
        for file in &self.files {
            contents.extend(fingerprint(file).map(|print| (file.clone(), print)));
        }
        for folder in &self.folders {
            for (name, path) in entries(&folder.path) {
                if !folder.without.contains(&name.as_str()) {
                    read(&name, path, &mut contents);
                }
            }
        }
        Snapshot(contents)
    }
}

impl Snapshot {
    /// What is new, gone or different.
    pub(crate) fn changes(&self, since: &Self) -> Vec<PathBuf> {
        let names: BTreeSet<_> = self.0.keys().chain(since.0.keys()).collect();
        names
            .into_iter()
            .filter(|name| self.0.get(*name) != since.0.get(*name))
            .cloned()
            .collect()
    }

    /// The files below a folder, named from there.
    pub(crate) fn below(&self, folder: &Path) -> BTreeMap<PathBuf, u64> {
        let named = |(path, print): (&PathBuf, &u64)| {
            let name = path.strip_prefix(folder).ok()?;
            Some((name.to_owned(), *print))
        };
        self.0.iter().filter_map(named).collect()
    }
}

fn package_of<'a>(metadata: &'a Metadata, program: &str) -> Option<&'a Package> {
    metadata.packages.iter().find(|package| {
        let mut targets = package.targets.iter();
        targets.any(|target| target.is_bin() && target.name == program)
    })
}

fn add_with_dependencies(metadata: &Metadata, package: &Package, folders: &mut BTreeSet<PathBuf>) {
    let Some(folder) = package.manifest_path.parent() else {
        return;
    };
    if !folders.insert(folder.as_std_path().to_owned()) {
        return;
    }
    for dependency in &package.dependencies {
        // What tests alone need is in no program.
        let Some(path) = (dependency.kind != DependencyKind::Development)
            .then_some(dependency.path.as_deref())
            .flatten()
        else {
            continue;
        };
        let is_it = |package: &&Package| package.manifest_path.parent() == Some(path);
        match metadata.packages.iter().find(is_it) {
            Some(package) => add_with_dependencies(metadata, package, folders),
            // It belongs to another workspace.
            None => {
                folders.insert(path.as_std_path().to_owned());
            }
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = (String, PathBuf)> + use<> {
    // What is gone has no entries; whatever took it away is a change that is heard of.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| {
        (
            entry.file_name().to_string_lossy().into_owned(),
            entry.path(),
        )
    })
}

fn read(name: &str, path: PathBuf, contents: &mut BTreeMap<PathBuf, u64>) {
    if !is_source(name) {
        return;
    }
    let Ok(kind) = path.symlink_metadata().map(|found| found.file_type()) else {
        return;
    };
    if !kind.is_dir() {
        contents.extend(fingerprint(&path).map(|print| (path, print)));
    } else if !path.join("Cargo.toml").is_file() {
        for (name, path) in entries(&path) {
            read(&name, path, contents);
        }
    }
}

/// Whether a name can be a source: editors and version control have names of their own for what
/// they put aside.
fn is_source(name: &str) -> bool {
    let put_aside = name.starts_with('.') || name.starts_with('#') || name.ends_with('~');
    // Vim tries whether it may write by making this file.
    !put_aside && name != "4913" && name != "node_modules"
}

fn fingerprint(file: &Path) -> Option<u64> {
    let content = fs::read(file).ok()?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&content);
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this_workspace() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap()
            .to_owned()
    }

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_service_is_built_from_its_crate_and_those_that_it_depends_on() {
        let root = this_workspace();
        let sources = Sources::of_programs(&root, &["metadata".to_owned()]).unwrap();
        let folders: Vec<_> = sources.folders.iter().map(|folder| &folder.path).collect();
        let expected = ["events", "metadata", "service-kit"].map(|name| root.join(name));
        assert_eq!(folders, expected.iter().collect::<Vec<_>>());
        assert!(sources.files.contains(&root.join("Cargo.lock")));
        let snapshot = sources.snapshot();
        assert!(snapshot.0.contains_key(&root.join("metadata/src/main.rs")));
        assert!(
            !snapshot
                .0
                .keys()
                .any(|path| path.starts_with(root.join("metadata/tests")))
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_a_problem_that_names_it() {
        let problem = Sources::of_programs(&this_workspace(), &["nonsense".to_owned()]);
        assert!(problem.unwrap_err().title.contains("nonsense"));
    }

    #[test]
    fn a_broken_manifest_is_a_problem_with_what_cargo_says() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("Cargo.toml"), "[workspace\n");
        let problem = Sources::of_programs(folder.path(), &[]).unwrap_err();
        assert!(problem.text.contains("Cargo.toml"), "{}", problem.text);
    }

    #[test]
    fn only_contents_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(&path("src/App.svelte"), "one");
        write(&path("node_modules/x/y.js"), "installed");
        write(&path("dist/index.html"), "built");
        let sources = Sources::of_pages(folder.path());
        let before = sources.snapshot();
        write(&path("src/App.svelte"), "one");
        write(&path("src/.App.svelte.swp"), "an editor's");
        write(&path("src/App.svelte~"), "an editor's");
        write(&path("dist/index.html"), "built again");
        assert_eq!(sources.snapshot(), before);
        write(&path("src/new/Other.svelte"), "two");
        fs::remove_file(path("src/App.svelte")).unwrap();
        let changes = sources.snapshot().changes(&before);
        assert_eq!(
            changes,
            [path("src/App.svelte"), path("src/new/Other.svelte")]
        );
    }

    #[test]
    fn what_is_built_or_installed_is_not_watched() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["src", "node_modules", "dist", ".svelte-kit"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let places = Sources::of_pages(folder.path()).places();
        let expected = BTreeMap::from([
            (folder.path().to_owned(), RecursiveMode::NonRecursive),
            (folder.path().join("src"), RecursiveMode::Recursive),
        ]);
        assert_eq!(places, expected);
    }
}
