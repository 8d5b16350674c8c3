//! The commands for AWS and Google in `docs/secrets.md`, as printed there, with the real tools: `aws`
//! against moto, `gcloud` against a double of Google's API. Each test runs only if a variable names the
//! folder of its programs (`tests/README.md`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::vault::Double;
use crate::cli::bench::{Bench, eventually, root};
use crate::service::stage::free_address;

/// The folder that a variable names, or `None` if it is not set.
fn folder_of(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The one reference of `docs/secrets.md` that begins with `exec:` and these words.
fn printed(words: &str) -> String {
    let document = std::fs::read_to_string(root().join("docs/secrets.md")).unwrap();
    let begin = format!("`exec:{words}");
    let found: Vec<&str> = document.split_inclusive(&begin).skip(1).collect();
    assert_eq!(found.len(), 1, "{words}");
    let rest = found[0].split('`').next().unwrap();
    format!("exec:{words}{rest}")
}

/// Reads GARM with a password that the reference resolves to; returns stderr. The login fails with
/// any other password.
fn plan_with(bench: &Bench, reference: &str, variables: &[(&str, &str)], code: i32) -> String {
    let fleet_file = bench.read("sandbox.yaml");
    bench.write("rc.yaml", &fleet_file.replace("file:rc.yaml.password", reference));
    bench.run_with(&["plan", "--allow-exec"], variables).ends(code).err
}

fn bench() -> (Bench, String) {
    let bench = Bench::new();
    bench.declare(&["web"]);
    bench.write("sandbox.yaml", &bench.read("rc.yaml"));
    let password = bench.read("rc.yaml.password").trim_end().to_owned();
    (bench, password)
}

/// A running moto.
struct Moto(Child);

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_commands_for_aws_fetch_the_password_from_moto() {
    let Some(folder) = folder_of("RUNNERCTL_TEST_AWS") else { return };
    let (bench, password) = bench();
    let address = free_address();
    let port = address.port().to_string();
    let moto = Command::new(folder.join("moto_server"))
        .args(["-H", "127.0.0.1", "-p", &port])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let moto = Moto(moto);
    eventually("moto", || std::net::TcpStream::connect(address).ok());
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let url = format!("http://{address}");
    let variables = [
        ("PATH", path.as_str()),
        ("AWS_ENDPOINT_URL", url.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
    ];
    let aws = |arguments: &[&str]| {
        let mut command = Command::new(folder.join("aws"));
        command.args(arguments).envs(variables).stdout(Stdio::null());
        assert!(command.status().unwrap().success(), "{arguments:?}");
    };
    aws(&["secretsmanager", "create-secret", "--name", "garm", "--secret-string", &password]);
    let parameter = ["ssm", "put-parameter", "--name", "/garm/password", "--value", &password];
    aws(&[&parameter[..], &["--type", "SecureString"]].concat());

    for words in ["aws secretsmanager ", "aws ssm "] {
        plan_with(&bench, &printed(words), &variables, 0);
    }
    let missing = printed("aws secretsmanager ").replace("--secret-id garm", "--secret-id other");
    let err = plan_with(&bench, &missing, &variables, 3);
    assert!(err.contains("the program exited with code 25"), "{err}");
    drop(moto);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_for_google_fetches_the_password() {
    let Some(folder) = folder_of("RUNNERCTL_TEST_GCLOUD") else { return };
    let (bench, password) = bench();
    let version = json!({
        "name": "projects/1/secrets/garm/versions/1",
        "payload": { "data": BASE64_STANDARD.encode(&password) },
    });
    let request = "GET /v1/projects/acme/secrets/garm/versions/latest:access?alt=json";
    let api = Double::open(BTreeMap::from([(request, (200, version.to_string()))])).await;
    bench.write("token", "token\n");
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let url = format!("http://{}/", api.address);
    let variables = [
        ("PATH", path.as_str()),
        ("CLOUDSDK_CONFIG", "gcloud"),
        ("CLOUDSDK_CORE_PROJECT", "acme"),
        ("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "token"),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", url.as_str()),
    ];
    let command = printed("gcloud ");
    plan_with(&bench, &command, &variables, 0);
    let missing = command.replace("--secret=garm", "--secret=other");
    let err = plan_with(&bench, &missing, &variables, 3);
    assert!(err.contains("the program exited with code 1"), "{err}");
}
