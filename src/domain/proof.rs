//! What probes prove about mTLS (DESIGN §7).

use std::fmt;

/// What a probe proves, and what all of them prove together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// The server asked for a client certificate and refused what it got; or it let in, as it
    /// must, the right one.
    Enforced,
    /// Nobody answers, or what answers is neither a refusal nor GARM.
    Unreachable,
    /// A refusal that does not prove mTLS: of a server that never asked for a certificate, or of
    /// the right certificate.
    CannotTell,
    /// GARM itself answered.
    NotEnforced,
}

impl Proof {
    /// The word of output, JSON and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Unreachable => "unreachable",
            Self::CannotTell => "cannot tell",
            Self::NotEnforced => "not enforced",
        }
    }

    /// What all probes prove together: one that got through is enough to refute, and one that
    /// could not be made leaves it open. Without any, nothing is proven.
    pub fn of(probes: &[Probe]) -> Self {
        probes.iter().map(|it| it.proof).max().unwrap_or(Self::Unreachable)
    }
}

/// What a probe comes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attempt {
    /// No certificate.
    NoCertificate,
    /// A certificate that nobody but itself has signed.
    SelfSigned,
    /// The same, out of date.
    Expired,
    /// A good certificate of the other kind: a runner's for the API, an operator's for callbacks.
    WrongKind,
    /// The certificate that must be let in, so that a server that refuses everybody is told from
    /// one that enforces mTLS.
    RightKind,
    /// No TLS at all.
    PlainHttp,
    /// Past the front, at GARM's own port.
    Backend,
}

impl Attempt {
    /// In words, after `with` or `by`.
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

/// One probe and what it proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// `callbacks`, `metadata`, `API`, `event stream`, `backend`.
    pub place: &'static str,
    /// Where it went, escaped.
    pub url: String,
    /// What it came with.
    pub attempt: Attempt,
    /// What it proves.
    pub proof: Proof,
    /// What came back, in words, escaped.
    pub evidence: String,
}
