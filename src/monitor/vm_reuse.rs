//! Which VM was which runner: a `provider_id` that comes up again is a VM used again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::domain::name::{PoolId, RunnerName};

/// So many VMs are remembered after their runners have gone: some 6 MB, measured.
const GONE_MAX: usize = 20_000;

/// So many runners are remembered of one VM; further ones are not told of.
const HOLDERS_MAX: usize = 8;

/// A runner that was made of a VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VmRunner {
    /// GARM's id of the instance.
    pub(super) id: String,
    pub(super) name: RunnerName,
    pub(super) pool: PoolId,
}

/// The VMs that were seen, by provider and by the provider's id: the same id at two providers is
/// two VMs.
#[derive(Debug, Clone, Default)]
pub(super) struct VmHistory {
    holders: HashMap<Arc<str>, HashMap<Arc<str>, Vec<VmRunner>>>,
    /// The VMs whose runners have gone, oldest first.
    gone: VecDeque<(Arc<str>, Arc<str>)>,
}

impl VmHistory {
    /// A runner is this VM. Returns the runner that it was before, when that is news.
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
        if holders.iter().any(|it| it.id == holder.id) || holders.len() >= HOLDERS_MAX {
            return None;
        }
        let before = holders.last().cloned();
        holders.push(holder.clone());
        before
    }

    /// A runner that was this VM has gone, or is another VM now. What is remembered of the VM goes
    /// when [`GONE_MAX`] others have gone after it.
    pub(super) fn leave(&mut self, provider: &str, vm: &str) {
        // One text for both places, as long as it is known.
        let known = self.holders.get_key_value(provider);
        let known_vm = known.and_then(|(_, vms)| vms.get_key_value(vm));
        let provider = known.map_or_else(|| provider.into(), |(it, _)| Arc::clone(it));
        let vm = known_vm.map_or_else(|| vm.into(), |(it, _)| Arc::clone(it));
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
    fn a_vm_that_becomes_another_runner_is_told_once_for_each() {
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
    fn what_is_remembered_is_bounded() {
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
