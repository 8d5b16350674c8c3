//! Files that change while the loop runs: looked at with each full read of GARM, and when SIGHUP
//! says so. What cannot be used leaves the old in force.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::watch::Sender;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::alerting::Alerting;
use super::drifts::Drifts;
use super::identity::Identity;
use super::journal::{Journal, Line, Weight};
use super::proving::Demand;
use super::setup::{Refused, Setup, digest, read};
use super::verdicts::Verdicts;
use crate::cli::args::Globals;
use crate::cli::connect::expect;
use crate::cli::policies::Policies;
use crate::engine::watch::{Order, Roll, Writes};
use crate::garm::Client;
use crate::host::systemd::{self, Notice};
use crate::telemetry::{Board, Certificates, Config};
use crate::view::words::count;

/// What brought a look about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// A full read: said is only what has changed.
    Read,
    /// SIGHUP: also said when nothing has.
    Hangup,
}

const ANEW: &str = "the files have changed and are in force";
const AS_BEFORE: &str = "the files are as they were";

/// Watches the files.
pub(super) struct Reloader {
    pub(super) globals: Globals,
    pub(super) journal: Journal,
    pub(super) board: Arc<Board>,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) client: Arc<Client>,
    pub(super) alerting: Arc<Alerting>,
    pub(super) certificates: Option<Arc<Certificates>>,
    /// What the policy asks of mTLS, for the probes.
    pub(super) demands: Sender<Demand>,
    /// A round of probes is wanted.
    pub(super) again: Arc<Notify>,
    pub(super) writes: Writes,
    /// Our certificate for GARM, and what it is trusted by.
    pub(super) identity: Identity,
    /// The report on the requirements.
    pub(super) verdicts: Arc<Verdicts>,
    pub(super) policies: Sender<Policies>,
    /// As it was at the start: what of it needs a restart is still in force.
    pub(super) started: Setup,
    /// As it was read last.
    pub(super) read: Result<Setup, Refused>,
    /// What the files held then.
    pub(super) digest: [u8; 32],
    /// What the pools are held against.
    pub(super) drifts: Drifts,
}

impl Reloader {
    /// Looks whenever it is asked to, until `stop`.
    pub(super) async fn run(mut self, mut causes: mpsc::Receiver<Cause>, stop: CancellationToken) {
        loop {
            tokio::select! {
                cause = causes.recv() => match cause {
                    Some(cause) => self.look(cause).await,
                    None => return,
                },
                () = stop.cancelled() => return,
            }
        }
    }

    /// Looks at the files, and takes over what has changed in them.
    async fn look(&mut self, cause: Cause) {
        self.identity.look(&self.started).await;
        let (globals, before) = (self.globals.clone(), self.digest);
        let looking = tokio::task::spawn_blocking(move || {
            let digest = digest(&globals);
            let is_same = cause == Cause::Read && before == digest;
            (!is_same).then(|| (digest, read(&globals)))
        });
        // Reading files does not panic, and nothing but the end of the program aborts it.
        let Ok(Some((digest, found))) = looking.await else { return };
        self.digest = digest;
        if cause == Cause::Read && found == self.read {
            return;
        }
        if cause == Cause::Hangup {
            systemd::tell(&Notice::Reloading);
            self.again.notify_one();
        }
        let said = if found == self.read { AS_BEFORE } else { ANEW };
        self.read = found;
        match self.read.clone() {
            Ok(fresh) => self.take(&fresh, said).await,
            Err(refused) => self.refuse(&refused),
        }
        if cause == Cause::Hangup {
            systemd::tell(&Notice::Ready);
        }
    }

    fn refuse(&self, refused: &Refused) {
        self.board.config(Config::Refused);
        let text = format!("{}: what was in force stays in force", refused.message);
        self.journal.say(
            Line::new(Weight::Error, "reload", text)
                .help("`runnerctl validate` shows what is wrong")
                .with(json!({ "outcome": "refused" })),
        );
        for line in refused.report.lines().filter(|it| !it.trim().is_empty()) {
            let line = anstream::adapter::strip_str(line).to_string();
            self.journal.say(Line::new(Weight::Note, "reload", line));
        }
    }

    async fn take(&self, fresh: &Setup, said: &str) {
        if let Err(line) = self.take_beside(fresh).await {
            self.board.config(Config::Refused);
            return self.journal.say(line);
        }
        self.board.config(Config::Taken);
        expect(&self.client, &fresh.pools);
        self.drifts.reload(fresh);
        self.policies.send_replace(fresh.policies.clone());
        self.verdicts.files(fresh);
        self.demands.send_if_modified(|it| {
            let before = std::mem::replace(it, Demand::of(&fresh.file.policy, self.writes));
            before != *it
        });
        for name in self.started.needs_restart(fresh) {
            let text = format!("`{name}` has changed and takes a restart to be in force");
            self.journal.say(Line::new(Weight::Warning, "reload", text));
        }
        let pools = count(fresh.pools.len(), "pool");
        let text = format!("{said}: {pools}");
        self.journal
            .say(Line::new(Weight::Note, "reload", text).with(json!({ "outcome": "done" })));
        let roll = Roll { fleet: self.started.file.fleet.clone(), ..fresh.roll() };
        // Nobody takes the order when the loop has ended: there is nothing to reload for then.
        let _ = self.orders.send(Order::Reload(roll)).await;
    }

    /// The listener's certificate, alert rules and receivers; on an error the old ones stay.
    async fn take_beside(&self, fresh: &Setup) -> Result<(), Line> {
        if let (Some(certificates), Some(files)) = (&self.certificates, &fresh.watch.tls) {
            certificates.reload(files).map_err(|error| {
                let text = format!("{error}: what was in force stays in force");
                Line::new(Weight::Error, "reload", text)
            })?;
        }
        self.alerting.reload(fresh, &fresh.allowed(&self.globals)).await.map_err(|failure| {
            let text = format!("{}: what was in force stays in force", failure.message);
            Line::new(Weight::Error, "reload", text).help(failure.help.unwrap_or_default())
        })
    }
}
