//! Reads answers from the terminal: the confirmation of an `apply`, and the values that `init`
//! needs.

use std::io::stdin;

use super::context::Context;
use super::failure::Failure;

/// Asks `question` and returns the trimmed answer, or `None` at the end of the input (Ctrl-D).
/// Requires [`super::print::Printer::can_ask`]. A separate thread reads the answer, so that a
/// signal can end the command meanwhile.
pub async fn ask(question: &str, cx: Context<'_>) -> Result<Option<String>, Failure> {
    cx.print.prompt(question);
    let (sender, answer) = tokio::sync::oneshot::channel();
    let read = move || {
        let mut line = String::new();
        let read = stdin().read_line(&mut line).map(|_| line);
        // The receiver is dropped only when the command has ended.
        let _ = sender.send(read);
    };
    let thread = std::thread::Builder::new().name("question".into()).spawn(read);
    thread.map_err(|error| {
        anyhow::Error::new(error).context("cannot start the thread that reads the answer")
    })?;
    let line = answer.await.map_err(anyhow::Error::new)?;
    let line = line.map_err(|error| anyhow::Error::new(error).context("cannot read the answer"))?;
    // Ctrl-D ends the input without ending the line.
    if line.ends_with('\n') {
        cx.print.answered();
    }
    Ok((!line.is_empty()).then(|| line.trim().to_owned()))
}
