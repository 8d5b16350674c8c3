//! Reads and checks the PEM files of settings such as `garm.tls` and `watch.tls`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::error::GarmError;
use crate::domain::text;

/// The maximum size of a PEM file, in bytes: four times the CA bundle of a Linux distribution.
const PEM_MAX: u64 = 1 << 20;

/// A PEM file and the setting that names it.
#[derive(Clone, Copy)]
pub(crate) struct Pem<'a> {
    pub(crate) path: &'a Path,
    pub(crate) setting: &'static str,
}

impl Pem<'_> {
    /// All certificates in the file. Errors if there is none.
    pub(crate) fn certificates(self) -> Result<Vec<CertificateDer<'static>>, GarmError> {
        let pem = self.read()?;
        let help = "a certificate in PEM begins with `-----BEGIN CERTIFICATE-----`";
        let certificates = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<Vec<_>, _>>()
            // The library's error is dropped: it quotes the line, which may be part of a key.
            .map_err(|_| self.unfit("its PEM is truncated or invalid", help))?;
        match certificates.is_empty() {
            true if holds(&pem, "PRIVATE KEY-----") => {
                Err(self.unfit("it contains a key and no certificate", help))
            }
            true if is_binary(&pem) => Err(self.unfit(
                BINARY,
                format!(
                    "convert it to PEM: `openssl x509 -inform DER -in {0} -out {0}.pem`",
                    shown(self.path)
                ),
            )),
            true => Err(self.unfit("it contains no certificate in PEM", help)),
            false => Ok(certificates),
        }
    }

    /// The first private key in the file.
    pub(crate) fn key(self) -> Result<PrivateKeyDer<'static>, GarmError> {
        let pem = self.read()?;
        if holds(&pem, "BEGIN ENCRYPTED PRIVATE KEY-----") || holds(&pem, "Proc-Type: 4,ENCRYPTED")
        {
            let help = "decrypt it (`openssl pkey -in … -out …`) and keep the file to yourself";
            return Err(self.unfit("the key is encrypted", help));
        }
        let help = "a key in PEM begins with `-----BEGIN PRIVATE KEY-----`";
        match PrivateKeyDer::from_pem_slice(&pem) {
            Ok(key) => Ok(key),
            Err(_) if holds(&pem, "-----BEGIN CERTIFICATE-----") => {
                Err(self.unfit("it contains a certificate and no key", help))
            }
            Err(_) if is_binary(&pem) => Err(self.unfit(
                BINARY,
                format!(
                    "convert it to PEM: `openssl pkey -inform DER -in {0} -out {0}.pem`",
                    shown(self.path)
                ),
            )),
            Err(_) => Err(self.unfit("it contains no private key in PEM", help)),
        }
    }

    /// An error about this file. `got` must not contain any of its content.
    pub(crate) fn unfit(self, got: impl Into<String>, help: impl Into<String>) -> GarmError {
        GarmError::input(format!("read `{}` from `{}`", self.setting, shown(self.path)), got, help)
    }

    /// Reads the file. It is opened without blocking, so that a FIFO is refused instead of waited
    /// for.
    pub(super) fn read(self) -> Result<Zeroizing<Vec<u8>>, GarmError> {
        let help =
            format!("check the path in `{}`; it is relative to the fleet file", self.setting);
        let failed = |error: io::Error| self.unfit(error.to_string(), help.as_str());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let opened = rustix::fs::open(self.path, flags, Mode::empty());
        let file = File::from(opened.map_err(|error| failed(error.into()))?);
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(self.unfit("it is not a regular file", help));
        }
        let mut pem = Zeroizing::new(Vec::new());
        file.take(PEM_MAX + 1).read_to_end(&mut pem).map_err(failed)?;
        if pem.len() as u64 > PEM_MAX {
            return Err(self.unfit("it is larger than 1 MiB", help));
        }
        Ok(pem)
    }
}

const BINARY: &str = "it is in DER or PKCS #12, not in PEM";

/// Whether the content starts like a DER sequence and is not text.
fn is_binary(content: &[u8]) -> bool {
    content.first() == Some(&0x30) && std::str::from_utf8(content).is_err()
}

pub(crate) fn shown(path: &Path) -> String {
    text::quote(&path.to_string_lossy())
}

fn holds(pem: &[u8], words: &str) -> bool {
    pem.windows(words.len()).any(|window| window == words.as_bytes())
}
