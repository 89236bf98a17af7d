//! What makes pods: `Deployment`, `StatefulSet`, and what operators make of their own kinds.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::builds::Build;

/// Kinds that make no pods. One that is not known here is refused, so that no pod goes unseen.
const WITHOUT_PODS: [&str; 21] = [
    "BackendTrafficPolicy",
    "Certificate",
    "ClientTrafficPolicy",
    "ConfigMap",
    // Its pods are in the namespace of Envoy Gateway.
    "EnvoyProxy",
    "Gateway",
    "HTTPRoute",
    "HorizontalPodAutoscaler",
    // Its pod is made, and kept to the restricted profile, by cert-manager.
    "Issuer",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "PrometheusRule",
    "Role",
    "RoleBinding",
    "ScaledObject",
    "Secret",
    "Service",
    "ServiceAccount",
    "ServiceMonitor",
    "TriggerAuthentication",
];

/// One of ours that makes pods, or will be made into one by an operator.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// `Deployment`, `StatefulSet` or `RabbitmqCluster`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The labels of its pods.
    pub labels: BTreeMap<String, String>,
    /// The whole object.
    pub object: Value,
    /// The specification of its pods.
    pub pod: Value,
}

impl Workload {
    /// Containers and init containers.
    pub(crate) fn every_container(&self) -> impl Iterator<Item = &Value> {
        ["containers", "initContainers", "ephemeralContainers"]
            .into_iter()
            .flat_map(|list| items(&self.pod[list]))
    }

    /// The containers that stay.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &Value> {
        items(&self.pod["containers"])
    }

    /// Whether it runs one of the services, and not an engine.
    pub(crate) fn is_service(&self) -> bool {
        self.containers()
            .any(|container| string(&container["image"]).starts_with("flixtube/"))
    }

    /// How it is called in a complaint.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }
}

/// All workloads of a build, and complaints about what is of no known kind.
pub(crate) fn workloads(build: &Build) -> (Vec<Workload>, Vec<String>) {
    let mut found = Vec::new();
    let mut complaints = Vec::new();
    for object in &build.objects {
        let kind = string(&object["kind"]);
        let name = string(&object["metadata"]["name"]).to_owned();
        let (labels, pod) = match kind {
            "Deployment" | "StatefulSet" => {
                let template = &object["spec"]["template"];
                let labels = template["metadata"]["labels"].clone();
                (labels, template["spec"].clone())
            }
            "RabbitmqCluster" => (operator_labels(&name), operators_pod(&object["spec"])),
            kind if WITHOUT_PODS.contains(&kind) => continue,
            _ => {
                complaints.push(format!(
                    "{kind} {name} is of a kind that this test does not know"
                ));
                continue;
            }
        };
        found.push(Workload {
            kind: kind.to_owned(),
            name,
            labels: serde_json::from_value(labels).unwrap_or_default(),
            object: object.clone(),
            pod,
        });
    }
    (found, complaints)
}

/// The labels that the RabbitMQ cluster operator gives to pods, whatever one asks for.
fn operator_labels(name: &str) -> Value {
    json!({
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": "rabbitmq",
        "app.kubernetes.io/part-of": "rabbitmq",
    })
}

/// The pod that the RabbitMQ cluster operator makes (v2.16, `internal/resource/statefulset.go`): what
/// it sets by itself, with our override upon it.
fn operators_pod(spec: &Value) -> Value {
    let mut pod = spec["override"]["statefulSet"]["spec"]["template"]["spec"].clone();
    pod["serviceAccountName"] = json!("made by the operator");
    pod["terminationGracePeriodSeconds"] = spec["terminationGracePeriodSeconds"].clone();
    if pod["automountServiceAccountToken"].is_null() {
        pod["automountServiceAccountToken"] = json!(true);
    }
    for container in list_mut(&mut pod["containers"]) {
        if container["name"] == "rabbitmq" {
            container["image"] = spec["image"].clone();
            container["resources"] = spec["resources"].clone();
            container["readinessProbe"] = json!({ "tcpSocket": { "port": "amqp" } });
        }
    }
    for container in list_mut(&mut pod["initContainers"]) {
        if container["name"] == "setup-container" {
            container["image"] = spec["image"].clone();
            container["resources"] = json!({
                "requests": { "cpu": "20m", "memory": "64Mi" },
                "limits": { "cpu": "20m", "memory": "64Mi" },
            });
        }
    }
    pod
}

/// The items of a list, none if it is not there.
pub(crate) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn list_mut(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().into_iter().flatten()
}

/// The text, empty if it is none.
pub(crate) fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether a label selector picks these labels.
pub(crate) fn selects(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
    let by_labels = selector["matchLabels"].as_object().is_none_or(|wanted| {
        wanted
            .iter()
            .all(|(name, value)| labels.get(name).is_some_and(|has| value == has.as_str()))
    });
    let by_expressions = items(&selector["matchExpressions"]).all(|expression| {
        let has = labels.get(string(&expression["key"]));
        let is_listed =
            has.is_some_and(|has| items(&expression["values"]).any(|value| value == has.as_str()));
        match string(&expression["operator"]) {
            "In" => is_listed,
            "NotIn" => !is_listed,
            "Exists" => has.is_some(),
            "DoesNotExist" => has.is_none(),
            other => panic!("no label selector has the operator {other}"),
        }
    });
    by_labels && by_expressions
}
