//! Reads `watch.audit_rotate`.

use std::time::Duration;

use super::super::settings::AuditRotation;
use super::super::value::Mapping;

pub(super) fn settings(mapping: &Mapping) -> AuditRotation {
    let number = |key| mapping.number(key);
    AuditRotation {
        max_size_mib: number("max_size_mib").and_then(|mib| mib.try_into().ok()).unwrap_or(64),
        every: mapping.duration("every").unwrap_or(Duration::from_hours(24)),
        keep: number("keep").and_then(|keep| keep.try_into().ok()),
    }
}
