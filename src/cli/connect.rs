//! From the fleet file to a client of its GARM.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::secret::SecretRef;
use crate::domain::text::code;
use crate::garm::http::{Http, HttpOptions};
use crate::garm::{self, Client, Login, tls};
use crate::garm::{Password, PasswordReply, Transport};
use crate::host::clock::Clock;
use crate::manifest::FleetFile;
use crate::secrets;
use crate::view::style::{HELP, WARNING, paint};
use crate::view::words::span;

use super::Context;
use super::failure::Failure;

/// A client of the fleet file's GARM; opens no connection and resolves no secret yet. `base` is the
/// fleet file's folder. Warns when our certificate expires soon; fails (3) when a TLS file cannot be
/// used.
pub fn connect(file: &FleetFile, base: PathBuf, cx: Context<'_>) -> Result<Arc<Client>, Failure> {
    let client = connect_through(file, base, cx, |it| it)?.0;
    if let Some(expiry) = expiry(file, Clock::Real.now()) {
        let (warning, help) = (paint(WARNING, "warning:"), paint(HELP, "help:"));
        cx.print.say(&format!("{warning} {expiry}\n{help} {RENEW}"));
    }
    Ok(client)
}

/// What to do about a certificate that expires soon.
pub const RENEW: &str = "renew `garm.tls.cert`; a `watch` that runs takes it over by itself";

/// How long before its end a client certificate is told of.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// That our certificate expires soon, in a sentence; absent while it does not.
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
        Err(_) => format!("the client certificate {cert} has expired at {until}"),
    })
}

/// The TLS files of a fleet file.
pub fn tls_files(file: &FleetFile) -> tls::Files {
    let Some(files) = &file.garm.tls else { return tls::Files::default() };
    tls::Files {
        ca: files.ca.clone(),
        cert: files.client.as_ref().map(|it| it.cert.clone()),
        key: files.client.as_ref().map(|it| it.key.clone()),
    }
}

/// The same through `wrap`, which may look at what passes; also what the certificates can be
/// renewed in.
pub fn connect_through(
    file: &FleetFile,
    base: PathBuf,
    cx: Context<'_>,
    wrap: impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>,
) -> Result<(Arc<Client>, Arc<Http>), Failure> {
    let garm = &file.garm;
    let now = Some(Clock::Real.now());
    let options = HttpOptions { tls: tls_files(file), now, ..HttpOptions::new(garm.url.clone()) };
    let http = Arc::new(Http::new(&options)?);
    let password = ByReference {
        reference: garm.password.clone(),
        options: secrets::Options { allow_exec: cx.globals.allow_exec, base_dir: base },
    };
    let login = Login { username: garm.username.clone(), password: Arc::new(password) };
    let client = Client::new(wrap(Arc::<Http>::clone(&http)), login);
    Ok((Arc::new(client), http))
}

/// A password that is looked up at each login.
struct ByReference {
    reference: SecretRef,
    options: secrets::Options,
}

impl Password for ByReference {
    fn resolve(&self) -> PasswordReply<'_> {
        Box::pin(async {
            secrets::resolve(&self.reference, &self.options).await.map_err(|error| garm::Error {
                kind: match error.blame {
                    secrets::Blame::Reference => garm::Kind::Input,
                    secrets::Blame::Manager => garm::Kind::Secrets,
                },
                tried: format!("resolve `garm.password` (`{}`)", error.reference),
                got: error.got,
                help: error.help,
            })
        })
    }
}
