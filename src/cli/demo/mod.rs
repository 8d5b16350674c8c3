//! `demo`: declares, plans, applies and scales a fleet on a simulated GARM, in virtual time.
//!
//! The files are read and the plan is made and applied by the same code as in production. Only the
//! transport leads to the simulator, and the clock is tokio's.

mod burst;
mod stage;

use std::time::Duration;

use serde_json::json;

use crate::garm::Method;
use crate::reconcile::options::ApplyOptions;
use crate::sim::JobBatch;

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use stage::DemoStage;

const FLEET: &str = include_str!("runnerctl.yaml");
const FIRST: &str = include_str!("first.yaml");
const SECOND: &str = include_str!("second.yaml");
const THIRD: &str = include_str!("third.yaml");

/// Duration of a short job.
const SHORT: Duration = Duration::from_secs(45);

/// Duration of a long job.
const LONG: Duration = Duration::from_secs(4 * 60);

/// Runs the demo. Requires tokio's clock to be paused.
pub async fn run(cx: Context<'_>) -> Result<Exit, Failure> {
    let mut stage = DemoStage::new(cx, FLEET);
    stage.title("runnerctl: declare, plan and apply a fleet of runners")?;
    stage.tell("This demo needs no real GARM: it is simulated, and so is the time.")?;
    write_down(&mut stage)?;
    bring_about(&mut stage).await?;
    let burst = under_load(&stage).await?;
    let jobs = burst + put_to_work(&mut stage).await?;
    change_mind(&mut stage).await?;
    end(&stage, jobs).await
}

fn write_down(stage: &mut DemoStage<'_>) -> Result<(), Failure> {
    stage.scene("Declare the fleet")?;
    stage.tell("The fleet file says where the runners live. It is trusted:")?;
    stage.file("runnerctl.yaml", FLEET)?;
    stage.tell("A pool file declares what a team wants. This one has two mistakes:")?;
    stage.file("pools/team.yaml", FIRST)?;
    stage.pools("pools/team.yaml", FIRST);
    stage.validate()?;
    stage.tell("One run finds both, each with its correction. Corrected:")?;
    stage.pools("pools/team.yaml", SECOND);
    stage.validate()
}

async fn bring_about(stage: &mut DemoStage<'_>) -> Result<(), Failure> {
    stage.scene("Plan the changes, then apply them")?;
    let plan = stage.plan("plan").await?;
    stage.tell("Nothing has been written so far. Apply it:")?;
    stage.apply("apply", &plan, ApplyOptions::default()).await?;
    stage.tell("A second plan has nothing to do:")?;
    stage.plan("plan").await?;
    Ok(())
}

/// Returns the number of queued jobs.
async fn under_load(stage: &DemoStage<'_>) -> Result<usize, Failure> {
    stage.scene("Scale up for a burst, and down again")?;
    burst::burst(stage, &stage.desired()?).await
}

/// Returns the number of queued jobs.
async fn put_to_work(stage: &mut DemoStage<'_>) -> Result<usize, Failure> {
    stage.scene("Change the files while jobs run")?;
    stage.wait(Duration::from_secs(30)).await;
    stage.queue(&JobBatch::new(1, &["gpu"]).lasting(LONG / 2));
    stage.queue(&JobBatch::new(1, &["gpu"]).lasting(LONG));
    stage.queue(&JobBatch::new(3, &["linux", "web"]).lasting(SHORT));
    stage.queue(&JobBatch::new(2, &["linux", "web"]).lasting(LONG));
    stage.tell("Two long jobs for `gpu`, five for `web`. Ten seconds later:")?;
    stage.wait(Duration::from_secs(10)).await;
    stage.status("status").await?;
    Ok(7)
}

async fn change_mind(stage: &mut DemoStage<'_>) -> Result<(), Failure> {
    stage.tell("A pool has also been changed in GARM by hand.")?;
    stage.tell("Changed by hand, `web` may now have 30 runners:")?;
    stage.by_hand(Method::Put, "web", json!({ "max_runners": 30 })).await?;
    stage.tell("In the file, `web` gets a new image, `arm` is added and `gpu` is removed:")?;
    stage.difference("pools/team.yaml", SECOND, THIRD)?;
    stage.pools("pools/team.yaml", THIRD);
    let plan = stage.plan("plan").await?;
    stage.tell("Deleting `gpu` needs permission, and waits for its jobs. Watch the clock:")?;
    let rotate = vec![stage::name("web")];
    let options = ApplyOptions { rotate, ..ApplyOptions::default() };
    stage.apply("apply --allow-destroy --rotate", &plan, options).await?;
    stage.status("status --runners").await
}

async fn end(stage: &DemoStage<'_>, jobs: usize) -> Result<Exit, Failure> {
    stage.scene("Summary")?;
    let plan = stage.plan("plan").await?;
    stage.wait(LONG).await;
    let proof = stage.proof();
    stage.tell(&format!(
        "{jobs} jobs were started: {} ran to their end, {} lost their VM.\n\
         The audit log has {} records, and its chain {}.\n\
         All that took {} of virtual time.",
        proof.completed,
        proof.killed,
        proof.records,
        if proof.is_chain_whole { "verifies" } else { "is broken" },
        stage.elapsed(),
    ))?;
    stage.tell("To try it yourself: `runnerctl sandbox --write-config runnerctl.yaml`")?;
    let is_well =
        plan.is_empty() && proof.killed == 0 && proof.completed == jobs && proof.is_chain_whole;
    Ok(if is_well { Exit::Done } else { Exit::Failed })
}
