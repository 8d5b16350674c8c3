//! The audit file of a program that goes on when the file cannot be written. One thread writes, so
//! that neither a slow disk nor a process that holds the file's lock keeps the program waiting for
//! longer than its patience; what is lost by that is counted, and a record says so.

mod manner;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::audit_file::{Appended, Ledger, LedgerError, Scribe};
use crate::audit::{Cause, Damage, Draft, Entry, Head, Kind, Note};

pub use manner::{Ear, Kept, Manner, Rule};

/// Between two tries to lock the file.
const LOCK_WAIT: Duration = Duration::from_millis(20);

/// How much is brought to the disk at once, in bytes. The more, the less a slow `fsync` matters;
/// [`super::rotation::TAIL_MAX`] must hold more.
const BATCH_MAX: usize = 1 << 20;

/// The same while it is unknown whether anything can be written: a full disk may have room for it.
const PROBE_MAX: usize = 16 << 10;

/// Records of writes that may wait. A write waits for its record, so there are no more than that.
const URGENT_MAX: usize = 1_024;

/// A ledger that never keeps its owner waiting for long.
pub struct Diary {
    shared: Arc<Shared>,
    /// Ends with the thread.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

struct Shared {
    ledger: Arc<Ledger>,
    cause: Cause,
    manner: Manner,
    ear: Ear,
    inbox: Mutex<Inbox>,
    bell: Condvar,
}

/// What waits to be written.
#[derive(Default)]
struct Inbox {
    /// Records that a write waits for.
    urgent: VecDeque<Urgent>,
    others: VecDeque<Draft>,
    /// Size of `others`.
    bytes: usize,
    missing: Missing,
    trouble: Option<Trouble>,
    is_closing: bool,
    /// Records that this process had written were changed, or are gone.
    is_altered: bool,
    /// The last try has failed.
    is_over: bool,
    head: Option<Head>,
}

struct Urgent {
    draft: Draft,
    /// Dropped by a writer that has waited long enough.
    reply: oneshot::Sender<Result<Head, String>>,
}

/// Records that are not in the file, since the last one that tells of such.
#[derive(Default)]
struct Missing {
    count: u64,
    since: Option<Timestamp>,
}

/// Why nothing can be written.
struct Trouble {
    why: String,
    since: Instant,
    retry_at: Instant,
    /// It has lasted long enough to be told.
    is_told: bool,
}

/// What is written at once.
struct Load {
    /// About what is missing, or that the file can be written again.
    note: Option<Draft>,
    /// How many records the note says are missing.
    missing: u64,
    urgent: Vec<Urgent>,
    others: Vec<Draft>,
}

impl fmt::Debug for Diary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Diary").field(&self.shared.ledger).finish_non_exhaustive()
    }
}

impl Diary {
    /// Begins to write. `cause` stands in the records about the log itself. Fails when the system
    /// has no thread to give.
    pub fn start(ledger: Arc<Ledger>, cause: Cause, manner: Manner, ear: Ear) -> io::Result<Self> {
        let head = ledger.head();
        let inbox = Mutex::new(Inbox { head, ..Inbox::default() });
        let shared = Arc::new(Shared { ledger, cause, manner, ear, inbox, bell: Condvar::new() });
        let (ending, ended) = oneshot::channel();
        let writer = Arc::clone(&shared);
        std::thread::Builder::new().name("audit".into()).spawn(move || {
            writer.write_all();
            // Nobody may be waiting for it.
            let _ = ending.send(());
        })?;
        Ok(Self { shared, ended: Mutex::new(Some(ended)) })
    }

    /// The file below.
    pub fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// What stands in its own records as their cause.
    pub fn cause(&self) -> &Cause {
        &self.shared.cause
    }

    /// The place of the last record that is known to be in the log.
    pub fn head(&self) -> Option<Head> {
        self.shared.inbox().head.clone()
    }

    /// So many records are not in the file and not told of in it yet.
    pub fn missing(&self) -> u64 {
        self.shared.inbox().missing.count
    }

    /// Whether records that this process had written were found changed or missing.
    pub fn is_altered(&self) -> bool {
        self.shared.inbox().is_altered
    }

    /// Writes the record of a write, and waits for it no longer than its patience. Brings its place;
    /// nothing when it is lost. Errors under [`Rule::Required`] instead of losing it.
    pub async fn append(&self, entry: &Entry) -> Result<Option<Head>, LedgerError> {
        let shared = &self.shared;
        (shared.ear)(&Kept::Asked(entry));
        let answer = match shared.hand_in(entry.into()) {
            Ok(answer) => answer,
            Err(why) => return shared.give_up(why),
        };
        match tokio::time::timeout(shared.manner.patience, answer).await {
            Ok(Ok(Ok(head))) => Ok(Some(head)),
            Ok(Ok(Err(why))) => shared.give_up(why),
            // The thread counts what it finds withdrawn.
            Ok(Err(_)) | Err(_) => {
                let path = shared.ledger.path().display();
                shared.give_up(format!("the audit file `{path}` was not written in time"))
            }
        }
    }

    /// Takes records that nothing waits for.
    pub fn enqueue(&self, entries: &[Entry]) {
        let drafts: Vec<Draft> = entries.iter().map(Draft::from).collect();
        let mut inbox = self.shared.inbox();
        inbox.bytes += drafts.iter().map(Draft::size).sum::<usize>();
        inbox.others.extend(drafts);
        self.shared.bell.notify_one();
    }

    /// Whether more can be taken without holding too much in memory.
    pub fn has_room(&self) -> bool {
        self.shared.inbox().bytes < self.shared.manner.waiting_max
    }

    /// Writes what waits, for at most so long; brings how many records are left.
    pub async fn close(&self, patience: Duration) -> usize {
        self.shared.close();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            // What is left is told by the number.
            let _ = tokio::time::timeout(patience, ended).await;
        }
        let inbox = self.shared.inbox();
        inbox.others.len() + inbox.urgent.len()
    }
}

impl Drop for Diary {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut inbox = self.inbox();
        inbox.is_closing = true;
        if let Some(trouble) = &mut inbox.trouble {
            // Once more, and no more if that fails.
            trouble.retry_at = Instant::now();
        }
        self.bell.notify_one();
    }

    /// Errors when there is no use in waiting.
    fn hand_in(&self, draft: Draft) -> Result<oneshot::Receiver<Result<Head, String>>, String> {
        let mut inbox = self.inbox();
        let told = inbox.trouble.as_ref().filter(|it| it.is_told).map(|it| it.why.clone());
        let full = (inbox.urgent.len() >= URGENT_MAX).then(|| "too many records wait".to_owned());
        if let Some(why) = told.or(full) {
            self.miss(&mut inbox, &draft, &why);
            return Err(why);
        }
        let (reply, answer) = oneshot::channel();
        inbox.urgent.push_back(Urgent { draft, reply });
        self.bell.notify_one();
        Ok(answer)
    }

    /// A record is not written. An intent under [`Rule::Required`] is none that is missing: nothing
    /// is sent then.
    fn miss(&self, inbox: &mut Inbox, draft: &Draft, why: &str) {
        (self.ear)(&Kept::Lost(why));
        if (self.manner.rule, draft.kind) != (Rule::Required, Kind::Intent) {
            inbox.missing.count += 1;
            inbox.missing.since.get_or_insert(draft.time);
        }
    }

    fn give_up(&self, why: String) -> Result<Option<Head>, LedgerError> {
        match self.manner.rule {
            Rule::GoOn => Ok(None),
            Rule::Required => Err(LedgerError::Unwritable(why)),
        }
    }

    /// The thread.
    fn write_all(&self) {
        while let Some(load) = self.next() {
            let drafts: Vec<&Draft> = load.drafts().collect();
            match self.ledger.append_all(&drafts, &self.cause) {
                Ok(appended) => self.settle(load, appended),
                Err(error) => self.fail(load, &error),
            }
        }
    }

    /// Waits for something to write; nothing at the end.
    fn next(&self) -> Option<Load> {
        let mut inbox = self.inbox();
        loop {
            self.drop_withdrawn(&mut inbox);
            let now = Instant::now();
            let wait = match &inbox.trouble {
                Some(trouble) if trouble.retry_at > now => trouble.retry_at - now,
                None if inbox.is_empty() => self.manner.retry,
                Some(_) | None => return Some(self.load(&mut inbox)),
            };
            if inbox.is_closing && (inbox.is_empty() || inbox.is_over) {
                return None;
            }
            let woken = self.bell.wait_timeout(inbox, wait);
            inbox = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Counts the records that a write has stopped waiting for.
    fn drop_withdrawn(&self, inbox: &mut Inbox) {
        let (withdrawn, kept) =
            std::mem::take(&mut inbox.urgent).into_iter().partition(|it| it.reply.is_closed());
        inbox.urgent = kept;
        let withdrawn: VecDeque<Urgent> = withdrawn;
        for it in withdrawn {
            self.miss(inbox, &it.draft, "it was not written in time");
        }
    }

    fn load(&self, inbox: &mut Inbox) -> Load {
        let note = self.note(inbox);
        let urgent: Vec<Urgent> = inbox.urgent.drain(..).collect();
        let most = if inbox.is_stuck() { PROBE_MAX } else { BATCH_MAX };
        let (mut others, mut size) = (Vec::new(), 0);
        while size < most
            && let Some(draft) = inbox.others.pop_front()
        {
            size += draft.size();
            others.push(draft);
        }
        inbox.bytes -= size;
        Load { note, missing: inbox.missing.count, urgent, others }
    }

    /// What must be said before anything else.
    fn note(&self, inbox: &Inbox) -> Option<Draft> {
        let Scribe { actor, clock, .. } = self.ledger.scribe();
        let note = Note { time: clock.now(), actor: actor.clone(), cause: self.cause.clone() };
        let why = inbox.trouble.as_ref().map_or("they came too late", |it| it.why.as_str());
        match (&inbox.missing, self.manner.rule) {
            (Missing { count: 1.., since }, _) => {
                Some((&note.lost(inbox.missing.count, *since, why)).into())
            }
            // Only a record shows whether the file can be written.
            (_, Rule::Required) if inbox.is_stuck() => Some((&note.free(why)).into()),
            (_, Rule::GoOn | Rule::Required) => None,
        }
    }

    fn settle(&self, load: Load, appended: Appended) {
        appended.rotated.iter().for_each(|it| (self.ear)(&Kept::Rotated(it)));
        appended.damage.iter().for_each(|it| (self.ear)(&Kept::Damaged(it)));
        appended.kinds.iter().for_each(|it| (self.ear)(&Kept::Written(*it)));
        let mut inbox = self.inbox();
        let heads = appended.heads.into_iter().skip(usize::from(load.note.is_some()));
        for (urgent, head) in load.urgent.into_iter().zip(heads) {
            // A write that waits no longer does without the number.
            let _ = urgent.reply.send(Ok(head));
        }
        inbox.head = Some(appended.head);
        inbox.is_altered |= appended.damage.as_ref().is_some_and(Damage::is_altered);
        inbox.missing.count -= load.missing;
        if inbox.missing.count == 0 {
            inbox.missing.since = None;
        }
        let was_told = inbox.trouble.take().is_some_and(|it| it.is_told);
        // Told without the lock: who hears it may wait for one who waits for the lock.
        drop(inbox);
        if was_told {
            (self.ear)(&Kept::Free);
        }
    }

    fn fail(&self, load: Load, error: &LedgerError) {
        let mut inbox = self.inbox();
        let (now, why) = (Instant::now(), error.to_string());
        inbox.bytes += load.others.iter().map(Draft::size).sum::<usize>();
        load.others.into_iter().rev().for_each(|it| inbox.others.push_front(it));
        let is_locked = matches!(error, LedgerError::Locked(_));
        let mut refused = Vec::new();
        for urgent in load.urgent.into_iter().rev() {
            if is_locked {
                inbox.urgent.push_front(urgent);
            } else {
                self.miss(&mut inbox, &urgent.draft, &why);
                refused.push(urgent.reply);
            }
        }
        let before = inbox.trouble.take();
        let since = before.as_ref().map_or(now, |it| it.since);
        let was_told = before.is_some_and(|it| it.is_told);
        let is_told = was_told || !is_locked || now - since >= self.manner.patience;
        let retry_at = now + if is_locked { LOCK_WAIT } else { self.manner.retry };
        inbox.trouble = Some(Trouble { why: why.clone(), since, retry_at, is_told });
        inbox.is_over = inbox.is_closing && is_told;
        drop(inbox);
        if is_told && !was_told {
            (self.ear)(&Kept::Stuck(&why));
        }
        // Last, so that the cause is reported before the write that was refused goes on.
        for reply in refused {
            // The receiver is gone when the write has stopped waiting: it knows already.
            let _ = reply.send(Err(why.clone()));
        }
    }
}

impl Inbox {
    fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.others.is_empty() && self.missing.count == 0
    }

    /// Whether it has been told that nothing can be written.
    fn is_stuck(&self) -> bool {
        self.trouble.as_ref().is_some_and(|it| it.is_told)
    }
}

impl Load {
    fn drafts(&self) -> impl Iterator<Item = &Draft> {
        self.note.iter().chain(self.urgent.iter().map(|it| &it.draft)).chain(&self.others)
    }
}

#[cfg(test)]
mod tests;
