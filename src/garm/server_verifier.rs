//! TLS clients that do not check the server's certificate against a CA: mTLS probes of GARM's own
//! port, and commands that query a `watch` whose certificate they have. rustls still checks that
//! the server has the key of the certificate that it presents.

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Which server certificate is accepted. Its names, validity and issuer are not checked.
#[derive(Debug)]
pub(crate) enum AcceptedServer {
    Any,
    Only {
        certificate: CertificateDer<'static>,
        /// The error for another certificate.
        refusal: &'static str,
    },
}

/// A builder of a client configuration that accepts such servers; the caller chooses a client
/// certificate.
pub(crate) fn client_config(
    accepted: AcceptedServer,
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    // The provider is explicit because rustls panics if the dependency graph has two providers and
    // no default is set.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = ServerVerifier { accepted, provider: Arc::clone(&provider) };
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs has suites for both protocol versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
}

#[derive(Debug)]
struct ServerVerifier {
    accepted: AcceptedServer,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.accepted {
            AcceptedServer::Only { certificate, refusal } if end_entity != certificate => {
                Err(Error::General((*refusal).into()))
            }
            AcceptedServer::Only { .. } | AcceptedServer::Any => {
                Ok(ServerCertVerified::assertion())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
