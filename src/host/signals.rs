//! SIGINT and SIGTERM, as something to wait for; SIGHUP apart from them, which ends nothing.

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// A signal that asks us to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: Ctrl-C. Exit code 130.
    Interrupt,
    /// SIGTERM. Exit code 143.
    Terminate,
}

impl Signal {
    /// The exit code of a command that it ended: 128 and the signal's number.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// Both signals, one after another as they come. While it lives they do not end the process.
pub struct Signals {
    interrupt: Stream,
    terminate: Stream,
}

impl Signals {
    /// Begins to catch them; needs a running tokio. Fails when the system refuses a handler.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The next one. Can be dropped while it waits: no signal is lost by that.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

/// SIGHUP: read the files anew. While it lives the signal does not end the process.
pub struct Hangups(Stream);

impl Hangups {
    /// Begins to catch it; needs a running tokio. Fails when the system refuses a handler.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// The next one; several that come together may be one. Can be dropped while it waits.
    pub async fn next(&mut self) {
        self.0.recv().await;
    }
}
