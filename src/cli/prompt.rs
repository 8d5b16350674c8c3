//! The question before an `apply`. Only a person at a terminal is asked.

use std::io::stdin;

use super::context::Context;
use super::failure::Failure;

/// Asks, and brings what was typed, without blanks around it. To be called only where
/// [`super::print::Printer::can_ask`]. The answer is awaited on a thread of its own, so that a
/// signal can end the command in the meantime.
pub async fn ask(question: &str, cx: Context<'_>) -> Result<String, Failure> {
    cx.print.prompt(question);
    let (sender, answer) = tokio::sync::oneshot::channel();
    let read = move || {
        let mut line = String::new();
        let read = stdin().read_line(&mut line).map(|_| line);
        // The receiver is gone only when the command has ended.
        let _ = sender.send(read);
    };
    let thread = std::thread::Builder::new().name("question".into()).spawn(read);
    thread.map_err(|error| {
        anyhow::Error::new(error).context("cannot start the thread that reads the answer")
    })?;
    let line = answer.await.map_err(anyhow::Error::new)?;
    let line = line.map_err(|error| anyhow::Error::new(error).context("cannot read the answer"))?;
    // Ctrl-D ends the input and not the line.
    if line.ends_with('\n') {
        cx.print.answered();
    }
    Ok(line.trim().to_owned())
}
