//! The restricted profile of the Pod Security Standards, field by field
//! (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>).

use serde_json::Value;

use crate::builds::Build;
use crate::workloads::{Workload, items, string, workloads};

const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

const SAFE_SYSCTLS: [&str; 11] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_rmem",
];

const SELINUX_TYPES: [&str; 5] = [
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
];

const HANDLERS: [&str; 5] = [
    "/livenessProbe",
    "/readinessProbe",
    "/startupProbe",
    "/lifecycle/postStart",
    "/lifecycle/preStop",
];

/// Where pods ask for more than the profile gives.
pub(crate) fn complaints(build: &Build) -> Vec<String> {
    let (workloads, mut complaints) = workloads(build);
    if workloads.is_empty() {
        complaints.push("there are no pods".to_owned());
    }
    for workload in &workloads {
        let title = workload.title();
        let found = of_pod(workload).into_iter();
        let found = found.chain(workload.every_container().flat_map(|container| {
            of_container(&workload.pod, container)
                .into_iter()
                .map(|complaint| format!("{}: {complaint}", string(&container["name"])))
        }));
        complaints.extend(found.map(|complaint| format!("{title}: {complaint}")));
    }
    complaints
}

fn of_pod(workload: &Workload) -> Vec<String> {
    let pod = &workload.pod;
    let mut complaints = Vec::new();
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod[field] == true {
            complaints.push(format!("{field} is on"));
        }
    }
    for volume in items(&pod["volumes"]) {
        let kinds = volume
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::keys);
        for kind in kinds.filter(|key| *key != "name") {
            if !VOLUMES.contains(&kind.as_str()) {
                complaints.push(format!("a volume of the kind {kind}"));
            }
        }
    }
    let annotations = &workload.object["spec"]["template"]["metadata"]["annotations"];
    for (name, value) in annotations.as_object().into_iter().flatten() {
        let is_open = !["runtime/default", ""].contains(&string(value))
            && !string(value).starts_with("localhost/");
        if name.starts_with("container.apparmor.security.beta.kubernetes.io/") && is_open {
            complaints.push("AppArmor is switched off".to_owned());
        }
    }
    let context = &pod["securityContext"];
    for sysctl in items(&context["sysctls"]) {
        if !SAFE_SYSCTLS.contains(&string(&sysctl["name"])) {
            complaints.push(format!("the sysctl {}", sysctl["name"]));
        }
    }
    complaints.extend(of_any_context(context));
    complaints
}

/// What holds for the pod's security context and for a container's.
fn of_any_context(context: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    if context["windowsOptions"]["hostProcess"] == true {
        complaints.push("hostProcess is on".to_owned());
    }
    if context["runAsNonRoot"] == false {
        complaints.push("runAsNonRoot is off".to_owned());
    }
    if context["runAsUser"] == 0 {
        complaints.push("runs as root".to_owned());
    }
    let is_open = |profile: &Value| {
        !profile.is_null() && !["RuntimeDefault", "Localhost"].contains(&string(&profile["type"]))
    };
    if is_open(&context["seccompProfile"]) {
        complaints.push("seccomp is switched off".to_owned());
    }
    if is_open(&context["appArmorProfile"]) {
        complaints.push("AppArmor is switched off".to_owned());
    }
    let selinux = &context["seLinuxOptions"];
    if !SELINUX_TYPES.contains(&string(&selinux["type"]))
        || !string(&selinux["user"]).is_empty()
        || !string(&selinux["role"]).is_empty()
    {
        complaints.push("SELinux options of its own".to_owned());
    }
    complaints
}

fn of_container(pod: &Value, container: &Value) -> Vec<String> {
    let context = &container["securityContext"];
    let pods_context = &pod["securityContext"];
    let mut complaints = of_any_context(context);
    let mut demand = |holds: bool, otherwise: &str| {
        if !holds {
            complaints.push(otherwise.to_owned());
        }
    };
    demand(context["privileged"] != true, "is privileged");
    demand(
        context["allowPrivilegeEscalation"] == false,
        "allowPrivilegeEscalation is not off",
    );
    demand(
        context["runAsNonRoot"] == true || pods_context["runAsNonRoot"] == true,
        "runAsNonRoot is not on",
    );
    demand(
        !context["seccompProfile"].is_null() || !pods_context["seccompProfile"].is_null(),
        "no seccomp profile",
    );
    let capabilities = &context["capabilities"];
    demand(
        items(&capabilities["drop"]).any(|capability| capability == "ALL"),
        "capabilities are not dropped",
    );
    demand(
        items(&capabilities["add"]).all(|capability| capability == "NET_BIND_SERVICE"),
        "capabilities are added",
    );
    demand(
        context["procMount"].is_null() || context["procMount"] == "Default",
        "sees more of /proc",
    );
    demand(
        items(&container["ports"]).all(|port| port["hostPort"].is_null() || port["hostPort"] == 0),
        "takes a port of the node",
    );
    for handler in HANDLERS {
        for action in ["httpGet", "tcpSocket"] {
            let host = container.pointer(&format!("{handler}/{action}/host"));
            demand(
                host.is_none_or(|host| string(host).is_empty()),
                "a probe of another host",
            );
        }
    }
    complaints
}
