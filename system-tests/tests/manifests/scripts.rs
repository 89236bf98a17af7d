//! What `scripts/deploy` makes of an overlay: services by digest, and the facts in their places.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use test_support::DataFolder;
use test_support::engines::Availability;

use crate::builds::{SERVICES, overlays, parse_all, root, succeeds};
use crate::workloads::{items, string};

const FACTS: &str = "\
flixtube-namespace=flixtube
flixtube-registry=acracme.azurecr.io
flixtube-storage-account=stacme
flixtube-storage-container=films
flixtube-video-storage-client-id=11111111-2222-3333-4444-555555555555
flixtube-public-host=acme.northeurope.cloudapp.azure.com
flixtube-public-ip-name=pip-acme
flixtube-kept-resource-group=rg-acme-kept
flixtube-mongodb-host=mongo-acme.global.mongocluster.cosmos.azure.com
flixtube-mongodb-endpoint-prefix=10.77.16.0/27
";

fn kubectl() -> Option<()> {
    let found = if succeeds("kubectl", &["version", "--client"]) {
        Availability::Running(())
    } else {
        Availability::Missing("Install kubectl.".to_owned())
    };
    found.or_left_out("kubectl")
}

fn digest(service: &str) -> String {
    format!("sha256:{:0<64}", service.len())
}

fn render(overlay: &str, facts: Option<&str>) -> Output {
    let folder = DataFolder::new();
    let mut command = Command::new(root().join("scripts/deploy"));
    command.args([overlay, "--render"]);
    for service in SERVICES {
        command.args([
            "--image",
            &format!("acracme.azurecr.io/{service}@{}", digest(service)),
        ]);
    }
    if let Some(facts) = facts {
        std::fs::write(folder.join("facts.env"), facts).unwrap();
        command.arg("--facts").arg(folder.join("facts.env"));
    }
    command.stdin(Stdio::null()).output().unwrap()
}

fn rendered(overlay: &str) -> Vec<Value> {
    let facts = overlay.starts_with("azure").then_some(FACTS);
    let output = render(overlay, facts);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    parse_all(&String::from_utf8(output.stdout).unwrap())
}

#[test]
fn deploy_runs_every_service_by_its_digest() {
    let Some(()) = kubectl() else { return };
    for overlay in overlays() {
        let objects = rendered(&overlay);
        for service in SERVICES {
            let workload = objects
                .iter()
                .find(|object| {
                    ["Deployment", "StatefulSet"].contains(&string(&object["kind"]))
                        && object["metadata"]["name"] == service
                })
                .unwrap();
            let containers: Vec<_> =
                items(&workload["spec"]["template"]["spec"]["containers"]).collect();
            let [container] = containers[..] else {
                panic!("{service} has {} containers", containers.len())
            };
            let image = format!("acracme.azurecr.io/{service}@{}", digest(service));
            assert_eq!(container["image"], image, "{overlay}");
        }
    }
}

#[test]
fn deploy_puts_every_fact_in_its_place() {
    let Some(()) = kubectl() else { return };
    for overlay in ["azure", "azure-production"] {
        let objects = rendered(overlay);
        let find = |kind: &str, name: &str| {
            let found = objects.iter().find(|object| {
                object["kind"] == kind && string(&object["metadata"]["name"]).starts_with(name)
            });
            found.unwrap_or_else(|| panic!("{overlay} has no {kind} {name}"))
        };
        let settings = &find("ConfigMap", "flixtube-settings")["data"];
        assert_eq!(settings["STORE_URL"], "azure://films");
        assert_eq!(settings["AZURE_STORAGE_ACCOUNT_NAME"], "stacme");
        assert_eq!(
            settings["PUBLIC_HOSTS"],
            "acme.northeurope.cloudapp.azure.com"
        );
        let account = find("ServiceAccount", "video-storage");
        assert_eq!(
            account["metadata"]["annotations"]["azure.workload.identity/client-id"],
            "11111111-2222-3333-4444-555555555555"
        );
        let certificate = find("Certificate", "public");
        assert_eq!(
            certificate["spec"]["dnsNames"][0],
            "acme.northeurope.cloudapp.azure.com"
        );
        let address = find("EnvoyProxy", "public")
            .pointer("/spec/provider/kubernetes/envoyService/annotations")
            .unwrap();
        assert_eq!(
            address["service.beta.kubernetes.io/azure-pip-name"],
            "pip-acme"
        );
        assert_eq!(
            address["service.beta.kubernetes.io/azure-load-balancer-resource-group"],
            "rg-acme-kept"
        );
        if overlay == "azure-production" {
            assert_eq!(
                settings["MONGODB_HOST"],
                "mongo-acme.global.mongocluster.cosmos.azure.com"
            );
            let policy = find("NetworkPolicy", "services-to-managed-mongodb");
            assert_eq!(
                policy["spec"]["egress"][0]["to"][0]["ipBlock"]["cidr"],
                "10.77.16.0/27"
            );
        }
        let text = serde_json::to_string(&objects).unwrap();
        assert!(
            !text.contains("example"),
            "{overlay} still has an example in it"
        );
    }
}

#[test]
fn deploy_refuses_facts_that_are_missing_or_no_facts() {
    let Some(()) = kubectl() else { return };
    let without = |name: &str| -> String {
        FACTS
            .lines()
            .filter(|line| !line.contains(name))
            .flat_map(|line| [line, "\n"])
            .collect()
    };
    for (overlay, facts, complaint) in [
        ("azure", None, "needs --facts"),
        ("local", Some(FACTS.to_owned()), "takes no --facts"),
        (
            "azure",
            Some(without("flixtube-public-host")),
            "flixtube-public-host` is missing",
        ),
        (
            "azure-production",
            Some(without("flixtube-mongodb-host")),
            "flixtube-mongodb-host` is missing",
        ),
        (
            "azure",
            Some(without("flixtube-namespace")),
            "not of the namespace",
        ),
        (
            "azure",
            Some(format!("{FACTS}flixtube-public-host=a b\n")),
            "no fact",
        ),
        ("azure", Some(format!("{FACTS}PATH=/tmp\n")), "no fact"),
    ] {
        let output = render(overlay, facts.as_deref());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && output.stdout.is_empty(),
            "{overlay}: {said}"
        );
        assert!(said.contains(complaint), "{overlay} {complaint}: {said}");
    }
}
