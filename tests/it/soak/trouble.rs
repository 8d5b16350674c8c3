//! The faults of a soak, each for a limited time.

use std::time::Duration;

use runnerctl::sim::{Fault, FaultRule, Knobs};

use super::chance::Chance;
use crate::support::pools::config;
use crate::support::scaling_loop::Rig;

/// The faults in effect at present.
#[derive(Default)]
pub(super) struct Trouble {
    /// Seconds until the knobs and faults are reset.
    left: u64,
    /// Seconds until a watcher is started again; absent while one runs.
    absent: Option<u64>,
}

impl Trouble {
    /// Adds one more fault.
    pub(super) async fn strike(&mut self, rig: &mut Rig, chance: &mut Chance) {
        let lasts = 30 + chance.below(900);
        self.left = self.left.max(lasts);
        match chance.below(14) {
            0 => knobs(rig, |it| {
                (it.event_loss_rate, it.event_late_rate) = (0.3, 0.3);
                it.event_late_by = Duration::from_secs(2);
            }),
            1 => knobs(rig, |it| it.event_loss_rate = 1.0),
            2 => rig.memory.cut_streams(),
            3 => knobs(rig, |it| it.create_fail_rate = 0.5),
            4 => knobs(rig, |it| it.create_fail_rate = 1.0),
            5 => knobs(rig, |it| (it.boot_fail_rate, it.boot_hang_rate) = (0.3, 0.1)),
            6 => knobs(rig, |it| it.boot_fail_rate = 1.0),
            7 => knobs(rig, |it| it.api_fail_rate = 0.3),
            8 => knobs(rig, |it| it.webhook_delay = Duration::from_secs(6)),
            9 => knobs(rig, |it| it.boot_delay = Duration::from_secs(90)),
            10 => self.requests(rig, chance),
            11 => self.away(rig, chance),
            12 if self.absent.is_none() => {
                rig.stop().await;
                self.absent = Some(chance.below(600));
            }
            13 if self.absent.is_none() => {
                rig.kill().await;
                self.absent = Some(chance.below(30));
            }
            _ => {}
        }
    }

    /// A few requests fail, each in its own way.
    fn requests(&mut self, rig: &Rig, chance: &mut Chance) {
        let method = *chance.pick(&["GET", "PUT", "DELETE", ""]);
        let path = *chance.pick(&["", "/pools", "/instances", "/jobs"]);
        let faults = [
            Fault::Status(500),
            Fault::Page(502),
            Fault::Drop,
            Fault::LoseAnswer,
            Fault::Truncate,
            Fault::Slow(Duration::from_secs(3)),
            Fault::TokenExpired,
        ];
        let fault = chance.pick(&faults);
        let times = 1 + u32::try_from(chance.below(12)).unwrap();
        let rule = FaultRule { times, ..FaultRule::once(method, path, fault.clone()) };
        rig.memory.with(|it| it.faults.add(rule));
    }

    /// GARM does not answer at all.
    fn away(&mut self, rig: &Rig, chance: &mut Chance) {
        self.left = 10 + chance.below(150);
        rig.memory.with(|it| it.faults.add(FaultRule::always("", "", Fault::Refuse)));
        rig.memory.cut_streams();
    }

    /// This many seconds have passed.
    pub(super) async fn pass(&mut self, rig: &mut Rig, seconds: u64) {
        self.left = self.left.saturating_sub(seconds);
        if self.left == 0 {
            heal(rig);
        }
        if let Some(left) = self.absent {
            self.absent = left.checked_sub(seconds);
            if self.absent.is_none() {
                rig.start();
            }
        }
    }

    /// Ends all faults.
    pub(super) async fn end(&mut self, rig: &mut Rig) {
        heal(rig);
        if self.absent.take().is_some() {
            rig.start();
        }
    }
}

fn knobs(rig: &Rig, turn: impl FnOnce(&mut Knobs)) {
    rig.memory.with(|it| turn(it.knobs_mut()));
}

fn heal(rig: &Rig) {
    rig.memory.with(|it| {
        it.faults.clear();
        *it.knobs_mut() = config(0).knobs;
    });
}
