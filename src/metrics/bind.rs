//! Binds the address of the HTTP listener.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use tokio::net::TcpListener;

#[derive(Debug, thiserror::Error)]
#[error("cannot listen on `{address}`: {why}")]
pub struct BindError {
    pub address: SocketAddr,
    /// The reason in a few words.
    pub why: String,
    pub help: &'static str,
}

/// Binds `address`. With port 0, the system chooses a free port.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|error| {
        let (why, help) = explain(&error);
        BindError { address, why, help }
    })
}

fn explain(error: &Error) -> (String, &'static str) {
    match error.kind() {
        ErrorKind::AddrInUse => (
            "another program is listening there".into(),
            "stop it (another `watch`?), or choose another port with `--listen` or `watch.listen`",
        ),
        ErrorKind::PermissionDenied => (
            "permission denied".into(),
            "choose a port above 1023, or give the service `CAP_NET_BIND_SERVICE`",
        ),
        ErrorKind::AddrNotAvailable => (
            "this machine does not have that address".into(),
            "choose one of its own, `127.0.0.1` or `0.0.0.0` with `--listen` or `watch.listen`",
        ),
        _ => (error.to_string(), "choose another address with `--listen` or `watch.listen`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_in_use_and_one_of_another_machine_have_different_errors() {
        let first = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let taken = first.local_addr().unwrap();
        let error = bind(taken).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot listen on `{taken}`: another program is listening there")
        );
        // 192.0.2.0/24 is reserved for documentation, so no machine has it.
        let error = bind("192.0.2.1:9477".parse().unwrap()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot listen on `192.0.2.1:9477`: this machine does not have that address"
        );
    }

    #[test]
    fn a_port_without_permission_has_its_own_error() {
        let (why, help) = explain(&Error::from(ErrorKind::PermissionDenied));
        assert_eq!(why, "permission denied");
        assert!(help.starts_with("choose a port above 1023"), "{help}");
    }
}
