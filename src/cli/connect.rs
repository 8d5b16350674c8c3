//! Builds the client of the GARM that the fleet file names.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::info;

use crate::config::{DeclaredPool, FleetFile};
use crate::domain::address::{PlainHttp, is_unencrypted};
use crate::domain::secret::SecretRef;
use crate::domain::text::code;
use crate::garm::http::{Http, HttpOptions, Timeouts};
use crate::garm::{self, GarmClient, GarmLogin, LoggedTransport, crl, ignored_proxy, tls};
use crate::garm::{PasswordFuture, PasswordSource, Transport};
use crate::host::clock::Clock;
use crate::render::style::{HELP, WARNING, paint};
use crate::render::words::span;
use crate::secrets;

use super::context::Context;
use super::failure::Failure;

/// A client of the fleet file's GARM. Opens no connection and resolves no secret. `base` is the
/// fleet file's folder. Warns if the client certificate expires soon; fails (3) if a TLS file is
/// invalid.
pub fn connect(
    file: &FleetFile,
    base: PathBuf,
    cx: Context<'_>,
) -> Result<Arc<GarmClient>, Failure> {
    let client = connect_through(file, base, cx, (Timeouts::default(), |client| client))?.0;
    let user = &file.garm.username;
    info!(event = "step", "GARM is at {}, the user is `{user}`", client.address());
    let now = Clock::Real.now();
    warn_unencrypted(file, cx);
    let lists = lists(file, now).warning.map(|warning| (warning, RENEW_LISTS));
    for (text, cure) in expiry(file, now).map(|warning| (warning, RENEW)).into_iter().chain(lists) {
        warn(&text, cure, cx);
    }
    Ok(client)
}

fn warn(text: &str, cure: &str, cx: Context<'_>) {
    let (warning, help) = (paint(WARNING, "warning:"), paint(HELP, "help:"));
    cx.print.say(&format!("{warning} {text}\n{help} {cure}"));
}

/// Warns if the connection to GARM is not encrypted.
pub fn warn_unencrypted(file: &FleetFile, cx: Context<'_>) {
    if let Some(text) = unencrypted(file) {
        warn(&text, ENCRYPT, cx);
    }
}

/// A sentence if the connection to GARM is not encrypted.
pub fn unencrypted(file: &FleetFile) -> Option<String> {
    let url = &file.garm.url;
    is_unencrypted(url).then(|| {
        format!(
            "the connection to {} is not encrypted (`garm.insecure_http`): others on the network \
             can read the password and take over GARM",
            code(url)
        )
    })
}

/// The hint for an unencrypted connection.
pub const ENCRYPT: &str = "serve GARM over TLS and use `https://…` in `garm.url`; \
     `deploy/nginx/garm.conf` is an example";

/// Sets the client's limits on the size of answers from the size of the declared fleet.
pub fn expect(client: &GarmClient, pools: &[DeclaredPool]) {
    let runners = pools.iter().map(|pool| u64::from(pool.scale.max_runners)).sum();
    client.expect(pools.len() as u64, runners);
}

/// Warns of rows in GARM's lists that could not be read.
pub fn tell_remarks(client: &GarmClient, cx: Context<'_>) {
    for remark in client.remarks() {
        cx.print.say(&format!("{} {remark}", paint(WARNING, "warning:")));
    }
}

/// The hint for a client certificate that expires soon.
pub const RENEW: &str =
    "renew `garm.tls.cert`; a running `watch` loads the new certificate by itself";

/// How long before the expiry of the client certificate the warnings begin.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// A sentence if the client certificate expires soon or has expired.
pub fn expiry(file: &FleetFile, now: Timestamp) -> Option<String> {
    let cert = &file.garm.tls.as_ref()?.client.as_ref()?.cert;
    let until = tls::holds_until(cert)?;
    let left = until.duration_since(now);
    if left > SOON {
        return None;
    }
    let cert = code(cert.to_string_lossy());
    Some(match Duration::try_from(left) {
        Ok(left) => format!("the client certificate {cert} expires in {}, at {until}", span(left)),
        Err(_) => format!("the client certificate {cert} expired at {until}"),
    })
}

/// The hint for a revocation list that expires soon.
pub const RENEW_LISTS: &str = "issue a new list with its CA, and reload the proxy before GARM";

/// How long before the expiry of a revocation list the warnings begin. Many CAs issue one per week.
const LISTS_SOON: SignedDuration = SignedDuration::from_hours(3 * 24);

/// The state of the revocation lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevocationLists {
    /// When the first of them expires.
    pub ends_at: Option<Timestamp>,
    /// A sentence if one expires soon, has expired or cannot be read.
    pub warning: Option<String>,
}

/// Reads the revocation lists of `garm.crls`.
pub fn lists(file: &FleetFile, now: Timestamp) -> RevocationLists {
    let ends = match crl::first_to_expire(&file.garm.crls) {
        Ok(None) => return RevocationLists::default(),
        Ok(Some(ends)) => ends,
        Err(error) => return RevocationLists { ends_at: None, warning: Some(error.to_string()) },
    };
    let (list, at) = (code(ends.path.to_string_lossy()), ends.at);
    let left = at.duration_since(now);
    let warning = (left <= LISTS_SOON).then(|| match Duration::try_from(left) {
        Ok(left) => format!("the revocation list {list} expires in {}, at {at}", span(left)),
        Err(_) => format!(
            "the revocation list {list} expired at {at}: the proxy refuses every certificate of \
             its CA"
        ),
    });
    RevocationLists { ends_at: Some(at), warning }
}

/// The TLS files of a fleet file.
pub fn tls_files(file: &FleetFile) -> tls::GarmTlsFiles {
    let Some(files) = &file.garm.tls else { return tls::GarmTlsFiles::default() };
    tls::GarmTlsFiles {
        ca: files.ca.clone(),
        cert: files.client.as_ref().map(|client| client.cert.clone()),
        key: files.client.as_ref().map(|client| client.key.clone()),
    }
}

/// Like [`connect`], but with the transport wrapped by `wrap`. Also returns the transport itself,
/// which can load renewed certificates.
pub fn connect_through(
    file: &FleetFile,
    base: PathBuf,
    cx: Context<'_>,
    (timeouts, wrap): (Timeouts, impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>),
) -> Result<(Arc<GarmClient>, Arc<Http>), Failure> {
    let garm = &file.garm;
    let now = Some(Clock::Real.now());
    let plain_http = if garm.insecure_http { PlainHttp::Anywhere } else { PlainHttp::LoopbackOnly };
    let options = HttpOptions {
        plain_http,
        tls: tls_files(file),
        timeouts,
        ignored_proxy: ignored_proxy(&garm.url, |name| std::env::var(name).ok()),
        now,
        ..HttpOptions::new(garm.url.clone())
    };
    let http = Arc::new(Http::new(&options)?);
    let password = PasswordReference {
        reference: garm.password.clone(),
        options: cx.settings.secret_options(base),
    };
    let login = GarmLogin { username: garm.username.clone(), password: Arc::new(password) };
    let transport = LoggedTransport::new(wrap(Arc::<Http>::clone(&http)));
    let client = GarmClient::new(Arc::new(transport), login);
    Ok((Arc::new(client), http))
}

/// A password that is resolved anew at each login.
struct PasswordReference {
    reference: SecretRef,
    options: secrets::ResolveOptions,
}

impl PasswordSource for PasswordReference {
    fn resolve(&self) -> PasswordFuture<'_> {
        Box::pin(async {
            secrets::resolve(&self.reference, &self.options).await.map_err(|error| {
                garm::GarmError {
                    kind: match error.blame {
                        secrets::FaultOrigin::Reference => garm::ErrorKind::Input,
                        secrets::FaultOrigin::Manager => garm::ErrorKind::Secrets,
                    },
                    tried: format!("resolve `garm.password` (`{}`)", error.reference),
                    got: error.got,
                    help: error.help,
                }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
        KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
    };

    use super::*;
    use crate::config::{SourceFile, load};

    #[test]
    fn a_revocation_list_is_reported_three_days_before_its_expiry() {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 11, 1),
            next_update: date_time_ymd(2026, 12, 8),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let issuer = Issuer::new(params, KeyPair::generate().unwrap());
        let pem = list.signed_by(&issuer).unwrap().pem().unwrap();
        std::fs::write(folder.path().join("operators.crl"), pem).unwrap();
        let fleet = |name: &str| {
            let text =
                format!("fleet: a\ngarm: {{ url: https://a, password: env:P, crls: [{name}] }}\n");
            let path = folder.path().join("rc.yaml").display().to_string();
            load(Some(&SourceFile { path, text, folder: None }), &[]).fleet_file.unwrap()
        };
        let file = fleet("operators.crl");
        let told = |now: &str| {
            let lists = lists(&file, now.parse().unwrap());
            assert_eq!(lists.ends_at, Some("2026-12-08T00:00:00Z".parse().unwrap()));
            lists.warning.map(|warning| warning.replace(folder.path().to_str().unwrap(), "DIR"))
        };
        assert_eq!(told("2026-12-04T23:59:59Z"), None);
        assert_eq!(
            told("2026-12-06T12:00:00Z").unwrap(),
            "the revocation list `DIR/operators.crl` expires in 1d 12h, at 2026-12-08T00:00:00Z"
        );
        assert_eq!(
            told("2026-12-08T00:00:01Z").unwrap(),
            "the revocation list `DIR/operators.crl` expired at 2026-12-08T00:00:00Z: the proxy \
             refuses every certificate of its CA"
        );
        let lost = lists(&fleet("absent.crl"), Timestamp::UNIX_EPOCH);
        let warning = lost.warning.unwrap().replace(folder.path().to_str().unwrap(), "DIR");
        let said = "read `garm.crls` from `DIR/absent.crl`: No such file or directory (os error 2)";
        assert_eq!((lost.ends_at, warning.as_str()), (None, said));
    }
}
