//! What a command writes to its standard error: lines for the log, and one that says why it failed.

use naq_core::redact::Redactor;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// The longest line that is logged. The rest of a longer line is the next line.
const MAX_LOGGED: u64 = 8 << 10;

/// Logs each line until the stream ends, in the span of the caller. Gives those to `said` that may say
/// why the command failed: the last one does.
pub(crate) async fn log_stderr(stderr: impl AsyncRead + Unpin, mut said: impl FnMut(String)) {
    let redactor = Redactor::default();
    let (mut stderr, mut line) = (BufReader::new(stderr), Vec::new());
    loop {
        line.clear();
        match (&mut stderr).take(MAX_LOGGED).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if !text.is_empty() {
            let text = redactor.redact_text(text);
            tracing::info!(target: "naq::handler", "{text}");
            if says_why(&text) {
                said(text.into_owned());
            }
        }
    }
}

/// Whether a line may say why a command failed. The lines of a stack trace are indented, and Node ends
/// one with its own version.
pub(crate) fn says_why(line: &str) -> bool {
    !line.starts_with([' ', '\t']) && !line.starts_with("Node.js v")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn last(text: &str) -> String {
        let mut last = String::new();
        log_stderr(text.as_bytes(), |line| last = line).await;
        last
    }

    #[tokio::test]
    async fn the_message_is_the_last_line_that_is_not_part_of_a_trace() {
        let python =
            "Traceback (most recent call last):\n  File \"x.py\", line 1\nKeyError: 'to'\n";
        assert_eq!(last(python).await, "KeyError: 'to'");
        let node = "x.js:1\nError: no such order\n    at x.js:1:7\n\nNode.js v20.20.2\n";
        assert_eq!(last(node).await, "Error: no such order");
    }

    #[tokio::test]
    async fn a_secret_is_redacted_before_it_is_logged() {
        assert_eq!(
            last("cannot log in with token=hunter2").await,
            "cannot log in with token=[redacted]"
        );
    }
}
