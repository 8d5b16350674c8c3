//! The task that reads the stream: it decodes events, fills the queue and reopens the stream.

use std::sync::Arc;

use tokio::time::{Instant, sleep, timeout};

use super::super::session::Session;
use super::super::transport::{Frame, FrameStream, StreamRequest};
use super::super::wire::{self, EventContent};
use super::StreamLimits;
use super::meter::{Admission, Meter, ROW_MAX, weight};
use super::queue::SignalQueue;

/// The kinds of rows that we use. Other events would be discarded here.
const FILTER: &str = concat!(
    r#"{"filters":[{"entity-type":"instance"},{"entity-type":"job"},{"entity-type":"pool"},"#,
    r#"{"entity-type":"scaleset"},{"entity-type":"controller"}]}"#
);

/// Closes the queue when the task ends, for whatever reason.
struct CloseOnDrop(Arc<SignalQueue>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Reads the stream until the task is aborted.
pub(super) async fn read(session: Arc<Session>, queue: Arc<SignalQueue>, limits: StreamLimits) {
    let _last = CloseOnDrop(Arc::clone(&queue));
    let wish = |token| StreamRequest { token, filter: FILTER, message_max: limits.message_max };
    let mut dice = limits.seed;
    let mut attempt = 0;
    let mut meter = Meter::new(limits.taken_max);
    loop {
        let why = match session.listen(wish).await {
            Ok(mut frames) => {
                queue.connected();
                let since = Instant::now();
                let why = drain(&mut *frames, (&queue, &mut meter), &limits).await;
                if since.elapsed() >= limits.settled_after {
                    attempt = 0;
                }
                why
            }
            Err(error) => error.to_string(),
        };
        queue.lost(why);
        sleep(limits.backoff.jittered(attempt, dice)).await;
        attempt = attempt.saturating_add(1);
        dice = stirred(dice);
    }
}

/// Reads frames until the stream ends, and returns the reason.
async fn drain(
    frames: &mut dyn FrameStream,
    (queue, meter): (&SignalQueue, &mut Meter),
    limits: &StreamLimits,
) -> String {
    loop {
        let Ok(frame) = timeout(limits.silence, frames.next()).await else {
            return format!("GARM was silent for {:?}, pings included", limits.silence);
        };
        match frame {
            Ok(Frame::KeepAlive) => {}
            Ok(Frame::Text(text)) => match wire::event(text.as_bytes()) {
                Ok(Some(EventContent::Settings)) => queue.settings(),
                Ok(Some(EventContent::Row(change))) => {
                    let weight = weight(&change);
                    match meter.judge(&change, weight, Instant::now()) {
                        _ if weight > ROW_MAX => queue.pass_over(),
                        Admission::Accepted => queue.change(*change, weight),
                        Admission::AcceptedAfterDrop => {
                            queue.overflow();
                            queue.change(*change, weight);
                        }
                        Admission::FirstDropped => queue.overflow(),
                        Admission::Dropped => {}
                    }
                }
                Ok(None) => {}
                // The next message may be valid, and the next full read corrects what this one
                // missed.
                Err(_) => queue.pass_over(),
            },
            Err(why) => return why,
        }
    }
}

/// The next pseudorandom number (Knuth's MMIX generator).
fn stirred(dice: u64) -> u64 {
    dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
}
