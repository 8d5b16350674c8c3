//! The environment of the demo: a simulated GARM, the files in memory, and the printed narration.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::audit::{self, Actor, Cause};
use crate::config::{self, Manifest, SourceFile, has_error};
use crate::domain::desired::{Desired, Scope};
use crate::domain::entity::EntityKind;
use crate::domain::fleet::Fleet;
use crate::domain::name::{FleetName, PoolName};
use crate::domain::poison::IgnorePoison;
use crate::event::{ApplyEvent, ApplyListener};
use crate::garm::{GarmClient, Method, Request, Transport};
use crate::host::audit_destination::AuditDestination;
use crate::host::clock::Clock;
use crate::plan::{self, Plan};
use crate::reconcile::apply::apply;
use crate::reconcile::audit_trail::AuditContext;
use crate::reconcile::options::ApplyOptions;
use crate::reconcile::read_fleet::{FleetRequest, read_fleet};
use crate::reconcile::writer::Writer;
use crate::render;
use crate::render::plan::PlanHeading;
use crate::render::status::{PoolDecisions, StatusDetail, StatusInputs, fleet_status};
use crate::render::style::{ADDED, GOOD, HELP, NAME, QUIET, REMOVED, paint};
use crate::render::words::{count, span};
use crate::sim::in_memory::InMemoryWorld;
use crate::sim::{JobBatch, Knobs, LogEvent, SimConfig, World};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::progress::ProgressFilter;
use crate::cli::status::first;

/// Pause for the reader after a passage, at a terminal only.
const PAUSE: Duration = Duration::from_millis(700);

/// Pause after one line of an apply, at a terminal only.
const BEAT: Duration = Duration::from_millis(90);

/// The state of the demo.
pub(super) struct DemoStage<'a> {
    cx: Context<'a>,
    memory: Arc<InMemoryWorld>,
    /// The body of a login request, for changes made by hand.
    login: Value,
    client: Arc<GarmClient>,
    clock: Clock,
    began: Timestamp,
    destination: AuditDestination,
    fleet_file: SourceFile,
    pools: SourceFile,
}

/// The result at the end, from the simulator's log and the audit log.
pub(super) struct DemoResult {
    pub(super) completed: usize,
    pub(super) killed: usize,
    pub(super) records: u64,
    pub(super) is_chain_whole: bool,
}

/// A pool name of the demo.
pub(super) fn name(text: &str) -> PoolName {
    PoolName::new(text).expect("the names in the demo are valid")
}

/// A simulated GARM whose runners take 20 to 30 s to boot.
pub(super) fn config() -> SimConfig {
    let knobs = Knobs {
        boot_delay: Duration::from_secs(20),
        boot_jitter: Duration::from_secs(10),
        ..Knobs::default()
    };
    SimConfig { url: "https://garm.example.com".into(), knobs, ..SimConfig::default() }
}

/// The parts of GARM that the demo reads.
pub(super) fn ask() -> FleetRequest {
    FleetRequest { kinds: vec![EntityKind::Organization], ..FleetRequest::default() }
}

/// The audit context of the demo's writes.
pub(super) fn audit_context(
    destination: AuditDestination,
    clock: Clock,
    fleet: &Fleet,
    owner: &FleetName,
) -> AuditContext {
    let actor = Actor {
        user: "demo".into(),
        host: String::new(),
        pid: 1,
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let cause = Cause {
        command: "demo".into(),
        plan: None,
        fleet: Some(owner.to_string()),
        ..Cause::default()
    };
    AuditContext { book: destination, actor, cause, clock, line: fleet.line() }
}

impl<'a> DemoStage<'a> {
    pub(super) fn new(cx: Context<'a>, fleet_file: &str) -> Self {
        let config = config();
        let login = json!({ "username": config.username, "password": config.password });
        let memory = InMemoryWorld::new(World::new(config));
        let began = memory.with(|world| world.now());
        Self {
            cx,
            client: Arc::new(memory.client()),
            memory,
            login,
            clock: Clock::starting_at(began),
            began,
            destination: AuditDestination::memory(),
            fleet_file: source("runnerctl.yaml", fleet_file),
            pools: source("pools/team.yaml", "pools: []\n"),
        }
    }

    pub(super) fn title(&self, text: &str) -> Result<(), Failure> {
        self.print(&paint(NAME, text))
    }

    /// Prints the heading of a chapter.
    pub(super) fn scene(&self, text: &str) -> Result<(), Failure> {
        self.pause(PAUSE);
        let line = "─".repeat(self.cx.print.width().min(100).saturating_sub(text.len() + 4));
        self.print(&format!(
            "\n{} {} {}\n",
            paint(QUIET, "──"),
            paint(NAME, text),
            paint(QUIET, line)
        ))
    }

    pub(super) fn tell(&self, text: &str) -> Result<(), Failure> {
        self.print(&format!("\n{text}"))?;
        self.pause(PAUSE);
        Ok(())
    }

    /// Prints a file with its path.
    pub(super) fn file(&self, path: &str, text: &str) -> Result<(), Failure> {
        let lines = text.lines().map(|line| format!("{} {line}", paint(QUIET, "  │")));
        let lines: Vec<String> = lines.collect();
        self.print(&format!("\n  {}\n{}", paint(QUIET, path), lines.join("\n")))?;
        self.pause(PAUSE);
        Ok(())
    }

    /// Prints a file with the lines that have changed, which follow each other.
    pub(super) fn difference(&self, path: &str, old: &str, new: &str) -> Result<(), Failure> {
        let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
        let is_equal = |(old, new): &(&&str, &&str)| old == new;
        let start = old.iter().zip(&new).take_while(is_equal).count();
        let (removed, added) = (&old[start..], &new[start..]);
        let end = removed.iter().rev().zip(added.iter().rev()).take_while(is_equal).count();
        let (removed, added) = (&removed[..removed.len() - end], &added[..added.len() - end]);
        let context = |line: &&str| format!("    {line}\n");
        let mut text = format!("\n  {}\n", paint(QUIET, path));
        text.extend(old[..start].iter().map(context));
        text.extend(removed.iter().map(|line| paint(REMOVED, format!("  - {line}")) + "\n"));
        text.extend(added.iter().map(|line| paint(ADDED, format!("  + {line}")) + "\n"));
        text.extend(old[old.len() - end..].iter().map(context));
        self.print(&text)
    }

    pub(super) fn pools(&mut self, path: &str, text: &str) {
        self.pools = source(path, text);
    }

    pub(super) fn validate(&self) -> Result<(), Failure> {
        self.command("validate")?;
        let manifest = self.manifest();
        let text = if has_error(&manifest.problems) {
            render::problem::text(&manifest.problems)
        } else {
            paint(GOOD, format!("{}, no problems", count(manifest.pools.len(), "pool")))
        };
        self.print(&text)
    }

    pub(super) async fn plan(&self, command: &str) -> Result<Plan, Failure> {
        self.command(command)?;
        let plan = self.plan_now().await?;
        self.print(&render::plan::text(&plan, &self.heading(), self.cx.print.width()))?;
        Ok(plan)
    }

    /// Applies a plan and prints each event with its virtual time.
    pub(super) async fn apply(
        &self,
        command: &str,
        plan: &Plan,
        options: ApplyOptions,
    ) -> Result<(), Failure> {
        self.command(command)?;
        let fleet = self.read().await?;
        let audit_context =
            audit_context(self.destination.clone(), self.clock, &fleet, &plan.fleet);
        let writer = Writer::new(Arc::clone(&self.client), audit_context);
        let narrator = ApplyNarrator { stage: self, news: ProgressFilter::default() };
        let outcomes = apply(plan, &writer, &options, &narrator).await;
        self.print(&format!("\n{}", render::outcome::text(&outcomes, self.cx.print.width())))
    }

    pub(super) async fn status(&self, command: &str) -> Result<(), Failure> {
        self.command(command)?;
        let fleet = self.read().await?;
        let manifest = self.manifest();
        let plan = self.plan_now().await?;
        let told = first(&plan.fleet, &manifest.pools, &fleet);
        let inputs = StatusInputs {
            owner: &plan.fleet,
            declared: &manifest.pools,
            fleet: &fleet,
            plan: Some(&plan),
            decisions: &PoolDecisions { source: None, by_pool: told },
        };
        let detail =
            if command.contains("--runners") { StatusDetail::Runners } else { StatusDetail::Pools };
        self.print(&render::status::text(&fleet_status(inputs), detail, self.cx.print.width()))
    }

    pub(super) async fn wait(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }

    pub(super) fn queue(&self, order: &JobBatch) {
        self.memory.with(|world| world.queue_jobs(order));
    }

    /// Changes a pool as another user would, by a direct call of GARM's API.
    pub(super) async fn by_hand(
        &self,
        method: Method,
        pool: &str,
        body: Value,
    ) -> Result<(), Failure> {
        let fleet = self.read().await?;
        let owner = FleetName::new("acme").map_err(Failure::input)?;
        let found =
            fleet.pools.iter().find(|candidate| candidate.owned_name(&owner) == Some(name(pool)));
        let id = found.map(|pool| pool.id.to_string()).unwrap_or_default();
        let reply = self.send(Method::Post, "/auth/login", self.login.clone(), None).await?;
        let token = reply["token"].as_str().unwrap_or_default().to_owned();
        self.print(&paint(QUIET, format!("    {} /pools/{id} {body}", method.word())))?;
        let token = Some(SecretString::from(token));
        self.send(method, &format!("/pools/{id}"), body, token).await?;
        Ok(())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Value,
        token: Option<SecretString>,
    ) -> Result<Value, Failure> {
        let request = Request { method, path: path.to_owned(), body: Some(body), token };
        let response = self.memory.send(request).await.map_err(anyhow::Error::new)?;
        Ok(serde_json::from_slice(&response.body).map_err(anyhow::Error::new)?)
    }

    pub(super) fn proof(&self) -> DemoResult {
        let (completed, killed) = self.memory.with(|world| {
            let ended = |entry: &&crate::sim::LogEntry| {
                matches!(&entry.what, LogEvent::JobCompleted { conclusion, .. } if conclusion == "success")
            };
            (world.log().iter().filter(ended).count(), world.killed_jobs().len())
        });
        let text = match &self.destination {
            AuditDestination::Memory(memory) => memory.lock().ignoring_poison().text.clone(),
            AuditDestination::File(_) | AuditDestination::Sink(_) | AuditDestination::Off => {
                String::new()
            }
        };
        let file = audit::NamedFile { name: "demo", bytes: text.as_bytes() };
        let report = audit::verify(&[file], audit::CheckCriteria::default());
        let is_chain_whole = report.broken.is_none() && report.gaps.is_empty();
        DemoResult { completed, killed, records: report.records, is_chain_whole }
    }

    pub(super) fn elapsed(&self) -> String {
        span(self.since())
    }

    fn since(&self) -> Duration {
        Duration::try_from(self.clock.now().duration_since(self.began)).unwrap_or_default()
    }

    fn manifest(&self) -> Manifest {
        config::load(Some(&self.fleet_file), std::slice::from_ref(&self.pools))
    }

    async fn read(&self) -> Result<Fleet, Failure> {
        Ok(read_fleet(&self.client, &ask(), &self.clock).await?)
    }

    /// The desired state that the files declare.
    pub(super) fn desired(&self) -> Result<Desired, Failure> {
        let complete = self.manifest().complete(Scope::Whole);
        complete.map_err(|problems| Failure::input(render::problem::text(&problems)))
    }

    pub(super) fn client(&self) -> &Arc<GarmClient> {
        &self.client
    }

    pub(super) fn memory(&self) -> &Arc<InMemoryWorld> {
        &self.memory
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    pub(super) async fn audit_context(&self) -> Result<AuditContext, Failure> {
        let fleet = self.read().await?;
        Ok(audit_context(self.destination.clone(), self.clock, &fleet, &self.desired()?.fleet))
    }

    /// Prints one line with its virtual time.
    pub(super) fn beat(&self, line: &str) {
        let seconds = self.since().as_secs();
        let time = paint(QUIET, format!("  {:>2}:{:02}", seconds / 60, seconds % 60));
        // The next passage fails with the same error and returns it.
        let _ = self.print(&format!("{time}  {line}"));
        self.pause(BEAT);
    }

    async fn plan_now(&self) -> Result<Plan, Failure> {
        Ok(plan::plan(&self.desired()?, &self.read().await?, &plan::PlanOptions::default()))
    }

    fn heading(&self) -> PlanHeading {
        PlanHeading {
            garm: None,
            garm_url: self.client.address(),
            fleet_file: self.fleet_file.path.clone(),
        }
    }

    pub(super) fn command(&self, command: &str) -> Result<(), Failure> {
        self.pause(PAUSE);
        self.print(&format!(
            "\n{} {}\n",
            paint(HELP, "$"),
            paint(NAME, format!("runnerctl {command}"))
        ))?;
        self.pause(PAUSE);
        Ok(())
    }

    fn print(&self, text: &str) -> Result<(), Failure> {
        self.cx.print.result(text)
    }

    /// Pauses in real time for the reader; virtual time stands still.
    fn pause(&self, length: Duration) {
        if std::io::stdout().is_terminal() && !self.cx.print.is_unread() {
            std::thread::sleep(length);
        }
    }
}

fn source(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned(), folder: None }
}

/// Prints what an apply does, each line with its virtual time.
struct ApplyNarrator<'a> {
    stage: &'a DemoStage<'a>,
    news: ProgressFilter,
}

impl ApplyListener for ApplyNarrator<'_> {
    fn hear(&self, event: &ApplyEvent) {
        if let Some(line) = self.news.line(event) {
            self.stage.beat(&line);
        }
    }
}
