//! What the mTLS probes prove, for people and for programs.

use serde_json::{Value, json};

use super::style::{GOOD, WARNING, paint};
use super::words::count;
use crate::domain::proof::{Attempt, Probe, Proof};

/// The verdict in one line, and a line for each probe that was not refused.
pub fn text(probes: &[Probe]) -> String {
    let proof = Proof::of(probes);
    let style = if proof == Proof::Enforced { GOOD } else { WARNING };
    let mut text = format!("mTLS: {}{}", paint(style, proof.word()), summary(proof, probes));
    for probe in probes.iter().filter(|it| it.proof != Proof::Enforced) {
        let Probe { place, url, attempt, evidence, .. } = probe;
        text.push_str(&format!("\n  {place} {url}, {}: {evidence}", with(*attempt)));
    }
    text
}

/// The verdict in one sentence without full stop: how much was refused, or the first door that was
/// not shut and how many more there are.
pub fn sentence(probes: &[Probe]) -> String {
    let proof = Proof::of(probes);
    let said = match proof {
        Proof::Enforced => "mTLS is enforced",
        Proof::Unreachable => "mTLS is not proven",
        Proof::NotEnforced => "mTLS is not enforced",
    };
    let mut worst = probes.iter().filter(|it| it.proof == proof);
    match (proof, worst.next()) {
        (Proof::Enforced, _) => format!("{said}{}", summary(proof, probes)),
        (Proof::Unreachable | Proof::NotEnforced, None) => format!("{said}: nothing was probed"),
        (Proof::Unreachable | Proof::NotEnforced, Some(first)) => {
            let Probe { place, url, attempt, evidence, .. } = first;
            let more = match worst.count() {
                0 => String::new(),
                n => format!("; and {n} more of {}", count(probes.len(), "probe")),
            };
            format!("{said}: {place} {url}, {}: {evidence}{more}", with(*attempt))
        }
    }
}

/// The object `mtls`.
pub fn json(probes: &[Probe]) -> Value {
    let rows = probes.iter().map(|it| {
        json!({
            "place": it.place,
            "url": it.url,
            "attempt": it.attempt.words(),
            "result": it.proof.word(),
            "evidence": it.evidence,
        })
    });
    json!({ "result": Proof::of(probes).word(), "probes": rows.collect::<Vec<_>>() })
}

fn summary(proof: Proof, probes: &[Probe]) -> String {
    let all = count(probes.len(), "probe");
    let rest = probes.iter().filter(|it| it.proof != Proof::Enforced).count();
    let untried = match probes.iter().any(|it| it.place == "API" && it.attempt == WRONG) {
        true => "",
        false => {
            "; a runner's certificate was not tried on the API: name one in \
                  `garm.probe_runner_cert`"
        }
    };
    match proof {
        Proof::Enforced => format!(", {all} refused{untried}"),
        Proof::Unreachable | Proof::NotEnforced => format!(", {rest} of {all} not refused"),
    }
}

const WRONG: Attempt = Attempt::WrongKind;

fn with(attempt: Attempt) -> String {
    match attempt {
        Attempt::PlainHttp | Attempt::Backend => format!("by {attempt}"),
        Attempt::NoCertificate | Attempt::SelfSigned | Attempt::Expired | Attempt::WrongKind => {
            format!("with {attempt}")
        }
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
    fn what_was_refused_is_counted_and_what_was_not_is_named() {
        let refused = probe("callbacks", Attempt::NoCertificate, Proof::Enforced);
        let wrong = probe("API", Attempt::WrongKind, Proof::Enforced);
        let open = probe("metadata", Attempt::PlainHttp, Proof::NotEnforced);
        assert_eq!(
            sentence(&[refused.clone(), wrong.clone()]),
            "mTLS is enforced, 2 probes refused"
        );
        assert_eq!(plain(&[refused.clone(), wrong]), "mTLS: enforced, 2 probes refused");
        assert_eq!(
            sentence(&[refused.clone(), open.clone(), open.clone()]),
            "mTLS is not enforced: metadata https://garm.test/x, by plain HTTP: refused with 403; \
             and 1 more of 3 probes"
        );
        assert_eq!(
            plain(&[refused.clone(), open]),
            "mTLS: not enforced, 1 of 2 probes not refused\n  \
             metadata https://garm.test/x, by plain HTTP: refused with 403"
        );
        assert_eq!(
            plain(&[refused]),
            "mTLS: enforced, 1 probe refused; a runner's certificate was not tried on the API: \
             name one in `garm.probe_runner_cert`"
        );
        assert_eq!(sentence(&[]), "mTLS is not proven: nothing was probed");
        assert_eq!(plain(&[]), "mTLS: unreachable, 0 of 0 probes not refused");
    }
}
