//! [`HoldRow`]: one thing that holds jobs, with the button that ends it.

use naq_client::{Hold, HoldCause};
use naq_core::Timestamp;

use crate::access::{Access, Touched};
use crate::links::encode;
use crate::page_request::PageRequest;
use crate::user::Role;
use crate::view::{RelativeTime, count, redacted};

/// One thing that holds jobs. The macro `holds` in `macros.html` shows it.
#[derive(Debug)]
pub(super) struct HoldRow {
    pub(super) cause: &'static str,
    pub(super) reason: String,
    /// The number of held jobs, as a number and as text. `None` if it holds no job.
    pub(super) jobs: Option<(u64, String)>,
    /// The queue, and the link to its page.
    pub(super) queue: Option<(String, String)>,
    pub(super) since: Option<RelativeTime>,
    pub(super) until: Option<RelativeTime>,
    pub(super) button: Option<HoldButton>,
    /// What to do where no button helps.
    pub(super) next: String,
    /// The page with the form, to which the action returns.
    pub(super) back: String,
}

/// The button that ends a hold.
#[derive(Debug)]
pub(super) struct HoldButton {
    pub(super) path: String,
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) words: String,
}

impl HoldRow {
    pub(super) fn new(hold: &Hold, request: &PageRequest<'_>, now: Timestamp) -> Self {
        let queue = hold.queue.as_ref().map(|queue| {
            (queue.to_string(), request.link(&format!("/queues/{}", encode(queue.as_str()))))
        });
        let plural = if hold.jobs == 1 && !hold.at_least { "job" } else { "jobs" };
        let more = if hold.at_least { " or more" } else { "" };
        Self {
            cause: hold.cause.as_str(),
            reason: redacted(&hold.reason, 300),
            jobs: (hold.jobs > 0)
                .then(|| (hold.jobs, format!("{}{more} {plural}", count(hold.jobs)))),
            queue,
            since: hold.since.map(|at| RelativeTime::new(at, now)),
            until: hold.until.filter(|at| *at > now).map(|at| RelativeTime::new(at, now)),
            button: button(hold, request).filter(|_| may_end(hold, &request.access)),
            next: next_step(hold),
            back: request.with_only(request.query.iter().map(|(name, value)| (&**name, &**value))),
        }
    }
}

/// Whether the visitor may press the button of this hold. A breaker holds the jobs of any queue.
fn may_end(hold: &Hold, access: &Access) -> bool {
    match &hold.queue {
        Some(queue) if hold.cause != HoldCause::Breaker => access.may_operate(queue),
        _ => access.may(Role::Operate, &Touched::All),
    }
}

fn button(hold: &Hold, request: &PageRequest<'_>) -> Option<HoldButton> {
    let queue = hold.queue.as_ref().map(ToString::to_string);
    let name = hold.name.clone();
    let (path, fields, words) = match hold.cause {
        HoldCause::Breaker => {
            ("/act/breaker/close", vec![("key", name?)], "Close the breaker".to_owned())
        }
        HoldCause::QueuePause => {
            ("/act/queue/resume", vec![("queue", queue?)], "Resume the queue".to_owned())
        }
        HoldCause::TaskPause => {
            let fields = vec![("queue", queue?), ("task", name?)];
            ("/act/task/resume", fields, "Resume the task".to_owned())
        }
        _ => return None,
    };
    Some(HoldButton { path: request.link(path), fields, words })
}

/// What to do, in words: a command, or what ends the hold.
fn next_step(hold: &Hold) -> String {
    let queue = hold.queue.as_ref().map_or("QUEUE", |queue| queue.as_str());
    let name = hold.name.as_deref().unwrap_or_default();
    match hold.cause {
        HoldCause::NoWorker => format!("Start a worker: naq worker {queue}"),
        HoldCause::NoHandler => format!("Start a worker of {queue} that has the task {name}."),
        HoldCause::FullQueue => format!("Raise the bound: naq queue limit {queue} --max-jobs N"),
        HoldCause::QueueLimit => format!("Raise the limit: naq queue limit {queue} N"),
        HoldCause::Limit => "The next job starts when a job of this key ends, or at the time that its rate gives it.".into(),
        HoldCause::Budget => {
            "The budget gives its tokens by time. Mend what fails, or raise the budget in the worker.".into()
        }
        HoldCause::Dependencies => "The jobs start when their parents have ended.".into(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use naq_core::flow::breaker::{BreakerEntry, Phase};

    use super::*;

    #[test]
    fn each_cause_has_a_button_or_a_next_step() {
        let ends_by_button =
            [HoldCause::Breaker, HoldCause::QueuePause, HoldCause::TaskPause, HoldCause::Other];
        for cause in HoldCause::ALL {
            let needs_words = !ends_by_button.contains(&cause);
            assert_eq!(!words_of(cause).is_empty(), needs_words, "{cause}");
        }
    }

    fn words_of(cause: HoldCause) -> String {
        let mut breaker = BreakerEntry::absent("k");
        let (since, probes) = (Timestamp::default(), Vec::new());
        breaker.state.phase = Phase::HalfOpen { since, probes, successes: 0 };
        let mut hold = naq_client::idle_breakers(&[breaker], &[], since).remove(0);
        hold.cause = cause;
        next_step(&hold)
    }
}
