//! Operating systems, architectures and their install templates: what GARM accepts, and what it
//! accepts but cannot use.

use super::blocker::Blocker;
use super::index::Index;
use super::step::{ShownValue, Step};
use super::wanted_spec::LeftAlone;
use crate::domain::desired::DesiredPool;
use crate::domain::field::{GARM_ARCHITECTURES, GARM_SYSTEMS};
use crate::domain::fleet::Template;
use crate::domain::pool::Pool;
use crate::domain::text::code;

/// Refuses systems and architectures for which GARM starts no runners. GARM refuses to create such
/// a pool, but accepts the same values in an update and then starts no runners (measured). A pool
/// that already has such a value is left as it is.
pub(super) fn check<'a>(pool: &DesiredPool, live: Option<&Pool>) -> Result<(), Blocker<'a>> {
    let has =
        |differs: fn(&DesiredPool, &Pool) -> bool| live.is_some_and(|live| !differs(pool, live));
    let refusal = |key: &str, value: &str, known: &[&str]| {
        let known: Vec<String> = known.iter().map(code).collect();
        Blocker::new(format!("GARM creates no runners for `{key}: {value}`"))
            .help(format!("GARM accepts these values of `{key}`: {}", known.join(", ")))
    };
    let os_differs = |pool: &DesiredPool, live: &Pool| live.spec.os_type != pool.os_type;
    let arch_differs = |pool: &DesiredPool, live: &Pool| live.spec.os_arch != pool.os_arch;
    if !GARM_SYSTEMS.contains(&pool.os_type.as_str()) && !has(os_differs) {
        return Err(refusal("os_type", &pool.os_type, GARM_SYSTEMS));
    }
    if !GARM_ARCHITECTURES.contains(&pool.os_arch.as_str()) && !has(arch_differs) {
        return Err(refusal("os_arch", &pool.os_arch, GARM_ARCHITECTURES));
    }
    Ok(())
}

/// The declared template, which must fit the pool's operating system and forge: GARM checks that
/// when a pool is created, but not when it is changed.
pub(super) fn declared_template<'a>(
    index: &Index<'_>,
    pool: &DesiredPool,
    forge: &str,
) -> Result<Option<u64>, Blocker<'a>> {
    let Some(name) = &pool.template else { return Ok(None) };
    let Some(template) = index.template(name) else {
        return Err(Blocker::new(format!("GARM has no template {}", code(name)))
            .help("`garm-cli template list` shows the templates"));
    };
    match mismatch(template, &pool.os_type, forge) {
        None => Ok(Some(template.id)),
        Some(reason) => {
            Err(Blocker::new(reason).help("use a template for that, or remove `template`"))
        }
    }
}

/// The fields that an existing pool keeps. If its operating system changes, GARM's own template for
/// the new system replaces one for the old system.
pub(super) fn after_change<'a>(
    index: &Index<'_>,
    desired: &DesiredPool,
    pool: &'a Pool,
    left: LeftAlone,
) -> Result<LeftAlone, Blocker<'a>> {
    let forge = index.forge(&pool.entity);
    if desired.template.is_some() || pool.spec.os_type == desired.os_type {
        return Ok(left);
    }
    let template = left.template_id.and_then(|id| index.template_with(id));
    let Some(reason) = template.and_then(|template| mismatch(template, &desired.os_type, forge))
    else {
        return Ok(left);
    };
    match index.system_template(&desired.os_type, forge) {
        Some(own) => Ok(LeftAlone { template_id: Some(own.id), ..left }),
        None => Err(Blocker::new(reason)
            .at(pool)
            .help("GARM has no template of its own for that: set `template`")),
    }
}

/// The template of the old pool, if the new pool can use it; otherwise GARM assigns its own. A
/// template that was not read is kept if the operating system is the same.
pub(super) fn carried_template(
    index: &Index<'_>,
    desired: &DesiredPool,
    old: &Pool,
    forge: &str,
) -> Option<u64> {
    let id = old.spec.template_id?;
    let fits = match index.template_with(id) {
        Some(template) => template.fits(&desired.os_type, forge),
        None => old.spec.os_type == desired.os_type,
    };
    fits.then_some(id)
}

/// Replaces ids of templates and proxies by their names, if those were read.
pub(super) fn show_names(steps: &mut [Step], index: &Index<'_>) {
    for change in steps.iter_mut().flat_map(|step| &mut step.changes) {
        for side in [&mut change.before, &mut change.after] {
            if let Some(name) = name(index, &change.field, side) {
                *side = ShownValue::Value(name.into());
            }
        }
    }
}

fn name<'a>(index: &Index<'a>, field: &str, side: &ShownValue) -> Option<&'a str> {
    let ShownValue::Value(id) = side else { return None };
    match field {
        "template" => Some(&index.template_with(id.as_u64()?)?.name),
        "proxy" => Some(&index.proxy_with(id.as_u64()?)?.name),
        _ => None,
    }
}

fn mismatch(template: &Template, os_type: &str, forge: &str) -> Option<String> {
    let (is, wants) = template.mismatch(os_type, forge)?;
    let name = code(&template.name);
    Some(format!("template {name} is for {}, but the pool is for {}", code(is), code(wants)))
}
