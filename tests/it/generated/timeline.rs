//! The worked example of `docs/scaling.md`: the loop of `runnerctl watch` with the simulated GARM,
//! in virtual time, as a table of events and as a picture.

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;
use runnerctl::domain::desired::ScalePolicy;
use runnerctl::domain::job::JobStatus;
use runnerctl::domain::runner::{Runner, RunnerStatus};
use runnerctl::sim::SimConfig;

use super::{keep, keep_part, table};
use crate::support::pools;
use crate::support::scaling_loop::{LoopRig, RunningLoop, steady, wait};

/// The number of simultaneous jobs, and the duration of each.
const JOBS: usize = 14;
const JOB_S: u64 = 240;

/// The number of jobs, the youngest ones, that are cancelled while they wait.
const CANCELLED: usize = 4;
const CANCELLED_AT: u64 = 50;

/// The boot time of a VM.
const BOOT: Duration = Duration::from_secs(40);

/// The duration of the example, and the interval between samples.
const LENGTH_S: u64 = 960;
const STEP_S: u64 = 1;

/// The state of the pool at one time.
#[derive(Clone, Copy)]
struct ChartSample {
    at: u64,
    queued: usize,
    active: usize,
    idle: usize,
    booting: usize,
    level: u32,
}

/// The result of the example.
struct Story {
    samples: Vec<ChartSample>,
    /// Decisions, by seconds since the jobs came.
    decisions: Vec<(u64, String)>,
    waits: Vec<u64>,
}

async fn sample(rig: &LoopRig, at: u64) -> ChartSample {
    let runners = rig.client.runners().await.unwrap();
    let active = runners.iter().filter(|it| it.is_busy()).count();
    let idle = runners.iter().filter(|it| it.is_idle()).count();
    let is_leaving =
        |it: &&Runner| it.status.is_leaving() || it.runner_status == RunnerStatus::Terminated;
    let others = runners.iter().filter(|it| !it.is_busy() && !it.is_idle());
    let booting = others.filter(|it| !is_leaving(it)).count();
    let jobs = rig.client.jobs().await.unwrap();
    let queued = jobs.iter().filter(|it| it.status == JobStatus::Queued).count();
    ChartSample { at, queued, active, idle, booting, level: rig.level().await }
}

/// Runs the example: the pool of the specification, which has its minimum of runners.
async fn story() -> Story {
    let config = SimConfig { backoff: 300, ..pools::config(1) };
    let policy: ScalePolicy = pools::policy();
    let rig = LoopRig::of(config, &[("default", policy)]).await;
    let running: RunningLoop = rig.start(steady());
    rig.turn(|it| it.boot_delay = BOOT);
    wait(120).await;
    let began: Timestamp = rig.memory.with(|it| it.now());
    let jobs = rig.jobs(JOBS, JOB_S);
    let mut samples = vec![sample(&rig, 0).await];
    for step in 1..=LENGTH_S / STEP_S {
        wait(STEP_S).await;
        let at = step * STEP_S;
        if at == CANCELLED_AT {
            let youngest = jobs.iter().rev().take(CANCELLED);
            youngest.for_each(|it| rig.memory.with(|world| world.end_job(*it, "cancelled")));
        }
        samples.push(sample(&rig, at).await);
    }
    let seconds = |at: Timestamp| u64::try_from(at.duration_since(began).as_secs()).ok();
    let told = running.heard.sentences().into_iter();
    let decisions = told.filter_map(|(at, text)| Some((seconds(at)?, text))).collect();
    let waits = rig.waits(&jobs);
    running.stop().await;
    assert!(rig.memory.with(|it| it.killed_jobs()).is_empty());
    Story { samples, decisions, waits }
}

fn clock(seconds: u64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// The first sample after the given time, when the decision of that time has been written.
fn after(story: &Story, seconds: u64) -> ChartSample {
    *story.samples.iter().find(|it| it.at > seconds).unwrap_or(story.samples.last().unwrap())
}

fn events(story: &Story) -> String {
    let rows = story.decisions.iter().enumerate().map(|(i, (seconds, text))| {
        let it = after(story, *seconds);
        [
            (i + 1).to_string(),
            clock(*seconds),
            text.clone(),
            it.level.to_string(),
            it.queued.to_string(),
            it.booting.to_string(),
            it.idle.to_string(),
            it.active.to_string(),
        ]
    });
    let head = ["", "time", "decision", "level", "waiting", "booting", "idle", "active"];
    let mut text = format!("\n{}", table(head, rows));
    let (median, longest) = (story.waits[story.waits.len() / 2], story.waits.last().unwrap());
    writeln!(
        text,
        "\n{} jobs ran, {CANCELLED} were cancelled. Median wait {median} s, longest {longest} s.\n",
        story.waits.len()
    )
    .unwrap();
    text
}

const WIDTH: f64 = 900.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 20.0;
/// Height of one runner or job.
const UNIT: f64 = 14.0;
/// The base line of the waiting jobs, and that of the runners.
const QUEUE_Y: f64 = 235.0;
const RUNNERS_Y: f64 = 480.0;

fn x(seconds: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred seconds")]
    let share = seconds as f64 / LENGTH_S as f64;
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

#[expect(clippy::cast_precision_loss, reason = "a few dozen runners")]
fn y(count: usize) -> f64 {
    count as f64 * UNIT
}

/// Bars of one colour, from `low` up to `low + height`; equal neighbours make one bar.
fn bars(
    svg: &mut String,
    story: &Story,
    base: f64,
    colour: &str,
    of: fn(&ChartSample) -> (usize, usize),
) {
    let mut samples = story.samples.iter().peekable();
    while let Some(first) = samples.next() {
        let (low, height) = of(first);
        let mut end = first.at + STEP_S;
        while let Some(next) = samples.next_if(|it| of(it) == (low, height)) {
            end = next.at + STEP_S;
        }
        if height > 0 {
            let (left, width) = (x(first.at), x(end.min(LENGTH_S)) - x(first.at));
            let top = base - y(low + height);
            writeln!(
                svg,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
                y(height)
            )
            .unwrap();
        }
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>")
        .unwrap();
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>",
        from.0, from.1, to.0, to.1
    )
    .unwrap();
}

const GREEN: &str = "#2e7d32";
const GREY: &str = "#9e9e9e";
const PALE: &str = "#cfd8dc";
const BLUE: &str = "#1565c0";
const ORANGE: &str = "#ef6c00";

fn axes(svg: &mut String) {
    for (base, most) in [(QUEUE_Y, 12), (RUNNERS_Y, 14)] {
        for count in (0..=most).step_by(4) {
            text(svg, (LEFT - 8.0, base - y(count) + 4.0), "end", &count.to_string());
            line(svg, (LEFT, base - y(count)), (WIDTH - RIGHT, base - y(count)), "#eeeeee");
        }
    }
    for minute in 0..=LENGTH_S / 60 {
        let left = x(minute * 60);
        line(svg, (left, RUNNERS_Y), (left, RUNNERS_Y + 5.0), "#616161");
        text(svg, (left, RUNNERS_Y + 20.0), "middle", &minute.to_string());
    }
    text(svg, (WIDTH - RIGHT, RUNNERS_Y + 36.0), "end", "minutes since the jobs came");
    text(svg, (WIDTH - RIGHT, 60.0), "end", "waiting jobs");
    text(svg, (WIDTH - RIGHT, QUEUE_Y + 40.0), "end", "runners");
}

/// The level, as a line over the runners.
fn level(svg: &mut String, story: &Story) {
    let points: Vec<String> = story
        .samples
        .windows(2)
        .flat_map(|pair| {
            let top = RUNNERS_Y - y(pair[0].level as usize);
            [(x(pair[0].at), top), (x(pair[1].at), top)]
        })
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let points = points.join(" ");
    writeln!(
        svg,
        "<polyline points=\"{points}\" fill=\"none\" stroke=\"{BLUE}\" stroke-width=\"1.5\"/>"
    )
    .unwrap();
}

fn picture(story: &Story) -> String {
    let height = RUNNERS_Y + 70.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
         <title>A burst of {JOBS} jobs: waiting jobs above, runners below</title>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    axes(&mut svg);
    bars(&mut svg, story, QUEUE_Y, ORANGE, |it| (0, it.queued));
    bars(&mut svg, story, RUNNERS_Y, GREEN, |it| (0, it.active));
    bars(&mut svg, story, RUNNERS_Y, GREY, |it| (it.active, it.idle));
    bars(&mut svg, story, RUNNERS_Y, PALE, |it| (it.active + it.idle, it.booting));
    level(&mut svg, story);
    let mut last = f64::MIN;
    let mut row = 0.0;
    for (i, (seconds, _)) in story.decisions.iter().enumerate() {
        let left = x(*seconds);
        // Numbers that would overlap are moved up by a line.
        row = if left - last < 16.0 { row + 13.0 } else { 0.0 };
        last = left;
        line(&mut svg, (left, 44.0 - row), (left, RUNNERS_Y), "#b0bec5");
        text(&mut svg, (left, 40.0 - row), "middle", &(i + 1).to_string());
    }
    let legend = [
        (ORANGE, "waiting"),
        (GREEN, "running a job"),
        (GREY, "idle"),
        (PALE, "booting"),
        (BLUE, "level"),
    ];
    let mut left = LEFT;
    for (colour, words) in legend {
        let top = RUNNERS_Y + 44.0;
        writeln!(
            svg,
            "<rect x=\"{left}\" y=\"{top}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>"
        )
        .unwrap();
        text(&mut svg, (left + 18.0, top + 10.0), "start", words);
        left += 120.0;
    }
    svg.push_str("</svg>\n");
    svg
}

#[tokio::test(start_paused = true)]
async fn the_worked_example_of_scaling_is_fresh() {
    let story = story().await;
    assert_eq!(story.waits.len(), JOBS - CANCELLED);
    keep_part("docs/scaling.md", "worked example", &events(&story));
    keep("docs/scaling-timeline.svg", &picture(&story));
}
