//! `naq check worker`: how many workers are alive, the age of their heartbeats, slots in use.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use naq_client::Client;
use naq_core::QueueName;
use naq_core::clock::millis;

use super::result::{CheckBounds, CheckMeasure, CheckResult, CheckUnit};
use super::worker_summary::WorkerSummary;
use super::{parse_duration, parse_percent};
use crate::text::{about, count};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq check worker
  naq check worker --queue mail --warn-workers 3 --crit-workers 2
  naq check worker --warn-heartbeat 10s --warn-slots 90% --format nagios

The age of a heartbeat is measured by the broker's clock, not by the worker's. By default a worker
sends a heartbeat every 5 seconds and is removed from the list after 15 seconds without one. If the
workers run with a longer --worker-ttl, use a longer --silent-after here.")]
pub(super) struct CheckWorkerArgs {
    /// Only workers that take jobs from this queue
    #[arg(short, long)]
    pub(super) queue: Option<QueueName>,
    /// Warn below this number of workers that are alive and take jobs
    #[arg(long, value_name = "N")]
    warn_workers: Option<u64>,
    /// Critical below this number
    #[arg(long, value_name = "N", default_value_t = 1)]
    crit_workers: u64,
    /// Warn if the oldest heartbeat of a listed worker is older than this
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    warn_heartbeat: Option<Duration>,
    /// Critical if it is older than this
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    crit_heartbeat: Option<Duration>,
    /// Warn above this share of slots in use
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    warn_slots: Option<u64>,
    /// Critical above this share
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    crit_slots: Option<u64>,
    /// A worker with an older heartbeat does not count as alive
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "15s")]
    silent_after: Duration,
}

impl CheckWorkerArgs {
    pub(super) fn bounds(&self) -> [(&'static str, CheckBounds); 3] {
        [
            ("workers", CheckBounds::below(self.warn_workers, Some(self.crit_workers))),
            ("heartbeat", CheckBounds::longer(self.warn_heartbeat, self.crit_heartbeat)),
            ("slots", CheckBounds::above(self.warn_slots, self.crit_slots)),
        ]
    }
}

pub(super) async fn run_check(args: &CheckWorkerArgs, client: &Client) -> Result<CheckResult> {
    let mut workers = client.list_workers().await?;
    if let Some(queue) = &args.queue {
        workers.retain(|worker| worker.queues.contains(queue));
    }
    Ok(judge(args, &WorkerSummary::of(&workers, client.now(), args.silent_after)))
}

fn judge(args: &CheckWorkerArgs, summary: &WorkerSummary) -> CheckResult {
    let [workers, heartbeat, slots] = args.bounds().map(|(_, bounds)| bounds);
    let measure =
        |name, help, value, unit, bounds| CheckMeasure { name, help, value, unit, bounds };
    let quietest = millis(summary.quietest);
    let measures = vec![
        measure(
            "workers",
            "Workers alive that take jobs",
            summary.alive,
            CheckUnit::Count,
            workers,
        ),
        measure("heartbeat", "Age of the oldest heartbeat", quietest, CheckUnit::Millis, heartbeat),
        measure("slots", "Share of slots in use", summary.percent(), CheckUnit::Percent, slots),
    ];
    let some = |n: u64, words: String| (n > 0).then_some(words);
    let silent_after = about(args.silent_after);
    let silent = format!("{} silent for more than {silent_after}", count(summary.silent, "worker"));
    let stopping = format!("{} stopping", count(summary.stopping, "worker"));
    let implausible = format!(
        "{} with a heartbeat from the future or more jobs than slots; corrected for this check",
        count(summary.implausible, "worker")
    );
    CheckResult::of("worker", args.queue.as_ref().map(ToString::to_string), measures)
        .add_note(some(summary.silent, silent))
        .add_note(some(summary.stopping, stopping))
        .add_note(some(summary.implausible, implausible))
        .next(Some("naq workers".into()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::result::Severity;
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CheckWorkerArgs,
    }

    #[test]
    fn no_worker_is_critical_unless_a_flag_allows_it() {
        use Severity::{Critical, Ok, Warning};
        let crew = |alive, quietest, in_use| WorkerSummary {
            alive,
            quietest: Duration::from_secs(quietest),
            slots: alive * 10,
            in_use,
            ..WorkerSummary::default()
        };
        for (flags, crew, expected) in [
            ("", crew(0, 0, 0), Critical),
            ("--crit-workers 0", crew(0, 0, 0), Ok),
            ("", crew(1, 9, 10), Ok),
            ("--warn-workers 2", crew(1, 0, 0), Warning),
            ("--warn-workers 3 --crit-workers 2", crew(1, 0, 0), Critical),
            ("--warn-heartbeat 8s", crew(1, 9, 0), Warning),
            ("--crit-heartbeat 8s", crew(1, 9, 0), Critical),
            ("--warn-slots 89%", crew(1, 0, 9), Warning),
            ("--warn-slots 90 --crit-slots 90", crew(1, 0, 9), Ok),
            ("--crit-slots 89", crew(2, 0, 18), Critical),
        ] {
            let words = ["check"].into_iter().chain(flags.split_whitespace());
            let result = judge(&Line::parse_from(words).args, &crew);
            assert_eq!(result.severity, expected, "{flags} {crew:?}");
        }
    }

    #[test]
    fn workers_that_do_not_count_as_alive_are_noted() {
        let crew = WorkerSummary {
            alive: 1,
            silent: 2,
            stopping: 1,
            implausible: 1,
            ..WorkerSummary::default()
        };
        let notes = judge(&Line::parse_from(["check"]).args, &crew).notes;
        assert_eq!(notes[0], "2 workers silent for more than 15s");
        assert_eq!(notes.len(), 3, "{notes:?}");
    }
}
