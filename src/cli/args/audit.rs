//! The arguments of `audit`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::OneGarmArgs;
use crate::audit::Head;
use crate::config;
use crate::domain::duration;
use crate::domain::secret::SecretRef;

/// The longest duration of `audit show --since`: ten years, in seconds.
const SINCE_MAX_S: u64 = 10 * 366 * 86_400;

#[derive(Debug, Args)]
pub struct AuditArgs {
    /// What to do with the audit log
    #[command(subcommand)]
    pub command: AuditCommand,
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Print records: who did what and when, or the life of one runner; verifies nothing
    Show(ShowArgs),
    /// Verify the hash chain over rotated files; report the first bad record and missing parts
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Audit files, in any order, or the folder of a log; the segments before them are found, files
    /// that another program has rotated are not
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Record that must be present, as logged by `watch`; detects a truncated end
    #[arg(long, value_name = "SEQ:HASH", value_parser = head)]
    pub head: Option<Head>,
    /// Last record of the files that are archived elsewhere, as logged by `watch` at a rotation
    #[arg(long, value_name = "SEQ:HASH", value_parser = head)]
    pub since: Option<Head>,
    /// Key of the HMACs; repeatable if the key has changed: env:NAME, file:PATH, vault:PATH#FIELD
    /// or exec:COMMAND [default: the keys of the fleet file, if there is one]
    #[arg(long, value_name = "REF", value_parser = config::parse_reference)]
    pub key: Vec<SecretRef>,
    /// Signed statements of `watch.audit_anchor`, one per line; they prove that no record before
    /// the last statement was changed
    #[arg(long, value_name = "FILE", requires = "anchor_key")]
    pub anchor: Vec<PathBuf>,
    /// Public key of the statements (PEM)
    #[arg(long, value_name = "FILE", requires = "anchor")]
    pub anchor_key: Vec<PathBuf>,
}

fn head(text: &str) -> Result<Head, String> {
    Head::parse(text).ok_or_else(|| "write `SEQ:HASH`, as `watch` logs it".into())
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Audit files, in any order, or the folder of a log; the segments before them are found, files
    /// that another program has rotated are not [default: the file of the fleet file's
    /// `watch.audit`, else the one in the state folder]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Show only the life of this runner
    #[arg(long, value_name = "NAME")]
    pub runner: Option<String>,
    /// Show only records about this pool and its runners, by name or by GARM's id
    #[arg(long, value_name = "NAME")]
    pub pool: Option<String>,
    /// Show only records since this time (2026-09-21T14:00:00Z, 2026-09-21) or of the last 30m, 2h,
    /// 7d
    #[arg(long, value_name = "TIME|DURATION", value_parser = since)]
    pub since: Option<Since>,
    #[command(flatten)]
    pub garm: OneGarmArgs,
}

/// The beginning of a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    At(Timestamp),
    /// This long before now.
    Ago(Duration),
}

/// Parses a time or a duration. A time without a zone is in UTC.
fn since(text: &str) -> Result<Since, String> {
    if let Ok(age) = duration::parse_within(text, SINCE_MAX_S) {
        return Ok(Since::Ago(age));
    }
    let time = text
        .parse::<Timestamp>()
        .or_else(|_| text.parse::<DateTime>().and_then(|local| TimeZone::UTC.to_timestamp(local)));
    time.map(Since::At).map_err(|_| {
        "expected a time such as 2026-09-21T14:00:00Z or 2026-09-21, or a duration such as 30m"
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_takes_a_time_a_date_or_a_duration() {
        let at = |text: &str| Ok(Since::At(text.parse().unwrap()));
        assert_eq!(since("30m"), Ok(Since::Ago(Duration::from_mins(30))));
        assert_eq!(since("400d"), Ok(Since::Ago(Duration::from_hours(400 * 24))));
        assert_eq!(since("2026-09-21"), at("2026-09-21T00:00:00Z"));
        assert_eq!(since("2026-09-21T14:00"), at("2026-09-21T14:00:00Z"));
        assert_eq!(since("2026-09-21T14:00:00+02:00"), at("2026-09-21T12:00:00Z"));
        assert!(since("yesterday").is_err() && since("30").is_err());
    }
}
