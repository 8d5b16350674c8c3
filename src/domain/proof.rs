//! What probes prove about the enforcement of mTLS (DESIGN §7).

use std::fmt;

/// What one probe, or all of them together, proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// The server requested a client certificate and refused the one it got; or it accepted the
    /// right one, as it must.
    Enforced,
    /// No answer, or one that is neither a refusal nor GARM's.
    Unreachable,
    /// A refusal that does not prove mTLS: the server never requested a certificate, or it refused
    /// the right one.
    CannotTell,
    /// GARM itself answered a probe that should have been refused.
    NotEnforced,
}

impl Proof {
    /// The word used in output, JSON and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Unreachable => "unreachable",
            Self::CannotTell => "cannot tell",
            Self::NotEnforced => "not enforced",
        }
    }

    /// What all probes prove together: one that got through refutes enforcement, and one that could
    /// not be made leaves it open. No probes prove nothing.
    pub fn of(probes: &[Probe]) -> Self {
        probes.iter().map(|probe| probe.proof).max().unwrap_or(Self::Unreachable)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attempt {
    NoCertificate,
    SelfSigned,
    /// A self-signed certificate that has expired.
    Expired,
    /// A valid certificate of the other kind: a runner's for the API, an operator's for callbacks.
    WrongKind,
    /// The certificate that must be accepted; it distinguishes a server that enforces mTLS from one
    /// that refuses every client.
    RightKind,
    PlainHttp,
    /// Directly at GARM's own port, bypassing the front.
    Backend,
}

impl Attempt {
    /// A phrase that follows "with" or "by".
    pub fn words(self) -> &'static str {
        match self {
            Self::NoCertificate => "no certificate",
            Self::SelfSigned => "a self-signed certificate",
            Self::Expired => "an expired certificate",
            Self::WrongKind => "a certificate of the other kind",
            Self::RightKind => "the right certificate",
            Self::PlainHttp => "plain HTTP",
            Self::Backend => "GARM's own port",
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// `callbacks`, `metadata`, `API`, `event stream`, `backend`.
    pub place: &'static str,
    /// The URL that was probed, escaped.
    pub url: String,
    pub attempt: Attempt,
    pub proof: Proof,
    /// What came back, as text, escaped.
    pub evidence: String,
}
