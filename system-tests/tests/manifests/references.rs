//! Every name that a manifest speaks of is the name of something.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::builds::{Build, read};
use crate::workloads::{Workload, items, selects, string, workloads};

/// Objects that speak of something that is not there, or of what is only said later.
pub(crate) fn complaints(build: &Build) -> Vec<String> {
    let (workloads, _) = workloads(build);
    let made = secrets_that_are_made();
    let mut complaints = Vec::new();
    for workload in &workloads {
        let mut found = Vec::new();
        for container in workload.every_container() {
            check_variables(container, &mut found);
            check_mounts(workload, container, &mut found);
        }
        check_sources(build, &workload.pod, &made, &mut found);
        complaints.extend(
            found
                .into_iter()
                .map(|complaint| format!("{}: {complaint}", workload.title())),
        );
    }
    check_services(build, &workloads, &mut complaints);
    check_targets(build, &mut complaints);
    complaints
}

/// `$(NAME)` in a value is put in only for a variable that comes before.
fn check_variables(container: &Value, complaints: &mut Vec<String>) {
    let mut before = BTreeSet::new();
    for variable in items(&container["env"]) {
        for used in string(&variable["value"]).split("$(").skip(1) {
            let used = used.split(')').next().unwrap_or_default();
            if !before.contains(used) {
                complaints.push(format!(
                    "{} speaks of {used}, which does not come before",
                    variable["name"]
                ));
            }
        }
        if !before.insert(string(&variable["name"])) {
            complaints.push(format!("{} is there twice", variable["name"]));
        }
    }
}

fn check_mounts(workload: &Workload, container: &Value, complaints: &mut Vec<String>) {
    let volumes = items(&workload.pod["volumes"]).map(|volume| &volume["name"]);
    let claims = items(&workload.object["spec"]["volumeClaimTemplates"]);
    let there: Vec<_> = volumes
        .chain(claims.map(|claim| &claim["metadata"]["name"]))
        .collect();
    for mount in items(&container["volumeMounts"]) {
        if !there.contains(&&mount["name"]) {
            complaints.push(format!("it mounts {}, which is no volume", mount["name"]));
        }
    }
}

/// A `ConfigMap` is in the build, with the key; a `Secret` is among those that `bootstrap-cluster` makes.
fn check_sources(
    build: &Build,
    pod: &Value,
    made: &BTreeSet<String>,
    complaints: &mut Vec<String>,
) {
    walk(pod, &mut |field, value| match field {
        "configMapKeyRef" | "configMapRef" | "configMap" => {
            let Some(map) = build.find("ConfigMap", string(&value["name"])) else {
                complaints.push(format!("there is no ConfigMap {}", value["name"]));
                return;
            };
            let key = string(&value["key"]);
            if !key.is_empty() && map["data"][key].is_null() {
                complaints.push(format!("the ConfigMap {} has no {key}", value["name"]));
            }
        }
        "secretKeyRef" | "secretRef" | "secret" => {
            let name = value["name"]
                .as_str()
                .unwrap_or(string(&value["secretName"]));
            if !made.contains(name) {
                complaints.push(format!("nobody makes the Secret {name}"));
            }
        }
        _ => {}
    });
}

/// The names after `make` in `scripts/bootstrap-cluster`.
fn secrets_that_are_made() -> BTreeSet<String> {
    let script = read("scripts/bootstrap-cluster");
    let made: BTreeSet<_> = script
        .lines()
        .filter_map(|line| line.trim().strip_prefix("make "))
        .map(str::to_owned)
        .collect();
    assert!(
        made.contains("flixtube-keys"),
        "bootstrap-cluster is read wrongly: {made:?}"
    );
    made
}

fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&str, &'a Value)) {
    for (field, inner) in value.as_object().into_iter().flatten() {
        visit(field, inner);
        walk(inner, visit);
    }
    for inner in items(value) {
        walk(inner, visit);
    }
}

/// A Service leads to pods that have its ports.
fn check_services(build: &Build, workloads: &[Workload], complaints: &mut Vec<String>) {
    for service in build.of_kind("Service") {
        let name = string(&service["metadata"]["name"]);
        let selector = serde_json::json!({ "matchLabels": service["spec"]["selector"] });
        let behind: Vec<_> = workloads
            .iter()
            .filter(|workload| selects(&selector, &workload.labels))
            .collect();
        if behind.len() != 1 {
            complaints.push(format!(
                "Service {name} leads to {} workloads",
                behind.len()
            ));
        }
        for port in items(&service["spec"]["ports"]) {
            let target = &port["targetPort"];
            let is_there = behind
                .iter()
                .flat_map(|workload| workload.containers())
                .flat_map(|container| items(&container["ports"]))
                .any(|port| &port["name"] == target || &port["containerPort"] == target);
            if !is_there {
                complaints.push(format!(
                    "Service {name} leads to the port {target}, which is not there"
                ));
            }
        }
    }
}

/// What autoscalers, routes and policies are about.
fn check_targets(build: &Build, complaints: &mut Vec<String>) {
    let mut demand = |kind: &str, name: &Value, of: &Value| {
        if build.find(kind, string(name)).is_none() {
            complaints.push(format!(
                "{} {} is about {kind} {name}, which is not there",
                of["kind"], of["metadata"]["name"]
            ));
        }
    };
    for object in &build.objects {
        let spec = &object["spec"];
        match string(&object["kind"]) {
            "HorizontalPodAutoscaler" | "ScaledObject" => {
                let target = &spec["scaleTargetRef"];
                demand(string(&target["kind"]), &target["name"], object);
                for trigger in items(&spec["triggers"])
                    .filter(|trigger| !trigger["authenticationRef"].is_null())
                {
                    demand(
                        "TriggerAuthentication",
                        &trigger["authenticationRef"]["name"],
                        object,
                    );
                }
            }
            "HTTPRoute" => {
                for parent in items(&spec["parentRefs"]) {
                    demand("Gateway", &parent["name"], object);
                }
                for backend in items(&spec["rules"]).flat_map(|rule| items(&rule["backendRefs"])) {
                    demand("Service", &backend["name"], object);
                }
            }
            "ClientTrafficPolicy" | "BackendTrafficPolicy" => {
                for target in items(&spec["targetRefs"]) {
                    demand(string(&target["kind"]), &target["name"], object);
                }
            }
            "Certificate" => demand("Issuer", &spec["issuerRef"]["name"], object),
            "Gateway" => demand(
                "EnvoyProxy",
                &spec["infrastructure"]["parametersRef"]["name"],
                object,
            ),
            _ => {}
        }
    }
}
