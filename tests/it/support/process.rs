//! External processes: polled until a deadline, signalled, and killed when the test ends.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long to wait for a process; the machine may be busy, and only a broken test waits that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Polls an external process until there is a result; fails at the deadline.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends the signal of this name, for example `-TERM`.
pub(crate) fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
}

/// A process that is killed when the test ends.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It has already ended if the test passed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    pub(crate) fn id(&self) -> i32 {
        self.0.id().cast_signed()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.0, name);
    }

    /// Waits for the end and returns the exit code; `None` if a signal has ended it.
    pub(crate) fn code(&mut self) -> Option<i32> {
        eventually("the end of a process", || self.0.try_wait().unwrap()).code()
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn end(&mut self, name: &str) -> Option<i32> {
        self.signal(name);
        self.code()
    }
}
