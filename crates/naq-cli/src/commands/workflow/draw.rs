//! Draws a graph of jobs as a tree. Pure.

use std::collections::BTreeMap;

use naq_client::{WorkflowNode, WorkflowReport};
use naq_core::flow::RunWhen;
use naq_core::{JobId, JobState, Timestamp};

use crate::job_details::state;
use crate::output::{BOLD, DIM, GREEN, RED, YELLOW, paint};
use crate::text::{about, count, printable};

/// Jobs that are drawn side by side. Further ones are only counted.
const SIDE_BY_SIDE: usize = 20;
/// Names that are listed. Further ones are only counted.
const NAMED: usize = 4;

/// The characters of the drawing, and whether it shows all jobs.
#[derive(Debug)]
pub(super) struct Style {
    branch: &'static str,
    last: &'static str,
    bar: &'static str,
    unicode: bool,
    all: bool,
}

impl Style {
    pub(super) fn new(ascii: bool, all: bool) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        let utf8 = locale.is_some_and(|l| l.to_ascii_lowercase().replace('-', "").contains("utf8"));
        Self::of(!ascii && utf8, all)
    }

    fn of(unicode: bool, all: bool) -> Self {
        let (branch, last, bar) =
            if unicode { ("├─ ", "└─ ", "│  ") } else { ("|- ", "`- ", "|  ") };
        Self { branch, last, bar, unicode, all }
    }

    fn mark(&self, of: Option<JobState>) -> String {
        let (style, unicode, ascii) = match of {
            Some(JobState::Completed) => (GREEN, "✓", "+"),
            Some(JobState::Dead) => (RED, "✗", "x"),
            Some(JobState::Cancelled | JobState::Expired) => (DIM, "–", "-"),
            Some(JobState::Running) => (BOLD, "●", "*"),
            Some(JobState::Retrying) => (YELLOW, "↻", "~"),
            _ => (DIM, "○", "."),
        };
        paint(style, if self.unicode { unicode } else { ascii })
    }
}

/// Draws the workflow. `job` is the job that the user asked for, if any.
pub(super) fn words(
    report: &WorkflowReport,
    job: Option<&JobId>,
    now: Timestamp,
    style: &Style,
) -> String {
    let picture = Picture { report, job, now, style, below: below(report) };
    let mut lines = vec![picture.title()];
    picture.draw(None, "", &mut lines);
    lines.join("\n")
}

/// For each job, by its index, the jobs that are drawn below it: those whose last parent it is. Under
/// `None`, the jobs without a parent.
fn below(report: &WorkflowReport) -> BTreeMap<Option<usize>, Vec<usize>> {
    let indexes: BTreeMap<&str, usize> =
        report.jobs.iter().enumerate().map(|(index, job)| (job.name.as_str(), index)).collect();
    let mut below: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for (index, job) in report.jobs.iter().enumerate() {
        let parents = job.after.iter().filter_map(|name| indexes.get(name.as_str()).copied());
        // The deepest parent, and of several the last one, so that no line goes back up.
        let parent = parents.filter(|p| *p < index).max_by_key(|p| (report.jobs[*p].depth, *p));
        below.entry(parent).or_default().push(index);
    }
    below
}

struct Picture<'a> {
    report: &'a WorkflowReport,
    job: Option<&'a JobId>,
    now: Timestamp,
    style: &'a Style,
    below: BTreeMap<Option<usize>, Vec<usize>>,
}

impl Picture<'_> {
    fn title(&self) -> String {
        let Some(name) = &self.report.name else {
            return format!("{} {}", paint(BOLD, "around job"), self.report.id);
        };
        let (ended, completed) = self.report.ended();
        let total = self.report.jobs.len();
        let age = self.report.enqueued_at.map(|at| about(self.now.since(at))).unwrap_or_default();
        let cancelled = if self.report.cancelled { ", cancelled" } else { "" };
        format!(
            "{} {}  {}, started {age} ago: {ended} of {total} ended, {completed} completed{cancelled}",
            paint(BOLD, "workflow"),
            self.report.id,
            printable(name),
        )
    }

    fn draw(&self, parent: Option<usize>, indent: &str, lines: &mut Vec<String>) {
        let Some(indexes) = self.below.get(&parent) else { return };
        let shown = self.shown(indexes);
        let rest = indexes.len() - shown.len();
        for (n, &index) in shown.iter().enumerate() {
            let last = n + 1 == shown.len() && rest == 0;
            let (line, bar) = match (parent, last) {
                (None, _) => ("", ""),
                (Some(_), true) => (self.style.last, "   "),
                (Some(_), false) => (self.style.branch, self.style.bar),
            };
            lines.push(format!("{indent}{line}{}", self.line(&self.report.jobs[index])));
            self.draw(Some(index), &format!("{indent}{bar}"), lines);
        }
        if rest > 0 {
            let line = if parent.is_none() { "" } else { self.style.last };
            let left = indexes.iter().filter(|index| !shown.contains(index));
            lines.push(format!("{indent}{line}{}", self.rest(left.copied())));
        }
    }

    /// The jobs that are drawn: those with jobs below them, and as many others as fit. Those that
    /// failed or run come first.
    fn shown(&self, indexes: &[usize]) -> Vec<usize> {
        if self.style.all || indexes.len() <= SIDE_BY_SIDE {
            return indexes.to_vec();
        }
        let weight = |index: &usize| {
            let job = &self.report.jobs[*index];
            let asked = Some(&job.key.id) == self.job;
            let leads_on = self.below.contains_key(&Some(*index));
            match job.state {
                _ if asked || leads_on => 0,
                Some(JobState::Dead | JobState::Expired | JobState::Cancelled) => 1,
                Some(JobState::Running | JobState::Retrying) => 2,
                Some(JobState::Completed) => 4,
                _ => 3,
            }
        };
        let mut shown = indexes.to_vec();
        shown.sort_by_key(|index| (weight(index), *index));
        let needed = shown.iter().filter(|index| weight(index) == 0).count();
        shown.truncate(needed.max(SIDE_BY_SIDE));
        shown.sort_unstable();
        shown
    }

    fn rest(&self, indexes: impl Iterator<Item = usize>) -> String {
        let mut states: BTreeMap<&str, u64> = BTreeMap::new();
        let mut all = 0;
        for index in indexes {
            let state = self.report.jobs[index].state.map_or("unknown", JobState::as_str);
            *states.entry(state).or_default() += 1;
            all += 1;
        }
        let states: Vec<_> = states.iter().map(|(state, n)| format!("{n} {state}")).collect();
        paint(DIM, format!("and {}: {} (--all)", count(all, "more job"), states.join(", ")))
    }

    fn line(&self, job: &WorkflowNode) -> String {
        let name = printable(&job.name);
        let asked = Some(&job.key.id) == self.job;
        let name = if asked { paint(BOLD, name) } else { name.into_owned() };
        let state = job.state.map_or_else(|| paint(DIM, "unknown"), state);
        let mut line = format!("{} {name}  {state}", self.style.mark(job.state));
        for word in self.details(job) {
            line.push_str("  ");
            line.push_str(&paint(DIM, printable(&word)));
        }
        line
    }

    fn details(&self, job: &WorkflowNode) -> Vec<String> {
        let mut words = Vec::new();
        match (job.state, job.attempt, job.max_attempts) {
            (Some(JobState::Running | JobState::Retrying | JobState::Dead), Some(n), Some(of)) => {
                words.push(format!("attempt {n} of {of}"));
            }
            (Some(JobState::Completed), Some(n), Some(of)) if n > 1 => {
                words.push(format!("attempt {n} of {of}"));
            }
            _ => {}
        }
        if let Some(due) = job.due_at {
            words.push(format!("in {}", about(due.since(self.now))));
        }
        if job.state == Some(JobState::Blocked) {
            words.push(format!("waits for {}", list(&job.waits_for)));
        } else if job.after.len() > 1 {
            words.push(format!("after {}", list(&job.after)));
        }
        match job.when {
            RunWhen::AnyCompleted => words.push("if one completes".into()),
            RunWhen::AnyFailed => words.push("if one fails".into()),
            RunWhen::AllEnded => words.push("whether they complete or not".into()),
            _ => {}
        }
        let unwell = [JobState::Dead, JobState::Cancelled, JobState::Expired];
        if let (Some(reason), true) = (&job.reason, job.state.is_some_and(|s| unwell.contains(&s)))
        {
            words.push(format!("({reason})"));
        }
        words
    }
}

fn list(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let named = names[..names.len() - more].join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

#[cfg(test)]
mod tests {
    use naq_core::transport::JobKey;

    use super::*;

    fn node(name: &str, after: &[&str], depth: usize, state: JobState) -> WorkflowNode {
        let key: JobKey = format!("default/w-{name}").parse().expect("a key");
        let after: Vec<_> = after.iter().map(ToString::to_string).collect();
        WorkflowNode {
            name: name.into(),
            key,
            task: None,
            waits_for: if state == JobState::Blocked { after.clone() } else { Vec::new() },
            after,
            when: RunWhen::default(),
            depth,
            state: Some(state),
            attempt: Some(2),
            max_attempts: Some(4),
            due_at: None,
            finished_at: None,
            reason: Some("because".into()),
        }
    }

    fn draw(jobs: Vec<WorkflowNode>, unicode: bool, all: bool) -> String {
        let report = WorkflowReport {
            id: JobId::new("w").expect("an id"),
            name: Some("etl".into()),
            enqueued_at: Some(Timestamp::from_millis(0)),
            cancelled: false,
            jobs,
        };
        let now = Timestamp::from_millis(90_000);
        let text = words(&report, None, now, &Style::of(unicode, all));
        anstream::adapter::strip_str(&text).to_string()
    }

    fn diamond() -> Vec<WorkflowNode> {
        use JobState::{Blocked, Cancelled, Completed, Dead, Retrying};
        vec![
            node("extract", &[], 0, Completed),
            node("left", &["extract"], 1, Retrying),
            node("right", &["extract"], 1, Dead),
            node("load", &["left", "right"], 2, Blocked),
            node("report", &["load", "extract"], 3, Cancelled),
        ]
    }

    #[test]
    fn a_diamond_is_drawn_below_its_deepest_parents() {
        assert_eq!(
            draw(diamond(), true, false),
            "\
workflow w  etl, started 1m30s ago: 3 of 5 ended, 1 completed
✓ extract  completed  attempt 2 of 4
├─ ↻ left  retrying  attempt 2 of 4
└─ ✗ right  dead  attempt 2 of 4  (because)
   └─ ○ load  blocked  waits for left, right
      └─ – report  cancelled  after load, extract  (because)"
        );
    }

    #[test]
    fn ascii_is_ascii() {
        let text = draw(diamond(), false, false);
        assert!(text.is_ascii() && text.contains("\n`- x right  dead"), "{text}");
    }

    #[test]
    fn of_many_jobs_side_by_side_the_failed_ones_are_drawn() {
        let mut jobs: Vec<_> =
            (0..1000).map(|n| node(&format!("job-{n}"), &[], 0, JobState::Completed)).collect();
        jobs[700].state = Some(JobState::Dead);
        let names: Vec<String> = jobs.iter().map(|job| job.name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        jobs.push(node("last", &names, 1, JobState::Blocked));
        let text = draw(jobs.clone(), true, false);
        assert_eq!(text.lines().count(), 1 + SIDE_BY_SIDE + 1 + 1, "{text}");
        for part in [
            "✗ job-700  dead",
            "job-999  completed",
            "waits for job-0, job-1, job-2, job-3 and 996 more",
            "and 980 more jobs: 980 completed (--all)",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(draw(jobs, true, true).lines().count(), 1002);
    }
}
