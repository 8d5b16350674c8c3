//! Waits for SIGINT and SIGTERM, which end the process, and for SIGHUP, which does not.

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// A signal that asks the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT (Ctrl-C); the process exits with 130.
    Interrupt,
    /// SIGTERM; the process exits with 143.
    Terminate,
}

impl Signal {
    /// The exit code of a command that the signal ended: 128 plus the number of the signal.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// Receives SIGINT and SIGTERM. While this receiver exists, they do not end the process by
/// themselves.
pub struct Signals {
    interrupt: Stream,
    terminate: Stream,
}

impl Signals {
    /// Installs the handlers, within a tokio runtime. Errors if the system refuses one.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal. Cancel safe: dropping the future loses no signal.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

/// Receives SIGHUP, which reloads the files. While this receiver exists, the signal does not end
/// the process.
pub struct Hangups(Stream);

impl Hangups {
    /// Installs the handler, within a tokio runtime. Errors if the system refuses it.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Waits for the next signal; several that arrive together may be merged. Cancel safe.
    pub async fn next(&mut self) {
        self.0.recv().await;
    }
}
