//! Which of consecutive failed reads of GARM are logged.

use std::time::Duration;

use tokio::time::Instant;

use crate::garm::GarmError;

/// Time after which a failure that goes on is logged again.
const REPEAT: Duration = Duration::from_mins(5);

/// The last logged failure.
#[derive(Debug, Default)]
pub(super) struct ReadFailures {
    logged: Option<(Instant, String)>,
}

impl ReadFailures {
    /// Whether the failure is logged: the first one, one with another message, and one in five
    /// minutes.
    pub(super) fn is_due(&mut self, error: &GarmError) -> bool {
        let message = error.got.clone();
        let is_known = self
            .logged
            .as_ref()
            .is_some_and(|(at, known)| *known == message && at.elapsed() < REPEAT);
        if !is_known {
            self.logged = Some((Instant::now(), message));
        }
        !is_known
    }

    /// Notes that GARM was read.
    pub(super) fn end(&mut self) {
        self.logged = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_logged_at_its_start_every_five_minutes_and_when_the_error_changes() {
        let error = |text: &str| GarmError::input("GET /pools", text, "");
        let mut failures = ReadFailures::default();
        let mut logged = 0;
        for _ in 0..61 {
            logged += u32::from(failures.is_due(&error("connection refused")));
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        assert_eq!(logged, 3);
        assert!(failures.is_due(&error("certificate has expired")));
        assert!(!failures.is_due(&error("certificate has expired")));
        failures.end();
        assert!(failures.is_due(&error("certificate has expired")));
    }
}
