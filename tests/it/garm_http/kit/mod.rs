//! The runner kit in use: bash runs its script, then GARM's own install script sends its requests
//! through a real nginx with the shipped configuration.

mod garm;
mod machine;
mod signer;

use std::path::PathBuf;

use garm::Garm;
use jiff::Timestamp;
use machine::Machine;
use runnerctl::config::HostPort;
use runnerctl::garm::runner_identity::runner_identity;
use runnerctl::policy::kit::KitParts;
use secrecy::ExposeSecret;

use super::front::{Front, Program, free_ports};
use super::*;

/// The token of the runner's machine.
const TOKEN: &str = "token-of-this-runner";

/// All servers to which a runner connects.
struct Scene {
    garm: Garm,
    front: Front,
    /// The CA that the image trusts: it signed GitHub's certificate, but not the proxy's.
    system: Authority,
}

impl Scene {
    /// Starts the servers, with GARM behind nginx with the shipped configuration.
    async fn open() -> Self {
        Self::behind(Program::Nginx, Program::Nginx.configuration()).await
    }

    async fn behind(program: Program, configuration: &str) -> Self {
        let system = Authority::new();
        let greeting = greeting(system.sign("github", &SERVER), None, &version::TLS13);
        let github = format!("https://{}/runner.tar.gz", serve(greeting, answer("tar")).await);
        let ports = free_ports();
        let garm = Garm::open(&format!("https://127.0.0.1:{}", ports[0]), &github).await;
        let front = Front::before(garm.address, ports, program, configuration).await;
        Self { garm, front, system }
    }

    fn machine(&self) -> Machine {
        Machine::new(&self.front.url, &self.system)
    }

    /// A kit with a certificate of the runners' CA.
    fn kit(&self) -> KitParts {
        kit(self.front.runners.sign("runner", &CLIENT), &self.front.servers)
    }
}

fn kit((cert, key): (PathBuf, PathBuf), servers: &Authority) -> KitParts {
    let key = SecretString::from(std::fs::read_to_string(key).unwrap());
    let ca = servers.path("ca.pem");
    let now: Timestamp = "2026-11-25T00:00:00Z".parse().unwrap();
    let identity = runner_identity((&cert, &ca), (&key, "file:runner.key"), now).unwrap();
    KitParts { identity: Some(identity), ..KitParts::default() }
}

/// A line of the key, which occurs nowhere else.
fn key_line(parts: &KitParts) -> String {
    let key = parts.identity.as_ref().unwrap().key.expose_secret();
    key.lines().nth(1).unwrap().to_owned()
}

/// The configuration of a proxy that requests no certificate.
fn open_front() -> String {
    let lines = Program::Nginx.configuration().lines().filter(|it| !it.contains("return 496"));
    lines.map(|it| format!("{it}\n")).collect()
}

/// Asserts that the kit stops the installation with a reason, and leaves no files.
#[track_caller]
fn check_stopped(machine: &Machine, parts: &KitParts, why: &str) {
    let (went_on, said) = machine.prepare(parts);
    assert!(!went_on, "{said}");
    assert_eq!(said.trim_end(), format!("runnerctl: {why}"));
    let install = machine.install(None);
    assert_eq!(install.status.code(), Some(1), "{install:?}");
    let left = ["home/runner/.curlrc", "run/runnerctl", "install_runner.sh.kept"];
    for name in left {
        assert!(!machine.path(name).exists(), "{name} is left");
    }
    assert_eq!(machine.holding("PRIVATE KEY"), [""; 0]);
}

/// The requests that GARM receives during an installation.
const EVERY_CALL: [&str; 9] = [
    "GET /metadata/install-script/",
    "POST /callbacks/status {\"status\": \"installing\"",
    "GET /metadata/credentials/runner",
    "GET /metadata/credentials/credentials",
    "GET /metadata/credentials/credentials_rsaparams",
    "GET /metadata/system/service-name",
    "GET /metadata/systemd/unit-file",
    "POST /callbacks/system-info/",
    "POST /callbacks/status {\"status\": \"idle\"",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_kit_every_call_passes_and_without_it_none_does() {
    for program in Program::ALL {
        let scene = Scene::behind(program, program.configuration()).await;
        check_install(&scene);
    }
}

#[track_caller]
fn check_install(scene: &Scene) {
    let bare = scene.machine();
    // Without the kit, neither the original image works nor one that trusts the proxy.
    for trusted in [None, Some(&scene.front.servers)] {
        let install = bare.install(trusted);
        assert_eq!(install.status.code(), Some(1), "{install:?}");
    }
    assert_eq!(scene.garm.heard(), [""; 0]);

    let machine = scene.machine();
    let (went_on, said) = machine.prepare(&scene.kit());
    assert!(went_on, "{said}");
    assert_eq!(scene.garm.heard(), [""; 0], "the proof bears no token");
    assert!(!machine.path("home/runner/actions-runner").exists(), "taken for a cached runner");
    let install = machine.install(None);
    assert_eq!(install.status.code(), Some(0), "{install:?}");
    let heard = scene.garm.heard();
    assert_eq!(heard.len(), EVERY_CALL.len(), "{heard:#?}");
    for (heard, expected) in heard.iter().zip(EVERY_CALL) {
        assert!(heard.starts_with(expected), "{heard}");
    }
    assert_eq!(machine.read("home/runner/runner.tar.gz"), "tar", "GitHub is trusted, too");
}

/// Asserts that neither the key nor the kit's `.curlrc` is left, and that the image's own `.curlrc`
/// is restored.
#[track_caller]
fn check_taken_away(machine: &Machine, key: &str, own: Option<&str>) {
    assert_eq!(machine.holding(key), [""; 0]);
    assert_eq!(machine.holding("PRIVATE KEY"), [""; 0]);
    let curlrc = std::fs::read_to_string(machine.path("home/runner/.curlrc"));
    assert_eq!(curlrc.ok().as_deref(), own, "the image's own comes back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_a_jobs_first_step_neither_key_nor_curlrc_is_left() {
    let scene = Scene::open().await;
    let parts = scene.kit();
    for own in [None, Some("silent\n")] {
        let machine = scene.machine();
        // The copies of the script that cloud-init keeps.
        for copy in [
            "var/lib/cloud/instances/i-1/user-data.txt",
            "var/lib/cloud/instances/i-1/user-data.txt.i",
            "var/lib/cloud/instances/i-1/cloud-config.txt",
            "var/lib/cloud/instances/i-1/obj.pkl",
            "var/lib/cloud/seed/nocloud-net/user-data",
            "run/cloud-init/combined-cloud-config.json",
            "run/cloud-init/instance-data-sensitive.json",
        ] {
            machine.write(copy, &key_line(&parts));
        }
        if let Some(text) = own {
            machine.write("home/runner/.curlrc", text);
        }
        let (went_on, said) = machine.prepare(&parts);
        assert!(went_on, "{said}");
        // The key is only in memory, for the install script.
        assert_eq!(machine.holding(&key_line(&parts)), ["run/runnerctl/key.pem"]);
        // A job may start before the install script has ended.
        let hook = machine.start_job();
        assert!(hook.status.success(), "{hook:?}");
        check_taken_away(&machine, &key_line(&parts), own);
        // A second run changes nothing.
        assert!(machine.start_job().status.success());
        check_taken_away(&machine, &key_line(&parts), own);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_end_of_the_install_the_key_is_gone_whether_a_job_comes_or_not() {
    let scene = Scene::open().await;
    let parts = scene.kit();
    for own in [None, Some("silent\n")] {
        let machine = scene.machine();
        if let Some(text) = own {
            machine.write("home/runner/.curlrc", text);
        }
        let (went_on, said) = machine.prepare(&parts);
        assert!(went_on, "{said}");
        assert_eq!(machine.install(None).status.code(), Some(0));
        check_taken_away(&machine, &key_line(&parts), own);
        assert!(machine.start_job().status.success());
        check_taken_away(&machine, &key_line(&parts), own);
    }
}

/// If systemd does not support the drop-in or has not loaded it, the job could read the key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_is_not_in_force_stops_the_install() {
    let scene = Scene::open().await;
    let machine = scene.machine();
    machine.program("systemctl", "#!/bin/sh\nmkdir -p @ROOT@/loaded\n");
    let why = "the job-started hook is not in force: systemd gives services none of it";
    check_stopped(&machine, &scene.kit(), why);

    let machine = scene.machine();
    machine.program("systemctl", "#!/bin/sh\nexit 1\n");
    check_stopped(&machine, &scene.kit(), "systemd cannot be told of the job-started hook");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_would_be_on_a_disk_stops_the_install() {
    let scene = Scene::open().await;
    let machine = scene.machine();
    // The output on a machine whose `/run` is on disk.
    machine.program("stat", "#!/bin/sh\necho ext2/ext3\n");
    let why = "/run is not in memory, so that the key would be on a disk";
    check_stopped(&machine, &scene.kit(), why);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_install_against_a_front_that_demands_no_certificate_is_stopped() {
    let scene = Scene::behind(Program::Nginx, &open_front()).await;
    let machine = scene.machine();
    let why = "GARM answers without a certificate (HTTP 401)";
    check_stopped(&machine, &scene.kit(), why);
    // The operator can read the reason in GARM.
    let told = format!(
        "POST /callbacks/status {{\"status\":\"failed\",\"message\":\"runnerctl: {why}\"}}"
    );
    assert_eq!(scene.garm.heard(), [told]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_front_that_guards_callbacks_only_half_is_found_out() {
    let shipped = Program::Nginx.configuration();
    let half = shipped.replacen(
        "location /api/v1/callbacks {\n        if ($ssl_client_verify != SUCCESS) { return 496; }",
        "location /api/v1/callbacks {",
        1,
    );
    assert_ne!(half, shipped);
    let scene = Scene::behind(Program::Nginx, &half).await;
    let machine = scene.machine();
    let why = "GARM answers without a certificate (HTTP 401)";
    check_stopped(&machine, &scene.kit(), why);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_the_front_refuses_stops_the_install_with_the_reason() {
    let scene = Scene::open().await;
    let stranger = Authority::new();
    for (pair, servers, why) in [
        (stranger.sign("runner", &CLIENT), &scene.front.servers, "HTTP 400, curl 0"),
        (scene.front.operators.sign("op", &CLIENT), &scene.front.servers, "HTTP 400, curl 0"),
        (scene.front.runners.sign("r", &CLIENT), &stranger, "HTTP 000, curl 60"),
    ] {
        let machine = scene.machine();
        let why = format!("GARM cannot be reached with the runner certificate ({why})");
        check_stopped(&machine, &kit(pair, servers), &why);
    }
    assert_eq!(scene.garm.heard(), [""; 0]);
}

/// Proxies other than nginx refuse the connection in the handshake, without a response.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_in_the_handshake_counts_and_plain_http_does_not() {
    let (servers, runners, system) = (Authority::new(), Authority::new(), Authority::new());
    let garm = || {
        let body = r#"{"error":"Authentication failed","details":""}"#;
        says(&format!(
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ))
    };
    let parts = kit(runners.sign("runner", &CLIENT), &servers);
    for version in [&version::TLS13, &version::TLS12] {
        let greeting = greeting(servers.sign("server", &SERVER), Some(&runners), version);
        let machine = Machine::new(&format!("https://{}", serve(greeting, garm()).await), &system);
        let (went_on, said) = machine.prepare(&parts);
        assert!(went_on, "{said}");
    }
    let plain = serve(Greeting::Plain, garm()).await;
    let machine = Machine::new(&format!("http://{plain}"), &system);
    let why = "GARM answers without a certificate (HTTP 401)";
    check_stopped(&machine, &parts, why);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_the_kit_cannot_work_in_is_stopped() {
    let scene = Scene::open().await;
    let machine = scene.machine();
    machine.write("home/runner/actions-runner/.env", "ACTIONS_RUNNER_HOOK_JOB_STARTED=/x.sh\n");
    let why = "the image has a job-started hook of its own, which would leave the key to the job";
    check_stopped(&machine, &scene.kit(), why);

    let machine = scene.machine();
    machine.write("etc/ssl/certs/ca-certificates.crt", "");
    let why = "the image has no bundle of certificate authorities";
    check_stopped(&machine, &scene.kit(), why);

    // Another failure: without the runner's home folder, nothing can be written.
    let machine = scene.machine();
    std::fs::remove_dir(machine.path("home/runner")).unwrap();
    let (went_on, said) = machine.prepare(&scene.kit());
    assert!(!went_on && said.ends_with("runnerctl: the kit did not come to its end\n"), "{said}");
    assert_eq!(machine.install(None).status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_install_that_can_reach_a_forbidden_place_is_stopped() {
    let open = serve(Greeting::Plain, answer("[]")).await;
    let shut = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let place = |host: &str, port| HostPort { host: host.to_owned(), port };
    let allowed = [
        place("127.0.0.1", shut.port()),
        place("no-such-host.invalid", 443),
        place("::1", shut.port()),
    ];
    let scene = Scene::open().await;
    for parts in [KitParts::default(), scene.kit()] {
        let with =
            |places: &[HostPort]| KitParts { must_not_reach: places.to_vec(), ..parts.clone() };
        let machine = scene.machine();
        let (went_on, said) = machine.prepare(&with(&allowed));
        assert!(went_on, "{said}");

        let machine = scene.machine();
        let forbidden = place("127.0.0.1", open.port());
        let places = [&allowed[..], &[forbidden]].concat();
        let why = format!(
            "the runner can reach 127.0.0.1/{}, which policy.networks.must_not_reach forbids",
            open.port()
        );
        check_stopped(&machine, &with(&places), &why);
    }
}
