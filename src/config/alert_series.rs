//! The table of what an alert can watch.

/// Declares [`AlertSeries`]. A row is `Variant = "word", advice, "section";`: the word in the fleet
/// file, what to look at when the alert fires, and the section of the runbook.
macro_rules! alert_series {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $advice:expr, $section:literal;)+) => {
        /// What an alert watches: the closed list of DESIGN §6.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum AlertSeries {
            $($(#[$doc])* $variant,)+
        }

        impl AlertSeries {
            /// All series, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Their words in the fleet file, in the same order.
            pub const WORDS: &[&str] = &[$($word),+];

            /// The word used in the fleet file.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What to look at when an alert about it fires, as one sentence.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)+ }
            }

            /// Where its runbook is: below `repository` of `Cargo.toml`, or a path from the top of
            /// the repository where that is not set.
            pub fn runbook(self) -> String {
                let section = match self { $(Self::$variant => $section,)+ };
                match env!("CARGO_PKG_REPOSITORY") {
                    "" => format!("{RUNBOOKS}#{section}"),
                    repository => format!("{repository}/blob/main/{RUNBOOKS}#{section}"),
                }
            }
        }
    };
}

/// The document with a section for each alert.
const RUNBOOKS: &str = "docs/operations.md";

const QUEUE: &str =
    "`runnerctl status` says what each pool does and why; its `/decisions` has every input";

alert_series! {
    /// Jobs waiting for a runner, per pool.
    QueueDepth = "queue_depth", QUEUE, "queuedepthhigh";
    /// Age of the oldest of them in seconds, stuck jobs included, per pool.
    OldestQueuedJobAgeSeconds = "oldest_queued_job_age_seconds", QUEUE, "jobwaitslong";
    /// Jobs without a runner of their own, per pool.
    UnservedJobs = "unserved_jobs", QUEUE, "queuedepthhigh";
    /// 1 while a pool's circuit breaker is open, per pool.
    CircuitOpen = "circuit_open",
        "the pool's runners keep failing, or its provider has no quota or capacity left: `runnerctl status --runners` shows the error of the provider",
        "circuitopen";
    /// 1 while GARM does not create the runners that a pool's level asks for, per pool.
    LevelNotFollowed = "level_not_followed",
        "GARM does not create the runners that it is asked for: look in GARM's log for an unknown \
         runner group, GitHub's rate limit, revoked credentials or a missing provider",
        "garmnotfollowing";
    /// How often a stalled scale set was rescued within the last hour, per pool.
    Rescues = "rescues",
        "GARM's worker of the scale set stopped creating runners, and a write woke it up: look in          GARM's log for the scale set",
        "scalesetrescued";
    /// Age of the last full read, in seconds.
    ObservationAgeSeconds = "observation_age_seconds",
        "GARM has not been read for so long, and nothing is scaled: see `/readyz` and the log of \
         `runnerctl watch`",
        "observationold";
    /// Findings of the isolation auditor within the last hour.
    EphemeralViolations = "ephemeral_violations",
        "the isolation auditor has found something: the audit log has the evidence",
        "ephemeralviolation";
    /// 1 when enforced, 0 when not.
    MtlsEnforced = "mtls_enforced",
        "`runnerctl validate --online` says which address accepts which requests",
        "mtlsnotenforced";
    /// Gaps in the audit log within the last hour.
    AuditGaps = "audit_gaps",
        "`runnerctl audit verify` names the gaps; look at the disk of the audit log",
        "auditgap";
    /// How many times audit records were found cut or changed within the last hour.
    AuditBreaks = "audit_breaks",
        "records of the audit log were cut, changed or deleted: compare it with a copy from \
         elsewhere, or with the statements of `watch.audit_anchor`",
        "auditlogchanged";
    /// Age of the last delivered statement about the audit log, in seconds.
    AuditAnchorAgeSeconds = "audit_anchor_age_seconds",
        "no signed statement about the audit log has been delivered for so long: the log of \
         `runnerctl watch` says why",
        "ship-the-audit-log";
    /// Seconds until the client certificate expires.
    ClientCertExpiresInSeconds = "client_cert_expires_in_seconds",
        "renew the client certificate `garm.tls.cert`; it is read again when it changes",
        "clientcertexpires";
}
