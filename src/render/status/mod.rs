//! `status`: the health and the current activity of the fleet.

mod fleet_status;
mod groups;
mod health;
mod index;
mod jobs;
mod json;
mod runners;
mod scale_sets;
mod set_jobs;

use std::time::Duration;

use anstyle::Style;
use jiff::Timestamp;

pub use fleet_status::{
    DecisionSource, FleetStatus, PoolDecisions, PoolStanding, PoolStatus, StatusInputs,
    fleet_status,
};
pub use groups::{GroupStatus, across};
pub use health::{Remark, RemarkSeverity};
pub use jobs::{JobReason, QueuedJobRow, job_rows};
pub use json::{json, schema};
pub use runners::RunnerRow;

use super::style::{ADDED, ERROR, GOOD, NAME, QUIET, REMOVED, WARNING, paint};
use super::table::{Cell, least_width, table};
use super::words::{count, span};
use super::wrap::hanging;
use crate::domain::desired::leaves_scaling_to_us;
use crate::domain::text;
use crate::scaling::{Direction, EvaluationClock, RunnerClass};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusDetail {
    Pools,
    /// Also one line per runner.
    Runners,
}

/// The status as text, at most `width` columns wide.
pub fn text(status: &FleetStatus, detail: StatusDetail, width: usize) -> String {
    text_after("", status, detail, width)
}

/// The same, preceded by the time of the observation, for repeated output.
pub fn dated(status: &FleetStatus, detail: StatusDetail, width: usize) -> String {
    text_after(&format!("{}  ", status.observed_at), status, detail, width)
}

fn text_after(lead: &str, status: &FleetStatus, detail: StatusDetail, width: usize) -> String {
    let mut text = format!("{}\n", summary_after(lead, status, width));
    if !status.pools.is_empty() {
        text.push('\n');
        text.push_str(&pools(status, width));
    }
    if !status.groups.is_empty() {
        text.push_str(&format!("\n{}", groups::lines(&status.groups, width)));
    }
    if let Some(jobs) = &status.jobs {
        text.push_str(&format!("\n{}", jobs::table_of_jobs(jobs, status.unlisted_jobs(), width)));
    }
    let remarks = remarks(status, width);
    if !remarks.is_empty() {
        text.push_str(&format!("\n{remarks}"));
    }
    let scaling = scaling(status, width);
    if !scaling.is_empty() {
        text.push_str(&format!("\n{scaling}"));
    }
    let has_runners = status.pools.iter().any(|pool| !pool.runners.is_empty());
    if detail == StatusDetail::Runners && has_runners {
        text.push_str(&format!("\n{}", all_runners(status, width)));
    }
    if status.foreign > 0 {
        let others = count(status.foreign, "pool");
        let text_of = format!("{others} in this GARM that this fleet does not own, not shown");
        text.push_str(&format!("\n{}\n", paint(QUIET, text_of)));
    }
    text
}

/// `3 pools: 2 active, 1 idle, …` and the number of those that need attention.
pub fn summary(status: &FleetStatus, width: usize) -> String {
    summary_after("", status, width)
}

/// `lead` and the summary.
fn summary_after(lead: &str, status: &FleetStatus, width: usize) -> String {
    let sum = |of: fn(&PoolStatus) -> u32| status.pools.iter().map(of).sum::<u32>();
    let waiting = sum(|line| line.snapshot.queue_depth);
    let oldest = status.pools.iter().filter_map(|pool| pool.snapshot.oldest_wait).max();
    let jobs = match oldest {
        None if waiting == 0 => "no job waiting".to_owned(),
        // Jobs of scale sets of which GARM has no row.
        None => format!("{} waiting", count(waiting as usize, "job")),
        Some(oldest) if waiting == 0 => {
            format!("no job waiting but stuck ones, the oldest for {}", span(oldest))
        }
        Some(oldest) => {
            format!("{} waiting, the oldest for {}", count(waiting as usize, "job"), span(oldest))
        }
    };
    let is_ill = |line: &&PoolStatus| {
        line.remarks.iter().any(|remark| remark.severity != RemarkSeverity::Info)
    };
    let (style, verdict) = match status.pools.iter().filter(is_ill).count() {
        0 => (GOOD, "healthy".to_owned()),
        1 => (WARNING, "1 pool needs attention".to_owned()),
        ill => (WARNING, format!("{ill} pools need attention")),
    };
    let numbers = format!(
        "{lead}{}: {} active, {} idle, {} booting, {} failed; {jobs};",
        count(status.pools.len(), "pool"),
        sum(|line| line.snapshot.active),
        sum(|line| line.snapshot.idle),
        sum(|line| line.snapshot.booting),
        sum(|line| line.snapshot.failed),
    );
    let numbers = hanging("", &numbers, width);
    let last = numbers.lines().last().unwrap_or_default();
    let fits = last.chars().count() + 1 + verdict.chars().count() <= width;
    format!("{numbers}{}{}", if fits { " " } else { "\n" }, paint(style, verdict))
}

/// The minimum width at which the full column titles fit beside a short pool name.
const WIDE: usize = 100;

fn pools(status: &FleetStatus, width: usize) -> String {
    let word = |whole: &'static str, short| if width < WIDE { short } else { whole };
    let header = [
        ("POOL", Cell::text as fn(&'static str) -> Cell),
        (word("ENABLED", "ON"), Cell::text),
        (word("ACTIVE", "ACT"), Cell::number),
        ("IDLE", Cell::number),
        (word("BOOTING", "BOOT"), Cell::number),
        (word("FAILED", "FAIL"), Cell::number),
        ("MIN–MAX", Cell::number),
        ("LEVEL", Cell::number),
        ("QUEUE", Cell::number),
        ("OLDEST", Cell::number),
        ("SCALER", Cell::text),
        ("HEALTH", Cell::text),
    ];
    let mut header: Vec<Cell> =
        header.into_iter().map(|(word, make)| make(word).styled(QUIET)).collect();
    let mut rows: Vec<Vec<Cell>> = status.pools.iter().map(row).collect();
    for column in dispensable(status) {
        if least_width(&header, &rows) <= width {
            break;
        }
        drop(header.remove(column));
        rows.iter_mut().for_each(|row| drop(row.remove(column)));
    }
    table(header, rows, width)
}

/// The columns that are omitted one by one, in this order, if the screen is too narrow: the level,
/// and the columns that are the same for every pool.
fn dispensable(status: &FleetStatus) -> Vec<usize> {
    const ENABLED: usize = 1;
    const FAILED: usize = 5;
    const LEVEL: usize = 7;
    let is_plain = |pool: &PoolStatus| pool.enabled && pool.standing != PoolStanding::Absent;
    let mut columns = vec![LEVEL];
    columns.extend(status.pools.iter().all(|pool| pool.snapshot.failed == 0).then_some(FAILED));
    columns.extend(status.pools.iter().all(is_plain).then_some(ENABLED));
    columns
}

fn row(line: &PoolStatus) -> Vec<Cell> {
    let snapshot = &line.snapshot;
    let number = |n: u32, style: Style| {
        let style = if n == 0 { QUIET } else { style };
        Cell::number(n.to_string()).styled(style)
    };
    let enabled = match (line.standing, line.enabled) {
        (PoolStanding::Absent, _) => Cell::text("–").styled(QUIET),
        (_, true) => Cell::text("yes"),
        (_, false) => Cell::text("no").styled(QUIET),
    };
    vec![
        Cell::text(text::quote(&line.name)).styled(NAME),
        enabled,
        number(snapshot.active, ADDED),
        number(snapshot.idle, Style::new()),
        number(snapshot.booting, Style::new()),
        number(snapshot.failed, ERROR),
        Cell::number(format!("{}–{}", line.min_runners, line.max_runners)),
        Cell::number(line.level.map_or_else(|| "–".into(), |level| level.to_string())),
        number(snapshot.queue_depth, WARNING),
        Cell::number(snapshot.oldest_wait.map_or_else(|| "–".into(), span)),
        scaler(line),
        verdict(line),
    ]
}

/// The decision in one to three words.
fn scaler(line: &PoolStatus) -> Cell {
    match &line.decision {
        None => Cell::text("–").styled(QUIET),
        Some(decision) if decision.frozen.is_some() => Cell::text("frozen").styled(WARNING),
        Some(decision) => {
            Cell::text(decision.short.clone()).styled(style_of_direction(decision.direction))
        }
    }
}

fn style_of_direction(direction: Direction) -> Style {
    match direction {
        Direction::Up => ADDED,
        Direction::Down => REMOVED,
        Direction::Stay => Style::new(),
    }
}

fn verdict(line: &PoolStatus) -> Cell {
    match line.remarks.first() {
        None => Cell::text("ok").styled(GOOD),
        Some(first) => Cell::text(first.word).styled(style_of(first.severity)),
    }
}

fn style_of(severity: RemarkSeverity) -> Style {
    match severity {
        RemarkSeverity::Critical => ERROR,
        RemarkSeverity::Warning => WARNING,
        RemarkSeverity::Info => QUIET,
    }
}

/// All remarks as sentences, most severe first within each pool.
fn remarks(status: &FleetStatus, width: usize) -> String {
    let mut text = String::new();
    for line in &status.pools {
        for remark in &line.remarks {
            let sign = match remark.severity {
                RemarkSeverity::Critical => "✗",
                RemarkSeverity::Warning => "!",
                RemarkSeverity::Info => "·",
            };
            let sign = (sign, style_of(remark.severity));
            text.push_str(&about(sign, &line.name, &remark.text, width));
        }
    }
    text
}

/// The source of the decisions, then the decision about each pool that is not steady.
fn scaling(status: &FleetStatus, width: usize) -> String {
    let mut told = String::new();
    for line in &status.pools {
        let Some(decision) = &line.decision else { continue };
        if decision.is_steady && decision.frozen.is_none() {
            continue;
        }
        let frozen = decision
            .frozen
            .as_ref()
            .map_or_else(String::new, |reason| format!("; frozen: {reason}"));
        let sign = ("→", style_of_direction(decision.direction));
        told.push_str(&about(sign, &line.name, &format!("{}{frozen}", decision.sentence), width));
    }
    let Some(source) = &status.source else { return told };
    let (style, mut text) = who_decides(source, status.observed_at);
    if !told.is_empty() && !matches!(source, DecisionSource::Watch { .. }) {
        text.push_str("; one that starts now:");
    }
    format!("{}\n{told}", paint(style, hanging("", &text, width)))
}

/// A sentence about the source of the decisions, and its style.
fn who_decides(source: &DecisionSource, now: Timestamp) -> (Style, String) {
    match source {
        DecisionSource::Watch { address, leader: Some(leader), .. } if !leader.leading => {
            let leads = leader.sentence();
            (QUIET, format!("the `watch` at {address} is a standby: {leads}"))
        }
        DecisionSource::Watch { address, at, is_applied: true, leader: Some(leader) } => {
            let age = span(EvaluationClock::new(now).age(*at));
            let leads = leader.sentence();
            (QUIET, format!("scaled by the `watch` at {address}, as of {age} ago; {leads}"))
        }
        DecisionSource::Watch { address, at, is_applied: true, leader: None } => {
            let age = span(EvaluationClock::new(now).age(*at));
            (QUIET, format!("scaled by the `watch` at {address}, as of {age} ago"))
        }
        DecisionSource::Watch { address, is_applied: false, .. } => {
            (WARNING, format!("the `watch` at {address} decides but writes nothing at the moment"))
        }
        DecisionSource::NotRunning { address } => {
            (WARNING, format!("no `watch` is running at {address}"))
        }
        DecisionSource::Unknown { address, why } => {
            (WARNING, format!("whether a `watch` is running at {address} is not known: {why}"))
        }
    }
}

/// `! pool: a sentence`, wrapped with a hanging indent.
fn about((sign, style): (&str, Style), pool: &str, said: &str, width: usize) -> String {
    let name = text::quote(pool);
    let folded = hanging(&format!("{sign} "), &format!("{name}: {said}"), width);
    // Styles take no space, so they are added after wrapping.
    let rest = folded.strip_prefix(&format!("{sign} {name}")).unwrap_or(&folded);
    format!("{} {}{rest}\n", paint(style, sign), paint(NAME, name))
}

fn all_runners(status: &FleetStatus, width: usize) -> String {
    let header = ["RUNNER", "POOL", "STATE", "IN GARM", "AGE", "JOB OR FAULT"];
    let header = header.into_iter().map(|title| Cell::text(title).styled(QUIET)).collect();
    let of = |line: &PoolStatus| -> Vec<Vec<Cell>> {
        line.runners.iter().map(|runner| runner_row(&line.name, runner)).collect()
    };
    table(header, status.pools.iter().flat_map(of).collect(), width)
}

fn runner_row(pool: &str, runner: &RunnerRow) -> Vec<Cell> {
    let style = match runner.class {
        RunnerClass::Active => ADDED,
        RunnerClass::Failed => ERROR,
        RunnerClass::Suspect => WARNING,
        RunnerClass::Leaving | RunnerClass::Ended => QUIET,
        RunnerClass::Idle | RunnerClass::Booting | RunnerClass::Overdue | RunnerClass::Retrying => {
            Style::new()
        }
    };
    let about = match (&runner.fault, &runner.job) {
        (Some(fault), _) => fault.clone(),
        (None, Some(job)) => job.clone(),
        (None, None) if runner.is_outdated => "outdated".to_owned(),
        (None, None) => String::new(),
    };
    vec![
        Cell::text(text::quote(&runner.name)),
        Cell::text(text::quote(pool)),
        Cell::text(runner.state.word()).styled(style),
        Cell::text(text::quote(&format!("{}/{}", runner.status, runner.runner_status)))
            .wrapped_at('/'),
        Cell::number(span(runner.age)),
        Cell::text(about),
    ]
}

/// The sentence about GARM's own scaling, if its backoff is so short that GARM acts before the
/// policies do. Source: DESIGN §5, "GARM's own reaction".
pub fn impatience(backoff: Duration, delays: impl Iterator<Item = Duration>) -> Option<String> {
    let hasty = delays.filter(|delay| !leaves_scaling_to_us(backoff, *delay)).count();
    (hasty > 0).then(|| {
        format!(
            "GARM itself starts a runner for each job older than {} \
             (`minimum_job_age_backoff`), so the scaling policy of {} hardly acts",
            span(backoff),
            count(hasty, "pool"),
        )
    })
}

/// The sentence about pools that runnerctl does not scale while GARM's own backoff is long. `pools`
/// has name and `scale_up_delay` of the enabled pools that are not scaled.
pub fn left_to_garm<'a>(
    backoff: Duration,
    pools: impl Iterator<Item = (&'a str, Duration)>,
) -> Option<String> {
    let mut names: Vec<&str> =
        pools.filter(|pool| leaves_scaling_to_us(backoff, pool.1)).map(|pool| pool.0).collect();
    names.sort_unstable();
    let names: Vec<String> = names.into_iter().map(text::code).collect();
    (!names.is_empty()).then(|| {
        format!(
            "runnerctl does not scale {}: only GARM starts runners for their jobs, each after {} \
             (`minimum_job_age_backoff`)",
            text::list(&names, text::LISTED_MAX),
            span(backoff)
        )
    })
}

#[cfg(test)]
mod tests;
