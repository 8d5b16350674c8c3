//! Notifies systemd of the state of a service with `Type=notify`. Does nothing without systemd.

use std::time::Duration;

use sd_notify::NotifyState;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The service works, or waits for GARM and says so in its status.
    Ready,
    /// The service reloads its files; [`Notice::Ready`] follows.
    Reloading,
    Stopping,
    /// The loop is running. Must be sent at the interval that [`watchdog`] returns.
    Alive,
    /// A line for `systemctl status`.
    Status(String),
}

/// Sends a notification. A failure is ignored, because it does not affect the service's work.
pub fn tell(notice: &Notice) {
    let sent = match notice {
        Notice::Ready => sd_notify::notify(&[NotifyState::Ready]),
        // `Type=notify-reload` requires the time; other types ignore it.
        Notice::Reloading => match NotifyState::monotonic_usec_now() {
            Ok(now) => sd_notify::notify(&[NotifyState::Reloading, now]),
            Err(_) => sd_notify::notify(&[NotifyState::Reloading]),
        },
        Notice::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Notice::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        Notice::Status(line) => sd_notify::notify(&[NotifyState::Status(line)]),
    };
    drop(sent);
}

/// The interval for [`Notice::Alive`]: half of the unit's `WatchdogSec`; `None` if that is not set.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}
