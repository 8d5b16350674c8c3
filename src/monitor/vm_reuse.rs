//! The runners of each VM. If a `provider_id` appears for a second runner, the VM was reused.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::domain::name::{PoolId, RunnerName};

/// The number of VMs that are remembered after their runners are gone. They take 6 MB (measured).
const GONE_MAX: usize = 20_000;

/// The number of runners that are remembered per VM; further ones are not reported.
const HOLDERS_MAX: usize = 8;

/// A runner on a VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VmRunner {
    /// The id of the instance in GARM.
    pub(super) id: String,
    pub(super) name: RunnerName,
    pub(super) pool: PoolId,
}

/// All VMs by provider and the provider's id. Equal ids of two providers are two VMs.
#[derive(Debug, Clone, Default)]
pub(super) struct VmHistory {
    holders: HashMap<Arc<str>, HashMap<Arc<str>, Vec<VmRunner>>>,
    /// The VMs whose runners are gone, oldest first.
    gone: VecDeque<(Arc<str>, Arc<str>)>,
}

impl VmHistory {
    /// Records that a runner runs on this VM. Returns the previous runner on it, if this reuse has
    /// not been returned before.
    pub(super) fn see(&mut self, provider: &str, vm: &str, holder: &VmRunner) -> Option<VmRunner> {
        let Some(vms) = self.holders.get_mut(provider) else {
            let first = HashMap::from([(vm.into(), vec![holder.clone()])]);
            self.holders.insert(provider.into(), first);
            return None;
        };
        let Some(holders) = vms.get_mut(vm) else {
            vms.insert(vm.into(), vec![holder.clone()]);
            return None;
        };
        if holders.iter().any(|known| known.id == holder.id) || holders.len() >= HOLDERS_MAX {
            return None;
        }
        let before = holders.last().cloned();
        holders.push(holder.clone());
        before
    }

    /// Records that a runner on this VM is gone, or runs on another VM now. The VM is forgotten
    /// after [`GONE_MAX`] others.
    pub(super) fn leave(&mut self, provider: &str, vm: &str) {
        // Shares the strings of the map, if it still contains the VM.
        let known = self.holders.get_key_value(provider);
        let known_vm = known.and_then(|(_, vms)| vms.get_key_value(vm));
        let provider = known.map_or_else(|| provider.into(), |(name, _)| Arc::clone(name));
        let vm = known_vm.map_or_else(|| vm.into(), |(id, _)| Arc::clone(id));
        self.gone.push_back((provider, vm));
        if self.gone.len() <= GONE_MAX {
            return;
        }
        let Some((provider, vm)) = self.gone.pop_front() else { return };
        if let Some(vms) = self.holders.get_mut(&provider) {
            vms.remove(&vm);
            if vms.is_empty() {
                self.holders.remove(&provider);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(id: &str) -> VmRunner {
        VmRunner { id: id.into(), name: RunnerName::new(id), pool: PoolId::new("p") }
    }

    #[test]
    fn a_reused_vm_is_reported_once_per_runner() {
        let mut vms = VmHistory::default();
        assert_eq!(vms.see("aws", "i-1", &holder("a")), None);
        assert_eq!(vms.see("aws", "i-1", &holder("a")), None);
        assert_eq!(vms.see("gcp", "i-1", &holder("b")), None);
        vms.leave("aws", "i-1");
        assert_eq!(vms.see("aws", "i-1", &holder("b")), Some(holder("a")));
        assert_eq!(vms.see("aws", "i-1", &holder("a")), None);
        assert_eq!(vms.see("aws", "i-1", &holder("b")), None);
        assert_eq!(vms.see("aws", "i-1", &holder("c")), Some(holder("b")));
    }

    #[test]
    fn the_memory_of_vms_is_bounded() {
        let mut vms = VmHistory::default();
        for i in 0..3 * GONE_MAX {
            let vm = format!("i-{i}");
            assert_eq!(vms.see("aws", &vm, &holder(&vm)), None);
            vms.leave("aws", &vm);
        }
        assert_eq!((vms.gone.len(), vms.holders["aws"].len()), (GONE_MAX, GONE_MAX));
        for i in 0..3 * HOLDERS_MAX {
            vms.see("gcp", "i-1", &holder(&i.to_string()));
        }
        assert_eq!(vms.holders["gcp"]["i-1"].len(), HOLDERS_MAX);
    }
}
