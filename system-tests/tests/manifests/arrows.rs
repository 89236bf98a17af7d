//! Who may call whom by the network policies, compared with `k8s/arrows.yaml`.
//!
//! The policies are evaluated as a cluster does it: their selectors pick from the pods that are in
//! the build. An arrow between two pods is open when one side may call and the other may be called.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::builds::{Build, read};
use crate::workloads::{items, selects, string, workloads};

/// The ranges that no public address is in.
const PRIVATE: [&str; 5] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
];

/// From, to, and the port. Peers are named as in the list.
pub(crate) type Arrow = (String, String, String);

/// An entry of the list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub from: String,
    pub to: String,
    pub ports: Vec<String>,
    pub with: Option<String>,
    pub why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    arrows: Vec<Entry>,
}

/// `k8s/arrows.yaml`.
pub(crate) fn list() -> Vec<Entry> {
    let list: List = serde_saphyr::from_str(&read("k8s/arrows.yaml")).unwrap();
    for entry in &list.arrows {
        assert!(!entry.why.trim().is_empty(), "{entry:?} has no reason");
    }
    list.arrows
}

/// Pods by the name that arrows use, with their labels.
fn pods(build: &Build) -> BTreeMap<String, BTreeMap<String, String>> {
    let (workloads, _) = workloads(build);
    let ours = workloads.into_iter().map(|workload| workload.labels);
    // cert-manager makes these pods while a certificate is signed.
    let solvers = build
        .of_kind("Issuer")
        .flat_map(|issuer| items(&issuer["spec"]["acme"]["solvers"]))
        .filter_map(|solver| {
            let labels = solver.pointer("/http01/gatewayHTTPRoute/podTemplate/metadata/labels")?;
            let mut labels: BTreeMap<String, String> =
                serde_json::from_value(labels.clone()).ok()?;
            labels.insert("acme.cert-manager.io/http01-solver".into(), "true".into());
            Some(labels)
        });
    ours.chain(solvers)
        .map(|labels| (labels["app.kubernetes.io/name"].clone(), labels))
        .collect()
}

/// Where policies and list differ.
pub(crate) fn complaints(build: &Build, list: &[Entry]) -> Vec<String> {
    let (open, mut complaints) = open_arrows(build);
    let wanted = wanted_arrows(build, list);
    let tell =
        |arrow: &Arrow, what: &str| format!("{} -> {} {}: {what}", arrow.0, arrow.1, arrow.2);
    complaints.extend(
        open.difference(&wanted)
            .map(|arrow| tell(arrow, "is open and not in the list")),
    );
    complaints.extend(
        wanted
            .difference(&open)
            .map(|arrow| tell(arrow, "is in the list and not open")),
    );
    complaints
}

/// Entries of the list that no build has.
pub(crate) fn never_drawn(builds: &[Build], list: &[Entry]) -> Vec<String> {
    let is_drawn = |entry: &&Entry| {
        builds
            .iter()
            .all(|build| wanted_arrows(build, std::slice::from_ref(entry)).is_empty())
    };
    list.iter()
        .filter(is_drawn)
        .map(|entry| format!("{} -> {}", entry.from, entry.to))
        .collect()
}

/// What the list says for the pods and parts of this build.
pub(crate) fn wanted_arrows(build: &Build, list: &[Entry]) -> BTreeSet<Arrow> {
    let pods = pods(build);
    let is_there = |peer: &str| {
        pods.contains_key(peer)
            || ["anywhere", "internet"].contains(&peer)
            || peer.starts_with("namespace/")
            || peer.starts_with("ip/")
    };
    let mut arrows = BTreeSet::new();
    for entry in list {
        if entry
            .with
            .as_ref()
            .is_some_and(|part| !build.parts.contains(part))
        {
            continue;
        }
        let from: Vec<&str> = if entry.from == "*" {
            pods.keys().map(String::as_str).collect()
        } else {
            vec![&entry.from]
        };
        for from in from.into_iter().filter(|peer| is_there(peer)) {
            for port in entry.ports.iter().filter(|_| is_there(&entry.to)) {
                arrows.insert((from.to_owned(), entry.to.clone(), port.clone()));
            }
        }
    }
    arrows
}

/// What the policies open, and complaints about what this test cannot judge or is half open.
pub(crate) fn open_arrows(build: &Build) -> (BTreeSet<Arrow>, Vec<String>) {
    let pods = pods(build);
    let mut complaints = Vec::new();
    let mut incoming = BTreeSet::new();
    let mut outgoing = BTreeSet::new();
    let mut isolated = BTreeSet::new();
    for policy in build.of_kind("NetworkPolicy") {
        let name = string(&policy["metadata"]["name"]);
        let spec = &policy["spec"];
        let selected = pods
            .iter()
            .filter(|(_, labels)| selects(&spec["podSelector"], labels));
        for (pod, _) in selected {
            for kind in items(&spec["policyTypes"]) {
                isolated.insert((pod.clone(), string(kind).to_owned()));
            }
            for (kind, rules, side) in [("Ingress", "ingress", "from"), ("Egress", "egress", "to")]
            {
                if !items(&spec["policyTypes"]).any(|has| has == kind) {
                    if !spec[rules].is_null() {
                        complaints
                            .push(format!("policy {name} has rules of a type that it has not"));
                    }
                    continue;
                }
                for rule in items(&spec[rules]) {
                    for peer in peers(&rule[side], &pods, name, &mut complaints) {
                        for port in ports(&rule["ports"], name, &mut complaints) {
                            if kind == "Ingress" {
                                incoming.insert((peer.clone(), pod.clone(), port));
                            } else {
                                outgoing.insert((pod.clone(), peer.clone(), port));
                            }
                        }
                    }
                }
            }
        }
    }
    if !build.of_kind("NetworkPolicy").any(denies_everything) {
        complaints.push("no policy denies everything to pods that nobody thought of".to_owned());
    }
    for pod in pods.keys() {
        for kind in ["Ingress", "Egress"] {
            if !isolated.contains(&(pod.clone(), kind.to_owned())) {
                complaints.push(format!(
                    "{pod}: no policy denies what is not opened ({kind})"
                ));
            }
        }
    }
    let is_pod = |peer: &String| pods.contains_key(peer);
    let mut open = BTreeSet::new();
    for arrow in &incoming {
        if !is_pod(&arrow.0) || outgoing.contains(arrow) {
            open.insert(arrow.clone());
        } else {
            complaints.push(format!(
                "{} -> {} {}: half an arrow, may not call",
                arrow.0, arrow.1, arrow.2
            ));
        }
    }
    for arrow in &outgoing {
        let from_anywhere = ("anywhere".to_owned(), arrow.1.clone(), arrow.2.clone());
        if !is_pod(&arrow.1) || incoming.contains(arrow) || incoming.contains(&from_anywhere) {
            open.insert(arrow.clone());
        } else {
            complaints.push(format!(
                "{} -> {} {}: half an arrow, may not be called",
                arrow.0, arrow.1, arrow.2
            ));
        }
    }
    (open, complaints)
}

/// For every pod, both ways, without a rule.
fn denies_everything(policy: &Value) -> bool {
    let spec = &policy["spec"];
    spec["podSelector"] == serde_json::json!({})
        && spec["policyTypes"] == serde_json::json!(["Ingress", "Egress"])
        && spec["ingress"].is_null()
        && spec["egress"].is_null()
}

fn peers(
    side: &Value,
    pods: &BTreeMap<String, BTreeMap<String, String>>,
    policy: &str,
    complaints: &mut Vec<String>,
) -> Vec<String> {
    if items(side).next().is_none() {
        return vec!["anywhere".to_owned()];
    }
    let mut found = Vec::new();
    for peer in items(side) {
        let fields: Vec<_> = peer
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::keys)
            .collect();
        match fields
            .iter()
            .map(|field| field.as_str())
            .collect::<Vec<_>>()[..]
        {
            ["podSelector"] => {
                let picked = pods
                    .iter()
                    .filter(|(_, labels)| selects(&peer["podSelector"], labels));
                found.extend(picked.map(|(name, _)| name.clone()));
            }
            ["namespaceSelector"] => {
                let labels = peer["namespaceSelector"]["matchLabels"].as_object();
                let name = labels
                    .filter(|labels| labels.len() == 1)
                    .and_then(|labels| labels.get("kubernetes.io/metadata.name"));
                match name {
                    Some(name) => found.push(format!("namespace/{}", string(name))),
                    None => complaints.push(format!(
                        "policy {policy} picks namespaces not by their one name"
                    )),
                }
            }
            ["ipBlock"] => found.push(range(&peer["ipBlock"])),
            _ => complaints.push(format!(
                "policy {policy} has a peer that this test cannot judge: {fields:?}"
            )),
        }
    }
    found
}

fn range(block: &Value) -> String {
    let except: Vec<_> = items(&block["except"]).map(string).collect();
    let cidr = string(&block["cidr"]);
    if cidr == "0.0.0.0/0" && except == PRIVATE {
        "internet".to_owned()
    } else if except.is_empty() {
        format!("ip/{cidr}")
    } else {
        format!("ip/{cidr} without {}", except.join(", "))
    }
}

fn ports(ports: &Value, policy: &str, complaints: &mut Vec<String>) -> Vec<String> {
    if items(ports).next().is_none() {
        return vec!["every port".to_owned()];
    }
    let mut found = Vec::new();
    for port in items(ports) {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        match (port["port"].as_u64(), port["endPort"].as_u64()) {
            (Some(first), None) => found.push(format!("{protocol}/{first}")),
            (Some(first), Some(last)) => found.push(format!("{protocol}/{first}-{last}")),
            (None, _) => complaints.push(format!("policy {policy} names a port not by its number")),
        }
    }
    found
}
