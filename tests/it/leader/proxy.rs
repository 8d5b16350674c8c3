//! A TCP proxy that records the writes to GARM that pass, and can be cut like a network.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    writes: Arc<Mutex<Vec<(Instant, String)>>>,
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

    /// When each write passed, and its request line.
    pub(super) fn writes(&self) -> Vec<(Instant, String)> {
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
        let answers = self.clone();
        std::thread::spawn(move || answers.pump(server, client, |_| {}));
        self.pump(from, to, |bytes| self.record(bytes));
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

    /// A client sends the head of each request in one piece.
    fn record(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let is_write = |line: &&str| {
            ["PUT /api/", "POST /api/", "DELETE /api/"].iter().any(|start| line.starts_with(start))
                && !line.contains("/auth/login")
        };
        let found = text.lines().filter(is_write).map(|line| (Instant::now(), line.to_owned()));
        self.writes.lock().unwrap().extend(found);
    }
}
