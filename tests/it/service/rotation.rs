//! Secrets that change while `watch` runs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::stage::{Stage, eventually, get};

/// A Vault that serves the current content of a file and counts its reads.
fn vault(file: PathBuf) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let reads = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&reads);
    // It ends with the process and is never joined.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
                head.push(byte[0]);
            }
            let is_mount = head.starts_with(b"GET /v1/sys/internal/ui/mounts/");
            let data = if is_mount {
                json!({ "path": "secret/", "type": "kv", "options": { "version": "2" } })
            } else {
                count.fetch_add(1, Ordering::SeqCst);
                let password = std::fs::read_to_string(&file).unwrap_or_default();
                json!({ "data": { "password": password.trim_end() } })
            };
            let body = json!({ "data": data }).to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
            // A client that disconnected has read its answer.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, reads)
}

/// Makes the password in the fleet file a reference to Vault.
fn refer_to_vault(stage: &Stage) {
    let config = stage.read("runnerctl.yaml");
    let line = config.lines().find(|it| it.trim_start().starts_with("password:")).unwrap();
    let text = config.replace(line, "  password: vault:secret/garm#password");
    stage.write("runnerctl.yaml", &text);
}

/// Restarts GARM with another key for its tokens and another admin password.
fn rotate(stage: &mut Stage, password: &Path) -> (String, String) {
    let old = std::fs::read_to_string(password).unwrap();
    stage.stop_garm();
    eventually("an end of readiness", || get(stage.watch, "/readyz").filter(|it| it.0 == 503));
    stage.start_garm();
    (old, std::fs::read_to_string(password).unwrap())
}

#[test]
fn a_rotated_password_is_read_again_from_vault_when_garm_refuses_the_token() {
    let mut stage = Stage::set();
    let password = stage.path("sandbox.yaml.password");
    let (address, reads) = vault(password.clone());
    refer_to_vault(&stage);
    let address = format!("http://{address}");
    let variables = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "canary-vault-token")];
    let mut watch = stage.start_watch_with("watch", &["-vvv"], &variables);
    stage.until_ready(stage.watch);
    assert_eq!(reads.load(Ordering::SeqCst), 1);
    let (old, new) = rotate(&mut stage, &password);
    assert_ne!(old, new);
    stage.until_ready(stage.watch);
    assert!(reads.load(Ordering::SeqCst) >= 2);
    assert_eq!(watch.end("-TERM"), Some(0));
    let said = stage.read("watch.err") + &stage.read("watch.out");
    for secret in [old.trim_end(), new.trim_end(), "canary-vault-token"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn a_rotated_password_in_a_file_is_read_again_without_a_restart() {
    let mut stage = Stage::set();
    let mut watch = stage.watch();
    let password = stage.path("sandbox.yaml.password");
    let (old, new) = rotate(&mut stage, &password);
    assert_ne!(old, new);
    stage.until_ready(stage.watch);
    assert_eq!(watch.end("-TERM"), Some(0));
}
