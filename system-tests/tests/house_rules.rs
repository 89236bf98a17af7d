//! The rules of the house that no compiler checks: who may depend on whom, what the plumbing may
//! know, and how long a file may be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The crates that own data or the public edge. They meet over HTTP and events only.
const SERVICES: [&str; 5] = [
    "gateway",
    "history",
    "metadata",
    "video-storage",
    "video-streaming",
];

/// The crates that put services together.
const ASSEMBLIES: [&str; 2] = ["flixtube", "system-tests"];

/// What the plumbing must not talk about, in the singular.
const DOMAIN_NOUNS: [&str; 13] = [
    "beat",
    "catalog",
    "catalogue",
    "film",
    "history",
    "movie",
    "playback",
    "player",
    "poster",
    "upload",
    "video",
    "view",
    "viewer",
];

const LONGEST_FILE: usize = 600;

/// Folders with what others wrote, or what was built.
const FOREIGN_FOLDERS: [&str; 6] = [
    "data",
    "dist",
    "node_modules",
    "playwright-report",
    "target",
    "test-results",
];

#[test]
fn no_service_depends_on_another_and_only_the_assemblies_depend_on_several() {
    for member in &workspace() {
        if ASSEMBLIES.contains(&member.name.as_str()) {
            continue;
        }
        let services: Vec<_> = member
            .dependencies
            .iter()
            .filter(|dependency| SERVICES.contains(&dependency.name.as_str()))
            .map(|dependency| &dependency.name)
            .collect();
        assert!(
            services.is_empty(),
            "{} must not depend on {services:?}: services meet over HTTP and events",
            member.name
        );
    }
}

#[test]
fn the_rules_name_crates_that_exist() {
    let names: Vec<_> = workspace().into_iter().map(|member| member.name).collect();
    for name in SERVICES.iter().chain(&ASSEMBLIES) {
        assert!(
            names.iter().any(|member| member == name),
            "{name} is no crate of the workspace"
        );
    }
}

#[test]
fn test_support_is_a_development_dependency_only() {
    for member in &workspace() {
        for dependency in &member.dependencies {
            // The library of `system-tests` is a harness that nothing but its own tests uses.
            let is_test = dependency.kind == Kind::Development || member.name == "system-tests";
            assert!(
                dependency.name != "test-support" || is_test,
                "{} takes test-support into its program",
                member.name
            );
        }
    }
}

#[test]
fn the_plumbing_depends_on_no_crate_of_the_workspace() {
    let members = workspace();
    let names: Vec<_> = members.iter().map(|member| &member.name).collect();
    for plumbing in ["service-kit", "test-support"] {
        let member = members
            .iter()
            .find(|member| member.name == plumbing)
            .expect("the plumbing is a member");
        for dependency in &member.dependencies {
            assert!(
                !names.contains(&&dependency.name) || dependency.kind == Kind::Development,
                "{plumbing} must not depend on {}",
                dependency.name
            );
        }
    }
}

#[test]
fn no_domain_noun_occurs_in_service_kit() {
    let sources = files(&root().join("service-kit/src"), &["rs"]);
    assert!(!sources.is_empty());
    for path in sources {
        let text = read(&path);
        for (number, line) in text.lines().enumerate() {
            for word in words(line) {
                let singular = word.strip_suffix('s').unwrap_or(&word);
                assert!(
                    !DOMAIN_NOUNS.contains(&word.as_str()) && !DOMAIN_NOUNS.contains(&singular),
                    "{}:{}: the plumbing knows no {word:?}",
                    path.display(),
                    number + 1
                );
            }
        }
    }
}

#[test]
fn every_crate_inherits_the_lints_of_the_workspace() {
    for member in &workspace() {
        let manifest = read(&member.manifest);
        let mut lines = manifest.lines().map(str::trim);
        let inherits = lines.any(|line| line == "[lints]")
            && lines.next().is_some_and(|line| line == "workspace = true");
        assert!(inherits, "{} has lints of its own", member.name);
    }
}

#[test]
fn no_source_file_is_longer_than_a_reader_can_hold() {
    for path in files(&root(), &["rs", "svelte", "ts"]) {
        let lines = read(&path).lines().count();
        assert!(
            lines <= LONGEST_FILE,
            "{} has {lines} lines; {LONGEST_FILE} are the limit: split it",
            path.display()
        );
    }
}

#[test]
fn what_is_compiled_in_is_sent_to_the_build_of_the_images() {
    let ignore = read(&root().join(".dockerignore"));
    let sent: Vec<_> = ignore
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    let mut seen = 0;
    for name in in_images(&workspace()) {
        for path in files(&root().join(&name).join("src"), &["rs"]) {
            for included in read(&path).split("include_str!(\"../").skip(1) {
                let folder = included
                    .split('/')
                    .next()
                    .expect("a split has a first part");
                let folder = format!("{name}/{folder}");
                assert!(
                    sent.contains(&folder.as_str()),
                    "{} takes in what is in {folder}, which .dockerignore keeps from the build",
                    path.display()
                );
                seen += 1;
            }
        }
    }
    assert!(
        seen > 0,
        "no source includes a file any more: this rule looks for the wrong thing"
    );
}

#[test]
fn modules_lie_beside_their_folders() {
    for path in files(&root(), &["rs"]) {
        assert!(
            !path.ends_with("mod.rs"),
            "{}: name the file after its module",
            path.display()
        );
    }
}

#[test]
fn words_are_found_inside_the_names_of_a_program() {
    let found: Vec<_> = words("let VideoBody = open_video2(\"a/bVideos\");").collect();
    assert_eq!(
        found,
        ["let", "video", "body", "open", "video", "a", "b", "videos"]
    );
}

struct Member {
    name: String,
    manifest: PathBuf,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    kind: Kind,
}

#[derive(PartialEq, Eq)]
enum Kind {
    Normal,
    Development,
    Build,
}

/// What `cargo metadata` says of the workspace's own crates; it needs no network for that.
fn workspace() -> Vec<Member> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(root())
        .output()
        .expect("cargo can be run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    array(&metadata["packages"]).map(member).collect()
}

fn member(package: &Value) -> Member {
    let dependencies = array(&package["dependencies"]).map(|dependency| Dependency {
        name: string(&dependency["name"]),
        kind: match dependency["kind"].as_str() {
            None => Kind::Normal,
            Some("dev") => Kind::Development,
            Some("build") => Kind::Build,
            Some(other) => panic!("cargo knows a kind of dependency that this does not: {other}"),
        },
    });
    Member {
        name: string(&package["name"]),
        manifest: PathBuf::from(string(&package["manifest_path"])),
        dependencies: dependencies.collect(),
    }
}

/// The crates that programs of images are compiled from: the one program has all services in it.
fn in_images(members: &[Member]) -> Vec<String> {
    let mut names = vec!["flixtube".to_owned()];
    let mut next = 0;
    while let Some(name) = names.get(next) {
        let member = members.iter().find(|member| member.name == *name);
        let needed = member.into_iter().flat_map(|member| &member.dependencies);
        let new: Vec<_> = needed
            .filter(|dependency| dependency.kind != Kind::Development)
            .map(|dependency| dependency.name.clone())
            .filter(|needed| members.iter().any(|member| member.name == *needed))
            .filter(|needed| !names.contains(needed))
            .collect();
        names.extend(new);
        next += 1;
    }
    names
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("cargo prints an array").iter()
}

fn string(value: &Value) -> String {
    value.as_str().expect("cargo prints a string").to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a crate lies in the workspace")
        .to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The project's own files below a folder that have one of the extensions.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let entry = entry.expect("a folder can be listed");
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().expect("an entry has a type").is_dir() {
                if !name.starts_with('.') && !FOREIGN_FOLDERS.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if extensions
                .iter()
                .any(|wanted| path.extension().is_some_and(|has| has == *wanted))
            {
                found.push(path);
            }
        }
    }
    found
}

/// The words of a line in lower case; `VideoBody` and `video_body` are two words each.
fn words(line: &str) -> impl Iterator<Item = String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut after_lower_case = false;
    for letter in line.chars() {
        let begins = letter.is_uppercase() && after_lower_case;
        if (begins || !letter.is_alphabetic()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if letter.is_alphabetic() {
            word.extend(letter.to_lowercase());
        }
        after_lower_case = letter.is_lowercase();
    }
    if !word.is_empty() {
        words.push(word);
    }
    words.into_iter()
}
