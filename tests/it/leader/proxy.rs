//! A TCP proxy that records the writes to GARM that pass, and can be cut like a network.
//!
//! [`one_writes_at_a_time`] compares the records of several processes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A request that can change GARM.
#[derive(Debug, Clone)]
pub(super) struct PassedWrite {
    /// When it was passed on to GARM.
    pub(super) sent: Instant,
    /// When GARM answered; absent while it has not.
    pub(super) answered: Option<Instant>,
    /// The request line.
    pub(super) line: String,
}

#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    writes: Arc<Mutex<Vec<PassedWrite>>>,
    is_cut: Arc<AtomicBool>,
}

impl Proxy {
    /// Forwards to `target` until the process of the tests ends.
    pub(super) fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = Self { address, writes: Arc::default(), is_cut: Arc::default() };
        let taken = proxy.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, taken) = (client.unwrap(), taken.clone());
                std::thread::spawn(move || taken.carry(client, target));
            }
        });
        proxy
    }

    /// From now on nothing passes, and no connection is closed.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
    }

    pub(super) fn heal(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }

    /// The writes that have passed.
    pub(super) fn writes(&self) -> Vec<PassedWrite> {
        self.writes.lock().unwrap().clone()
    }

    fn wait_while_cut(&self) {
        while self.is_cut.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn carry(&self, client: TcpStream, target: SocketAddr) {
        self.wait_while_cut();
        let Ok(server) = TcpStream::connect(target) else { return };
        let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        // The index of the write of this connection that waits for its answer.
        let waiting = Arc::new(Mutex::new(None));
        let (answers, asked) = (self.clone(), Arc::clone(&waiting));
        std::thread::spawn(move || {
            answers.pump(server, client, |_| {
                if let Some(write) = asked.lock().unwrap().take() {
                    let write: usize = write;
                    answers.writes.lock().unwrap()[write].answered = Some(Instant::now());
                }
            });
        });
        self.pump(from, to, |bytes| {
            if let Some(write) = self.record(bytes) {
                *waiting.lock().unwrap() = Some(write);
            }
        });
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream, look: impl Fn(&[u8])) {
        let mut bytes = [0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            self.wait_while_cut();
            look(&bytes[..read]);
            if to.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }

    /// Returns the index of the write that begins with these bytes. A client sends the head of each
    /// request in one piece, and one request at a time over a connection.
    fn record(&self, bytes: &[u8]) -> Option<usize> {
        let text = String::from_utf8_lossy(bytes);
        let is_write = |line: &&str| {
            ["PUT /api/", "POST /api/", "DELETE /api/"].iter().any(|start| line.starts_with(start))
                && !line.contains("/auth/login")
        };
        let line = text.lines().find(is_write)?.to_owned();
        let mut writes = self.writes.lock().unwrap();
        writes.push(PassedWrite { sent: Instant::now(), answered: None, line });
        Some(writes.len() - 1)
    }
}

/// Asserts that no process wrote before the last write of another one was answered, and returns the
/// processes that wrote, in turn: numbers of `proxies`, which all lead to one GARM.
pub(super) fn one_writes_at_a_time(proxies: &[&Proxy]) -> Vec<usize> {
    let of = |(process, proxy): (usize, &&Proxy)| -> Vec<(usize, PassedWrite)> {
        proxy.writes().into_iter().map(|write| (process, write)).collect()
    };
    let mut writes: Vec<(usize, PassedWrite)> = proxies.iter().enumerate().flat_map(of).collect();
    writes.sort_by_key(|(_, write)| write.sent);
    let mut turns: Vec<usize> = Vec::new();
    // When the last answer to each process arrived.
    let mut answered: Vec<Option<Instant>> = vec![None; proxies.len()];
    for (process, write) in &writes {
        for (other, at) in answered.iter().enumerate().filter(|(other, _)| other != process) {
            assert!(at.is_none_or(|at| at <= write.sent), "{other} beside {process}: {write:?}");
        }
        let end = write.answered.unwrap_or(write.sent);
        answered[*process] = answered[*process].max(Some(end));
        if turns.last() != Some(process) {
            turns.push(*process);
        }
    }
    turns
}
