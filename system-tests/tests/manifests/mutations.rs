//! The checkers themselves: each manifest that is made worse must be found.

mod policies;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::arrows::{self, list};
use crate::builds::{Build, every_build};
use crate::workloads::string;
use crate::{pods, references, repository, restricted};

fn build(name: &str) -> Option<Build> {
    let builds = every_build()?;
    Some(
        builds
            .iter()
            .find(|build| build.name == name)
            .unwrap()
            .clone(),
    )
}

fn object<'a>(build: &'a mut Build, kind: &str, name: &str) -> &'a mut Value {
    let mut objects = build.objects.iter_mut();
    objects
        .find(|object| {
            object["kind"] == kind && string(&object["metadata"]["name"]).starts_with(name)
        })
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn all_complaints(build: &Build) -> Vec<String> {
    let list = list();
    [
        restricted::complaints(build),
        pods::complaints(build),
        references::complaints(build),
        repository::complaints(build),
        arrows::complaints(build, &list),
    ]
    .concat()
}

/// A line of `mutations/worse.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Worse {
    of: String,
    at: String,
    put: Value,
    found: String,
}

impl Worse {
    /// The place as a JSON pointer.
    fn path(&self) -> String {
        let pod = "/spec/template/spec";
        match self.at.split_once('/') {
            Some(("pod", rest)) => format!("{pod}/{rest}"),
            Some(("container", rest)) => format!("{pod}/containers/0/{rest}"),
            _ => format!("/{}", self.at),
        }
    }
}

/// Puts a value at a place whose parent may have to be made, or takes it away.
fn put(object: &mut Value, path: &str, value: Value) {
    let (parent, field) = path.rsplit_once('/').unwrap();
    let field = field.replace("~1", "/");
    let parent = object
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("nothing is at {parent}"));
    if let Value::Array(list) = parent {
        list[field.parse::<usize>().unwrap()] = value;
    } else if value.is_null() {
        assert!(
            parent.as_object_mut().unwrap().remove(&field).is_some(),
            "nothing is at {path}"
        );
    } else {
        parent[field.as_str()] = value;
    }
}

#[test]
fn each_manifest_that_is_made_worse_is_found() {
    let Some(good) = build("azure") else { return };
    assert_eq!(all_complaints(&good), Vec::<String>::new());
    let worse: Vec<Worse> = serde_saphyr::from_str(include_str!("mutations/worse.yaml")).unwrap();
    assert!(worse.len() > 60);
    for change in worse {
        let mut bad = good.clone();
        let (kind, name) = change.of.split_once('/').unwrap();
        put(
            object(&mut bad, kind, name),
            &change.path(),
            change.put.clone(),
        );
        let complaints = all_complaints(&bad);
        assert!(
            complaints
                .iter()
                .any(|complaint| complaint.contains(&change.found)),
            "{change:?}: found {complaints:#?}"
        );
    }
}

#[test]
fn what_the_operator_would_make_of_a_worse_cluster_is_found() {
    let Some(good) = build("azure-production") else {
        return;
    };
    let pod = "/spec/override/statefulSet/spec/template/spec";
    for (path, value, said) in [
        (
            format!("{pod}/automountServiceAccountToken"),
            Value::Null,
            "token of the cluster",
        ),
        (
            format!("{pod}/securityContext/runAsNonRoot"),
            Value::Null,
            "runAsNonRoot",
        ),
        (
            format!("{pod}/initContainers/0/securityContext"),
            Value::Null,
            "allowPrivilegeEscalation",
        ),
        (
            format!("{pod}/containers/0/livenessProbe"),
            Value::Null,
            "livenessProbe",
        ),
        (
            "/spec/resources/limits".to_owned(),
            Value::Null,
            "limits/memory",
        ),
        (
            "/spec/image".to_owned(),
            json!("rabbitmq:latest"),
            "not pinned",
        ),
    ] {
        let mut bad = good.clone();
        put(
            object(&mut bad, "RabbitmqCluster", "rabbitmq-cluster"),
            &path,
            value,
        );
        let complaints = all_complaints(&bad);
        assert!(
            complaints.iter().any(|complaint| complaint.contains(said)),
            "{path}: {complaints:#?}"
        );
    }
}

#[test]
fn an_object_that_is_missing_is_found() {
    let Some(good) = build("azure") else { return };
    for (kind, name) in [
        ("ServiceAccount", "gateway"),
        ("PodDisruptionBudget", "history"),
        ("ConfigMap", "flixtube-settings"),
        ("Issuer", "letsencrypt"),
        ("TriggerAuthentication", "rabbitmq"),
        ("NetworkPolicy", "deny-all"),
    ] {
        let mut bad = good.clone();
        bad.objects.retain(|object| {
            object["kind"] != kind || !string(&object["metadata"]["name"]).starts_with(name)
        });
        assert!(bad.objects.len() < good.objects.len(), "no {kind} {name}");
        assert!(!all_complaints(&bad).is_empty(), "without {kind} {name}");
    }
}
