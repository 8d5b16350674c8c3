//! Notifies systemd of the state of a service with `Type=notify`. Does nothing without systemd.

use std::time::Duration;

use sd_notify::NotifyState;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemdNotice {
    /// The service works, or waits for GARM and says so in its status.
    Ready,
    /// The service reloads its files; [`SystemdNotice::Ready`] follows.
    Reloading,
    Stopping,
    /// The loop is running. Must be sent at the interval that [`watchdog`] returns.
    Alive,
    /// A line for `systemctl status`.
    Status(String),
}

/// Sends a notification. A failure is ignored, because it does not affect the service's work.
pub fn tell(notice: &SystemdNotice) {
    let sent = match notice {
        SystemdNotice::Ready => sd_notify::notify(&[NotifyState::Ready]),
        // `Type=notify-reload` requires the time; other types ignore it.
        SystemdNotice::Reloading => match NotifyState::monotonic_usec_now() {
            Ok(now) => sd_notify::notify(&[NotifyState::Reloading, now]),
            Err(_) => sd_notify::notify(&[NotifyState::Reloading]),
        },
        SystemdNotice::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        SystemdNotice::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        SystemdNotice::Status(line) => sd_notify::notify(&[NotifyState::Status(line)]),
    };
    drop(sent);
}

/// The interval for [`SystemdNotice::Alive`]: half of the unit's `WatchdogSec`; `None` if that is not set.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}
