//! GitHub's service for scale sets: which jobs are theirs, and the messages that tell GARM about
//! them. A job goes from available to assigned (once GARM has acquired it), started and completed;
//! each step is reported in a message with the number of jobs that are assigned, running ones
//! included.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::json::zero_time;
use super::log::LogEvent;
use super::row_key::{EntityRowKey, ScaleSetRowKey};
use super::scale_set::ScaleSetRow;
use super::world::{Due, World};

/// How long a poll of GARM waits for a message. Until it ends, GitHub uses the capacity that GARM
/// gave when it began.
const POLL: Duration = Duration::from_secs(50);

/// The most events in one message.
const EVENTS_MAX: usize = 50;

/// A scale set at GitHub.
#[derive(Debug)]
pub(crate) struct GitHubScaleSet {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) scope: EntityRowKey,
    /// The name, then the other labels.
    pub(crate) labels: Vec<String>,
    lower: HashSet<String>,
    /// GARM's row of it.
    pub(crate) row: ScaleSetRowKey,
    /// GARM's poll, while it has a session.
    poll: Option<Poll>,
    polls_made: u64,
    /// The changes of jobs that no message has reported yet, with their times.
    events: VecDeque<(Timestamp, JobEvent)>,
    /// When the next message is scheduled.
    message_at: Option<Timestamp>,
}

/// A poll of GARM's session.
#[derive(Debug, Clone, Copy)]
struct Poll {
    number: u64,
    /// The most jobs to assign.
    capacity: u64,
}

/// A job that belongs to a scale set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScaleSetJob {
    /// GitHub's number of the scale set.
    pub(crate) scale_set: u64,
    pub(crate) step: JobStep,
}

/// The state of a scale set's job at GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobStep {
    /// GARM has not been told of it.
    Available,
    /// GARM has been told of it, and has not acquired it yet.
    Offered,
    /// It waits for a runner of the scale set, or has one.
    Assigned,
}

/// What a message reports about a job, as of the time of the change.
#[derive(Debug, Clone)]
pub(crate) struct JobEvent {
    pub(crate) kind: JobEventKind,
    /// GitHub's id of the job.
    pub(crate) job: i64,
    pub(crate) conclusion: String,
    pub(crate) started_at: Timestamp,
    pub(crate) completed_at: Timestamp,
    pub(crate) runner: Option<(i64, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum JobEventKind {
    Available,
    Assigned,
    Started,
    /// Also reported for a job that was cancelled in the queue, then without a runner.
    Completed,
}

/// A message in the queue of a scale set.
#[derive(Debug, Clone)]
pub(crate) struct JobMessage {
    pub(crate) events: Vec<JobEvent>,
    /// How many jobs are assigned, running ones included.
    pub(crate) assigned: u64,
}

impl World {
    /// Adds a scale set. Jobs that wait already and fit become its own.
    pub(super) fn add_to_github(&mut self, set: &ScaleSetRow, labels: &[String]) {
        let labels: Vec<_> = std::iter::once(&set.name).chain(labels).cloned().collect();
        let twin = GitHubScaleSet {
            name: set.name.clone(),
            group: set.group.clone(),
            scope: set.entity,
            lower: labels.iter().map(|label| label.to_lowercase()).collect(),
            labels,
            row: ScaleSetRowKey(set.id),
            poll: None,
            polls_made: 0,
            events: VecDeque::new(),
            message_at: None,
        };
        self.github.scale_sets.insert(set.github_id, twin);
        self.claim_waiting_jobs();
    }

    /// Gives the scale set at GitHub the name and the runner group of its row.
    pub(super) fn rename_at_github(&mut self, key: ScaleSetRowKey) {
        if let Some(set) = self.scale_sets.get(&key)
            && let Some(twin) = self.github.scale_sets.get_mut(&set.github_id)
        {
            twin.name.clone_from(&set.name);
            twin.group.clone_from(&set.group);
            if let Some(first) = twin.labels.first_mut() {
                first.clone_from(&set.name);
            }
            twin.lower = twin.labels.iter().map(|label| label.to_lowercase()).collect();
        }
    }

    /// Removes a scale set. Its queued jobs go to other scale sets that fit, or to any other runner
    /// that fits.
    pub(super) fn remove_from_github(&mut self, scale_set: u64) {
        self.github.scale_sets.remove(&scale_set);
        for job in &self.github.queued {
            if let Some(work) = self.github.jobs.get_mut(job)
                && work.scale_set.is_some_and(|place| place.scale_set == scale_set)
            {
                work.scale_set = None;
            }
        }
        self.claim_waiting_jobs();
        self.look_for_runners();
    }

    fn claim_waiting_jobs(&mut self) {
        for job in self.github.queued.clone() {
            self.claim(job);
        }
    }

    /// Gives a queued job to the first scale set that has its labels, if any.
    pub(super) fn claim(&mut self, job: i64) {
        let Some(work) = self.github.jobs.get(&job).filter(|work| work.scale_set.is_none()) else {
            return;
        };
        if self.github.scale_sets.is_empty() {
            return;
        }
        let labels: Vec<_> = work.labels.iter().map(|label| label.to_lowercase()).collect();
        let found = self.github.scale_sets.iter().find(|(_, set)| {
            labels.iter().all(|label| set.lower.contains(label))
                && self
                    .entities
                    .get(&set.scope)
                    .is_some_and(|entity| entity.covers(&work.owner, &work.repository))
        });
        let Some(scale_set) = found.map(|found| *found.0).filter(|_| !labels.is_empty()) else {
            return;
        };
        if let Some(work) = self.github.jobs.get_mut(&job) {
            work.scale_set = Some(ScaleSetJob { scale_set, step: JobStep::Available });
        }
        self.look_for_message(scale_set);
    }

    /// Reports that a job of a scale set has started or ended.
    pub(super) fn tell_scale_set(&mut self, job: i64, kind: JobEventKind) {
        let Some(work) = self.github.jobs.get(&job) else {
            return;
        };
        // GARM is not told of a job that was cancelled before it heard of it.
        let Some(place) = work.scale_set.filter(|place| place.step != JobStep::Available) else {
            return;
        };
        let event = JobEvent {
            kind,
            job,
            conclusion: match (kind, work.conclusion.as_str()) {
                (JobEventKind::Completed, "success") => "succeeded".into(),
                (JobEventKind::Completed, "failure") => "failed".into(),
                (JobEventKind::Completed, "cancelled") => "canceled".into(),
                (JobEventKind::Completed, other) => other.to_owned(),
                _ => String::new(),
            },
            started_at: work.started_at.unwrap_or_else(zero_time),
            completed_at: work.completed_at.unwrap_or_else(zero_time),
            runner: work.runner.clone(),
        };
        if let Some(set) = self.github.scale_sets.get_mut(&place.scale_set) {
            set.events.push_back((self.now, event));
        }
        self.look_for_message(place.scale_set);
    }

    /// GARM acquires an offered job, unless it has ended.
    pub(super) fn acquire(&mut self, job: i64) {
        let Some(work) = self.github.jobs.get_mut(&job).filter(|job| job.status == "queued") else {
            return;
        };
        let Some(place) = work.scale_set.as_mut().filter(|place| place.step == JobStep::Offered)
        else {
            return;
        };
        place.step = JobStep::Assigned;
        self.tell_scale_set(job, JobEventKind::Assigned);
        self.look_for_runners();
    }

    /// How many jobs are assigned to a scale set, running ones included.
    pub(super) fn assigned_jobs(&self, scale_set: u64) -> u64 {
        self.open_jobs(scale_set).filter(|(_, step)| *step == JobStep::Assigned).count() as u64
    }

    /// The jobs of a scale set that have not ended, in order of arrival.
    fn open_jobs(&self, scale_set: u64) -> impl Iterator<Item = (i64, JobStep)> {
        let running = self.github.running.values();
        let mut jobs: Vec<_> = self.github.queued.iter().chain(running).copied().collect();
        jobs.sort_unstable();
        jobs.into_iter().filter_map(move |job| {
            let place = self.github.jobs.get(&job)?.scale_set?;
            (place.scale_set == scale_set).then_some((job, place.step))
        })
    }

    /// Begins GARM's session of a scale set.
    pub(super) fn open_session(&mut self, scale_set: u64, capacity: u64) {
        self.poll(scale_set, capacity);
    }

    /// Ends GARM's session of a scale set. The next session reports what happens until then.
    pub(super) fn close_session(&mut self, scale_set: u64) {
        if let Some(set) = self.github.scale_sets.get_mut(&scale_set) {
            set.poll = None;
        }
    }

    pub(super) fn has_session(&self, scale_set: u64) -> bool {
        self.github.scale_sets.get(&scale_set).is_some_and(|set| set.poll.is_some())
    }

    fn poll(&mut self, scale_set: u64, capacity: u64) {
        let Some(set) = self.github.scale_sets.get_mut(&scale_set) else {
            return;
        };
        set.polls_made += 1;
        let number = set.polls_made;
        set.poll = Some(Poll { number, capacity });
        self.scheduler.add(self.now + POLL, Due::PollEnds(scale_set, number));
        self.look_for_message(scale_set);
    }

    /// Ends a poll that brought no message; GARM then polls again.
    pub(super) fn poll_ends(&mut self, scale_set: u64, number: u64) {
        let set = self.github.scale_sets.get(&scale_set);
        if let Some(set) = set.filter(|set| set.poll.is_some_and(|poll| poll.number == number)) {
            let capacity = self.capacity_of(set.row);
            self.poll(scale_set, capacity);
        }
    }

    /// Schedules a message about what has happened, unless one is scheduled already.
    fn look_for_message(&mut self, scale_set: u64) {
        let delay = self.config.knobs.message_delay;
        let Some(set) = self.github.scale_sets.get_mut(&scale_set) else {
            return;
        };
        let at = match set.events.front() {
            Some((at, _)) => self.now.max(*at + delay),
            None => self.now + delay,
        };
        if set.poll.is_some() && set.message_at.is_none_or(|due| due > at) {
            set.message_at = Some(at);
            self.scheduler.add(at, Due::Message(scale_set));
        }
    }

    /// Offers available jobs up to the capacity of GARM's poll, and sends the next message.
    pub(super) fn send_message(&mut self, scale_set: u64) {
        let Some(set) = self.github.scale_sets.get_mut(&scale_set) else {
            return;
        };
        set.message_at = None;
        let (Some(poll), row) = (set.poll, set.row) else {
            return;
        };
        self.offer(scale_set, poll.capacity);
        let ripe = self.now - self.config.knobs.message_delay;
        let Some(set) = self.github.scale_sets.get_mut(&scale_set) else {
            return;
        };
        let count = set.events.iter().take(EVENTS_MAX).take_while(|event| event.0 <= ripe).count();
        let events: Vec<_> = set.events.drain(..count).map(|event| event.1).collect();
        let has_more = !set.events.is_empty();
        if !events.is_empty() {
            let message = JobMessage { events, assigned: self.assigned_jobs(scale_set) };
            self.deliver_message(row, message);
            let capacity = self.capacity_of(row);
            if self.has_session(scale_set) {
                self.poll(scale_set, capacity);
            }
        } else if has_more {
            self.look_for_message(scale_set);
        }
    }

    fn offer(&mut self, scale_set: u64, capacity: u64) {
        let taken = self.open_jobs(scale_set).filter(|job| job.1 != JobStep::Available).count();
        let room = usize::try_from(capacity).unwrap_or(usize::MAX).saturating_sub(taken);
        let offers: Vec<_> = self
            .open_jobs(scale_set)
            .filter(|job| job.1 == JobStep::Available)
            .take(room)
            .map(|job| job.0)
            .collect();
        for job in offers {
            let Some(work) = self.github.jobs.get_mut(&job) else {
                continue;
            };
            work.scale_set = Some(ScaleSetJob { scale_set, step: JobStep::Offered });
            let event = JobEvent {
                kind: JobEventKind::Available,
                job,
                conclusion: String::new(),
                started_at: zero_time(),
                completed_at: zero_time(),
                runner: None,
            };
            let at = work.queued_at;
            if let Some(set) = self.github.scale_sets.get_mut(&scale_set) {
                set.events.push_back((at, event));
            }
        }
    }

    /// Delivers a message to GARM: at once, late, twice or never. GitHub does not repeat lost
    /// messages.
    fn deliver_message(&mut self, row: ScaleSetRowKey, message: JobMessage) {
        let knobs = &self.config.knobs;
        let (loss, twice, late) =
            (knobs.message_loss_rate, knobs.message_twice_rate, knobs.message_late_rate);
        if self.rng.github.chance(loss) {
            let jobs = message.events.iter().map(|event| event.job).collect();
            self.note(LogEvent::MessageLost { jobs });
            return;
        }
        let delay = self.config.knobs.message_late_by;
        if self.rng.github.chance(twice) {
            self.scheduler.add(self.now + delay, Due::MessageArrives(row, message.clone()));
        }
        if self.rng.github.chance(late) {
            self.scheduler.add(self.now + delay, Due::MessageArrives(row, message));
        } else {
            self.take_message(row, message);
        }
    }
}
