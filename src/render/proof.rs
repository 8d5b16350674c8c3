//! The result of the mTLS probes as text and JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::style::{GOOD, WARNING, paint};
use super::words::count;
use crate::domain::proof::{Attempt, Probe, Proof};

/// The result in one line, then a line for each probe that does not show enforcement.
pub fn text(probes: &[Probe]) -> String {
    let proof = Proof::of(probes);
    let style = if proof == Proof::Enforced { GOOD } else { WARNING };
    let mut text = format!("mTLS: {}{}", paint(style, proof.word()), summary(proof, probes));
    for probe in probes.iter().filter(|probe| probe.proof != Proof::Enforced) {
        let Probe { place, url, attempt, evidence, .. } = probe;
        text.push_str(&format!("\n  {place} {url}, {}: {evidence}", with(*attempt)));
    }
    text
}

/// The result in one sentence without a full stop: the number of refused requests, or the first
/// request that was not refused and the number of others.
pub fn sentence(probes: &[Probe]) -> String {
    let proof = Proof::of(probes);
    let said = match proof {
        Proof::Enforced => "mTLS is enforced",
        Proof::Unreachable | Proof::CannotTell => "mTLS is not proven",
        Proof::NotEnforced => "mTLS is not enforced",
    };
    let mut worst = probes.iter().filter(|probe| probe.proof == proof);
    match (proof, worst.next()) {
        (Proof::Enforced, _) => format!("{said}{}", summary(proof, probes)),
        (Proof::Unreachable | Proof::CannotTell | Proof::NotEnforced, None) => {
            format!("{said}: nothing was probed")
        }
        (Proof::Unreachable | Proof::CannotTell | Proof::NotEnforced, Some(first)) => {
            let Probe { place, url, attempt, evidence, .. } = first;
            let more = match worst.count() {
                0 => String::new(),
                n => format!("; and {n} more of {}", count(probes.len(), "probe")),
            };
            format!("{said}: {place} {url}, {}: {evidence}{more}", with(*attempt))
        }
    }
}

fn words() -> [&'static str; 4] {
    [Proof::Enforced, Proof::Unreachable, Proof::CannotTell, Proof::NotEnforced].map(Proof::word)
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ProofJson<'a> {
    #[schemars(extend("enum" = words()))]
    result: &'static str,
    probes: Vec<ProbeJson<'a>>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ProbeJson<'a> {
    place: &'a str,
    url: &'a str,
    attempt: &'static str,
    #[schemars(extend("enum" = words()))]
    result: &'static str,
    evidence: &'a str,
}

/// The object `mtls` of `validate --online`.
pub(super) fn fields(probes: &[Probe]) -> ProofJson<'_> {
    let rows = probes.iter().map(|probe| ProbeJson {
        place: probe.place,
        url: &probe.url,
        attempt: probe.attempt.words(),
        result: probe.proof.word(),
        evidence: &probe.evidence,
    });
    ProofJson { result: Proof::of(probes).word(), probes: rows.collect() }
}

fn summary(proof: Proof, probes: &[Probe]) -> String {
    let open = probes.iter().filter(|probe| probe.proof != Proof::Enforced).count();
    if proof != Proof::Enforced {
        return format!(", {open} of {} failed", count(probes.len(), "probe"));
    }
    let came_with = |wanted| probes.iter().filter(move |probe| probe.attempt == wanted);
    let let_in = came_with(Attempt::RightKind).count();
    let mut text = format!(", {} refused", count(probes.len() - let_in, "probe"));
    if let_in > 0 {
        text.push_str(&format!(" and {let_in} with the right certificate accepted"));
    }
    if !came_with(Attempt::WrongKind).any(|probe| probe.place == "API") {
        text.push_str(
            "; a runner's certificate was not tried: name one in `garm.probe_runner_cert`",
        );
    }
    if came_with(Attempt::Backend).next().is_none() {
        text.push_str("; GARM's own port was not probed: name it in `garm.backend`");
    }
    text
}

fn with(attempt: Attempt) -> String {
    match attempt {
        Attempt::PlainHttp | Attempt::Backend => format!("by {attempt}"),
        Attempt::NoCertificate
        | Attempt::SelfSigned
        | Attempt::Expired
        | Attempt::WrongKind
        | Attempt::RightKind => format!("with {attempt}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(place: &'static str, attempt: Attempt, proof: Proof) -> Probe {
        let (url, evidence) = ("https://garm.test/x".into(), "refused with 403".into());
        Probe { place, url, attempt, proof, evidence }
    }

    fn plain(probes: &[Probe]) -> String {
        anstream::adapter::strip_str(&text(probes)).to_string()
    }

    #[test]
    fn refused_probes_are_counted_and_accepted_ones_are_listed() {
        let refused = probe("callbacks", Attempt::NoCertificate, Proof::Enforced);
        let wrong = probe("API", Attempt::WrongKind, Proof::Enforced);
        let right = probe("API", Attempt::RightKind, Proof::Enforced);
        let backend = probe("backend", Attempt::Backend, Proof::Enforced);
        let open = probe("metadata", Attempt::PlainHttp, Proof::NotEnforced);
        let all = [refused.clone(), wrong, right, backend];
        let said = "enforced, 3 probes refused and 1 with the right certificate accepted";
        assert_eq!(sentence(&all), format!("mTLS is {said}"));
        assert_eq!(plain(&all), format!("mTLS: {said}"));
        assert_eq!(
            sentence(&[refused.clone(), open.clone(), open.clone()]),
            "mTLS is not enforced: metadata https://garm.test/x, by plain HTTP: refused with 403; \
             and 1 more of 3 probes"
        );
        assert_eq!(
            plain(&[refused, open]),
            "mTLS: not enforced, 1 of 2 probes failed\n  \
             metadata https://garm.test/x, by plain HTTP: refused with 403"
        );
        assert_eq!(sentence(&[]), "mTLS is not proven: nothing was probed");
        assert_eq!(plain(&[]), "mTLS: unreachable, 0 of 0 probes failed");
    }

    #[test]
    fn a_missing_probe_is_reported() {
        let refused = probe("callbacks", Attempt::NoCertificate, Proof::Enforced);
        assert_eq!(
            plain(&[refused]),
            "mTLS: enforced, 1 probe refused; a runner's certificate was not tried: name one in \
             `garm.probe_runner_cert`; GARM's own port was not probed: name it in `garm.backend`"
        );
    }

    #[test]
    fn an_inconclusive_refusal_is_reported_with_its_reason() {
        let refused = probe("callbacks", Attempt::NoCertificate, Proof::Enforced);
        let unasked = probe("API", Attempt::RightKind, Proof::CannotTell);
        assert_eq!(
            sentence(&[refused.clone(), unasked.clone()]),
            "mTLS is not proven: API https://garm.test/x, with the right certificate: refused with \
             403"
        );
        assert!(plain(&[refused, unasked]).starts_with("mTLS: cannot tell, 1 of 2 probes"));
    }
}
