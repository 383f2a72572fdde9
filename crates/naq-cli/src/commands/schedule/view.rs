//! [`ScheduleView`]: a schedule as JSON or in words.

use naq_client::{ScheduleError, ScheduleReport, ScheduleState};
use naq_core::clock::millis;
use naq_core::schedule::{Tick, When, Zone};
use naq_core::{Clock, Codec, SystemClock, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::output::{BOLD, DIM, Details, GREEN, TableRow, YELLOW, paint};
use crate::text::{about, duration};

/// The next runs that `naq schedule show` prints.
const SHOWN: usize = 5;

/// What `naq schedule show` prints. The JSON names are stable; scripts may rely on them.
#[derive(Debug, Serialize)]
pub(super) struct ScheduleView {
    name: String,
    state: ScheduleState,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    every_ms: Option<u64>,
    time_zone: String,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    max_runs: Option<u64>,
    jitter_ms: u64,
    catch_up: String,
    overlap: String,
    start_within_ms: Option<u64>,
    created_at: Timestamp,
    job: Option<Box<RawValue>>,
    runs: u64,
    skipped: u64,
    last_run: Option<LastRunView>,
    /// The tick whose run waits until the previous run ends.
    waiting: Option<Timestamp>,
    next: Vec<NextRun>,
    #[serde(skip)]
    report: Box<ScheduleReport>,
}

#[derive(Debug, Serialize)]
struct LastRunView {
    id: String,
    queue: String,
    tick: Timestamp,
}

/// A future run.
#[derive(Debug, Serialize)]
pub(super) struct NextRun {
    at: Timestamp,
    starts_at: Timestamp,
    /// The time in the schedule's time zone.
    local: String,
    #[serde(skip)]
    relative: String,
}

/// `in 3h20m`, `12s ago`.
fn relative(at: Timestamp, now: Timestamp) -> String {
    if at >= now {
        format!("in {}", about(at.since(now)))
    } else {
        format!("{} ago", about(now.since(at)))
    }
}

impl NextRun {
    pub(super) fn new(tick: &Tick, zone: &Zone, now: Timestamp) -> Self {
        let mut relative = relative(tick.at, now);
        if tick.starts_at > tick.at {
            let late = duration(tick.starts_at.since(tick.at));
            relative.push_str(&format!(", starts {late} later"));
        }
        Self { at: tick.at, starts_at: tick.starts_at, local: zone.local(tick.at), relative }
    }
}

impl TableRow for NextRun {
    const COLUMNS: &'static [&'static str] = &["AT", "UTC", "~WHEN"];
    const NONE: &'static str = "no further runs";

    fn cells(&self) -> Vec<String> {
        vec![self.local.clone(), self.at.to_string(), self.relative.clone()]
    }
}

impl From<&ScheduleReport> for ScheduleView {
    fn from(report: &ScheduleReport) -> Self {
        let (s, progress) = (&report.schedule, &report.progress);
        let (cron, every_ms) = match &s.when {
            When::Cron(cron) => (Some(cron.to_string()), None),
            When::Every(every) => (None, Some(millis(*every))),
        };
        let next = report.upcoming(SHOWN);
        Self {
            name: s.name.to_string(),
            state: report.state,
            cron,
            every_ms,
            time_zone: s.time_zone.to_string(),
            start: s.start,
            end: s.end,
            max_runs: s.max_runs,
            jitter_ms: millis(s.jitter),
            catch_up: s.catch_up.to_string(),
            overlap: s.overlap.to_string(),
            start_within_ms: s.start_within.map(millis),
            created_at: s.created_at,
            job: serde_json::from_slice(s.job.written().bytes()).ok(),
            runs: progress.runs,
            skipped: progress.skipped,
            last_run: progress.last.as_ref().map(|last| LastRunView {
                id: last.job.id.to_string(),
                queue: last.job.queue.to_string(),
                tick: last.tick,
            }),
            waiting: progress.waiting,
            next: next.iter().map(|tick| NextRun::new(tick, &s.time_zone, report.now)).collect(),
            report: Box::new(report.clone()),
        }
    }
}

fn state(state: ScheduleState) -> String {
    match state {
        ScheduleState::Active => paint(GREEN, "active"),
        ScheduleState::Paused => paint(YELLOW, "paused"),
        _ => paint(DIM, "finished"),
    }
}

impl ScheduleView {
    /// The next run, in one sentence.
    pub(super) fn next_words(&self) -> String {
        match (self.report.state, self.next.first()) {
            (ScheduleState::Paused, _) => "paused".into(),
            (_, Some(next)) => format!("next run {}, {}", next.local, next.relative),
            (_, None) => "no further runs".into(),
        }
    }

    /// The schedule in words, for a terminal.
    pub(super) fn words(&self) -> String {
        let (s, now) = (&self.report.schedule, SystemClock.now());
        let moment = |t: Timestamp| format!("{} ({})", s.time_zone.local(t), relative(t, now));
        let when = match &s.when {
            When::Cron(cron) => format!("{cron}  ({})", cron.describe()),
            When::Every(every) => format!("every {}", duration(*every)),
        };
        let runs = match s.max_runs {
            Some(max) => format!("{} of {max}", self.runs),
            None => self.runs.to_string(),
        };
        let job = s.job.envelope();
        let args = job.args.transcode(Codec::Json).ok();
        let args = args.map(|args| String::from_utf8_lossy(args.bytes()).into_owned());
        let last = self.last_run.as_ref().map(|last| format!("{}, {}", last.id, moment(last.tick)));
        let within = s.start_within.map(|within| format!("{} after its time", duration(within)));
        let details = Details::default()
            .with("schedule", &self.name)
            .styled("state", state(self.state))
            .with("when", when)
            .with("time zone", &self.time_zone)
            .maybe("start", s.start.map(moment))
            .maybe("end", s.end.map(moment))
            .maybe("jitter", (!s.jitter.is_zero()).then(|| format!("up to {}", duration(s.jitter))))
            .with("catch-up", format_args!("{} (of the runs missed in an outage)", s.catch_up))
            .with("overlap", format_args!("{} (if the previous run has not ended)", s.overlap))
            .maybe("expires", within)
            .with("task", &job.task)
            .with("queue", &job.queue)
            .maybe("args", args)
            .with("policy", &job.policy)
            .maybe("timeout", job.timeout.map(duration))
            .with("tags", [job.tags.as_slice(), &[s.tag()]].concat().join(", "))
            .with("runs", format_args!("{runs}; {} skipped", self.skipped))
            .maybe("last run", last)
            .maybe("waiting", self.waiting.map(|tick| format!("the run of {}", moment(tick))));
        let mut text = details.render();
        text.push_str("\n\n");
        text.push_str(&paint(
            BOLD,
            if s.paused { "next runs, if it is resumed now" } else { "next runs" },
        ));
        if self.next.is_empty() {
            text.push_str("\n  none");
        }
        for next in &self.next {
            text.push_str(&format!("\n  {}  {}", next.local, paint(DIM, &next.relative)));
        }
        text
    }
}

/// One line of `naq schedule list`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ScheduleRow {
    Readable(Box<ScheduleView>),
    Unreadable { name: Option<String>, error: String },
}

impl From<&Result<ScheduleReport, ScheduleError>> for ScheduleRow {
    fn from(listed: &Result<ScheduleReport, ScheduleError>) -> Self {
        match listed {
            Ok(report) => Self::Readable(Box::new(report.into())),
            Err(err) => {
                let name = match err {
                    ScheduleError::Unreadable { name, .. } => Some(name.to_string()),
                    _ => None,
                };
                Self::Unreadable { name, error: err.to_string() }
            }
        }
    }
}

impl TableRow for ScheduleRow {
    const COLUMNS: &'static [&'static str] =
        &["SCHEDULE", "WHEN", "ZONE", "TASK", "STATE", ">RUNS", "~NEXT"];
    const LEFT_OUT: &'static [&'static str] = &["ZONE", "RUNS", "TASK", "WHEN"];
    const NONE: &'static str =
        "no schedules; to define one: naq schedule add NAME TASK --cron EXPRESSION";

    fn cells(&self) -> Vec<String> {
        match self {
            Self::Unreadable { name, error } => {
                let name = name.clone().unwrap_or_default();
                let dash = || "-".to_owned();
                vec![name, dash(), dash(), dash(), "unreadable".into(), dash(), error.clone()]
            }
            Self::Readable(shown) => {
                let s = &shown.report.schedule;
                let state = match shown.state {
                    ScheduleState::Active => "active",
                    ScheduleState::Paused => "paused",
                    _ => "finished",
                };
                let next = match (shown.state, shown.next.first()) {
                    (ScheduleState::Active, Some(next)) => {
                        format!("{}, {}", next.local, next.relative)
                    }
                    _ => "-".into(),
                };
                vec![
                    shown.name.clone(),
                    s.when.to_string(),
                    shown.time_zone.clone(),
                    s.job.envelope().task.to_string(),
                    state.into(),
                    shown.runs.to_string(),
                    next,
                ]
            }
        }
    }
}
