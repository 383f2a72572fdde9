//! How a command ended: its exit code, with the meaning that `sysexits.h` gives it.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use naq_core::{ErrorKind, Failure};

use crate::protocol::Classes;

/// `EX_USAGE`: the command was called in a wrong way.
const USAGE: u8 = 64;
/// `EX_DATAERR`: the input is wrong.
const DATA_ERROR: u8 = 65;

/// The error kind of exit codes: `ExitCode.75`.
const KIND: &str = "ExitCode";

/// The failure of a command that ended without an answer, or None if it succeeded. `stderr` is the
/// last line that it wrote there.
///
/// 64 (usage) and 65 (data) are never retried, because the command would get the same input. The
/// policy decides about all others, 75 (temporary failure) among them.
pub(super) fn failure_of(status: ExitStatus, stderr: &str, classes: &Classes) -> Option<Failure> {
    let Some(code) = status.code().and_then(|code| u8::try_from(code).ok()) else {
        let signal = status.signal().unwrap_or_default();
        return Some(Failure::crash(with_stderr(format!("killed by signal {signal}"), stderr)));
    };
    if code == 0 {
        return None;
    }
    let kind = ErrorKind::new(format!("{KIND}.{code}")).unwrap_or(ErrorKind::ERROR);
    let failure = Failure::new(kind, with_stderr(format!("exit code {code}"), stderr));
    let failure = if matches!(code, USAGE | DATA_ERROR) { failure.fatal() } else { failure };
    Some(classes.apply(code.into(), failure))
}

fn with_stderr(what: String, stderr: &str) -> String {
    if stderr.is_empty() { what } else { format!("{what}: {stderr}") }
}

#[cfg(test)]
mod tests {
    use naq_core::Advice;

    use super::*;

    fn exit(code: i32) -> Option<Failure> {
        failure_of(ExitStatus::from_raw(code << 8), "boom", &Classes::default())
    }

    #[test]
    fn exit_codes_mean_what_sysexits_says() {
        assert!(exit(0).is_none());
        for (code, advice) in [
            (1, Advice::Policy),
            (64, Advice::Fatal),
            (65, Advice::Fatal),
            (75, Advice::Policy),
            (255, Advice::Policy),
        ] {
            let failure = exit(code).expect("failed");
            assert_eq!(failure.advice(), advice, "{code}");
            assert_eq!(failure.to_string(), format!("ExitCode.{code}: exit code {code}: boom"));
        }
    }

    #[test]
    fn a_command_that_was_killed_has_crashed() {
        let killed = failure_of(ExitStatus::from_raw(9), "", &Classes::default());
        let failure = killed.expect("failed");
        assert_eq!(failure.advice(), Advice::Crash);
        assert_eq!(failure.message(), "killed by signal 9");
    }
}
