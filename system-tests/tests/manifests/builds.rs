//! Every overlay and every combination of components, as kustomize renders it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use test_support::DataFolder;
use test_support::engines::Availability;

/// What kustomize made of an overlay or of a combination.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    /// The overlay, or the components of the combination.
    pub name: String,
    /// The overlay's name and the names of all components in it.
    pub parts: BTreeSet<String>,
    /// The manifests.
    pub objects: Vec<Value>,
}

impl Build {
    /// The objects of a kind.
    pub(crate) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.objects
            .iter()
            .filter(move |object| object["kind"] == kind)
    }

    /// The object of this kind and name.
    pub(crate) fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.of_kind(kind)
            .find(|object| object["metadata"]["name"] == name)
    }
}

/// The services, which are on the map, in every build, and deployed by digest.
pub(crate) const SERVICES: [&str; 5] = [
    "gateway",
    "video-streaming",
    "video-storage",
    "metadata",
    "history",
];

/// One of each line is in a combination; an empty name is none of them. The order is the one in which
/// overlays list them.
const CHOICES: [&[&str]; 7] = [
    &["mongodb", ""],
    &["rabbitmq", ""],
    &["network-policies"],
    &["", "autoscale-on-cpu", "autoscale-on-load"],
    &["", "monitoring"],
    &["", "public-gateway"],
    &["azurite", "azure"],
];

/// What comes in the place of an engine that was not chosen.
const INSTEAD: [(&str, &str); 2] = [
    ("mongodb", "managed-mongodb"),
    ("rabbitmq", "rabbitmq-operator"),
];

/// All builds, made once; `None` where nothing here can make them.
pub(crate) fn every_build() -> Option<&'static [Build]> {
    static BUILDS: OnceLock<Vec<Build>> = OnceLock::new();
    let kustomize = Kustomize::look_for().or_left_out("kustomize")?;
    Some(BUILDS.get_or_init(|| make_every_build(&kustomize)))
}

fn make_every_build(kustomize: &Kustomize) -> Vec<Build> {
    let overlays = overlays().into_iter().map(|name| {
        let folder = root().join("k8s/overlays").join(&name);
        let mut parts = components_of(&folder);
        parts.insert(name.clone());
        Build {
            objects: kustomize.build(&folder),
            name,
            parts,
        }
    });
    // Kustomize takes no absolute paths, so the combinations are made in a copy.
    let copy = DataFolder::new();
    copy_folder(&root().join("k8s"), &copy.join("k8s"));
    let combinations = combinations().into_iter().map(|parts| {
        let folder = copy.join("k8s/overlays/combination");
        fs::create_dir_all(&folder).unwrap();
        let components: Vec<_> = parts
            .iter()
            .map(|part| format!("  - ../../components/{part}\n"))
            .collect();
        let components = components.concat();
        let text = format!(
            "namespace: flixtube\nresources: [../../base]\ncomponents:\n{components}labels:\n  \
             - pairs: {{ app.kubernetes.io/part-of: flixtube }}\n    includeTemplates: true\n"
        );
        fs::write(folder.join("kustomization.yaml"), text).unwrap();
        Build {
            name: parts.join("+"),
            objects: kustomize.build(&folder),
            parts: parts.into_iter().collect(),
        }
    });
    overlays.chain(combinations).collect()
}

/// The names of the overlays.
pub(crate) fn overlays() -> Vec<String> {
    folders_in(&root().join("k8s/overlays"))
}

fn folders_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn components_of(overlay: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(overlay.join("kustomization.yaml")).unwrap();
    let kustomization: Value = serde_saphyr::from_str(&text).unwrap();
    let components = kustomization["components"].as_array().cloned();
    components
        .unwrap_or_default()
        .iter()
        .filter_map(|path| path.as_str()?.rsplit('/').next().map(str::to_owned))
        .collect()
}

/// Every choice with every other one, but for those that need one another.
fn combinations() -> Vec<Vec<String>> {
    let mut all: Vec<Vec<&str>> = vec![Vec::new()];
    for choice in CHOICES {
        all = all
            .into_iter()
            .flat_map(|chosen| {
                choice.iter().map(move |part| {
                    let mut chosen = chosen.clone();
                    chosen.push(part);
                    chosen
                })
            })
            .collect();
    }
    let fits = |parts: &Vec<&str>| {
        let has = |part| parts.contains(&part);
        // The public address is Azure's, and only there is MongoDB a service.
        (has("azure") == has("public-gateway")) && (has("mongodb") || has("azure"))
    };
    let mut combinations: Vec<Vec<String>> = all
        .into_iter()
        .filter(fits)
        .map(|mut parts| {
            for (engine, instead) in INSTEAD {
                if !parts.contains(&engine) {
                    parts.push(instead);
                }
            }
            parts.retain(|part| !part.is_empty());
            parts.into_iter().map(str::to_owned).collect()
        })
        .collect();
    combinations.sort();
    combinations
}

#[test]
fn every_component_is_in_some_combination() {
    let combined: BTreeSet<_> = combinations().into_iter().flatten().collect();
    let there: BTreeSet<_> = folders_in(&root().join("k8s/components"))
        .into_iter()
        .collect();
    assert_eq!(combined, there);
}

/// A program that renders.
pub(crate) struct Kustomize {
    program: &'static str,
    arguments: &'static [&'static str],
}

impl Kustomize {
    pub(crate) fn look_for() -> Availability<Self> {
        for (program, version, arguments) in [
            ("kustomize", &["version"][..], &["build"][..]),
            ("kubectl", &["version", "--client"], &["kustomize"]),
        ] {
            if succeeds(program, version) {
                return Availability::Running(Self { program, arguments });
            }
        }
        Availability::Missing("Install kubectl or kustomize; scripts/test does.".to_owned())
    }

    fn build(&self, folder: &Path) -> Vec<Value> {
        let output = Command::new(self.program)
            .args(self.arguments)
            .arg(folder)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}: {}",
            folder.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        parse_all(&String::from_utf8(output.stdout).unwrap())
    }
}

/// Whether a program can be started and ends well.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success())
}

/// The documents of a YAML text.
pub(crate) fn parse_all(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The repository's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// A file of the repository.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
