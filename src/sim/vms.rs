//! The providers and their VMs: create, boot, delete (GARM.md §e).

use std::time::Duration;

use jiff::Timestamp;

use super::instance::{RunnerPhase, VmStatus};
use super::log::LogEvent;
use super::row_key::InstanceRowKey;
use super::world::{Due, World};

/// A VM of a provider.
#[derive(Debug, Clone)]
pub(crate) struct VirtualMachine {
    pub(crate) name: String,
    pub(crate) provider: String,
    pub(crate) pool: String,
    pub(crate) created_at: Timestamp,
    /// `booting`, `hung`, `installing`, `failed`, `ready`.
    pub(crate) state: &'static str,
}

/// How long a provider's program itself takes (GARM.md §e: 70 ms).
const PROVIDER_CALL: Duration = Duration::from_millis(70);

/// The status messages of the install script before the runner is idle, as recorded.
const STEPS: [&str; 5] = [
    "using cached runner found in /home/runner/actions-runner",
    "configuring runner",
    "downloading JIT credentials",
    "generating systemd unit file",
    "enabling runner service",
];

impl World {
    /// GARM calls the provider, which responds at [`Due::Created`].
    pub(super) fn create_vm(&mut self, key: InstanceRowKey) {
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.is_locked = true;
        }
        let delay = PROVIDER_CALL + self.config.knobs.create_delay;
        self.scheduler.add(self.now + delay, Due::Created(key));
    }

    pub(super) fn vm_created(&mut self, key: InstanceRowKey) {
        let Some(instance) = self.instances.get_mut(&key) else {
            return;
        };
        instance.is_locked = false;
        let (name, provider) = (instance.name.clone(), instance.provider.clone());
        let (pool_id, specs) = self.provider_pool_of(key);
        let own = |key| own_knob(specs.as_deref(), key);
        let rate = own("create_fail_rate")
            .or(self.config.knobs.of(&provider).create_fail_rate)
            .unwrap_or(self.config.knobs.create_fail_rate);
        if self.is_quota_used_up(&pool_id, own("max_vms")) {
            self.note(LogEvent::VmCreateFailed { name, provider, why: "quota" });
            // The words of OpenStack.
            self.create_failed(key, "Quota exceeded for instances");
            return;
        }
        if self.rng.provider.chance(rate) {
            self.note(LogEvent::VmCreateFailed { name, provider, why: "injected" });
            self.create_failed(key, "injected create failure");
            return;
        }
        let provider_id = format!("vm-{name}-{}", self.rng.ids.word(6));
        let vm = VirtualMachine {
            name: name.clone(),
            provider: provider.clone(),
            pool: pool_id.clone(),
            created_at: self.now,
            state: "booting",
        };
        self.vms.insert(provider_id.clone(), vm);
        self.note(LogEvent::VmCreated { name, provider: provider.clone(), pool: pool_id });
        let now = self.now;
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.provider_id = provider_id;
            instance.os_name = "ubuntu".into();
            instance.os_version = "24.04".into();
            instance.vm = VmStatus::Running;
            instance.updated_at = now;
        }
        self.emit_instance("update", key);
        self.start_boot(key, &provider);
    }

    /// Whether the provider, or this pool with a limit of its own, has as many VMs as it may have.
    fn is_quota_used_up(&self, pool: &str, own_limit: Option<f64>) -> bool {
        let limit = self.config.knobs.max_vms;
        let in_pool = self.vms.values().filter(|vm| vm.pool == pool).count();
        #[expect(clippy::cast_precision_loss, reason = "a number of VMs")]
        let is_own_used_up = own_limit.is_some_and(|limit| in_pool as f64 >= limit);
        is_own_used_up || (limit > 0 && self.vms.len() as u64 >= limit)
    }

    fn start_boot(&mut self, key: InstanceRowKey, provider: &str) {
        let knobs = &self.config.knobs;
        let delay = knobs.boot_delay + self.rng.provider.up_to(knobs.boot_jitter);
        let hang_rate = knobs.of(provider).boot_hang_rate.unwrap_or(knobs.boot_hang_rate);
        if self.rng.provider.chance(hang_rate) {
            self.set_vm_state(key, "hung");
        } else {
            self.scheduler.add(self.now + delay, Due::Booted(key));
        }
    }

    /// Sets `error`, with the provider's message as fault (GARM.md §d).
    fn create_failed(&mut self, key: InstanceRowKey, words: &str) {
        let now = self.now;
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.vm = VmStatus::Error;
            instance.fault = format!(
                "error creating instance: failed to create instance: provider binary returned \
                 error: exit status 1: sim: {words}"
            );
            instance.updated_at = now;
        }
        self.emit_instance("update", key);
    }

    fn set_vm_state(&mut self, key: InstanceRowKey, state: &'static str) {
        let vm =
            self.instances.get(&key).and_then(|instance| self.vms.get_mut(&instance.provider_id));
        if let Some(vm) = vm {
            vm.state = state;
        }
    }

    /// Whether the VM and its row still exist, so that it can report a status.
    fn can_speak(&self, key: InstanceRowKey) -> bool {
        self.instances
            .get(&key)
            .is_some_and(|instance| self.vms.contains_key(&instance.provider_id))
    }

    /// Status messages of the install script; each is a write of the row.
    fn say(&mut self, key: InstanceRowKey, phase: RunnerPhase, words: &[&str]) {
        let now = self.now;
        for words in words {
            if let Some(instance) = self.instances.get_mut(&key) {
                instance.messages.push((now, (*words).to_owned()));
                // Late messages do not set back a runner that has or had a job.
                if !matches!(instance.phase, RunnerPhase::Active | RunnerPhase::Terminated) {
                    instance.phase = phase;
                }
                instance.fault.clear();
                instance.updated_at = now;
            }
            self.emit_instance("update", key);
        }
    }

    pub(super) fn vm_booted(&mut self, key: InstanceRowKey) {
        if !self.can_speak(key) {
            return;
        }
        let provider =
            self.instances.get(&key).map(|instance| instance.provider.clone()).unwrap_or_default();
        let knobs = &self.config.knobs;
        let fail_rate = knobs.of(&provider).boot_fail_rate.unwrap_or(knobs.boot_fail_rate);
        let install = knobs.install_delay;
        if self.rng.provider.chance(fail_rate) {
            self.say(key, RunnerPhase::Installing, &STEPS[..2]);
            self.say(
                key,
                RunnerPhase::Failed,
                &["failed to configure runner: sim injected failure"],
            );
            self.set_vm_state(key, "failed");
            return;
        }
        self.say(key, RunnerPhase::Installing, &STEPS);
        self.set_vm_state(key, "installing");
        self.scheduler.add(self.now + install, Due::Installed(key));
    }

    pub(super) fn vm_installed(&mut self, key: InstanceRowKey) {
        if !self.can_speak(key) {
            return;
        }
        let Some(instance) = self.instances.get_mut(&key) else {
            return;
        };
        instance.os_name = "Ubuntu".into();
        let agent = instance.agent_id;
        self.say(key, RunnerPhase::Idle, &["runner successfully installed"]);
        self.set_vm_state(key, "ready");
        let delay = self.config.knobs.online_delay;
        self.scheduler.add(self.now + delay, Due::Online(agent));
    }

    /// GARM calls the provider to delete, which responds at [`Due::Deleted`].
    pub(super) fn delete_vm(&mut self, key: InstanceRowKey) {
        let Some(before) = self.instances.get(&key).map(|instance| instance.vm) else {
            return;
        };
        self.set_vm(key, VmStatus::Deleting);
        let delay = PROVIDER_CALL + self.config.knobs.delete_delay;
        let provider =
            self.instances.get(&key).map(|instance| instance.provider.clone()).unwrap_or_default();
        let knobs = &self.config.knobs;
        let rate = knobs.of(&provider).delete_fail_rate.unwrap_or(knobs.delete_fail_rate);
        if before == VmStatus::PendingDelete && self.rng.provider.chance(rate) {
            // GARM restores the status, with the provider's message, and retries at a later tick
            // (measured).
            let now = self.now;
            if let Some(instance) = self.instances.get_mut(&key) {
                instance.vm = before;
                instance.fault = DELETE_FAULT.into();
                instance.is_locked = false;
                instance.retries = instance.retries.saturating_add(1);
                instance.updated_at = now;
            }
            self.emit_instance("update", key);
            return;
        }
        self.scheduler.add(self.now + delay, Due::Deleted(key));
    }

    /// The VM is deleted, then its row and its job's row, the latter without an event (GARM.md §f,
    /// §g).
    pub(super) fn vm_deleted(&mut self, key: InstanceRowKey) {
        if self.instances.get(&key).is_some_and(|row| row.owner.scale_set().is_some()) {
            self.set_vm(key, VmStatus::Deleted);
        }
        self.emit_instance_gone(key);
        let Some(instance) = self.instances.remove(&key) else {
            return;
        };
        self.instance_names.remove(&instance.name);
        if let Some(rows) = self.rows_of(instance.owner) {
            rows.remove(&key);
        }
        if let Some(job) = instance.job {
            self.remove_job_row(job);
        }
        if let Some(vm) = self.vms.remove(&instance.provider_id) {
            self.destroy(&vm);
        }
    }

    fn destroy(&mut self, vm: &VirtualMachine) {
        let killed_job = self.github.running.get(&vm.name).copied();
        for runner in self.github.runners.values_mut().filter(|runner| runner.name == vm.name) {
            runner.is_online = false;
        }
        let alive = self.now.duration_since(vm.created_at).as_millis();
        self.note(LogEvent::VmDeleted {
            name: vm.name.clone(),
            provider: vm.provider.clone(),
            alive_ms: u64::try_from(alive).unwrap_or(0),
            killed_job,
        });
        if let Some(job) = killed_job {
            self.finish_job(job, Some("failure"));
        }
    }
}

const DELETE_FAULT: &str = "failed to remove instance from provider: error removing instance: \
    provider binary returned error: sim: injected delete failure";

/// A pool can have its own `create_fail_rate` and `max_vms`: `extra_specs:
/// {"sim_create_fail_rate": 1}`, or `lab_…`.
fn own_knob(extra_specs: Option<&str>, knob: &str) -> Option<f64> {
    let specs: serde_json::Value = serde_json::from_str(extra_specs?).ok()?;
    let value = |prefix| specs.get(format!("{prefix}_{knob}"))?.as_f64();
    value("sim").or_else(|| value("lab"))
}
