//! Warns of a runner that fails, as soon as GARM's row shows it, with the provider's message. A
//! failure that is the same for all runners of a pool is a warning once in five minutes.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tracing::Level;

use crate::cli::log::LogLine;
use crate::domain::capacity_fault::lacks_capacity;
use crate::domain::fleet::Fleet;
use crate::domain::name::{FleetName, PoolId, PoolName, RunnerName};
use crate::domain::runner::{Runner, RunnerStatus, Status};
use crate::domain::text::{code, said};
use crate::render::decision::NO_CAPACITY;
use crate::render::words::count;
use crate::scaling::RunnerTransition;

/// Shortest time between two warnings about one kind of failure in a pool.
const APART: SignedDuration = SignedDuration::from_secs(10);

/// Shortest time between two warnings that differ only in names and numbers.
const REPEAT: SignedDuration = SignedDuration::from_mins(5);

/// What has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum FaultKind {
    /// The provider has not created the VM.
    Create,
    /// The runner was not installed on its VM.
    Install,
    /// The runner has not become ready in time.
    Boot,
    /// The provider has not deleted the VM.
    Delete,
}

/// The failures that were logged.
#[derive(Debug, Default)]
pub(super) struct RunnerFaults {
    /// The last failure of each existing runner, by GARM's id.
    runners: BTreeMap<String, (RunnerName, FaultKind, String)>,
    pools: BTreeMap<(PoolName, FaultKind), PoolFaults>,
}

/// The failures of one kind in a pool.
#[derive(Debug)]
struct PoolFaults {
    warned_at: Timestamp,
    /// The message of the last warning, without names and numbers.
    pattern: String,
    /// Failures since the last warning.
    held: usize,
}

impl RunnerFaults {
    /// Records a full read. Returns the lines about new failures in the pools of `owner`. After the
    /// first read, [`Self::runner_changed`] has reported most failures already.
    pub(super) fn read(&mut self, fleet: &Fleet, owner: &FleetName) -> Vec<LogLine> {
        let mut faults = fleet.runners.iter().filter(|runner| fault(runner).is_some()).peekable();
        if faults.peek().is_none() {
            return Vec::new();
        }
        let pools = fleet.pools.iter();
        let names: BTreeMap<&PoolId, PoolName> =
            pools.filter_map(|pool| Some((&pool.id, pool.owned_name(owner)?))).collect();
        faults.filter_map(|runner| self.see(runner, names.get(runner.pool.as_ref()?)?)).collect()
    }

    /// Records the change of one runner. `names` are the managed pools.
    pub(super) fn runner_changed(
        &mut self,
        transition: &RunnerTransition<'_>,
        names: &BTreeMap<PoolId, PoolName>,
    ) -> Option<LogLine> {
        if let Some(runner) = transition.gone() {
            self.runners.remove(&runner.id);
        }
        let runner = transition.after?;
        self.see(runner, names.get(runner.pool.as_ref()?)?)
    }

    fn see(&mut self, runner: &Runner, pool: &PoolName) -> Option<LogLine> {
        let (kind, words) = fault(runner)?;
        let entry = (runner.name.clone(), kind, words.to_owned());
        let before = self.runners.insert(runner.id.clone(), entry.clone());
        (before.as_ref() != Some(&entry))
            .then(|| self.weigh(pool, (&runner.name, kind, words), runner.updated_at))
    }

    /// The line of a runner that is removed because it has failed; none if its row has already
    /// shown the failure.
    pub(super) fn removed(
        &mut self,
        pool: &PoolName,
        runner: &RunnerName,
        now: Timestamp,
    ) -> Option<LogLine> {
        let is_told = self.runners.values().any(|told| told.0 == *runner);
        (!is_told).then(|| self.weigh(pool, (runner, FaultKind::Boot, ""), now))
    }

    /// Forgets the pools that are no longer managed.
    pub(super) fn keep(&mut self, is_managed: impl Fn(&PoolName) -> bool) {
        self.pools.retain(|(pool, _), _| is_managed(pool));
    }

    /// The line of a failure: a warning, or a detail if a similar one was logged recently.
    fn weigh(
        &mut self,
        pool: &PoolName,
        (runner, kind, words): (&RunnerName, FaultKind, &str),
        now: Timestamp,
    ) -> LogLine {
        let pattern = pattern(words, runner);
        let text = text(runner, kind, words);
        let line = |level, text| LogLine::new(level, "trouble", text).of(pool);
        let known = self.pools.get_mut(&(pool.clone(), kind)).filter(|known| {
            let age = now.duration_since(known.warned_at).abs();
            age < APART || (age < REPEAT && known.pattern == pattern)
        });
        if let Some(known) = known {
            known.held += 1;
            return line(Level::DEBUG, text);
        }
        let fresh = PoolFaults { warned_at: now, pattern, held: 0 };
        let before = self.pools.insert((pool.clone(), kind), fresh);
        let held = match before.map_or(0, |before| before.held) {
            0 => String::new(),
            held => format!("; {} since the last warning", count(held, "other runner")),
        };
        line(Level::WARN, format!("{text}{held}"))
    }
}

/// The failure that the row shows, and the provider's message.
fn fault(runner: &Runner) -> Option<(FaultKind, &str)> {
    if let Some(words) = runner.deletion_fault() {
        return Some((FaultKind::Delete, words));
    }
    let is_failed = runner.runner_status == RunnerStatus::Failed;
    match (&runner.status, runner.provider_fault.as_deref()) {
        (status, _) if status.is_leaving() => None,
        (Status::Error, words) => Some((FaultKind::Create, words.unwrap_or(""))),
        (_, _) if is_failed => Some((FaultKind::Install, "")),
        (_, _) => None,
    }
}

fn text(runner: &RunnerName, kind: FaultKind, words: &str) -> String {
    let runner = code(runner.as_str());
    let reason = match said(words).as_str() {
        "" => "its provider gives no reason".to_owned(),
        words => format!("its provider says: {words}"),
    };
    match kind {
        FaultKind::Create if lacks_capacity(words) => {
            format!("runner {runner} could not be created, because {NO_CAPACITY}: {reason}")
        }
        FaultKind::Create => format!("runner {runner} could not be created: {reason}"),
        FaultKind::Delete => format!("runner {runner} cannot be deleted: {reason}"),
        FaultKind::Install => format!(
            "the installation of runner {runner} has failed: see its messages (`garm-cli runner \
             show`) and its VM's console"
        ),
        FaultKind::Boot => format!(
            "runner {runner} has not become ready: see its VM's console, and whether the VM reaches \
             GARM's callback URL"
        ),
    }
}

/// The message without the runner's name and without words that contain a digit.
fn pattern(words: &str, runner: &RunnerName) -> String {
    let words = words.split_whitespace().filter(|word| {
        !word.contains(runner.as_str()) && !word.chars().any(|c| c.is_ascii_digit())
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::testing::{at, fleet, pool, runner};

    fn row(name: &str, state: &str, fault: Option<&str>) -> Runner {
        Runner { provider_fault: fault.map(str::to_owned), ..runner("web", name, state, -9) }
    }

    fn names() -> BTreeMap<PoolId, PoolName> {
        [(PoolId::new("web"), PoolName::new("web").unwrap())].into()
    }

    /// The warning after this row, `-` if there is a line for `-v` only.
    fn warned(faults: &mut RunnerFaults, row: Runner, second: i64) -> Option<String> {
        let row = Runner { updated_at: at(second), ..row };
        let change = RunnerTransition { before: None, after: Some(&row) };
        let line = faults.runner_changed(&change, &names())?;
        Some(if line.level == Level::WARN { line.text } else { "-".into() })
    }

    #[test]
    fn the_first_failure_of_a_provider_is_logged_at_once_and_the_next_ones_are_counted() {
        let mut faults = RunnerFaults::default();
        let failed = |name: &str| row(name, "error/pending", Some("quota of 12 exceeded by r-1"));
        assert_eq!(
            warned(&mut faults, failed("r-1"), 0).as_deref(),
            Some(
                "runner `r-1` could not be created: its provider says: quota of 12 exceeded by r-1"
            )
        );
        assert_eq!(warned(&mut faults, failed("r-1"), 1), None, "the same failure");
        for second in 2..5 {
            let name = format!("r-{second}");
            assert_eq!(warned(&mut faults, failed(&name), second).as_deref(), Some("-"));
        }
        let other = row("r-7", "error/pending", Some("image not found"));
        assert_eq!(
            warned(&mut faults, other, 20).as_deref(),
            Some(
                "runner `r-7` could not be created: its provider says: image not found; 3 other \
                 runners since the last warning"
            )
        );
        let again = row("r-8", "error/pending", Some("image not found"));
        assert_eq!(warned(&mut faults, again.clone(), 21).as_deref(), Some("-"));
        let later = Runner { id: "9".into(), ..again };
        assert!(
            warned(&mut faults, later, 321)
                .unwrap()
                .ends_with("1 other runner since the last warning")
        );
    }

    #[test]
    fn a_lack_of_quota_is_named_whatever_words_the_provider_has_for_it() {
        let mut faults = RunnerFaults::default();
        let failed = row("r-1", "error/pending", Some("api error VcpuLimitExceeded"));
        assert_eq!(
            warned(&mut faults, failed, 0).as_deref(),
            Some(
                "runner `r-1` could not be created, because the provider has no quota or capacity \
                 left: its provider says: api error VcpuLimitExceeded"
            )
        );
    }

    #[test]
    fn words_that_always_differ_are_logged_every_ten_seconds() {
        let mut faults = RunnerFaults::default();
        let mut warnings = 0;
        for second in 0..60_u8 {
            let words = format!("reason {}", char::from(b'A' + second));
            let row = row(&format!("r-{second}"), "error/pending", Some(&words));
            warnings += u32::from(warned(&mut faults, row, second.into()).as_deref() != Some("-"));
        }
        assert_eq!(warnings, 6);
    }

    #[test]
    fn a_failed_deletion_is_logged_once_until_its_words_change() {
        let owner = FleetName::new("acme").unwrap();
        let mut faults = RunnerFaults::default();
        let mut hear =
            |state: &str, fault, second| warned(&mut faults, row("r-1", state, fault), second);
        // GARM clears the message at each attempt.
        assert_eq!(hear("pending_delete/idle", None, 0), None);
        assert_eq!(hear("deleting/idle", None, 1), None);
        let first = hear("pending_delete/idle", Some("volume is removed\n"), 2);
        let expected = "runner `r-1` cannot be deleted: its provider says: volume is removed";
        assert_eq!(first.as_deref(), Some(expected));
        assert_eq!(hear("deleting/idle", None, 3), None);
        assert_eq!(hear("pending_delete/idle", Some("volume is removed\n"), 4), None);
        assert!(hear("pending_delete/idle", Some("quota"), 20).is_some());

        let read = |faults: &mut RunnerFaults, runners| {
            let fleet = fleet(30, vec![pool("web", &["x"])], runners, vec![]);
            faults.read(&fleet, &owner).len()
        };
        let still = || vec![row("r-1", "pending_delete/idle", Some("quota"))];
        assert_eq!(read(&mut faults, still()), 0, "told by the event");
        let last = row("r-1", "x/y", None);
        let gone = RunnerTransition { before: Some(&last), after: None };
        assert_eq!(faults.runner_changed(&gone, &names()), None);
        assert!(faults.runners.is_empty());
        let another = Runner { updated_at: at(400), ..still().remove(0) };
        assert_eq!(read(&mut faults, vec![another]), 1, "another one of that id, or a restart");
    }

    #[test]
    fn a_failed_installation_and_a_hung_boot_do_not_blame_the_provider() {
        let mut faults = RunnerFaults::default();
        let install = warned(&mut faults, row("r-1", "running/failed", None), 0).unwrap();
        assert!(install.starts_with("the installation of runner `r-1` has failed"), "{install}");
        let web = PoolName::new("web").unwrap();
        let mut removed = |name: &str| faults.removed(&web, &RunnerName::new(name), at(1));
        assert_eq!(removed("r-1"), None, "its row has shown it");
        let hung = removed("r-2").unwrap();
        assert_eq!(hung.level, Level::WARN);
        assert!(hung.text.starts_with("runner `r-2` has not become ready"), "{}", hung.text);
    }
}
