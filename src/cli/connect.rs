//! From the fleet file to a client of its GARM.

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::secret::SecretRef;
use crate::garm::http::{Http, HttpOptions};
use crate::garm::{self, Client, Login, tls};
use crate::garm::{Password, PasswordReply, Transport};
use crate::manifest::FleetFile;
use crate::secrets;

use super::Context;
use super::failure::Failure;

/// A client of the fleet file's GARM; opens no connection and resolves no secret yet. `base` is the
/// fleet file's folder. Fails (3) when a TLS file cannot be used.
pub fn connect(file: &FleetFile, base: PathBuf, cx: Context<'_>) -> Result<Arc<Client>, Failure> {
    connect_through(file, base, cx, |it| it)
}

/// The same through `wrap`, which may look at what passes.
pub fn connect_through(
    file: &FleetFile,
    base: PathBuf,
    cx: Context<'_>,
    wrap: impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>,
) -> Result<Arc<Client>, Failure> {
    let garm = &file.garm;
    let mut options = HttpOptions::new(garm.url.clone());
    if let Some(files) = &garm.tls {
        options.tls = tls::Files {
            ca: files.ca.clone(),
            cert: files.client.as_ref().map(|it| it.cert.clone()),
            key: files.client.as_ref().map(|it| it.key.clone()),
        };
    }
    let http = Http::new(&options)?;
    let password = ByReference {
        reference: garm.password.clone(),
        options: secrets::Options { allow_exec: cx.globals.allow_exec, base_dir: base },
    };
    let login = Login { username: garm.username.clone(), password: Arc::new(password) };
    Ok(Arc::new(Client::new(wrap(Arc::new(http)), login)))
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
