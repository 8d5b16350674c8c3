//! What to do about a failure: one sentence for each.

use super::error::ErrorKind;
use super::transport::{PresentedCertificate, TlsFault, TransportError};

/// The advice for a failure, if there is one beyond what the failure says.
pub(super) fn advice(kind: &ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::Transport(error) => return transport(error),
        ErrorKind::Credentials => "check `garm.username` and what `garm.password` refers to",
        ErrorKind::Token => {
            "GARM refuses a token that it has just given out: check its clock, and that no second \
             GARM with another secret answers at `garm.url`"
        }
        ErrorKind::GithubRefused => {
            "GitHub refuses GARM's own credentials: renew them, see `garm-cli github credentials \
             list`"
        }
        ErrorKind::NotInitialised => "make its admin first: `garm-cli init --name … --url …`",
        ErrorKind::UrlsMissing => {
            "set the URLs at which runners reach GARM: `garm-cli controller update \
             --metadata-url … --callback-url … --webhook-url …`"
        }
        ErrorKind::Server(500) => "look into GARM's log: it keeps the reason of a 500 to itself",
        ErrorKind::Server(429) => "a front before GARM wants fewer requests: try again later",
        ErrorKind::Server(502..=504) => {
            "a front answers and GARM behind it does not: check that GARM runs"
        }
        ErrorKind::Server(_) => {
            "try again, and look into the log of GARM and of the front before it"
        }
        ErrorKind::ClientCertificate => {
            "give `garm.tls.cert` and `garm.tls.key`: a valid certificate of the CA that the front \
             before GARM trusts for operators"
        }
        ErrorKind::WrongScheme => "write `garm.url` with `https://`",
        ErrorKind::NotGarm => {
            "check that `garm.url` leads to GARM itself, without `/api/v1`, that no proxy answers in \
             its place, and that `garm.tls.cert` is of the kind that a front before it wants"
        }
        ErrorKind::NotFound
        | ErrorKind::Refused
        | ErrorKind::Conflict
        | ErrorKind::OldLine
        | ErrorKind::Secrets
        | ErrorKind::Input => {
            return None;
        }
    })
}

fn transport(error: &TransportError) -> Option<&'static str> {
    Some(match error {
        TransportError::Resolve(_) => "check the host in `garm.url`",
        TransportError::Connect(_) => "check that GARM runs, and the host and port in `garm.url`",
        TransportError::ConnectTimeout(_) => {
            "check the host and port in `garm.url`, and firewalls; proxies of the environment are \
             not used"
        }
        TransportError::Timeout(_) => "look at the load of GARM and of its database",
        TransportError::Tls(fault) => return tls(fault),
        TransportError::Closed(_) | TransportError::NotHttp(_) => {
            "check that `garm.url` leads to GARM, with the right one of `http://` and `https://`"
        }
        TransportError::ClosedOnCertificate(PresentedCertificate::Nothing) => {
            "give `garm.tls.cert` and `garm.tls.key`"
        }
        TransportError::ClosedOnCertificate(PresentedCertificate::Certificate(_)) => {
            "check that the certificate is valid and of a CA that GARM's front trusts"
        }
        TransportError::Body(_) => "try again; if it stays, look for a proxy that cuts answers",
        TransportError::TooLarge(_) => {
            "check that `garm.url` leads to GARM; if it does, it has more jobs or runners than this \
             program can hold: look at them with `garm-cli job list`"
        }
        TransportError::Redirect(_) => {
            "redirects are never followed: write where it leads as `garm.url`, if you trust it"
        }
    })
}

fn tls(fault: &TlsFault) -> Option<&'static str> {
    Some(match fault {
        TlsFault::UnknownIssuer => {
            "give as `garm.tls.ca` the CA that signed GARM's certificate (not that certificate \
             itself)"
        }
        TlsFault::Expired(_) => "renew the certificate of GARM or of the front before it",
        TlsFault::NotYetValid(_) => "check the clock of this machine",
        TlsFault::WrongName(_) => "write `garm.url` with a name that the certificate has",
        TlsFault::NotTls => "check the port in `garm.url`; `http://` works to this machine only",
        TlsFault::ClientCertificate { presented: PresentedCertificate::Nothing, .. } => {
            "give `garm.tls.cert` and `garm.tls.key`"
        }
        TlsFault::ClientCertificate { presented: PresentedCertificate::Certificate(_), .. } => {
            "check that the certificate is valid and of a CA that GARM's front trusts"
        }
        TlsFault::BadCertificate(_) | TlsFault::Other(_) => return None,
    })
}
