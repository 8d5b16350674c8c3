//! What systemd is told of a service of `Type=notify`. Without systemd, nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It does its work, or waits for GARM and says so.
    Ready,
    /// It reads its files anew; [`Notice::Ready`] follows.
    Reloading,
    /// It ends.
    Stopping,
    /// It turns: due within the time of [`watchdog`].
    Alive,
    /// One line for `systemctl status`.
    Status(String),
}

/// Tells systemd. That it cannot be told changes nothing about the work, so it is no error.
pub fn tell(notice: &Notice) {
    let told = match notice {
        Notice::Ready => sd_notify::notify(&[NotifyState::Ready]),
        // systemd wants the time of a `Type=notify-reload`, and ignores it otherwise.
        Notice::Reloading => match NotifyState::monotonic_usec_now() {
            Ok(now) => sd_notify::notify(&[NotifyState::Reloading, now]),
            Err(_) => sd_notify::notify(&[NotifyState::Reloading]),
        },
        Notice::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Notice::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        Notice::Status(line) => sd_notify::notify(&[NotifyState::Status(line)]),
    };
    drop(told);
}

/// How often [`Notice::Alive`] is due: half of what the unit's `WatchdogSec` allows; nothing
/// without one.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|it| it / 2)
}
