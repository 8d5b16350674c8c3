//! What the response to a probe proves.

use super::{ProbeResponse, ProbeResult};
use crate::domain::proof::{Attempt, Probe, Proof};
use crate::domain::text;
use crate::garm::transport::{TlsFault, TransportError};

/// Decides what the result of a probe proves, and describes the evidence.
///
/// | attempt | response | server asked for a certificate | proves |
/// |---|---|---|---|
/// | a certificate that must be refused, or none | GARM | – | not enforced |
/// | the same | a refusal | yes | enforced |
/// | the same | a refusal | no | cannot tell |
/// | the right certificate | GARM | yes | enforced |
/// | the same | GARM | no | cannot tell |
/// | the same | a refusal | – | cannot tell |
/// | plain HTTP at the port of TLS | a refusal | – | enforced |
/// | GARM's own port | nothing | – | enforced |
/// | any | neither a refusal nor GARM | – | unreachable |
pub(super) fn judge(attempt: Attempt, outcome: &ProbeResult) -> (Proof, String) {
    let (proof, evidence) = match (attempt, &outcome.result) {
        (_, Ok(answer)) => answered(attempt, answer),
        (Attempt::Backend, Err(error)) => backend(error),
        (_, Err(error)) => (unanswered(error), error.to_string()),
    };
    let unasked = "the server did not ask for a client certificate";
    match (attempt, proof) {
        (Attempt::RightKind, Proof::NotEnforced) if outcome.asked => {
            (Proof::Enforced, format!("accepted: {evidence}"))
        }
        (Attempt::RightKind, Proof::NotEnforced) => {
            (Proof::CannotTell, format!("{unasked}: {evidence}"))
        }
        (Attempt::RightKind, Proof::Enforced) => {
            (Proof::CannotTell, format!("it was refused, too: {evidence}"))
        }
        (
            Attempt::NoCertificate | Attempt::SelfSigned | Attempt::Expired | Attempt::WrongKind,
            Proof::Enforced,
        ) if !outcome.asked => (Proof::CannotTell, format!("{evidence}, but {unasked}")),
        (_, proof) => (proof, evidence),
    }
}

/// Downgrades the proof at a plain HTTP URL, where a refusal cannot be about a certificate.
pub(super) fn without_tls(probe: Probe) -> Probe {
    match probe.proof {
        Proof::Enforced => Probe {
            proof: Proof::CannotTell,
            evidence: format!("{}, and plain HTTP cannot present a certificate", probe.evidence),
            ..probe
        },
        Proof::Unreachable | Proof::CannotTell | Proof::NotEnforced => probe,
    }
}

fn answered(attempt: Attempt, answer: &ProbeResponse) -> (Proof, String) {
    let status = answer.status;
    if is_garms(answer) {
        return (Proof::NotEnforced, format!("GARM answered {status}"));
    }
    match status {
        200..=299 | 401 | 404 | 405 => {
            (Proof::NotEnforced, format!("the request got through: {status}"))
        }
        400 | 403 | 495 | 496 if attempt != Attempt::Backend => {
            (Proof::Enforced, format!("refused with {status}"))
        }
        _ => (Proof::Unreachable, format!("{status}, which is neither a refusal nor GARM")),
    }
}

/// GARM's errors are JSON with `error` and `details`, and its 404 and 405 for unknown paths are
/// plain text. No reverse proxy refuses requests in this form (GARM.md §a).
fn is_garms(answer: &ProbeResponse) -> bool {
    let is_json = text::quote(&answer.content_type).starts_with("application/json");
    is_json
        && serde_json::from_slice::<serde_json::Value>(&answer.body)
            .is_ok_and(|json| json.get("error").is_some_and(serde_json::Value::is_string))
}

fn unanswered(error: &TransportError) -> Proof {
    match error {
        TransportError::Closed(_)
        | TransportError::ClosedOnCertificate(_)
        | TransportError::NotHttp(_)
        | TransportError::Tls(TlsFault::ClientCertificate { .. } | TlsFault::Other(_)) => {
            Proof::Enforced
        }
        TransportError::Resolve(_)
        | TransportError::Connect(_)
        | TransportError::ConnectTimeout(_)
        | TransportError::Timeout(_)
        | TransportError::Body(_)
        | TransportError::TooLarge(_)
        | TransportError::Redirect(_)
        | TransportError::NotLeading
        | TransportError::Tls(_) => Proof::Unreachable,
    }
}

/// The proof if GARM's own port gave no HTTP response. A client that cannot connect has no access.
fn backend(error: &TransportError) -> (Proof, String) {
    let proof = match error {
        TransportError::Resolve(_)
        | TransportError::Body(_)
        | TransportError::TooLarge(_)
        | TransportError::Redirect(_)
        | TransportError::NotLeading
        | TransportError::Tls(
            TlsFault::UnknownIssuer
            | TlsFault::Expired(_)
            | TlsFault::NotYetValid(_)
            | TlsFault::WrongName(_)
            | TlsFault::CaCertificate
            | TlsFault::BadCertificate(_),
        ) => Proof::Unreachable,
        TransportError::Connect(_)
        | TransportError::ConnectTimeout(_)
        | TransportError::Timeout(_)
        | TransportError::Closed(_)
        | TransportError::ClosedOnCertificate(_)
        | TransportError::NotHttp(_)
        | TransportError::Tls(
            TlsFault::NotTls | TlsFault::ClientCertificate { .. } | TlsFault::Other(_),
        ) => Proof::Enforced,
    };
    (proof, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::garm::transport::PresentedCertificate;

    fn answer(
        status: u16,
        content_type: &str,
        body: &str,
    ) -> Result<ProbeResponse, TransportError> {
        let (content_type, body) = (content_type.to_owned(), body.as_bytes().to_vec());
        Ok(ProbeResponse { status, content_type, body })
    }

    /// The proof if the server requested a certificate.
    fn proof(attempt: Attempt, result: Result<ProbeResponse, TransportError>) -> Proof {
        judge(attempt, &ProbeResult { result, asked: true }).0
    }

    /// The proof and the evidence if the server did not request one.
    fn unasked(attempt: Attempt, result: Result<ProbeResponse, TransportError>) -> (Proof, String) {
        judge(attempt, &ProbeResult { result, asked: false })
    }

    const REFUSABLE: [Attempt; 4] =
        [Attempt::NoCertificate, Attempt::SelfSigned, Attempt::Expired, Attempt::WrongKind];

    #[test]
    fn a_refusal_by_a_server_that_does_not_ask_proves_nothing() {
        for attempt in REFUSABLE {
            let (proof, evidence) = unasked(attempt, answer(403, "text/html", "no"));
            assert_eq!(proof, Proof::CannotTell);
            let said = "refused with 403, but the server did not ask for a client certificate";
            assert_eq!(evidence, said);
            let closed = Err(TransportError::Closed("reset".into()));
            assert_eq!(unasked(attempt, closed).0, Proof::CannotTell);
            // A request that got through proves that mTLS is not enforced.
            let open = answer(401, "application/json", r#"{"error":"x"}"#);
            assert_eq!(unasked(attempt, open).0, Proof::NotEnforced);
        }
        // With plain HTTP, a server cannot request a certificate, so none is required.
        let page = answer(400, "text/html", "plain HTTP request was sent to HTTPS port");
        assert_eq!(unasked(Attempt::PlainHttp, page).0, Proof::Enforced);
    }

    #[test]
    fn the_right_certificate_must_be_accepted() {
        let garms = || answer(401, "application/json", r#"{"error":"Not Authorized"}"#);
        assert_eq!(proof(Attempt::RightKind, garms()), Proof::Enforced);
        assert_eq!(unasked(Attempt::RightKind, garms()).0, Proof::CannotTell);
        let refused = || answer(403, "text/html", "no");
        assert_eq!(proof(Attempt::RightKind, refused()), Proof::CannotTell);
        assert_eq!(unasked(Attempt::RightKind, refused()).0, Proof::CannotTell);
        let down = answer(502, "text/html", "Bad Gateway");
        assert_eq!(proof(Attempt::RightKind, down), Proof::Unreachable);
    }

    #[test]
    fn a_refusal_by_the_reverse_proxy_is_proof() {
        for status in [400, 403, 495, 496] {
            let page = answer(status, "text/html", "<html>No required SSL certificate</html>");
            assert_eq!(proof(Attempt::NoCertificate, page), Proof::Enforced, "{status}");
        }
    }

    #[test]
    fn garm_is_recognized_by_its_errors_whatever_the_status() {
        let body = r#"{"error":"Not Authorized","details":"…"}"#;
        for status in [400, 401, 403, 404, 500] {
            let json = answer(status, "application/json", body);
            assert_eq!(proof(Attempt::SelfSigned, json), Proof::NotEnforced, "{status}");
        }
        for status in [200, 204, 401, 404, 405] {
            let plain = answer(status, "text/plain", "404 page not found");
            assert_eq!(proof(Attempt::Expired, plain), Proof::NotEnforced, "{status}");
        }
    }

    #[test]
    fn a_response_that_is_neither_proves_nothing() {
        for status in [301, 302, 429, 500, 502, 503] {
            let page = answer(status, "text/html", "<html>Bad Gateway</html>");
            assert_eq!(proof(Attempt::PlainHttp, page), Proof::Unreachable, "{status}");
        }
        for error in [
            TransportError::Connect("refused".into()),
            TransportError::Timeout(Duration::from_secs(1)),
            TransportError::Tls(TlsFault::UnknownIssuer),
            TransportError::Tls(TlsFault::NotTls),
        ] {
            assert_eq!(proof(Attempt::NoCertificate, Err(error)), Proof::Unreachable);
        }
    }

    #[test]
    fn a_refused_handshake_and_a_closed_connection_are_proof() {
        let presented = PresentedCertificate::Nothing;
        for error in [
            TransportError::Closed("reset".into()),
            TransportError::ClosedOnCertificate(presented.clone()),
            TransportError::Tls(TlsFault::ClientCertificate { presented, alert: "x".into() }),
        ] {
            assert_eq!(proof(Attempt::SelfSigned, Err(error)), Proof::Enforced);
        }
    }

    #[test]
    fn garms_own_port_must_not_answer_at_all() {
        let refused = Err(TransportError::Connect("refused".into()));
        assert_eq!(proof(Attempt::Backend, refused), Proof::Enforced);
        let lost = Err(TransportError::Resolve("no such name".into()));
        assert_eq!(proof(Attempt::Backend, lost), Proof::Unreachable);
        let strange = Err(TransportError::Tls(TlsFault::UnknownIssuer));
        assert_eq!(proof(Attempt::Backend, strange), Proof::Unreachable);
        let page = answer(403, "text/html", "no");
        assert_eq!(proof(Attempt::Backend, page), Proof::Unreachable);
        let open = answer(401, "application/json", r#"{"error":"Not Authorized"}"#);
        assert_eq!(proof(Attempt::Backend, open), Proof::NotEnforced);
    }
}
