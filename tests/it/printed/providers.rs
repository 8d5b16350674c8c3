//! `docs/providers.md`: each example is a pool file that `validate` accepts, with keys from the
//! provider's schema, and each policy accepts the pool before it.

use serde_json::Value;

use super::blocks::{block, blocks, document};
use super::stage::Stage;

/// The keys of `extra_specs` that all providers except the one for Kubernetes accept.
const COMMON: [&str; 5] = [
    "disable_updates",
    "enable_boot_debug",
    "pre_install_scripts",
    "runner_install_template",
    "extra_context",
];

/// The other keys of each provider, from the schemas at the commits that the document names.
const KEYS: [(&str, &[&str]); 6] = [
    ("incus", &["extra_packages"]),
    (
        "aws",
        &[
            "extra_packages",
            "subnet_id",
            "ssh_key_name",
            "iam_instance_profile",
            "iops",
            "throughput",
            "volume_size",
            "volume_type",
            "security_group_ids",
        ],
    ),
    (
        "openstack",
        &[
            "extra_packages",
            "security_groups",
            "allowed_image_owners",
            "image_visibility",
            "network_id",
            "storage_backend",
            "boot_from_volume",
            "boot_disk_size",
            "use_config_drive",
        ],
    ),
    (
        "azure",
        &[
            "extra_packages",
            "allocate_public_ip",
            "open_inbound_ports",
            "storage_account_type",
            "disk_size_gb",
            "extra_tags",
            "ssh_public_keys",
            "confidential",
            "trustedlaunch",
            "use_ephemeral_storage",
            "virtual_network_cidr",
            "use_accelerated_networking",
            "vnet_subnet_id",
            "disable_isolated_networks",
        ],
    ),
    (
        "gcp",
        &[
            "disksize",
            "disktype",
            "display_device",
            "network_id",
            "subnetwork_id",
            "nic_type",
            "custom_labels",
            "network_tags",
            "service_accounts",
            "source_snapshot",
            "ssh_keys",
            "enable_secure_boot",
            "enable_vtpm",
            "enable_integrity_monitoring",
            "boot_disk_kms_key_name",
            "regional_placement",
        ],
    ),
    ("kubernetes", &["OSName", "OSVersion"]),
];

/// The pool files, each with the policy that follows it, if any.
fn examples() -> Vec<(String, Option<String>)> {
    let mut all: Vec<(String, Option<String>)> = Vec::new();
    for block in blocks(&document("docs/providers.md")) {
        match block.text.lines().next().unwrap() {
            "# policy" => all.last_mut().expect("a pool before its policy").1 = Some(block.text),
            line => {
                assert!(line.starts_with("# pools/"), "line {}: {line}", block.line);
                all.push((block.text, None));
            }
        }
    }
    all
}

#[test]
fn every_example_is_valid_and_has_keys_of_its_provider() {
    let mut described = Vec::new();
    for (text, policy) in examples() {
        let stage = Stage::new();
        let fleet_file = block("README.md", "fleet: acme");
        stage.bench.write("runnerctl.yaml", &fleet_file);
        stage.bench.write("pools/a.yaml", &text);
        stage.type_in("runnerctl validate --strict", &[]).ends(0);
        let pools: Value = serde_yaml::from_str(&text).unwrap();
        let pool = &pools["pools"][0];
        let provider = pool["provider"].as_str().unwrap().to_owned();
        let own = KEYS.iter().find(|it| it.0 == provider).expect("a row of `KEYS`").1;
        for key in pool["extra_specs"].as_object().unwrap().keys() {
            let is_common = provider != "kubernetes" && COMMON.contains(&key.as_str());
            assert!(is_common || own.contains(&key.as_str()), "{provider} has no {key}");
        }
        if let Some(policy) = policy {
            stage.bench.write("runnerctl.yaml", &format!("{fleet_file}{policy}"));
            stage.type_in("runnerctl validate --strict", &[]).ends(0);
            stage.bench.write("pools/a.yaml", &elsewhere(&text, &provider));
            let said = stage.type_in("runnerctl validate", &[]).ends(3);
            assert!(said.out.contains("[RC080"), "{provider}: {}", said.out);
        }
        described.push(provider);
    }
    assert_eq!(described, KEYS.map(|it| it.0));
}

/// The same pool with a network or an instance type that its policy forbids.
fn elsewhere(text: &str, provider: &str) -> String {
    let (here, there) = match provider {
        "incus" => ("ci-medium", "production"),
        "aws" => ("subnet-0f1e2d3c4b5a69788", "subnet-0123456789abcdef0"),
        "openstack" => ("542b68dd-", "00000000-"),
        "azure" => ("/resourceGroups/ci/", "/resourceGroups/production/"),
        "gcp" => ("projects/acme-ci/global/networks", "projects/acme-production/global/networks"),
        other => panic!("{other} has no policy"),
    };
    let changed = text.replace(here, there);
    assert_ne!(changed, text);
    changed
}
