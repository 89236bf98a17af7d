//! Alerts, autoscalers and the dashboard ask for metrics that there are, and alerts lead somewhere.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::builds::{parse_all, read, root};
use crate::workloads::{items, string};

/// What others measure, by the beginning of its name.
const FOREIGN: [&str; 5] = ["certmanager_", "kube_", "kubelet_", "rabbitmq_", "up"];

/// Words of the query language, and labels.
const NO_METRICS: [&str; 32] = [
    "absent",
    "and",
    "bool",
    "by",
    "endpoint",
    "exported_namespace",
    "histogram_quantile",
    "horizontalpodautoscaler",
    "ignoring",
    "increase",
    "job",
    "last_over_time",
    "le",
    "max",
    "method",
    "min",
    "namespace",
    "on",
    "or",
    "persistentvolumeclaim",
    "pod",
    "queue",
    "rate",
    "route",
    "service",
    "statefulset",
    "status",
    "sum",
    "time",
    "unless",
    "without",
    "x",
];

/// The metrics of a query.
fn metrics(query: &str) -> BTreeSet<String> {
    let mut without_texts = String::new();
    for (index, part) in query.split('"').enumerate() {
        if index % 2 == 0 {
            without_texts.push_str(part);
        }
    }
    // Durations such as [5m] are no names.
    let mut plain = String::new();
    for part in without_texts.split('[') {
        plain.push_str(part.split_once(']').map_or(part, |(_, rest)| rest));
    }
    plain
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with(|letter: char| letter.is_ascii_lowercase()))
        .filter(|word| !NO_METRICS.contains(word))
        .map(str::to_owned)
        .collect()
}

/// Whether a service registers it, or somebody else measures it.
fn is_measured(metric: &str, sources: &str) -> bool {
    if FOREIGN.iter().any(|foreign| metric.starts_with(foreign)) {
        return true;
    }
    ["", "_total", "_bucket", "_count", "_sum"]
        .iter()
        .any(|suffix| {
            metric
                .strip_suffix(suffix)
                .is_some_and(|name| sources.contains(&format!("\"{name}\"")))
        })
}

/// All Rust sources of the services, one after the other.
fn sources() -> String {
    let mut text = String::new();
    for folder in [
        "events",
        "gateway",
        "history",
        "metadata",
        "service-kit",
        "video-storage",
        "video-streaming",
    ] {
        let mut folders = vec![root().join(folder).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    text.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
    }
    text
}

fn alerts() -> Vec<Value> {
    let documents = parse_all(&read("k8s/components/monitoring/alerts.yaml"));
    documents
        .iter()
        .flat_map(|rules| items(&rules["spec"]["groups"]))
        .flat_map(|group| items(&group["rules"]))
        .cloned()
        .collect()
}

fn queries_of_the_dashboard() -> Vec<String> {
    let dashboard: Value =
        serde_json::from_str(&read("k8s/components/monitoring/dashboard.json")).unwrap();
    items(&dashboard["panels"])
        .flat_map(|panel| items(&panel["targets"]))
        .map(|target| string(&target["expr"]).to_owned())
        .collect()
}

fn queries_of_the_autoscalers() -> Vec<String> {
    parse_all(&read(
        "k8s/components/autoscale-on-load/scaled-objects.yaml",
    ))
    .iter()
    .flat_map(|scaler| items(&scaler["spec"]["triggers"]))
    .filter_map(|trigger| trigger["metadata"]["query"].as_str().map(str::to_owned))
    .collect()
}

#[test]
fn what_is_asked_for_is_measured() {
    let sources = sources();
    let of_alerts: Vec<_> = alerts()
        .iter()
        .map(|alert| string(&alert["expr"]).to_owned())
        .collect();
    let mut asked = BTreeSet::new();
    for (place, queries) in [
        ("alerts", of_alerts),
        ("dashboard", queries_of_the_dashboard()),
        ("autoscalers", queries_of_the_autoscalers()),
    ] {
        assert!(queries.len() > 3, "there are queries in the {place}");
        for query in queries {
            for metric in metrics(&query) {
                assert!(
                    is_measured(&metric, &sources),
                    "{place}: nobody measures {metric}: {query}"
                );
                asked.insert(metric);
            }
        }
    }
    assert!(asked.contains("events_spooled") && asked.contains("streams_open"));
}

#[test]
fn a_metric_that_nobody_measures_is_found() {
    let sources = sources();
    let query = r#"sum by (service) (rate(stream_bytes_sent_total{a="b c"}[5m])) > streams_opened"#;
    let found: Vec<_> = metrics(query)
        .into_iter()
        .filter(|metric| !is_measured(metric, &sources))
        .collect();
    assert_eq!(found, ["streams_opened"]);
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    heading
        .chars()
        .filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

#[test]
fn every_alert_leads_to_a_chapter_that_says_what_to_do() {
    let page = read("docs/operate.md");
    let chapters: BTreeSet<_> = page
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(anchor)
        .collect();
    let alerts = alerts();
    assert!(alerts.len() > 10);
    for alert in alerts {
        let name = string(&alert["alert"]);
        assert!(
            !string(&alert["annotations"]["summary"]).is_empty(),
            "{name} says nothing"
        );
        assert!(
            ["critical", "warning"].contains(&string(&alert["labels"]["severity"])),
            "{name}: its severity"
        );
        let runbook = string(&alert["annotations"]["runbook_url"]);
        let chapter = runbook.strip_prefix("docs/operate.md#");
        let chapter = chapter.unwrap_or_else(|| panic!("{name} leads to {runbook:?}"));
        assert!(
            chapters.contains(chapter),
            "{name}: docs/operate.md has no chapter {chapter}"
        );
    }
}

#[test]
fn a_heading_becomes_the_anchor_that_github_makes() {
    assert_eq!(
        anchor("### A service does not answer"),
        "a-service-does-not-answer"
    );
    assert_eq!(anchor("## Was it `this`, then?"), "was-it-this-then");
}
