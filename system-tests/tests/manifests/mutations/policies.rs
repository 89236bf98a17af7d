//! An arrow too many or too few, in the policies or in the list, must be found.

use serde_json::{Value, json};

use super::build;
use crate::arrows::{self, list};
use crate::builds::every_build;
use crate::workloads::items;

/// Each rule of each policy, each of its peers and each of its ports: one less.
#[test]
fn an_arrow_too_few_in_the_policies_is_found() {
    let list = list();
    for overlay in ["local", "azure", "azure-production"] {
        let Some(good) = build(overlay) else { return };
        let mut tried = 0;
        for index in 0..good.objects.len() {
            if good.objects[index]["kind"] != "NetworkPolicy" {
                continue;
            }
            for (rules, side) in [("ingress", "from"), ("egress", "to")] {
                for rule in 0..items(&good.objects[index]["spec"][rules]).count() {
                    for part in [side, "ports"] {
                        let path = format!("/spec/{rules}/{rule}/{part}");
                        let there = good.objects[index]
                            .pointer(&path)
                            .map_or(0, |list| items(list).count());
                        for one in 0..there {
                            let mut bad = good.clone();
                            let list_of = bad.objects[index]
                                .pointer_mut(&path)
                                .unwrap()
                                .as_array_mut()
                                .unwrap();
                            list_of.remove(one);
                            // Nothing said would be everything allowed, which is found as well.
                            assert!(
                                !arrows::complaints(&bad, &list).is_empty(),
                                "{overlay}: {path}/{one} of {}",
                                good.objects[index]["metadata"]["name"]
                            );
                            tried += 1;
                        }
                    }
                }
            }
        }
        assert!(tried > 40, "{overlay}: {tried} were tried");
    }
}

/// Each pair of pods, in both halves: one more.
#[test]
fn an_arrow_too_many_in_the_policies_is_found() {
    let list = list();
    let Some(good) = build("azure") else { return };
    let (open, _) = arrows::open_arrows(&good);
    let pods = [
        "gateway",
        "video-streaming",
        "video-storage",
        "metadata",
        "history",
        "rabbitmq",
        "mongodb",
    ];
    let peer = |name: &str| json!({ "podSelector": { "matchLabels": { "app.kubernetes.io/name": name } } });
    for from in pods {
        for to in pods {
            if open.contains(&(from.to_owned(), to.to_owned(), "TCP/8080".to_owned())) {
                continue;
            }
            let ports = json!([{ "protocol": "TCP", "port": 8080 }]);
            let policy = |name: &str, spec: Value| json!({ "kind": "NetworkPolicy", "metadata": { "name": name }, "spec": spec });
            let may_call = policy(
                "caller",
                json!({
                    "podSelector": peer(from)["podSelector"], "policyTypes": ["Egress"],
                    "egress": [{ "to": [peer(to)], "ports": ports }],
                }),
            );
            let may_be_called = policy(
                "called",
                json!({
                    "podSelector": peer(to)["podSelector"], "policyTypes": ["Ingress"],
                    "ingress": [{ "from": [peer(from)], "ports": ports }],
                }),
            );
            for more in [
                vec![may_call.clone()],
                vec![may_be_called.clone()],
                vec![may_call, may_be_called],
            ] {
                let mut bad = good.clone();
                bad.objects.extend(more);
                assert!(
                    !arrows::complaints(&bad, &list).is_empty(),
                    "{from} -> {to}"
                );
            }
        }
    }
}

#[test]
fn an_entry_of_the_list_too_many_or_too_few_is_found() {
    let list = list();
    let Some(builds) = every_build() else { return };
    for index in 0..list.len() {
        let mut fewer = list.clone();
        let entry = fewer.remove(index);
        assert!(
            builds
                .iter()
                .any(|build| !arrows::complaints(build, &fewer).is_empty()),
            "without {entry:?}"
        );
        let mut other = list.clone();
        other[index].ports = vec!["TCP/1".to_owned()];
        assert!(
            builds
                .iter()
                .any(|build| !arrows::complaints(build, &other).is_empty()),
            "{entry:?} at another port"
        );
    }
    let mut nowhere = list.clone();
    nowhere[0].with = Some("no-component".to_owned());
    assert_eq!(arrows::never_drawn(builds, &nowhere).len(), 1);
}
