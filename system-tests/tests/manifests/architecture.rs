//! The list of arrows compared with the map in `docs/ARCHITECTURE.md`, and with the addresses that
//! the services are told.

use std::collections::{BTreeMap, BTreeSet};

use crate::arrows::{Entry, list, wanted_arrows};
use crate::builds::{Build, SERVICES, read};
use crate::check_every_build;
use crate::workloads::{items, string, workloads};

/// The nodes of the map that each engine stands for, as arrows name it.
const ENGINES: [(&str, &[&str]); 6] = [
    ("rabbitmq", &["bus"]),
    ("rabbitmq-cluster", &["bus"]),
    ("mongodb", &["catalogue", "viewlog"]),
    ("ip/10.64.16.0/27", &["catalogue", "viewlog"]),
    ("azurite", &["blobs"]),
    ("internet", &["blobs"]),
];

/// The lines of the map: who calls whom (`->`), who tells the bus or hears from it (`~`), and what is
/// whose (`owns`).
fn map(page: &str) -> BTreeSet<(String, &'static str, String)> {
    let drawing = page
        .split("```mermaid")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let lines: Vec<_> = drawing
        .expect("the page has a map")
        .lines()
        .map(str::trim)
        .collect();
    // A node is written out where it occurs first: `streaming[video-streaming]`.
    let mut names = BTreeMap::new();
    let mut node = |text: &str| {
        let id = text
            .split(['[', '('])
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned();
        if let Some((_, label)) = text.split_once('[').filter(|_| !text.contains('(')) {
            names.insert(id.clone(), label.trim_end_matches(']').to_owned());
        }
        names.get(&id).cloned().unwrap_or(id)
    };
    let mut drawn = BTreeSet::new();
    for line in lines {
        for (arrow, meaning) in [(" -.->", "~"), (" -->", "->"), (" ---", "owns")] {
            let Some((from, to)) = line.split_once(arrow) else {
                continue;
            };
            let to = to.trim();
            let to = to
                .strip_prefix('|')
                .and_then(|rest| rest.split_once('|'))
                .map_or(to, |(_, to)| to.trim());
            drawn.insert((node(from), meaning, node(to)));
            break;
        }
    }
    drawn
}

/// The same from the list of arrows; what is the cluster's own has no place on the map.
fn on_the_map(list: &[Entry]) -> BTreeSet<(String, &'static str, String)> {
    let mut arrows = BTreeSet::new();
    for entry in list.iter().filter(|entry| is_service(&entry.from)) {
        if is_service(&entry.to) {
            arrows.insert((entry.from.clone(), "->", entry.to.clone()));
        }
    }
    arrows
}

fn is_service(name: &str) -> bool {
    SERVICES.contains(&name)
}

/// Where the list and the page differ.
fn differences(page: &str, list: &[Entry]) -> Vec<String> {
    let drawn = map(page);
    let calls: BTreeSet<_> = drawn
        .iter()
        .filter(|(from, meaning, _)| *meaning == "->" && is_service(from))
        .cloned()
        .collect();
    let listed = on_the_map(list);
    let mut differences: Vec<_> = calls
        .symmetric_difference(&listed)
        .map(|(from, _, to)| format!("{from} -> {to} is not in both"))
        .collect();
    for (engine, nodes) in ENGINES {
        for service in SERVICES {
            let is_drawn = drawn.iter().any(|(from, meaning, to)| {
                let is_between = |one: &String, other: &String| {
                    one == service && nodes.contains(&other.as_str())
                };
                *meaning != "->" && (is_between(from, to) || is_between(to, from))
            });
            let is_listed = list
                .iter()
                .any(|entry| entry.from == service && entry.to == engine);
            if is_drawn != is_listed {
                differences.push(format!(
                    "{service} -> {engine}: drawn {is_drawn}, listed {is_listed}"
                ));
            }
        }
    }
    differences
}

#[test]
fn the_list_has_the_arrows_of_the_map() {
    let page = read("docs/ARCHITECTURE.md");
    assert_eq!(differences(&page, &list()), Vec::<String>::new());
}

#[test]
fn a_line_of_the_map_or_an_entry_too_many_or_too_few_is_found() {
    let page = read("docs/ARCHITECTURE.md");
    let list = list();
    for index in 0..list.len() {
        let mut fewer = list.clone();
        let entry = fewer.remove(index);
        if is_service(&entry.from) {
            assert!(!differences(&page, &fewer).is_empty(), "without {entry:?}");
        }
    }
    for from in SERVICES {
        for to in SERVICES
            .into_iter()
            .chain(ENGINES.map(|(engine, _)| engine))
        {
            if from != to
                && !list
                    .iter()
                    .any(|entry| entry.from == from && entry.to == to)
            {
                let mut more = list.clone();
                more.push(Entry {
                    from: from.to_owned(),
                    to: to.to_owned(),
                    ..list[0].clone()
                });
                assert!(!differences(&page, &more).is_empty(), "with {from} -> {to}");
            }
        }
    }
    let lines: Vec<_> = page
        .lines()
        .filter(|line| line.contains("-->|") || line.contains(" --- "))
        .collect();
    assert!(lines.len() > 8);
    for line in lines.iter().filter(|line| !line.contains("browser")) {
        // The place where a node gets its name goes with its line, and that is found as well.
        assert!(
            !differences(&page.replace(line, ""), &list).is_empty(),
            "without {line}"
        );
    }
}

/// An address in a container's environment is an arrow, or the container waits for ever.
fn addresses_without_an_arrow(build: &Build, list: &[Entry]) -> Vec<String> {
    let arrows = wanted_arrows(build, list);
    let (workloads, _) = workloads(build);
    let mut complaints = Vec::new();
    for workload in &workloads {
        for variable in workload
            .containers()
            .flat_map(|container| items(&container["env"]))
        {
            let Some(address) = string(&variable["value"]).strip_prefix("http://") else {
                continue;
            };
            let (host, port) = address.split_once(':').unwrap_or((address, "80"));
            let port = format!("TCP/{}", port.trim_end_matches('/'));
            if !arrows.contains(&(workload.name.clone(), host.to_owned(), port)) {
                complaints.push(format!("{}: no arrow to {address}", workload.title()));
            }
        }
    }
    complaints
}

#[test]
fn every_address_that_a_service_is_told_is_an_arrow() {
    let list = list();
    check_every_build(|build| addresses_without_an_arrow(build, &list));
}

#[test]
fn an_address_without_an_arrow_is_found() {
    let Some(builds) = crate::every_build() else {
        return;
    };
    let list: Vec<_> = list()
        .into_iter()
        .filter(|entry| entry.to != "metadata")
        .collect();
    assert!(
        builds
            .iter()
            .all(|build| !addresses_without_an_arrow(build, &list).is_empty())
    );
}
