//! A chart of one pool over time, drawn with characters: the queue above, the runners below.

use std::time::Duration;

use super::style::{ADDED, CHANGED, QUIET, paint};

/// The maximum number of rows for the runners. With more runners, a row stands for several.
const ROWS_MAX: u32 = 10;

/// The characters of the queue line, by height.
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A pool at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChartSample {
    pub queued: u32,
    pub active: u32,
    pub idle: u32,
    pub booting: u32,
}

/// Draws samples that are `step` apart, one column each. The chart is 10 columns wider than the
/// number of samples.
pub fn draw(samples: &[ChartSample], step: Duration, scale: ChartScale) -> String {
    let mut text = queue(samples, scale.queued);
    let per_row = scale.runners.div_ceil(ROWS_MAX).max(1);
    for row in (0..scale.runners.div_ceil(per_row)).rev() {
        let low = row * per_row;
        let edge = (low + per_row).min(scale.runners);
        let row = columns(samples.iter().map(|sample| block(sample, low)));
        let gap = if row.is_empty() { "" } else { " " };
        text.push_str(&format!("{}{gap}{row}\n", paint(QUIET, format!("{edge:>7} │"))));
    }
    text.push_str(&axis(samples.len(), step));
    text
}

/// The legend, on one line.
pub fn legend() -> String {
    format!(
        "{} running a job   {} idle   {} booting   {} waiting jobs",
        paint(ADDED, '█'),
        '▒',
        paint(QUIET, '░'),
        paint(CHANGED, '▅'),
    )
}

/// The maximum values of a chart. Charts with the same scale can be compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChartScale {
    pub queued: u32,
    pub runners: u32,
}

impl ChartScale {
    /// The scale that all of these samples need.
    pub fn of<'a>(samples: impl IntoIterator<Item = &'a ChartSample>) -> Self {
        samples.into_iter().fold(Self::default(), |scale, sample| Self {
            queued: scale.queued.max(sample.queued),
            runners: scale.runners.max(sample.active + sample.idle + sample.booting),
        })
    }
}

/// A cell: a state and its character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChartBlock {
    Active,
    Idle,
    Booting,
    Nothing,
}

fn block(sample: &ChartSample, low: u32) -> ChartBlock {
    match low {
        n if n < sample.active => ChartBlock::Active,
        n if n < sample.active + sample.idle => ChartBlock::Idle,
        n if n < sample.active + sample.idle + sample.booting => ChartBlock::Booting,
        _ => ChartBlock::Nothing,
    }
}

/// One row. Adjacent equal blocks share one style sequence.
fn columns(blocks: impl Iterator<Item = ChartBlock>) -> String {
    let mut runs: Vec<(ChartBlock, usize)> = Vec::new();
    for block in blocks {
        match runs.last_mut() {
            Some((last, length)) if *last == block => *length += 1,
            Some(_) | None => runs.push((block, 1)),
        }
    }
    if let Some((ChartBlock::Nothing, _)) = runs.last() {
        runs.pop();
    }
    let run = |(block, length): &(ChartBlock, usize)| match block {
        ChartBlock::Active => paint(ADDED, "█".repeat(*length)),
        ChartBlock::Idle => "▒".repeat(*length),
        ChartBlock::Booting => paint(QUIET, "░".repeat(*length)),
        ChartBlock::Nothing => " ".repeat(*length),
    };
    runs.iter().map(run).collect()
}

fn queue(samples: &[ChartSample], most: u32) -> String {
    let step = |sample: &ChartSample| match (sample.queued, most) {
        (0, _) | (_, 0) => ' ',
        (n, most) => STEPS[((n * 8).div_ceil(most).clamp(1, 8) - 1) as usize],
    };
    let line: String = samples.iter().map(step).collect();
    let title = paint(QUIET, format!("{most:>4} jobs"));
    format!("{title} {}\n", paint(CHANGED, line.trim_end()))
}

/// The time axis, with a tick and a label every five minutes.
fn axis(columns: usize, step: Duration) -> String {
    let (mut line, mut minutes) = (String::new(), String::new());
    let seconds = step.as_secs().max(1);
    for column in 0..columns as u64 {
        let at = column * seconds;
        let begins =
            |every: u64| at / every != (column.wrapping_sub(1)).wrapping_mul(seconds) / every;
        let is_tick = column == 0 || begins(300);
        line.push(if is_tick { '┬' } else { '─' });
        if is_tick {
            let label = format!("{}m", at / 60);
            while minutes.chars().count() < usize::try_from(column).unwrap_or(usize::MAX) {
                minutes.push(' ');
            }
            minutes.push_str(&label);
        }
    }
    let line = paint(QUIET, format!("        └─{line}"));
    let minutes = paint(QUIET, format!("          {minutes}"));
    format!("{line}\n{minutes}\n")
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    fn story() -> Vec<ChartSample> {
        let at = |queued, active, idle, booting| ChartSample { queued, active, idle, booting };
        let burst =
            [at(0, 0, 2, 0), at(9, 2, 0, 0), at(9, 2, 0, 4), at(3, 6, 0, 0), at(0, 4, 2, 0)];
        let mut all = burst.to_vec();
        all.extend([at(0, 0, 6, 0); 20]);
        all.extend([at(0, 0, 2, 0); 2]);
        all
    }

    #[test]
    fn a_chart_shows_how_a_burst_arrives_and_is_served() {
        let samples = story();
        let text = draw(&samples, Duration::from_secs(30), ChartScale::of(&samples));
        insta::assert_snapshot!(strip_str(&text).to_string());
    }

    #[test]
    fn many_runners_share_a_row_and_no_runners_draw_nothing() {
        let samples = [ChartSample { active: 25, ..ChartSample::default() }];
        let text = draw(&samples, Duration::from_secs(30), ChartScale::of(&samples));
        let rows: Vec<String> = strip_str(&text).to_string().lines().map(str::to_owned).collect();
        assert_eq!(rows[1], "     25 │ █");
        assert_eq!(rows.len(), 1 + 9 + 2);
        assert_eq!(draw(&[], Duration::ZERO, ChartScale::default()).lines().count(), 3);
    }
}
