//! No secret is in a manifest, and none in a file of the folders that deliver.

use serde_json::Value;

use crate::builds::{Build, root};
use crate::check_every_build;
use crate::workloads::{items, string, workloads};

/// Words in the name of a variable whose value nobody may read.
const SECRET_WORDS: [&str; 5] = ["PASSWORD", "PASS", "SECRET", "TOKEN", "KEY"];

/// Secrets that are written out in manifests.
pub(crate) fn complaints(build: &Build) -> Vec<String> {
    let mut complaints: Vec<_> = build
        .of_kind("Secret")
        .map(|secret| format!("the Secret {} is written out", secret["metadata"]["name"]))
        .collect();
    let (workloads, _) = workloads(build);
    for workload in &workloads {
        for variable in workload
            .every_container()
            .flat_map(|container| items(&container["env"]))
        {
            if is_written_out(variable) {
                complaints.push(format!(
                    "{}: {} is written out",
                    workload.title(),
                    variable["name"]
                ));
            }
        }
    }
    for map in build.of_kind("ConfigMap") {
        for (key, value) in map["data"].as_object().into_iter().flatten() {
            let variable = serde_json::json!({ "name": key, "value": value });
            // The dashboard is no variable.
            if !key.contains('.') && is_written_out(&variable) {
                complaints.push(format!("a ConfigMap has {key}"));
            }
        }
    }
    complaints
}

fn is_written_out(variable: &Value) -> bool {
    let name = string(&variable["name"]);
    let value = string(&variable["value"]);
    let is_secret =
        name.split('_').any(|word| SECRET_WORDS.contains(&word)) && !name.ends_with("_FILE");
    // In an address the password stands between a colon and an at sign.
    let login = value
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('@'));
    let password = login.and_then(|(login, _)| login.split_once(':'));
    (is_secret && !value.is_empty())
        || password.is_some_and(|(_, password)| !password.starts_with("$("))
}

#[test]
fn no_manifest_has_a_secret() {
    check_every_build(complaints);
}

#[test]
fn no_file_that_delivers_has_a_secret() {
    let mut folders: Vec<_> = ["k8s", "terraform", "docker", "scripts"]
        .map(|name| root().join(name))
        .into();
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                seen += 1;
                for sign in [
                    "-----BEGIN",
                    "AccountKey=",
                    "SharedAccessSignature=",
                    "secretGenerator",
                ] {
                    // Whoever looks for keys writes their beginning, too; a key goes on.
                    let is_there = text
                        .lines()
                        .any(|line| line.starts_with(sign) || line.contains(&format!("\"{sign}")));
                    assert!(!is_there, "{}: {sign}", path.display());
                }
            }
        }
    }
    assert!(seen > 50, "{seen} files were read");
}
