//! The help text of each failure.

use super::error::ErrorKind;
use super::transport::{PresentedCertificate, TlsFault, TransportError};

/// What to do about a failure, unless its own text already says it.
pub(super) fn advice(kind: &ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::Transport(error) => return transport(error),
        ErrorKind::Credentials => "check `garm.username` and what `garm.password` refers to",
        ErrorKind::Token => {
            "GARM refuses the token that it has just issued: check its clock, and that `garm.url` \
             does not lead to several GARMs with different secrets"
        }
        ErrorKind::GithubRefused => {
            "GitHub refuses GARM's own credentials: renew them (see `garm-cli github credentials \
             list`)"
        }
        ErrorKind::NotInitialised => "create GARM's admin first: `garm-cli init --name … --url …`",
        ErrorKind::UrlsMissing => {
            "set the URLs at which runners reach GARM: `garm-cli controller update \
             --metadata-url … --callback-url … --webhook-url …`"
        }
        ErrorKind::Server(500) => "see GARM's log: its 500 responses give no reason",
        ErrorKind::Server(429) => "a reverse proxy limits the request rate: try again later",
        ErrorKind::Server(502..=504) => {
            "a reverse proxy responds but GARM behind it does not: check that GARM is running"
        }
        ErrorKind::Server(_) => {
            "try again, and see the logs of GARM and of the reverse proxy in front of it"
        }
        ErrorKind::ClientCertificate => {
            "set `garm.tls.cert` and `garm.tls.key` to a valid certificate of the CA that the \
             reverse proxy in front of GARM trusts for operators"
        }
        ErrorKind::WrongScheme => "use `https://` in `garm.url`",
        ErrorKind::NotGarm => {
            "check that `garm.url` leads to GARM itself, without `/api/v1`, that no proxy responds \
             in its place, and that `garm.tls.cert` is the kind of certificate that a reverse \
             proxy in front of it requires"
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
        TransportError::Connect(_) => {
            "check that GARM is running, and the host and port in \
                                       `garm.url`"
        }
        TransportError::ConnectTimeout(_) => "check the host and port in `garm.url`, and firewalls",
        TransportError::Timeout(_) => "check the load of GARM and of its database",
        TransportError::Tls(fault) => return tls(fault),
        TransportError::Closed(_) | TransportError::NotHttp(_) => {
            "check that `garm.url` is the address of GARM, with the right scheme: `http://` or `https://`"
        }
        TransportError::ClosedOnCertificate(PresentedCertificate::Nothing) => {
            "set `garm.tls.cert` and `garm.tls.key`"
        }
        TransportError::ClosedOnCertificate(PresentedCertificate::Certificate(_)) => {
            "check that the certificate is valid and issued by a CA that GARM's reverse proxy \
             trusts"
        }
        TransportError::Body(_) => {
            "try again; if it persists, look for a proxy that truncates \
                                    responses"
        }
        TransportError::TooLarge(_) => {
            "check that `garm.url` leads to GARM; if it does, GARM has more jobs or runners than \
             this program accepts: see `garm-cli job list`"
        }
        TransportError::Redirect(_) => {
            "redirects are never followed: set `garm.url` to the target if you trust it"
        }
        TransportError::NotLeading => return None,
    })
}

fn tls(fault: &TlsFault) -> Option<&'static str> {
    Some(match fault {
        TlsFault::UnknownIssuer => {
            "set `garm.tls.ca` to the CA that issued GARM's certificate; a self-signed certificate \
             is its own CA"
        }
        TlsFault::Expired(_) => {
            "renew the certificate of GARM or of the reverse proxy in front of \
                                 it"
        }
        TlsFault::NotYetValid(_) => "check this machine's clock",
        TlsFault::WrongName(_) => "use a name in `garm.url` that the certificate has",
        TlsFault::NotTls => {
            "check the port in `garm.url`; `http://` beyond loopback needs \
                             `garm.insecure_http: true`"
        }
        TlsFault::ClientCertificate { presented: PresentedCertificate::Nothing, .. } => {
            "set `garm.tls.cert` and `garm.tls.key`"
        }
        TlsFault::ClientCertificate { presented: PresentedCertificate::Certificate(_), .. } => {
            "check that the certificate is valid and issued by a CA that GARM's reverse proxy \
             trusts"
        }
        TlsFault::CaCertificate => {
            "give GARM a certificate with `basicConstraints=CA:FALSE`, and set `garm.tls.ca` to the \
             CA that issued it, or to that certificate if it is self-signed"
        }
        TlsFault::BadCertificate(_) | TlsFault::Other(_) => return None,
    })
}
