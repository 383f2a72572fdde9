//! Takes the answers of one attempt as they arrive.

use naq_core::Failure;
use naq_worker::Context;
use serde_json::Value;

use crate::protocol::{Answer, Line, read_line};

/// How an attempt ended.
pub(crate) type Ended = Result<Value, Failure>;

/// Takes one line. Progress and checkpoints are reported at once. None until the attempt ends.
///
/// # Errors
/// The line breaks the protocol, or the checkpoint cannot be stored. The attempt has failed.
pub(crate) async fn take_line<S>(
    cx: &Context<S>,
    run: &str,
    line: &[u8],
) -> Result<LineTaken, Failure> {
    match read_line(line, run)? {
        Line::Answer(Answer::Progress(it)) => cx.progress(it.done, it.total, it.message),
        Line::Answer(Answer::Checkpoint(state)) => cx.checkpoint(&state).await?,
        Line::Answer(Answer::Result(value)) => return Ok(LineTaken::Ended(Ok(value))),
        Line::Answer(Answer::Error(err)) => return Ok(LineTaken::Ended(Err(err.into_failure()))),
        Line::OtherRun => {
            tracing::warn!("a handler answered to an earlier run; the answer is not taken")
        }
        Line::Unknown => {}
        Line::Mixed => return Ok(LineTaken::Mixed),
        Line::Text => return Ok(LineTaken::Text),
    }
    Ok(LineTaken::Answer)
}

/// What a line was.
#[derive(Debug)]
pub(crate) enum LineTaken {
    /// The end of the attempt.
    Ended(Ended),
    /// Another answer.
    Answer,
    /// The name of an answer, and more fields.
    Mixed,
    /// Not an answer.
    Text,
}
