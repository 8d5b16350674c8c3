//! `demo`: the whole thing on a simulated GARM, in virtual time.
//!
//! Nothing here is acted: the files are read, the plan is made and carried out by the same code
//! that does it in earnest. Only the door leads to a simulator, and the clock to tokio's.

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

/// How long a short job of the story runs.
const SHORT: Duration = Duration::from_secs(45);

/// How long a long one does.
const LONG: Duration = Duration::from_secs(4 * 60);

/// Tells the story. To be run with tokio's clock paused.
pub async fn run(cx: Context<'_>) -> Result<Exit, Failure> {
    let mut stage = DemoStage::new(cx, FLEET);
    stage.title("runnerctl: declare, plan and apply a fleet of runners")?;
    stage.tell("A real GARM is not needed for this: it is simulated, and so is the time.")?;
    write_down(&mut stage)?;
    bring_about(&mut stage).await?;
    let burst = under_load(&stage).await?;
    let jobs = burst + put_to_work(&mut stage).await?;
    change_mind(&mut stage).await?;
    end(&stage, jobs).await
}

fn write_down(stage: &mut DemoStage<'_>) -> Result<(), Failure> {
    stage.scene("The fleet is written down")?;
    stage.tell("The fleet file says where the runners live. It is the trusted one:")?;
    stage.file("runnerctl.yaml", FLEET)?;
    stage.tell("A pool file says what a team wants. This one has two slips:")?;
    stage.file("pools/team.yaml", FIRST)?;
    stage.pools("pools/team.yaml", FIRST);
    stage.validate()?;
    stage.tell("Both are found in one run, each with its cure. Corrected:")?;
    stage.pools("pools/team.yaml", SECOND);
    stage.validate()
}

async fn bring_about(stage: &mut DemoStage<'_>) -> Result<(), Failure> {
    stage.scene("A plan says what would happen, and why")?;
    let plan = stage.plan("plan").await?;
    stage.tell("Nothing has been written so far. Now it is:")?;
    stage.apply("apply", &plan, ApplyOptions::default()).await?;
    stage.tell("Once more, to see that it holds:")?;
    stage.plan("plan").await?;
    Ok(())
}

/// Brings how many jobs were queued.
async fn under_load(stage: &DemoStage<'_>) -> Result<usize, Failure> {
    stage.scene("A burst is scaled for, and let go")?;
    burst::burst(stage, &stage.desired()?).await
}

/// Brings how many jobs were queued.
async fn put_to_work(stage: &mut DemoStage<'_>) -> Result<usize, Failure> {
    stage.scene("Jobs run while the files change")?;
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
    stage.tell("And somebody has changed GARM by hand.")?;
    stage.tell("By hand, `web` may now have 30 runners:")?;
    stage.by_hand(Method::Put, "web", json!({ "max_runners": 30 })).await?;
    stage.tell("In the file, `web` gets a new image, `arm` comes and `gpu` goes:")?;
    stage.difference("pools/team.yaml", SECOND, THIRD)?;
    stage.pools("pools/team.yaml", THIRD);
    let plan = stage.plan("plan").await?;
    stage.tell("`gpu` goes only with leave, and only when its jobs are done. Watch the clock:")?;
    let rotate = vec![stage::name("web")];
    let options = ApplyOptions { rotate, ..ApplyOptions::default() };
    stage.apply("apply --allow-destroy --rotate", &plan, options).await?;
    stage.status("status --runners").await
}

async fn end(stage: &DemoStage<'_>, jobs: usize) -> Result<Exit, Failure> {
    stage.scene("The end of it")?;
    let plan = stage.plan("plan").await?;
    stage.wait(LONG).await;
    let proof = stage.proof();
    stage.tell(&format!(
        "{jobs} jobs were given out: {} ran to their end, {} lost their VM under them.\n\
         The audit log has {} records, and their chain {}.\n\
         All that took {} of virtual time.",
        proof.completed,
        proof.killed,
        proof.records,
        if proof.is_chain_whole { "holds" } else { "is broken" },
        stage.elapsed(),
    ))?;
    stage.tell("To try it by hand: `runnerctl sandbox --write-config runnerctl.yaml`")?;
    let is_well =
        plan.is_empty() && proof.killed == 0 && proof.completed == jobs && proof.is_chain_whole;
    Ok(if is_well { Exit::Done } else { Exit::Failed })
}
