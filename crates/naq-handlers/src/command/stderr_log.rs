//! What a command writes to its standard error: lines for the log, and the last one for the failure.

use naq_core::redact::Redactor;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// The longest line that is logged. The rest of a longer line is the next line.
const MAX_LOGGED: u64 = 8 << 10;

/// Logs each line until the stream ends, in the span of the caller. Gives each line to `last` too.
pub(crate) async fn log_stderr(stderr: impl AsyncRead + Unpin, mut last: impl FnMut(String)) {
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
            last(text.into_owned());
        }
    }
}
