//! The description of the public API is true to its routes.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use serde_json::Value;

use crate::world::World;

const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];

fn description() -> Value {
    serde_saphyr::from_str(include_str!("../../../docs/openapi.yaml")).unwrap()
}

fn operations(description: &Value) -> impl Iterator<Item = (String, String, &Value)> {
    let paths = description["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        METHODS
            .iter()
            .filter_map(|method| Some((method.to_uppercase(), path.clone(), item.get(*method)?)))
    })
}

#[test]
fn the_description_names_the_routes_that_there_are_and_no_others() {
    let description = description();
    let described: BTreeSet<_> = operations(&description)
        .map(|(method, path, _)| (method, path))
        .collect();
    let routed: BTreeSet<_> = gateway::api_routes()
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .collect();
    assert_eq!(described, routed);
}

#[tokio::test]
async fn every_path_takes_the_methods_that_are_described_and_no_others() {
    let description = description();
    let world = World::start().await;
    let described: Vec<_> = operations(&description).collect();
    for (path, item) in description["paths"].as_object().unwrap() {
        let methods: BTreeSet<_> = described
            .iter()
            .filter(|(_, of, _)| of == path)
            .map(|(method, ..)| method.as_str())
            .collect();
        assert!(!methods.is_empty(), "{path}: {item}");
        let answer = world.client.request(Method::OPTIONS, path).await;
        let answer = answer.expect(StatusCode::METHOD_NOT_ALLOWED);
        let mut allowed: BTreeSet<_> = answer
            .header("allow")
            .unwrap()
            .split(',')
            .map(str::trim)
            .collect();
        // Where there is a GET, its head can be had by itself.
        if !methods.contains("HEAD") {
            allowed.remove("HEAD");
        }
        assert_eq!(allowed, methods, "{path}");
    }
}

#[test]
fn every_operation_says_what_it_is_and_how_it_can_fail() {
    let description = description();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&description) {
        let name = format!("{method} {path}");
        assert!(operation["summary"].is_string(), "{name}");
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(!id.is_empty() && ids.insert(id), "{name}: {id}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(
            responses.keys().any(|status| status.starts_with('2')),
            "{name}"
        );
        for status in ["421", "429"] {
            assert!(responses.contains_key(status), "{name} {status}");
        }
        let writes = !matches!(method.as_str(), "GET" | "HEAD");
        assert_eq!(responses.contains_key("403"), writes, "{name} 403");
        for placeholder in path.split('/').filter(|part| part.starts_with('{')) {
            let parameter = placeholder.trim_matches(['{', '}']);
            let shared = description["paths"][&path]["parameters"].to_string();
            let schema = format!("{shared}{}", operation["parameters"]);
            let reference = if parameter == "id" {
                "VideoId"
            } else {
                "HistoryVideoId"
            };
            assert!(schema.contains(reference), "{name}: {schema}");
        }
    }
}

#[test]
fn every_reference_in_the_description_leads_somewhere() {
    fn check(value: &Value, description: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.trim_start_matches('#');
                    assert!(description.pointer(pointer).is_some(), "{reference}");
                }
                members.values().for_each(|value| check(value, description));
            }
            Value::Array(values) => values.iter().for_each(|value| check(value, description)),
            _ => {}
        }
    }
    let description = description();
    assert_eq!(description["openapi"], "3.1.0");
    check(&description, &description);
}
