//! Test setup: a folder with a fleet file of several GARMs, each a sandbox of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use serde_json::Value;

use super::stage::{Process, command, eventually, free_address, get, request};

/// A GARM in the fleet file.
struct GarmOfFleet {
    address: SocketAddr,
    sandbox: Option<Process>,
    is_declared: bool,
}

pub(crate) struct Garms {
    folder: tempfile::TempDir,
    garms: BTreeMap<String, GarmOfFleet>,
    /// The GARM of each pool.
    pools: BTreeMap<String, String>,
    pub(crate) watch: SocketAddr,
    /// `watch.leader`, if there is to be one.
    pub(crate) leader: Option<String>,
}

impl Garms {
    /// Starts a sandbox for each name, with the pool `pool-NAME`, which has two runners.
    pub(crate) fn start(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("pools")).unwrap();
        let (garms, pools, watch) = (BTreeMap::new(), BTreeMap::new(), free_address());
        let mut fleet = Self { folder, garms, pools, watch, leader: None };
        for name in names {
            fleet.start_sandbox(name);
            fleet.declare(name);
        }
        for name in names {
            fleet.apply_to(name);
        }
        fleet
    }

    /// Starts a sandbox that is not declared yet.
    pub(crate) fn start_sandbox(&mut self, name: &str) {
        let address = free_address();
        let child = command(self.folder.path())
            .args(["sandbox", "--listen", &address.to_string()])
            .args(["--write-config", &format!("{name}.yaml")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let file = self.path(&format!("{name}.yaml"));
        eventually("the sandbox", || file.exists().then_some(()));
        let sandbox = Some(Process(child));
        self.garms.insert(name.to_owned(), GarmOfFleet { address, sandbox, is_declared: false });
    }

    pub(crate) fn stop_sandbox(&mut self, name: &str) {
        self.garms.get_mut(name).unwrap().sandbox = None;
    }

    /// Declares a GARM that is no sandbox, without pools.
    pub(crate) fn add(&mut self, name: &str, address: SocketAddr) {
        self.write(&format!("{name}.yaml.password"), "secret\n");
        let garm = GarmOfFleet { address, sandbox: None, is_declared: true };
        self.garms.insert(name.to_owned(), garm);
    }

    /// Declares a GARM and its pool.
    pub(crate) fn declare(&mut self, name: &str) {
        self.garms.get_mut(name).unwrap().is_declared = true;
        self.pools.insert(format!("pool-{name}"), name.to_owned());
        self.write_pools();
    }

    /// Declares the pool of one GARM for another one.
    pub(crate) fn move_pool(&mut self, from: &str, to: &str) {
        self.pools.insert(format!("pool-{from}"), to.to_owned());
        self.write_pools();
    }

    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        self.garms[name].address
    }

    /// Removes a GARM and its pool from the files.
    pub(crate) fn forget(&mut self, name: &str) {
        self.garms.get_mut(name).unwrap().is_declared = false;
        self.pools.retain(|_, garm| garm != name);
        self.write_pools();
    }

    fn write_pools(&self) {
        let pool = |(pool, garm): (&String, &String)| {
            format!(
                "  - {{ name: {pool}, garm: {garm}, min_runners: 2, max_runners: 20, \
                 scale_up_delay: 1s, labels: [{pool}], instance_type: m5.large }}\n"
            )
        };
        let pools: String = self.pools.iter().map(pool).collect();
        let text = if pools.is_empty() { "pools: []\n".into() } else { format!("pools:\n{pools}") };
        self.write("pools/all.yaml", &text);
    }

    /// Writes the fleet file of all declared GARMs. `more` are further keys of it.
    pub(crate) fn write_fleet(&self, more: &str) {
        let declared = self.garms.iter().filter(|(_, garm)| garm.is_declared);
        let garms: String = declared
            .map(|(name, garm)| {
                let password = format!("file:{name}.yaml.password");
                format!("  {name}: {{ url: 'http://{}', password: '{password}' }}\n", garm.address)
            })
            .collect();
        let leader = self.leader.as_ref().map(|leader| format!("  leader: {leader}\n"));
        let text = format!(
            "fleet: sandbox\ngarms:\n{garms}controller: {{ minimum_job_age_backoff: 5m }}\n\
             defaults: {{ organization: acme, provider: sim, image: ubuntu-24.04 }}\n\
             watch:\n  listen: {}\n  resync: 5s\n  audit: audit.jsonl\n{}{more}",
            self.watch,
            leader.unwrap_or_default(),
        );
        self.write("runnerctl.yaml", &text);
    }

    /// Creates the pools of one GARM, with a fleet file that has only this one.
    pub(crate) fn apply_to(&self, name: &str) {
        let own = self.pools.iter().filter(|(_, garm)| *garm == name);
        let pools: String = own
            .map(|(pool, _)| {
                format!(
                    "  - {{ name: {pool}, min_runners: 2, max_runners: 20, scale_up_delay: 1s, \
                     labels: [{pool}], instance_type: m5.large }}\n"
                )
            })
            .collect();
        self.write("own.yaml", &format!("pools:\n{pools}"));
        let file = format!("{name}.yaml");
        let line = ["apply", "--auto-approve", "--no-audit", "--config", &file, "-f", "own.yaml"];
        let output = self.run(&line);
        assert!(output.status.success(), "{output:?}");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes a file at once: a running `watch` never reads a part of it.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let draft = self.path(&format!("{name}.draft"));
        std::fs::write(&draft, text).unwrap();
        if name.ends_with(".password") || name.ends_with(".url") {
            let owner_only = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&draft, owner_only).unwrap();
        }
        std::fs::rename(draft, self.path(name)).unwrap();
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        command(self.folder.path()).args(arguments).output().unwrap()
    }

    /// Starts `watch`; its output goes to `NAME.out` and `NAME.err`.
    pub(crate) fn watch(&self, name: &str, arguments: &[&str]) -> Process {
        let file = |end: &str| std::fs::File::create(self.path(&format!("{name}.{end}"))).unwrap();
        let child = command(self.folder.path())
            .arg("watch")
            .args(arguments)
            .stdout(file("out"))
            .stderr(file("err"))
            .spawn();
        Process(child.unwrap())
    }

    /// Waits until every declared sandbox is watched.
    pub(crate) fn until_ready(&self) {
        eventually("readiness", || {
            let (status, page) = get(self.watch, "/readyz")?;
            (status == 200 && page == "ready\n").then_some(())
        });
    }

    /// Queues jobs for the pool of a GARM that no runner is given; returns their ids.
    pub(crate) fn queue_held(&self, garm: &str, count: usize) -> Vec<i64> {
        let body = format!(r#"{{"count":{count},"labels":["pool-{garm}"],"hold":true}}"#);
        let (status, page) = self.lab(garm, "/_lab/jobs", &body);
        assert_eq!(status, 201);
        let made: Value = serde_json::from_str(&page).unwrap();
        made["ids"].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect()
    }

    pub(crate) fn cancel(&self, garm: &str, jobs: &[i64]) {
        for job in jobs {
            assert_eq!(self.lab(garm, &format!("/_lab/jobs/{job}/cancel"), "").0, 200);
        }
    }

    fn lab(&self, garm: &str, path: &str, body: &str) -> (u16, String) {
        request(self.garms[garm].address, "POST", path, body).unwrap()
    }
}
