//! Where the runbook of an alert is.

use crate::config::AlertSeries;

/// The document with the runbooks.
const DOCUMENT: &str = "docs/operations.md";

/// The section about the alerts on a series: below `repository` of `Cargo.toml`, or a path from the
/// top of the repository where that is not set.
pub fn runbook(series: AlertSeries) -> String {
    let section = section(series);
    match env!("CARGO_PKG_REPOSITORY") {
        "" => format!("{DOCUMENT}#{section}"),
        repository => format!("{repository}/blob/main/{DOCUMENT}#{section}"),
    }
}

fn section(series: AlertSeries) -> &'static str {
    match series {
        AlertSeries::QueueDepth | AlertSeries::UnservedJobs => "queuedepthhigh",
        AlertSeries::OldestQueuedJobAgeSeconds => "jobwaitslong",
        AlertSeries::CircuitOpen => "circuitopen",
        AlertSeries::LevelNotFollowed => "garmnotfollowing",
        AlertSeries::ObservationAgeSeconds => "observationold",
        AlertSeries::EphemeralViolations => "ephemeralviolation",
        AlertSeries::MtlsEnforced => "mtlsnotenforced",
        AlertSeries::AuditGaps => "auditgap",
        AlertSeries::AuditBreaks => "auditlogchanged",
        AlertSeries::AuditAnchorAgeSeconds => "ship-the-audit-log",
        AlertSeries::ClientCertExpiresInSeconds => "clientcertexpires",
    }
}
