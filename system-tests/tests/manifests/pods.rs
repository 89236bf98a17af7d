//! What else every pod must have: limits, probes, a root that nobody writes to, no token of the
//! cluster, and what it takes to be moved and updated while it is used.

use serde_json::Value;

use crate::builds::Build;
use crate::workloads::{Workload, items, selects, string, workloads};

/// The one service with an identity in the cloud.
const WITH_IDENTITY: &str = "video-storage";
const IDENTITY_LABEL: &str = "azure.workload.identity/use";
const IDENTITY_ANNOTATION: &str = "azure.workload.identity/client-id";

/// Where pods are not as they must be.
pub(crate) fn complaints(build: &Build) -> Vec<String> {
    let (workloads, mut complaints) = workloads(build);
    for workload in &workloads {
        let mut found = Vec::new();
        check_containers(workload, &mut found);
        check_tokens(build, workload, &mut found);
        check_disruption(build, workload, &mut found);
        if runs_several(workload) {
            check_spread(workload, &mut found);
        }
        if workload.is_service() {
            check_service(build, workload, &mut found);
        }
        let title = workload.title();
        complaints.extend(
            found
                .into_iter()
                .map(|complaint| format!("{title}: {complaint}")),
        );
    }
    complaints
}

fn check_containers(workload: &Workload, complaints: &mut Vec<String>) {
    for container in workload.every_container() {
        let name = string(&container["name"]);
        let mut demand = |holds: bool, otherwise: &str| {
            if !holds {
                complaints.push(format!("{name}: {otherwise}"));
            }
        };
        // No limit of the CPU: it slows down a pod while the node has nothing else to do.
        for resource in [
            "/resources/requests/cpu",
            "/resources/requests/memory",
            "/resources/limits/memory",
        ] {
            demand(
                container.pointer(resource).is_some(),
                &format!("no {resource}"),
            );
        }
        demand(
            container["securityContext"]["readOnlyRootFilesystem"] == true,
            "its root can be written to",
        );
        demand(
            is_pinned(string(&container["image"])),
            "its image is not pinned",
        );
        for volume in items(&container["volumeMounts"]) {
            demand(
                !string(&volume["mountPath"]).starts_with("/var/run/secrets/kubernetes.io"),
                "mounts a token of the cluster",
            );
        }
    }
    for container in workload.containers() {
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            if container[probe].is_null() {
                complaints.push(format!("{}: no {probe}", string(&container["name"])));
            }
        }
    }
}

/// A service's image has no tag: `scripts/deploy` puts a digest there. Any other is of a version.
fn is_pinned(image: &str) -> bool {
    if image.starts_with("flixtube/") {
        return !image.contains([':', '@']);
    }
    image.contains("@sha256:")
        || image
            .rsplit_once(':')
            .is_some_and(|(_, tag)| tag.starts_with(|first: char| first.is_ascii_digit()))
}

fn check_tokens(build: &Build, workload: &Workload, complaints: &mut Vec<String>) {
    let pod = &workload.pod;
    if pod["automountServiceAccountToken"] != false {
        complaints.push("a token of the cluster is mounted".to_owned());
    }
    for source in items(&pod["volumes"]).flat_map(|volume| items(&volume["projected"]["sources"])) {
        if !source["serviceAccountToken"].is_null() {
            complaints.push("a token is projected into it".to_owned());
        }
    }
    // The label has a token of Entra ID mounted, and the annotation says for which identity.
    let is_labelled = workload.labels.contains_key(IDENTITY_LABEL);
    let should_be = workload.name == WITH_IDENTITY && build.parts.contains("azure");
    if is_labelled != should_be {
        complaints.push(format!(
            "the label {IDENTITY_LABEL} must be on {WITH_IDENTITY} alone"
        ));
    }
    if workload.kind == "RabbitmqCluster" {
        return;
    }
    let account = string(&pod["serviceAccountName"]);
    if account != workload.name {
        complaints.push("it has no ServiceAccount of its own".to_owned());
    }
    let Some(account) = build.find("ServiceAccount", account) else {
        complaints.push("its ServiceAccount is not there".to_owned());
        return;
    };
    if account["automountServiceAccountToken"] != false {
        complaints.push("its ServiceAccount mounts a token".to_owned());
    }
    let is_annotated = !account["metadata"]["annotations"][IDENTITY_ANNOTATION].is_null();
    if is_annotated != should_be {
        complaints.push(format!(
            "the annotation {IDENTITY_ANNOTATION} must be on {WITH_IDENTITY} alone"
        ));
    }
}

fn check_disruption(build: &Build, workload: &Workload, complaints: &mut Vec<String>) {
    let budgets: Vec<_> = build
        .of_kind("PodDisruptionBudget")
        .filter(|budget| selects(&budget["spec"]["selector"], &workload.labels))
        .collect();
    let [budget] = budgets[..] else {
        complaints.push(format!(
            "{} PodDisruptionBudgets instead of one",
            budgets.len()
        ));
        return;
    };
    // One at a time; and a single replica may go, or a node could never be emptied.
    if budget["spec"]["maxUnavailable"] != 1 {
        complaints.push("its PodDisruptionBudget lets not exactly one go".to_owned());
    }
}

/// Whether it has, or may have, more than one replica.
fn runs_several(workload: &Workload) -> bool {
    workload.object["spec"]["replicas"] != 1
}

fn check_spread(workload: &Workload, complaints: &mut Vec<String>) {
    for key in ["topology.kubernetes.io/zone", "kubernetes.io/hostname"] {
        let is_spread = items(&workload.pod["topologySpreadConstraints"]).any(|constraint| {
            constraint["topologyKey"] == key
                && constraint["maxSkew"] == 1
                && selects(&constraint["labelSelector"], &workload.labels)
        });
        if !is_spread {
            complaints.push(format!("not spread by {key}"));
        }
    }
}

fn check_service(build: &Build, workload: &Workload, complaints: &mut Vec<String>) {
    let spec = &workload.object["spec"];
    let autoscalers: Vec<_> = ["HorizontalPodAutoscaler", "ScaledObject"]
        .into_iter()
        .flat_map(|kind| build.of_kind(kind))
        .filter(|scaler| {
            let target = &scaler["spec"]["scaleTargetRef"];
            target["kind"] == workload.kind.as_str() && target["name"] == workload.name.as_str()
        })
        .collect();
    let replicas = match autoscalers[..] {
        [] => spec["replicas"].as_i64().unwrap_or(0),
        [scaler] => {
            if !spec["replicas"].is_null() {
                complaints
                    .push("both it and its autoscaler say how many replicas there are".to_owned());
            }
            let scale = &scaler["spec"];
            let fewest = &scale["minReplicas"]
                .as_i64()
                .or(scale["minReplicaCount"].as_i64());
            fewest.unwrap_or(1)
        }
        _ => {
            complaints.push("it has several autoscalers".to_owned());
            0
        }
    };
    if replicas < 2 {
        complaints.push("one replica cannot be updated without a gap".to_owned());
    }
    // A StatefulSet replaces one after the other by itself, each once the one before is ready.
    let strategy = if workload.kind == "Deployment" {
        &spec["strategy"]
    } else {
        &spec["updateStrategy"]
    };
    let is_rolling =
        strategy["type"] == "RollingUpdate" && strategy["rollingUpdate"]["maxUnavailable"] == 0;
    let is_default = workload.kind == "StatefulSet"
        && (strategy.is_null() || strategy["type"] == "RollingUpdate");
    if !is_rolling && !is_default {
        complaints.push("an update takes a replica away before there is another one".to_owned());
    }
    let drain = [
        "DRAIN_DELAY_SECONDS",
        "DRAIN_IDLE_SECONDS",
        "DRAIN_GRACE_SECONDS",
    ]
    .map(|name| setting(build, name));
    let grace = workload.pod["terminationGracePeriodSeconds"]
        .as_i64()
        .unwrap_or(30);
    if grace <= drain.iter().sum() {
        complaints.push("it is killed before it has drained".to_owned());
    }
    for container in workload.containers() {
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            if container[probe]["httpGet"]["port"] != "admin" {
                complaints.push(format!("its {probe} does not ask the admin port"));
            }
        }
    }
    if workload.kind == "StatefulSet" && spec["persistentVolumeClaimRetentionPolicy"] != retained()
    {
        complaints.push("its spool goes when it is scaled down".to_owned());
    }
}

fn retained() -> Value {
    serde_json::json!({ "whenScaled": "Retain", "whenDeleted": "Retain" })
}

/// A number of the `ConfigMap` that every process reads.
fn setting(build: &Build, name: &str) -> i64 {
    build
        .of_kind("ConfigMap")
        .filter(|map| string(&map["metadata"]["name"]).starts_with("flixtube-process-"))
        .find_map(|map| map["data"][name].as_str()?.parse().ok())
        .unwrap_or(i64::MAX / 4)
}
