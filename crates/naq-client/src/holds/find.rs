//! [`find_holds`] and [`hold_of`]: what holds the jobs of a queue, and what holds one job. No I/O.

use std::collections::BTreeMap;

use naq_core::clock::Timestamp;
use naq_core::flow::breaker::{BreakerEntry, Phase};
use naq_core::state::JobState;
use naq_core::transport::{HeldBack, JobSummary};

use super::{Hold, HoldCause, HoldFacts};

/// What holds the jobs of this queue, the most urgent first. Empty if nothing does.
///
/// It counts the waiting jobs that the facts have. A job that waits for its own due time is not held.
pub fn find_holds(facts: &HoldFacts<'_>) -> Vec<Hold> {
    let mut holds = of_queue(facts);
    holds.extend(of_waiting(facts));
    let is_named = |holds: &[Hold], cause, name: &str| {
        holds.iter().any(|hold| hold.cause == cause && hold.name.as_deref() == Some(name))
    };
    for pause in facts.pauses.iter().filter(|it| it.queue == facts.queue.name) {
        let task = pause.task.as_str();
        if pause.holds(facts.now) && !is_named(&holds, HoldCause::TaskPause, task) {
            holds.push(named(facts, HoldCause::TaskPause, task, &Group::default()));
        }
    }
    holds.sort_by(|a, b| (a.cause, b.jobs, &a.name).cmp(&(b.cause, a.jobs, &b.name)));
    holds
}

/// What holds this job, or will hold it when it is due. `holds` are those of its queue.
pub fn hold_of<'a>(job: &JobSummary, holds: &'a [Hold]) -> Option<&'a Hold> {
    if job.state.is_final() || job.state == JobState::Running {
        return None;
    }
    let own = job.held.as_ref().map(|held| (HoldCause::of_rule(held.rule), name_of(job, held)));
    let holds_it = |hold: &&Hold| {
        let name = hold.name.as_deref();
        if own.as_ref().is_some_and(|(cause, by)| (hold.cause, name) == (*cause, by.as_deref())) {
            return true;
        }
        match hold.cause {
            HoldCause::NoWorker | HoldCause::QueuePause => true,
            HoldCause::QueueLimit => job.state == JobState::Pending,
            HoldCause::TaskPause | HoldCause::Breaker => {
                name.is_some() && name == job.task.as_ref().map(|task| task.as_str())
            }
            HoldCause::Dependencies => job.state == JobState::Blocked,
            _ => false,
        }
    };
    holds.iter().find(holds_it)
}

/// What holds jobs of the whole queue.
fn of_queue(facts: &HoldFacts<'_>) -> Vec<Hold> {
    let HoldFacts { queue, workers, now, .. } = *facts;
    let mut holds = Vec::new();
    let mut add = |cause, jobs, since, until, reason| {
        let (queue, at_least) = (Some(queue.name.clone()), false);
        holds.push(Hold { cause, queue, name: None, jobs, at_least, since, until, reason });
    };
    let oldest = queue.oldest.map(|oldest| now.saturating_sub(oldest));
    if queue.is_paused(now) {
        let reason = format!("queue {} is paused", queue.name);
        add(HoldCause::QueuePause, queue.pending, None, queue.pause_ends_at(now), reason);
    }
    let serving = workers.iter().filter(|worker| worker.queues.contains(&queue.name)).count();
    if serving == 0 && queue.pending > 0 {
        let reason = format!("no worker takes jobs from queue {}", queue.name);
        add(HoldCause::NoWorker, queue.pending, oldest, None, reason);
    }
    if let Some(limit) = queue.concurrency_limit.filter(|limit| queue.running >= *limit)
        && queue.pending > 0
    {
        let reason = format!("queue {} runs at most {limit} jobs at once", queue.name);
        add(HoldCause::QueueLimit, queue.pending, oldest, None, reason);
    }
    let stored = queue.pending + queue.running + queue.waiting;
    let is_full = queue.bound.max_jobs.is_some_and(|max| stored >= max.get())
        || queue.bound.max_bytes.is_some_and(|max| queue.bytes >= max.get());
    if is_full {
        let bound = queue.bound;
        let reason =
            format!("queue {} is full and refuses new jobs; its bound is {bound}", queue.name);
        add(HoldCause::FullQueue, 0, None, None, reason);
    }
    holds
}

/// The jobs that one thing holds.
#[derive(Debug, Clone, Default)]
struct Group {
    jobs: u64,
    since: Option<Timestamp>,
    /// When the first of them is checked again.
    next: Option<Timestamp>,
    reason: String,
}

/// What holds waiting jobs, by what their last records say.
fn of_waiting(facts: &HoldFacts<'_>) -> Vec<Hold> {
    let mut groups: BTreeMap<(HoldCause, Option<String>), Group> = BTreeMap::new();
    for job in facts.waiting.iter().filter(|job| job.key.queue == facts.queue.name) {
        let (cause, name, since, reason) = match (&job.held, job.state) {
            (_, JobState::Blocked) => {
                let reason = "the jobs that they depend on have not ended".to_owned();
                (HoldCause::Dependencies, None, Some(job.stored_at), reason)
            }
            (Some(held), JobState::Scheduled | JobState::Retrying) => {
                let cause = HoldCause::of_rule(held.rule);
                (cause, name_of(job, held), held.since, held.reason.clone())
            }
            _ => continue,
        };
        let group = groups.entry((cause, name)).or_default();
        group.jobs += 1;
        group.since = [group.since, since].into_iter().flatten().min();
        group.next = [group.next, job.due_at].into_iter().flatten().min();
        group.reason = reason;
    }
    let hold = |((cause, name), group): ((HoldCause, Option<String>), Group)| match name {
        Some(name) => named(facts, cause, &name, &group),
        None => Hold {
            cause,
            queue: Some(facts.queue.name.clone()),
            name: None,
            jobs: group.jobs,
            at_least: facts.has_more,
            since: group.since,
            until: None,
            reason: group.reason,
        },
    };
    groups.into_iter().map(hold).collect()
}

/// A hold with a name: what the breaker or the pause itself says counts more than the records of jobs.
fn named(facts: &HoldFacts<'_>, cause: HoldCause, name: &str, group: &Group) -> Hold {
    let mut hold = Hold {
        cause,
        queue: Some(facts.queue.name.clone()),
        name: Some(name.to_owned()),
        jobs: group.jobs,
        at_least: facts.has_more,
        since: group.since,
        until: None,
        reason: group.reason.clone(),
    };
    match cause {
        HoldCause::Breaker => {
            let breaker = facts.breakers.iter().find(|entry| entry.key == name);
            let closed = BreakerEntry::absent(name);
            let own = of_breaker(breaker.unwrap_or(&closed), facts.now);
            (hold.since, hold.until) = (own.since.or(hold.since), own.until.or(group.next));
            hold.reason = own.reason;
        }
        HoldCause::TaskPause => {
            let is_it = |it: &&naq_core::flow::TaskPause| {
                it.queue == facts.queue.name && it.task.as_str() == name && it.holds(facts.now)
            };
            match facts.pauses.iter().find(is_it) {
                Some(pause) => {
                    (hold.since, hold.until) = (Some(pause.since), pause.until);
                    hold.reason = pause.sentence();
                }
                None => {
                    hold.until = group.next;
                    hold.reason =
                        format!("task {name} was resumed; its jobs start at their next check");
                }
            }
        }
        // The job comes back by itself.
        HoldCause::Budget | HoldCause::Limit => hold.until = group.next,
        _ => {}
    }
    hold
}

/// The breakers that are not closed and hold none of the jobs of `holds`.
pub fn idle_breakers(breakers: &[BreakerEntry], holds: &[Hold], now: Timestamp) -> Vec<Hold> {
    let holds_a_job = |key: &str| {
        holds.iter().any(|it| it.cause == HoldCause::Breaker && it.name.as_deref() == Some(key))
    };
    let is_idle = |it: &&BreakerEntry| {
        !matches!(it.now(now).phase, Phase::Closed { .. }) && !holds_a_job(&it.key)
    };
    breakers.iter().filter(is_idle).map(|it| of_breaker(it, now)).collect()
}

/// A breaker, without the jobs that it holds.
fn of_breaker(breaker: &BreakerEntry, now: Timestamp) -> Hold {
    let (key, state) = (&breaker.key, breaker.now(now));
    let (until, reason) = match &state.phase {
        Phase::Open { by_hand, reason, until, .. } => {
            let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            let opened = if *by_hand { "was opened by hand" } else { "is open" };
            (*until, format!("breaker {key} {opened}{why}"))
        }
        Phase::HalfOpen { .. } => {
            (None, format!("breaker {key} is half open: a few jobs run as probes"))
        }
        Phase::Recovering { until, .. } => {
            (Some(*until), format!("breaker {key} recovers: a growing share of its jobs may start"))
        }
        _ => (None, format!("breaker {key} is closed again; its jobs start at their next check")),
    };
    Hold {
        cause: HoldCause::Breaker,
        queue: None,
        name: Some(key.clone()),
        jobs: 0,
        at_least: false,
        since: state.phase.since(),
        until,
        reason,
    }
}

/// The name of what holds the job. Earlier versions of NAQ wrote none.
fn name_of(job: &JobSummary, held: &HeldBack) -> Option<String> {
    let task = || job.task.as_ref().map(ToString::to_string);
    match HoldCause::of_rule(held.rule) {
        HoldCause::NoHandler | HoldCause::TaskPause => held.by.clone().or_else(task),
        _ => held.by.clone(),
    }
}
