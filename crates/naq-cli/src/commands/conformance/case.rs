//! [`JobCase`]: one job for the handler, and what must become of it.

use std::time::Duration;

use naq_client::JobReport;
use naq_core::JobState;
use naq_core::wire::AttemptOutcome;
use serde_json::Value;

/// What a case came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    /// The case does not fit this kind of handler.
    LeftOut(&'static str),
    Failed(String),
}

/// Which handlers a case fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fits {
    All,
    /// The handler dies, which a service cannot do without its other attempts.
    Commands,
}

/// What is done to the job while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meanwhile {
    Nothing,
    Cancel,
}

/// One job for the handler, and what must become of it.
#[derive(Debug, Clone)]
pub(super) struct JobCase {
    pub(super) name: &'static str,
    pub(super) task: &'static str,
    pub(super) args: Value,
    pub(super) timeout: Option<Duration>,
    pub(super) meanwhile: Meanwhile,
    pub(super) fits: Fits,
    pub(super) expect: Expect,
}

/// What must become of a job.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expect {
    pub(super) state: JobState,
    pub(super) result: Option<Value>,
    /// The result of a language whose only numbers are doubles.
    pub(super) rounded: Option<Value>,
    /// How the first attempt ended; not checked if `None`.
    pub(super) first: Option<AttemptOutcome>,
    pub(super) kind: Option<&'static str>,
    pub(super) message: Option<String>,
    pub(super) delay_ms: Option<u64>,
}

impl JobCase {
    pub(super) fn new(name: &'static str, task: &'static str, args: Value) -> Self {
        Self {
            name,
            task,
            args,
            timeout: None,
            meanwhile: Meanwhile::Nothing,
            fits: Fits::All,
            expect: Expect {
                state: JobState::Completed,
                result: None,
                rounded: None,
                first: None,
                kind: None,
                message: None,
                delay_ms: None,
            },
        }
    }

    /// The job completes with this result.
    pub(super) fn returns(mut self, result: Value) -> Self {
        self.expect.result = Some(result);
        self
    }

    pub(super) fn ends(mut self, state: JobState) -> Self {
        self.expect.state = state;
        self
    }

    /// How the first attempt ends.
    pub(super) fn first(mut self, outcome: AttemptOutcome) -> Self {
        self.expect.first = Some(outcome);
        self
    }

    /// Kind and message of the error of the first attempt.
    pub(super) fn error(mut self, kind: &'static str, message: impl Into<String>) -> Self {
        self.expect.kind = Some(kind);
        self.expect.message = Some(message.into());
        self
    }
}

impl Expect {
    /// Compares the job with what must have become of it.
    pub(super) fn judge(&self, report: &JobReport) -> Verdict {
        let history = report.envelope.as_ref().map_or(&[][..], |job| &job.history);
        let first = history.first();
        let told = first.map(|it| {
            let kind = it.error_kind.as_ref().map(ToString::to_string).unwrap_or_default();
            format!(
                "; the first attempt: {:?} {kind} {}",
                it.outcome,
                clip(it.message.as_deref().unwrap_or_default())
            )
        });
        let told = told.unwrap_or_default();
        let wrong = |what: &str, is: String, must: String| {
            Verdict::Failed(format!("{what} is {}, and must be {}{told}", clip(&is), clip(&must)))
        };
        if report.state != self.state {
            return wrong("the state", report.state.to_string(), self.state.to_string());
        }
        if let Some(must) = &self.result {
            let result = report.result.as_ref().map(|it| it.decode::<Value>());
            let is = result.and_then(Result::ok).unwrap_or(Value::Null);
            if self.rounded.as_ref() == Some(&is) {
                return Verdict::LeftOut("the numbers of the handler's language are doubles");
            }
            if is != *must {
                return wrong("the result", is.to_string(), must.to_string());
            }
        }
        let Some(outcome) = self.first else { return Verdict::Passed };
        let Some(first) = first else {
            return Verdict::Failed("no attempt is recorded".to_owned());
        };
        if first.outcome != outcome {
            return wrong("its outcome", format!("{:?}", first.outcome), format!("{outcome:?}"));
        }
        let kind = first.error_kind.as_ref().map(ToString::to_string).unwrap_or_default();
        if self.kind.is_some_and(|must| must != kind) {
            return wrong("the error kind", kind, self.kind.unwrap_or_default().to_owned());
        }
        let message = first.message.as_deref().unwrap_or_default();
        if let Some(must) = self.message.as_ref().filter(|must| *must != message) {
            return wrong("the message", message.to_owned(), must.clone());
        }
        match self.delay_ms {
            Some(must) if first.delay_ms != Some(must) => {
                wrong("the delay in ms", format!("{:?}", first.delay_ms), format!("{must}"))
            }
            _ => Verdict::Passed,
        }
    }
}

fn clip(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
    }
}
