//! Writes the log of `watch` on a separate thread, so that a stalled reader does not block the
//! loop. Records that do not fit into the queue are counted, and the log reports how many were
//! lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::Level;

use super::format::LogWriter;
use super::record::LogRecord;
use crate::domain::poison::IgnorePoison;
use crate::host::clock::Clock;
use crate::render::words::count;

/// The number of records that may wait to be written.
const WAITING_MAX: usize = 4_096;

/// How long the end of the process waits for records to be written.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Records on their way to the thread. [`LogQueue::push`] never blocks.
pub(super) struct LogQueue {
    /// Absent once the log is closed.
    sender: Mutex<Option<SyncSender<LogRecord>>>,
    lost: Arc<AtomicU64>,
    /// Disconnects when the thread has written everything.
    written: Mutex<Receiver<()>>,
}

impl LogQueue {
    pub(super) fn start(writer: LogWriter) -> std::io::Result<Self> {
        Self::start_with(move |record| writer.write(record), WAITING_MAX)
    }

    fn start_with(
        write: impl Fn(&LogRecord) + Send + 'static,
        waiting_max: usize,
    ) -> std::io::Result<Self> {
        let (sender, records) = sync_channel(waiting_max);
        let (done, written) = sync_channel::<()>(0);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        let work = move || {
            let tell_losses = || match counter.swap(0, Ordering::Relaxed) {
                0 => {}
                missing => write(&lost_records(missing)),
            };
            for record in records {
                tell_losses();
                write(&record);
            }
            tell_losses();
            drop(done);
        };
        std::thread::Builder::new().name("log".into()).spawn(work)?;
        let sender = Mutex::new(Some(sender));
        Ok(Self { sender, lost, written: Mutex::new(written) })
    }

    pub(super) fn push(&self, record: LogRecord) {
        let sender = self.sender.lock().ignoring_poison();
        if sender.as_ref().is_some_and(|sender| sender.try_send(record).is_err()) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Accepts no more records and waits until the thread has written the queued ones, for at most
    /// [`CLOSE_TIMEOUT`]. A thread with a stalled reader is abandoned, because the process ends.
    pub(super) fn close(&self) {
        drop(self.sender.lock().ignoring_poison().take());
        let written = self.written.lock().ignoring_poison();
        // Nothing is ever sent: both outcomes, the end of the thread and a timeout, are errors.
        let _ = written.recv_timeout(CLOSE_TIMEOUT);
    }
}

fn lost_records(missing: u64) -> LogRecord {
    let missing = usize::try_from(missing).unwrap_or(usize::MAX);
    let text =
        format!("{} lost: stderr or stdout was not read in time", count(missing, "log line"));
    let mut record = LogRecord::new(Clock::Real.now(), Level::WARN, text);
    record.fields.insert("event".to_owned(), "log".into());
    record
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn record(text: &str) -> LogRecord {
        LogRecord::new(Timestamp::UNIX_EPOCH, Level::INFO, text)
    }

    /// A queue for one waiting record, whose writer waits for a signal before each line.
    fn queue() -> (LogQueue, SyncSender<()>, Arc<Mutex<Vec<String>>>) {
        let (go, gate) = sync_channel(16);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&lines);
        let write = move |record: &LogRecord| {
            gate.recv().unwrap();
            written.lock().unwrap().push(record.message.clone());
        };
        (LogQueue::start_with(write, 1).unwrap(), go, lines)
    }

    #[test]
    fn a_stalled_reader_delays_no_caller_and_the_loss_is_logged() {
        let (queue, go, lines) = queue();
        for number in 0..9 {
            queue.push(record(&number.to_string()));
        }
        for _ in 0..9 {
            go.send(()).unwrap();
        }
        queue.close();
        let lines = lines.lock().unwrap().clone();
        let told: Vec<&String> = lines.iter().filter(|line| line.contains("lost")).collect();
        let [told] = told.as_slice() else { panic!("{lines:?}") };
        let lost: usize = told.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(lines.len() - 1 + lost, 9, "{lines:?}");
    }

    #[test]
    fn closing_writes_the_waiting_records_and_accepts_no_more() {
        let (queue, go, lines) = queue();
        go.send(()).unwrap();
        queue.push(record("before"));
        queue.close();
        queue.push(record("after"));
        assert_eq!(*lines.lock().unwrap(), ["before"]);
    }
}
