//! Unusable URLs and files.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::ExtendedKeyUsagePurpose;
use runnerctl::domain::address::PlainHttp;
use runnerctl::garm::{Http, HttpOptions, Transport, TransportError, tls};

use super::authority::{Authority, CLIENT, Wanted};
use super::server::{Greeting, answer, says, serve};
use super::{options, send, words};

#[tokio::test]
async fn plain_http_beyond_loopback_is_used_only_if_allowed_and_follows_no_redirect() {
    let elsewhere = serve(Greeting::Plain, answer("[]")).await;
    let target = format!("http://{elsewhere}/");
    let reply = format!("HTTP/1.1 302 X\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
    let server = serve(Greeting::Plain, says(&reply)).await;
    // By our rule this is not a loopback address, although it refers to this machine.
    let refused = HttpOptions::new(format!("http://[::ffff:127.0.0.1]:{}", server.port()));
    let allowed = HttpOptions { plain_http: PlainHttp::Anywhere, ..refused.clone() };
    assert_eq!(send(&allowed).await, Err(TransportError::Redirect(target)));
    let error = Http::new(&refused).unwrap_err();
    assert!(words(&error).contains("set `garm.insecure_http: true`"), "{}", words(&error));
}

#[test]
fn invalid_and_insecure_urls_are_refused() {
    let check = |url: &str| {
        let files = Authority::new();
        Http::new(&options(url.into(), files.trusted()))
    };
    for good in [
        "https://garm.example.com",
        "https://garm.example.com:8443/garm/",
        "http://127.0.0.1:1",
        "http://[::1]:9997/",
        "http://localhost",
    ] {
        let address = check(good).unwrap().address();
        assert_eq!(address, good.trim_end_matches('/'));
    }
    let mut report = String::new();
    for bad in [
        "http://garm.example.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "http://127.0.0.1.nip.io",
        "ftp://127.0.0.1",
        "https://admin:canary@garm.example.com",
        "https://garm.example.com?x=1",
        "https://garm.example.com/#top",
        "garm.example.com",
        "https://",
        "admin:canary@garm",
        "https://admin:canary@",
        "",
    ] {
        let error = check(bad).unwrap_err();
        assert!(error.is_input());
        assert!(!words(&error).contains("canary"));
        report.push_str(&format!("{error}\n"));
    }
    insta::assert_snapshot!(report, @"
    use `garm.url: http://garm.example.com`: `http://` would send secrets unencrypted; it is allowed only for this machine
    use `garm.url: http://10.0.0.1`: `http://` would send secrets unencrypted; it is allowed only for this machine
    use `garm.url: http://localhost.example.com`: `http://` would send secrets unencrypted; it is allowed only for this machine
    use `garm.url: http://127.0.0.1.nip.io`: `http://` would send secrets unencrypted; it is allowed only for this machine
    use `garm.url: ftp://127.0.0.1`: `ftp:` is neither `https:` nor `http:`
    use `garm.url: https://…@garm.example.com`: it contains a user name or a password
    use `garm.url: https://garm.example.com?x=1`: it contains a query or a fragment
    use `garm.url: https://garm.example.com/#top`: it contains a query or a fragment
    use `garm.url: garm.example.com`: it does not begin with `https://`
    use `garm.url: https://`: empty host
    use `garm.url: …@garm`: it has no host
    use `garm.url: https://…@`: empty host
    use `garm.url: `: it does not begin with `https://`
    ");
}

pub(super) fn write(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// The error about these files, without the CA's folder.
fn complaint(authority: &Authority, files: tls::GarmTlsFiles) -> String {
    let error = Http::new(&options("https://garm.test".into(), files)).unwrap_err();
    assert!(error.is_input());
    let folder = authority.folder.path().display().to_string();
    format!("{}\n", words(&error).replace(&folder, "FOLDER"))
}

#[test]
fn an_unusable_ca_is_reported_with_the_reason() {
    let ca = Authority::new();
    let folder = ca.folder.path();
    let (cert, key) = ca.sign("client", &CLIENT);
    let text = write(folder, "text", "no PEM at all\n");
    let cut = write(folder, "cut", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    let empty = write(folder, "empty", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
    let large = write(folder, "large", &"x".repeat((1 << 20) + 1));
    let absent = folder.join("absent");
    let mut report = String::new();
    for bad in [&absent, folder, Path::new("/dev/null"), &text, &cut, &empty, &key, &large, &cert] {
        let files = tls::GarmTlsFiles { ca: Some(bad.to_owned()), ..tls::GarmTlsFiles::default() };
        report.push_str(&complaint(&ca, files));
    }
    insta::assert_snapshot!(report, @"
    read `garm.tls.ca` from `FOLDER/absent`: No such file or directory (os error 2)
    help: check the path in `garm.tls.ca`; it is relative to the fleet file
    read `garm.tls.ca` from `FOLDER`: it is not a regular file
    help: check the path in `garm.tls.ca`; it is relative to the fleet file
    read `garm.tls.ca` from `/dev/null`: it is not a regular file
    help: check the path in `garm.tls.ca`; it is relative to the fleet file
    read `garm.tls.ca` from `FOLDER/text`: it contains no certificate in PEM
    help: a certificate in PEM begins with `-----BEGIN CERTIFICATE-----`
    read `garm.tls.ca` from `FOLDER/cut`: its PEM is truncated or invalid
    help: a certificate in PEM begins with `-----BEGIN CERTIFICATE-----`
    read `garm.tls.ca` from `FOLDER/empty`: it contains an invalid certificate
    help: use the CA that issued GARM's certificate
    read `garm.tls.ca` from `FOLDER/client.key`: it contains a key and no certificate
    help: a certificate in PEM begins with `-----BEGIN CERTIFICATE-----`
    read `garm.tls.ca` from `FOLDER/large`: it is larger than 1 MiB
    help: check the path in `garm.tls.ca`; it is relative to the fleet file
    read `garm.tls.ca` from `FOLDER/client.pem`: its certificate is not a CA certificate
    help: use the CA that issued GARM's certificate, not that certificate itself
    ");
}

#[test]
fn an_unusable_certificate_or_key_is_reported_with_the_reason() {
    let ca = Authority::new();
    let folder = ca.folder.path();
    let (cert, key) = ca.sign("client", &CLIENT);
    let (_, other_key) = ca.sign("other", &CLIENT);
    let text = write(folder, "text", "no PEM at all\n");
    let encrypted = write(
        folder,
        "encrypted",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let absent = folder.join("absent");
    let mut report = String::new();
    let only_cert = tls::GarmTlsFiles { cert: Some(cert.clone()), ..ca.trusted() };
    let only_key = tls::GarmTlsFiles { key: Some(key), ..ca.trusted() };
    report.push_str(&complaint(&ca, only_cert));
    report.push_str(&complaint(&ca, only_key));
    for bad in [absent, text, cert.clone(), encrypted, other_key] {
        report.push_str(&complaint(&ca, ca.presenting((cert.clone(), bad))));
    }
    insta::assert_snapshot!(report, @"
    read `garm.tls`: `garm.tls.cert` is set without `garm.tls.key`
    help: set `garm.tls.key`, or omit both
    read `garm.tls`: `garm.tls.key` is set without `garm.tls.cert`
    help: set `garm.tls.cert`, or omit both
    read `garm.tls.key` from `FOLDER/absent`: No such file or directory (os error 2)
    help: check the path in `garm.tls.key`; it is relative to the fleet file
    read `garm.tls.key` from `FOLDER/text`: it contains no private key in PEM
    help: a key in PEM begins with `-----BEGIN PRIVATE KEY-----`
    read `garm.tls.key` from `FOLDER/client.pem`: it contains a certificate and no key
    help: a key in PEM begins with `-----BEGIN PRIVATE KEY-----`
    read `garm.tls.key` from `FOLDER/encrypted`: the key is encrypted
    help: decrypt it (`openssl pkey -in … -out …`) and keep the file to yourself
    use `garm.tls.cert` `FOLDER/client.pem` with `FOLDER/other.key`: the key belongs to another certificate
    help: set `garm.tls.key` to the key of `garm.tls.cert`
    ");
}

#[test]
fn a_certificate_that_no_server_accepts_is_reported_with_the_reason() {
    let ca = Authority::new();
    let now = "2026-11-25T10:00:00Z".parse().unwrap();
    let expired = ca.sign("expired", &Wanted { name: "operator", years: (2020, 2021) });
    let early = ca.sign("early", &Wanted { name: "operator", years: (2080, 2090) });
    let server = ca.sign_for("server", ExtendedKeyUsagePurpose::ServerAuth);
    let client = ca.sign_for("client", ExtendedKeyUsagePurpose::ClientAuth);
    let says = |pair| {
        let tls = ca.presenting(pair);
        let options = HttpOptions { now: Some(now), ..options("https://garm.test".into(), tls) };
        Http::new(&options).map(drop)
    };
    says(client.clone()).unwrap();
    let swapped = (client.1.clone(), client.0.clone());
    let folder = ca.folder.path().display().to_string();
    let mut report = String::new();
    for pair in [expired, early, server, swapped] {
        let error = says(pair).unwrap_err();
        assert!(error.is_input());
        report.push_str(&format!("{}\n", words(&error).replace(&folder, "FOLDER")));
    }
    insta::assert_snapshot!(report, @"
    read `garm.tls.cert` from `FOLDER/expired.pem`: its certificate has expired: it was valid from 2020-01-01T00:00:00Z until 2021-01-01T00:00:00Z; now it is 2026-11-25T10:00:00Z
    help: renew it, or correct this machine's clock
    read `garm.tls.cert` from `FOLDER/early.pem`: its certificate is not valid yet: it is valid from 2080-01-01T00:00:00Z until 2090-01-01T00:00:00Z; now it is 2026-11-25T10:00:00Z
    help: wait, or correct this machine's clock
    read `garm.tls.cert` from `FOLDER/server.pem`: its certificate is not for clients: its extended key usage lacks `clientAuth`
    help: use a client certificate, not a server's
    read `garm.tls.cert` from `FOLDER/client.key`: it contains a key and no certificate
    help: a certificate in PEM begins with `-----BEGIN CERTIFICATE-----`
    ");
}

#[test]
fn files_that_are_not_pem_are_reported_with_the_command_that_converts_them() {
    let ca = Authority::new();
    let (cert, key) = ca.sign("client", &CLIENT);
    let der = |path: &Path, name: &str| {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|it| !it.starts_with("-----"));
        let bytes = STANDARD.decode(lines.collect::<String>()).unwrap();
        let path = ca.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let (cert_der, key_der) = (der(&cert, "client.der"), der(&key, "key.der"));
    let ca_der = der(&ca.path("ca.pem"), "ca.der");
    let mut report = String::new();
    let from_der = tls::GarmTlsFiles { ca: Some(ca_der), ..tls::GarmTlsFiles::default() };
    for files in
        [from_der, ca.presenting((cert_der, key.clone())), ca.presenting((cert.clone(), key_der))]
    {
        report.push_str(&complaint(&ca, files));
    }
    insta::assert_snapshot!(report, @"
    read `garm.tls.ca` from `FOLDER/ca.der`: it is in DER or PKCS #12, not in PEM
    help: convert it to PEM: `openssl x509 -inform DER -in FOLDER/ca.der -out FOLDER/ca.der.pem`
    read `garm.tls.cert` from `FOLDER/client.der`: it is in DER or PKCS #12, not in PEM
    help: convert it to PEM: `openssl x509 -inform DER -in FOLDER/client.der -out FOLDER/client.der.pem`
    read `garm.tls.key` from `FOLDER/key.der`: it is in DER or PKCS #12, not in PEM
    help: convert it to PEM: `openssl pkey -inform DER -in FOLDER/key.der -out FOLDER/key.der.pem`
    ");
}
