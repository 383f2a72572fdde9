//! [`Row`]: one job of the table, expected and observed side by side.

use naq::JobId;

use super::{Expected, Observed};

/// A job that was watched to its end, or until the time limit.
#[derive(Debug, Clone)]
pub struct Row {
    /// The program that enqueued it.
    pub program: &'static str,
    /// The program's name for it.
    pub name: &'static str,
    /// Its id.
    pub id: JobId,
    /// How it should end.
    pub expected: Expected,
    /// How it ended; `None` if the broker has no trace of it.
    pub observed: Option<Observed>,
}

impl Row {
    /// The differences from the expectation, one sentence each; empty if there is none.
    pub fn differences(&self) -> Vec<String> {
        let Some(seen) = &self.observed else {
            return vec!["the broker has no trace of it".into()];
        };
        let want = &self.expected;
        let mut out = Vec::new();
        let mut differs = |what: &str, expected: String, got: String| {
            if expected != got {
                out.push(format!("{what} should be {expected}, is {got}"));
            }
        };
        differs("state", want.state.to_string(), seen.state.to_string());
        differs("attempts", want.attempts().to_string(), seen.attempts.to_string());
        differs("waits", want.waits.len().to_string(), seen.waits.len().to_string());
        differs("rule", want.rule.to_string(), seen.rule.map_or("none".into(), |r| r.to_string()));
        if let Some(result) = want.result {
            let got = seen.result.as_deref().unwrap_or("nothing");
            differs("result", format!("{result:?}"), format!("{got:?}"));
        }
        for (n, (wait, got)) in want.waits.iter().zip(&seen.waits).enumerate() {
            let n = n + 1;
            if got.planned < wait.min || got.planned > wait.max {
                let (min, max) = (wait.min, wait.max);
                out.push(format!("delay {n} is {:?}, not {min:?} to {max:?}", got.planned));
            }
            if got.measured < got.planned {
                out.push(format!("wait {n} took {:?}, less than {:?}", got.measured, got.planned));
            }
        }
        out
    }
}
