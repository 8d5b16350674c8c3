//! The manifests in `deploy/kubernetes`, compared with what the program requires.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use super::text;
use crate::cli::bench::{Bench, root};
use crate::metrics::door::Served;

const FOLDER: &str = "deploy/kubernetes";

fn manifest(name: &str) -> Value {
    serde_yaml::from_str(&text(&format!("{FOLDER}/{name}.yaml"))).unwrap()
}

fn pod() -> Value {
    manifest("deployment")["spec"]["template"]["spec"].clone()
}

fn container() -> Value {
    pod()["containers"][0].clone()
}

fn arguments() -> Vec<String> {
    serde_json::from_value(container()["args"].clone()).unwrap()
}

/// Where the container mounts a volume.
fn mounted(volume: &str) -> String {
    let mounts = container()["volumeMounts"].clone();
    let mount = mounts.as_array().unwrap().iter().find(|mount| mount["name"] == volume).unwrap();
    mount["mountPath"].as_str().unwrap().to_owned()
}

#[test]
fn every_file_is_named_by_the_kustomization_and_there() {
    let kustomization = text(&format!("{FOLDER}/kustomization.yaml"));
    let parsed = manifest("kustomization");
    let maps = parsed["configMapGenerator"].as_array().unwrap();
    let files = maps.iter().flat_map(|map| map["files"].as_array().unwrap());
    let named = files.chain(parsed["resources"].as_array().unwrap());
    for name in named.map(|name| name.as_str().unwrap()) {
        assert!(root().join(FOLDER).join(name).is_file(), "{name}");
    }
    for entry in fs::read_dir(root().join(FOLDER)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_named = kustomization.contains(&name);
        assert!(is_named || name == "kustomization.yaml", "{name}");
    }
    assert_eq!(parsed["images"][0]["name"], container()["image"]);
    assert_eq!(parsed["images"][0]["newTag"], env!("CARGO_PKG_VERSION"));
}

/// With an absent fleet file the program exits with 3, so it understood its command line.
#[test]
fn the_pod_starts_the_program_with_arguments_that_it_has() {
    let arguments = arguments();
    let line: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let said = Bench::bare().run(&line).ends(3);
    assert!(said.err.contains(&format!("{}/runnerctl.yaml", mounted("fleet"))), "{}", said.err);
    Bench::bare().run(&[&line[..], &["--no-such-flag"]].concat()).ends(64);
}

/// A ConfigMap is a folder of links through a link that is exchanged when the content changes.
#[test]
fn the_files_are_read_as_the_kubelet_lays_them_out() {
    let bench = Bench::bare();
    for (volume, files) in
        [("fleet", "fleet/runnerctl.yaml"), ("pools", "fleet/pools/default.yaml")]
    {
        let name = files.rsplit('/').next().unwrap();
        let at = mounted(volume).trim_start_matches('/').to_owned();
        bench.write(&format!("{at}/..2026_12_01/{name}"), &text(&format!("{FOLDER}/{files}")));
        symlink("..2026_12_01", bench.path(&format!("{at}/..data"))).unwrap();
        symlink(format!("..data/{name}"), bench.path(&format!("{at}/{name}"))).unwrap();
    }
    let files: Vec<String> =
        arguments()[1..].iter().map(|word| word.trim_start_matches('/').to_owned()).collect();
    let files = files.iter().map(String::as_str);
    let line: Vec<&str> = ["validate", "--strict"].into_iter().chain(files).collect();
    let said = bench.run(&line).ends(0);
    assert!(said.out.contains("1 pool"), "{}", said.out);
}

#[tokio::test]
async fn ports_probes_and_monitor_are_those_of_the_program() {
    let container = container();
    let fleet: Value =
        serde_yaml::from_str(&text(&format!("{FOLDER}/fleet/runnerctl.yaml"))).unwrap();
    let listen = format!("0.0.0.0:{}", container["ports"][0]["containerPort"]);
    assert_eq!(fleet["watch"]["listen"], listen.as_str());
    let (service, monitor) = (manifest("service"), manifest("servicemonitor"));
    let endpoint = &monitor["spec"]["endpoints"][0];
    let probes =
        ["livenessProbe", "readinessProbe"].map(|probe| container[probe]["httpGet"].clone());
    let ports = probes.iter().map(|probe| &probe["port"]);
    let ports = ports.chain([&service["spec"]["ports"][0]["targetPort"], &endpoint["port"]]);
    for port in ports {
        assert_eq!(*port, container["ports"][0]["name"]);
    }
    assert_eq!(service["spec"]["ports"][0]["name"], endpoint["port"]);
    let served = Served::start(None).await;
    for path in probes.iter().map(|probe| &probe["path"]).chain([&endpoint["path"]]) {
        let url = format!("http://{}{}", served.address, path.as_str().unwrap());
        assert_ne!(reqwest::get(&url).await.unwrap().status(), 404, "{url}");
    }
    served.end().await;
}

#[test]
fn the_labels_of_the_pod_are_those_that_are_selected() {
    let labels = &manifest("deployment")["spec"]["template"]["metadata"]["labels"];
    let spec = |name: &str| manifest(name)["spec"].clone();
    assert_eq!(spec("service")["selector"], *labels);
    for name in ["deployment", "poddisruptionbudget"] {
        assert_eq!(spec(name)["selector"]["matchLabels"], *labels, "{name}");
    }
    let selected = spec("servicemonitor")["selector"]["matchLabels"].clone();
    assert_eq!(selected, manifest("service")["metadata"]["labels"]);
}

/// The requirements of the Pod Security Standard `restricted`, which the namespace enforces.
#[test]
fn the_pod_has_no_rights() {
    let (pod, container) = (pod(), container());
    let image = text("deploy/container/Containerfile");
    let user = &pod["securityContext"]["runAsUser"];
    assert!(image.contains(&format!("\nUSER {user}:{user}\n")), "{user}");
    assert_eq!(pod["securityContext"]["fsGroup"], *user);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(pod["automountServiceAccountToken"], false);
    let rights = &container["securityContext"];
    assert_eq!(rights["allowPrivilegeEscalation"], false);
    assert_eq!(rights["readOnlyRootFilesystem"], true);
    assert_eq!(rights["capabilities"], serde_json::json!({ "drop": ["ALL"] }));
    let enforced = &manifest("namespace")["metadata"]["labels"];
    assert_eq!(enforced["pod-security.kubernetes.io/enforce"], "restricted");
}

/// The kubelet makes the files of a secret readable by root and `fsGroup`; `secrets::file` tests
/// what `file:` requires of such a file.
#[test]
fn the_secret_is_where_the_fleet_file_looks_for_it_and_readable_there() {
    let pod = pod();
    let secret = manifest("secret.example");
    let key = secret["stringData"].as_object().unwrap().keys().next().unwrap().clone();
    let fleet = text(&format!("{FOLDER}/fleet/runnerctl.yaml"));
    assert!(fleet.contains(&format!("password: file:{}/{key}\n", mounted("secret"))), "{key}");
    let volumes = pod["volumes"].as_array().unwrap();
    let volume = volumes.iter().find(|volume| volume["name"] == "secret").unwrap();
    assert_eq!(volume["secret"]["secretName"], secret["metadata"]["name"]);
    // As text: YAML 1.1, which Kubernetes uses, would read an octal number.
    assert!(text(&format!("{FOLDER}/deployment.yaml")).contains("defaultMode: 0440\n"));
    let variables = container()["env"].as_array().unwrap().clone();
    let set = |name: &str| variables.iter().find(|it| it["name"] == name).unwrap()["value"].clone();
    assert_eq!(set("RUNNERCTL_GROUP_SECRETS"), "true");
    assert_eq!(set("STATE_DIRECTORY"), mounted("state"));
}
