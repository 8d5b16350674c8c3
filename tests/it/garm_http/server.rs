//! A loopback server with a fixed behaviour.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::authority::Authority;

/// Whether a server speaks plain HTTP, or TLS with this certificate.
#[derive(Clone)]
pub(super) enum Greeting {
    Plain,
    Tls(Arc<ServerConfig>),
}

/// TLS with this server certificate. With a CA, only clients with its certificates are accepted.
pub(super) fn greeting(
    (cert, key): (PathBuf, PathBuf),
    clients: Option<&Authority>,
    version: &'static SupportedProtocolVersion,
) -> Greeting {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(authority.path("ca.pem")).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_file(cert).unwrap()];
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    Greeting::Tls(Arc::new(builder.with_single_cert(chain, key).unwrap()))
}

/// What a server does after it has read a request.
#[derive(Clone)]
pub(super) enum Manner {
    /// Sends these bytes and closes.
    Says(Vec<u8>),
    /// Sends these bytes, and then nothing until the client disconnects.
    Stalls(Vec<u8>),
    /// Sends the first bytes, and then repeatedly the second until the client disconnects.
    Repeats(Vec<u8>, Vec<u8>),
    /// Returns the request as the response body, and closes.
    Echoes,
    /// Sends nothing.
    Silent,
}

pub(super) fn says(text: &str) -> Manner {
    Manner::Says(text.as_bytes().to_vec())
}

pub(super) async fn serve(greeting: Greeting, manner: Manner) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(greet(stream, greeting.clone(), manner.clone()));
        }
    });
    address
}

async fn greet(mut stream: TcpStream, greeting: Greeting, manner: Manner) {
    match (greeting, &manner) {
        (_, Manner::Silent) => linger(&mut stream).await,
        (Greeting::Plain, _) => talk(stream, manner).await,
        (Greeting::Tls(config), _) => {
            match TlsAcceptor::from(config).accept(stream).into_fallible().await {
                Ok(stream) => talk(stream, manner).await,
                // Closing a socket with unread bytes resets the connection, and the alert could be
                // lost.
                Err((_, mut stream)) => linger(&mut stream).await,
            }
        }
    }
}

async fn linger(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await.is_ok_and(|it| it > 0) {}
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, manner: Manner) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            // A TLS handshake on a port without TLS. Go's servers and nginx also respond to it.
            break;
        }
        head.push(byte[0]);
        if head.first() == Some(&0x16) {
            break;
        }
    }
    let manner = if let Manner::Echoes = manner {
        answer(&String::from_utf8(head).unwrap())
    } else {
        manner
    };
    // The client may disconnect early, which is not an error.
    let _ = match &manner {
        Manner::Says(bytes) | Manner::Stalls(bytes) | Manner::Repeats(bytes, _) => {
            stream.write_all(bytes).await
        }
        Manner::Echoes | Manner::Silent => Ok(()),
    };
    let _ = stream.flush().await;
    match manner {
        Manner::Says(_) => {
            let _ = stream.shutdown().await;
        }
        Manner::Stalls(_) => linger(&mut stream).await,
        Manner::Repeats(_, again) => while stream.write_all(&again).await.is_ok() {},
        Manner::Echoes | Manner::Silent => {}
    }
}

/// A successful response with this body.
pub(super) fn answer(body: &str) -> Manner {
    says(&format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Date: Wed, 25 Nov 2026 10:11:12 GMT\r\nConnection: close\r\n\r\n{body}",
        body.len()
    ))
}
