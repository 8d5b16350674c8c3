//! Writes the audit file of `watch` on a separate thread, so that neither a slow disk nor another
//! process that holds the lock delays scaling for longer than [`SinkOptions::patience`]. Records
//! that are lost because of this are counted, and a gap record gives their number.

mod archiving;
mod batch;
mod options;
mod queue;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::audit_file::{Appended, AuditFile, AuditFileError, RecordWriter};
use crate::audit::{Cause, Damage, Draft, Entry, Head, LogNote, RecordKind};
use crate::domain::poison::IgnorePoison;

use batch::{UrgentRecord, WriteBatch};
pub use options::{RecordBacklog, RecordPolicy, SinkEvent, SinkListener, SinkOptions};
use queue::{MissingRecords, SinkQueue, WriteFailure};

/// The pause between two attempts to lock the file.
const LOCK_WAIT: Duration = Duration::from_millis(20);

/// The maximum number of bytes that are written with one `fsync`. Large batches make up for a slow
/// `fsync`. Must be smaller than [`super::rotation::TAIL_MAX`].
const BATCH_MAX: usize = 1 << 20;

/// The maximum after a failed write: a full disk may still have room for this many bytes.
const PROBE_MAX: usize = 16 << 10;

/// The size of the queue, in bytes, below which it is refilled from the backlog.
const REFILL_MAX: usize = 256 << 10;

/// The maximum number of queued records of writes. They accumulate while the disk hangs, because a
/// write that gives up leaves its record in the queue.
const URGENT_MAX: usize = 1_024;

/// An audit file with its own writer thread.
pub struct AuditSink {
    shared: Arc<SinkShared>,
    /// Completes when the thread ends.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

struct SinkShared {
    audit_file: Arc<AuditFile>,
    cause: Cause,
    options: SinkOptions,
    listener: SinkListener,
    backlog: Option<Box<dyn RecordBacklog>>,
    queue: Mutex<SinkQueue>,
    wakeup: Condvar,
    stop_archiving: AtomicBool,
}

impl fmt::Debug for AuditSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuditSink").field(&self.shared.audit_file).finish_non_exhaustive()
    }
}

impl AuditSink {
    /// Starts the writer thread. `cause` is the cause of the records about the log itself, and
    /// `backlog` supplies records when the queue is nearly empty. Errors if the thread cannot be
    /// started.
    pub fn start(
        audit_file: Arc<AuditFile>,
        cause: Cause,
        options: SinkOptions,
        listener: SinkListener,
        backlog: Option<Box<dyn RecordBacklog>>,
    ) -> io::Result<Self> {
        let head = audit_file.head();
        let queue = Mutex::new(SinkQueue { head, ..SinkQueue::default() });
        let shared = Arc::new(SinkShared {
            audit_file,
            cause,
            options,
            listener,
            backlog,
            queue,
            wakeup: Condvar::new(),
            stop_archiving: AtomicBool::new(false),
        });
        let (ending, ended) = oneshot::channel();
        let writer = Arc::clone(&shared);
        std::thread::Builder::new().name("audit".into()).spawn(move || {
            writer.write_all();
            // The receiver may be gone already.
            let _ = ending.send(());
        })?;
        Ok(Self { shared, ended: Mutex::new(Some(ended)) })
    }

    /// The file that the sink writes.
    pub fn audit_file(&self) -> &AuditFile {
        &self.shared.audit_file
    }

    /// The cause of the records about the log itself.
    pub fn cause(&self) -> &Cause {
        &self.shared.cause
    }

    /// The last record that is known to be in the log.
    pub fn head(&self) -> Option<Head> {
        self.shared.queue().head.clone()
    }

    /// The number of lost records that no gap record reports yet.
    pub fn missing(&self) -> u64 {
        self.shared.queue().missing.count
    }

    /// Whether the file has been reported as unwritable and is not writable again.
    pub fn is_unwritable(&self) -> bool {
        self.shared.queue().failure.as_ref().is_some_and(|failure| failure.is_reported)
    }

    /// Whether records that this process had written were found changed or missing.
    pub fn is_altered(&self) -> bool {
        self.shared.queue().is_altered
    }

    /// Writes the record of a write, and waits for it no longer than [`SinkOptions::patience`].
    /// Returns its head, or `None` if it is lost; under [`RecordPolicy::Required`], a lost record is
    /// an error.
    pub async fn append(&self, entry: &Entry) -> Result<Option<Head>, AuditFileError> {
        let shared = &self.shared;
        (shared.listener)(&SinkEvent::Requested(entry));
        let answer = match shared.hand_in(entry.into()) {
            Ok(answer) => answer,
            Err(why) => return shared.give_up(why),
        };
        match tokio::time::timeout(shared.options.patience, answer).await {
            Ok(Ok(Ok(head))) => Ok(Some(head)),
            Ok(Ok(Err(why))) => shared.give_up(why),
            // The thread will count the record as missing, because no write waits for it any more.
            Ok(Err(_)) | Err(_) => {
                let path = shared.audit_file.path().display();
                shared.give_up(format!("the audit file `{path}` was not written in time"))
            }
        }
    }

    /// Queues records that no write waits for.
    pub fn enqueue(&self, entries: &[Entry]) {
        self.shared.enqueue(entries);
    }

    /// Whether the queue is below its memory limit.
    pub fn has_room(&self) -> bool {
        self.shared.queue().bytes < self.shared.options.waiting_max
    }

    /// Writes queued records for at most `patience`, then stops. Returns the number that are left.
    pub async fn close(&self, patience: Duration) -> usize {
        self.shared.close();
        let ended = self.ended.lock().ignoring_poison().take();
        if let Some(ended) = ended {
            // A timeout shows in the returned number.
            let _ = tokio::time::timeout(patience, ended).await;
        }
        let backlog = self.shared.backlog.as_ref().map_or(0, |backlog| backlog.remaining());
        let queue = self.shared.queue();
        queue.others.len() + queue.urgent.len() + backlog
    }
}

impl Drop for AuditSink {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl SinkShared {
    fn queue(&self) -> MutexGuard<'_, SinkQueue> {
        self.queue.lock().ignoring_poison()
    }

    fn enqueue(&self, entries: &[Entry]) {
        let drafts: Vec<Draft> = entries.iter().map(Draft::from).collect();
        let mut queue = self.queue();
        queue.bytes += drafts.iter().map(Draft::size).sum::<usize>();
        queue.others.extend(drafts);
        self.wakeup.notify_one();
    }

    /// Takes records from the backlog if the queue is nearly empty and the file can be written.
    fn refill(&self) {
        let Some(backlog) = &self.backlog else { return };
        let has_room = {
            let queue = self.queue();
            queue.failure.is_none() && queue.bytes < REFILL_MAX
        };
        if has_room && backlog.remaining() > 0 {
            // Without the lock on the queue, which callers take after that of the backlog.
            backlog.next(&mut |entries| self.enqueue(entries));
        }
    }

    fn close(&self) {
        self.stop_archiving();
        let mut queue = self.queue();
        queue.is_closing = true;
        if let Some(failure) = &mut queue.failure {
            // One last attempt is made at once.
            failure.retry_at = Instant::now();
        }
        self.wakeup.notify_one();
    }

    /// Queues a record that a write waits for. Errors if the file is known to be unwritable or the
    /// queue is full.
    fn hand_in(&self, draft: Draft) -> Result<oneshot::Receiver<Result<Head, String>>, String> {
        let mut queue = self.queue();
        let failure = queue.failure.as_ref().filter(|failure| failure.is_reported);
        let unwritable = failure.map(|failure| failure.why.clone());
        let full =
            (queue.urgent.len() >= URGENT_MAX).then(|| "too many records are waiting".to_owned());
        if let Some(why) = unwritable.or(full) {
            self.miss(&mut queue, &draft, &why);
            return Err(why);
        }
        let (reply, answer) = oneshot::channel();
        queue.urgent.push_back(UrgentRecord { draft, reply });
        self.wakeup.notify_one();
        Ok(answer)
    }

    /// Reports a record as lost and counts it as missing, except an intent under
    /// [`RecordPolicy::Required`], whose write is not sent.
    fn miss(&self, queue: &mut SinkQueue, draft: &Draft, why: &str) {
        (self.listener)(&SinkEvent::Lost(why));
        if (self.options.rule, draft.kind) != (RecordPolicy::Required, RecordKind::Intent) {
            queue.missing.count += 1;
            queue.missing.since.get_or_insert(draft.time);
        }
    }

    fn give_up(&self, why: String) -> Result<Option<Head>, AuditFileError> {
        match self.options.rule {
            RecordPolicy::BestEffort => Ok(None),
            RecordPolicy::Required => Err(AuditFileError::Unwritable(why)),
        }
    }

    /// The main function of the writer thread.
    fn write_all(self: &Arc<Self>) {
        while let Some(batch) = self.next() {
            let drafts: Vec<&Draft> = batch.drafts().collect();
            match self.audit_file.append_all(&drafts, &self.cause) {
                Ok(appended) => self.settle(batch, appended),
                Err(error) => self.fail(batch, &error),
            }
        }
    }

    /// Waits for the next batch. Returns `None` when the sink is closed.
    fn next(self: &Arc<Self>) -> Option<WriteBatch> {
        loop {
            self.archive_if_due();
            self.refill();
            let mut queue = self.queue();
            self.drop_withdrawn(&mut queue);
            let now = Instant::now();
            let wait = match &queue.failure {
                Some(failure) if failure.retry_at > now => failure.retry_at - now,
                None if queue.is_empty() => self.options.retry,
                Some(_) | None => return Some(self.batch(&mut queue)),
            };
            if queue.is_closing && (queue.is_empty() || queue.is_over) {
                return None;
            }
            // The guard is released: the backlog must not be looked at under this lock.
            drop(self.wakeup.wait_timeout(queue, wait).ignoring_poison());
        }
    }

    /// Removes the records that writes have stopped waiting for, and counts them as missing.
    fn drop_withdrawn(&self, queue: &mut SinkQueue) {
        let (withdrawn, kept) = std::mem::take(&mut queue.urgent)
            .into_iter()
            .partition(|record| record.reply.is_closed());
        queue.urgent = kept;
        let withdrawn: VecDeque<UrgentRecord> = withdrawn;
        for record in withdrawn {
            self.miss(queue, &record.draft, "it was not written in time");
        }
    }

    fn batch(&self, queue: &mut SinkQueue) -> WriteBatch {
        let note = self.note(queue);
        let urgent: Vec<UrgentRecord> = queue.urgent.drain(..).collect();
        let most = if queue.is_stuck() { PROBE_MAX } else { BATCH_MAX };
        let (mut others, mut size) = (Vec::new(), 0);
        while size < most
            && let Some(draft) = queue.others.pop_front()
        {
            size += draft.size();
            others.push(draft);
        }
        queue.bytes -= size;
        WriteBatch { note, missing: queue.missing.count, urgent, others }
    }

    /// The record about the log itself that must precede the others.
    fn note(&self, queue: &SinkQueue) -> Option<Draft> {
        let RecordWriter { actor, clock, .. } = self.audit_file.writer();
        let note = LogNote { time: clock.now(), actor: actor.clone(), cause: self.cause.clone() };
        let why = queue
            .failure
            .as_ref()
            .map_or("they were not written in time", |failure| failure.why.as_str());
        match (&queue.missing, self.options.rule) {
            (MissingRecords { count: 1.., since }, _) => {
                Some((&note.lost(queue.missing.count, *since, why)).into())
            }
            // Writing this record also tests whether the file can be written again.
            (_, RecordPolicy::Required) if queue.is_stuck() => Some((&note.free(why)).into()),
            (_, RecordPolicy::BestEffort | RecordPolicy::Required) => None,
        }
    }

    fn settle(&self, batch: WriteBatch, appended: Appended) {
        appended.rotated.iter().for_each(|head| (self.listener)(&SinkEvent::Rotated(head)));
        if let Some(why) = &appended.not_rotated {
            (self.listener)(&SinkEvent::NotRotated(why));
        }
        appended.damage.iter().for_each(|damage| (self.listener)(&SinkEvent::Altered(damage)));
        appended.kinds.iter().for_each(|kind| (self.listener)(&SinkEvent::Written(*kind)));
        let mut queue = self.queue();
        let heads = appended.heads.into_iter().skip(usize::from(batch.note.is_some()));
        for (urgent, head) in batch.urgent.into_iter().zip(heads) {
            // The write may have stopped waiting.
            let _ = urgent.reply.send(Ok(head));
        }
        queue.head = Some(appended.head);
        if appended.rotated.is_some() {
            queue.archive.want();
        }
        queue.is_altered |= appended.damage.as_ref().is_some_and(Damage::is_altered);
        queue.missing.count -= batch.missing;
        if queue.missing.count == 0 {
            queue.missing.since = None;
        }
        let was_reported = queue.failure.take().is_some_and(|failure| failure.is_reported);
        // The lock is released first, because the listener may wait for a thread that needs it.
        drop(queue);
        if was_reported {
            (self.listener)(&SinkEvent::WritableAgain { lost: batch.missing });
        }
    }

    fn fail(&self, batch: WriteBatch, error: &AuditFileError) {
        let mut queue = self.queue();
        let (now, why) = (Instant::now(), error.to_string());
        queue.bytes += batch.others.iter().map(Draft::size).sum::<usize>();
        batch.others.into_iter().rev().for_each(|draft| queue.others.push_front(draft));
        let is_locked = matches!(error, AuditFileError::Locked(_));
        let mut refused = Vec::new();
        for urgent in batch.urgent.into_iter().rev() {
            if is_locked {
                queue.urgent.push_front(urgent);
            } else {
                self.miss(&mut queue, &urgent.draft, &why);
                refused.push(urgent.reply);
            }
        }
        let before = queue.failure.take();
        let since = before.as_ref().map_or(now, |failure| failure.since);
        let was_reported = before.is_some_and(|failure| failure.is_reported);
        let is_reported = was_reported || !is_locked || now - since >= self.options.patience;
        let retry_at = now + if is_locked { LOCK_WAIT } else { self.options.retry };
        queue.failure = Some(WriteFailure { why: why.clone(), since, retry_at, is_reported });
        queue.is_over = queue.is_closing && is_reported;
        drop(queue);
        if is_reported && !was_reported {
            (self.listener)(&SinkEvent::Unwritable(&why));
        }
        // Replies are sent last, so that the failure is reported before the writes continue.
        for reply in refused {
            // The write may have stopped waiting.
            let _ = reply.send(Err(why.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
