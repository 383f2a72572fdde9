//! `naq check queue`: how many jobs wait for a slot, and for how long.

use std::num::NonZeroU64;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use naq_client::{Client, Hold, HoldCause};
use naq_core::clock::millis;
use naq_core::transport::{QueueInfo, StoreProbe};
use naq_core::{QueueName, Timestamp};

use super::parse_duration;
use super::result::{CheckBounds, CheckMeasure, CheckResult, CheckUnit};
use crate::exit::CliError;
use crate::hold_words;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq check queue mail --warn-depth 1000 --crit-depth 10000
  naq check queue mail --warn-oldest 1m --crit-oldest 10m --format nagios

Jobs that wait for their due time, scheduled and retrying, count as `waiting`. They do not
count for the depth or the age. Jobs that the broker has forgotten are a warning: they count as
`forgotten`, and a worker of the queue stores them again. A stream with a limit by which the broker
removes jobs is critical, and a queue at its bound (naq queue limit --max-jobs) is a warning. The
check stores a small message in the streams that the queue needs, and removes it again: a stream
that does not store is critical.")]
pub(super) struct CheckQueueArgs {
    /// The queue
    pub(super) queue: QueueName,
    /// Warn above this number of jobs that wait for a slot
    #[arg(long, value_name = "N")]
    warn_depth: Option<u64>,
    /// Critical above this number
    #[arg(long, value_name = "N")]
    crit_depth: Option<u64>,
    /// Warn if the oldest of them has waited longer than this
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    warn_oldest: Option<Duration>,
    /// Critical if it has waited longer than this
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    crit_oldest: Option<Duration>,
    /// Warn above this number of jobs that wait for their due time
    #[arg(long, value_name = "N")]
    warn_waiting: Option<u64>,
    /// Critical above this number
    #[arg(long, value_name = "N")]
    crit_waiting: Option<u64>,
    /// Warn above this number of jobs that a breaker, a budget or a pause holds
    #[arg(long, value_name = "N")]
    warn_held: Option<u64>,
    /// Critical above this number
    #[arg(long, value_name = "N")]
    crit_held: Option<u64>,
}

impl CheckQueueArgs {
    pub(super) fn bounds(&self) -> [(&'static str, CheckBounds); 4] {
        [
            ("depth", CheckBounds::above(self.warn_depth, self.crit_depth)),
            ("oldest", CheckBounds::longer(self.warn_oldest, self.crit_oldest)),
            ("waiting", CheckBounds::above(self.warn_waiting, self.crit_waiting)),
            ("held", CheckBounds::above(self.warn_held, self.crit_held)),
        ]
    }
}

pub(super) async fn run_check(args: &CheckQueueArgs, client: &Client) -> Result<CheckResult> {
    let queue = find(client, &args.queue).await?;
    let probes = client.transport().probe_stores(Some(&args.queue)).await?;
    let mut holds = client.holds(&args.queue).await?;
    holds.retain(|hold| hold.cause.needs_operator());
    Ok(judge(args, &queue, &probes, &holds, client.now()))
}

/// The counters of the queue.
///
/// # Errors
/// A [`CliError`] if the queue does not exist.
pub(super) async fn find(client: &Client, queue: &QueueName) -> Result<QueueInfo> {
    let found = client.transport().queue_info(queue).await?;
    let missing =
        || CliError::not_found(format!("no queue {queue}")).next("list the queues: naq queue list");
    Ok(found.ok_or_else(missing)?)
}

fn judge(
    args: &CheckQueueArgs,
    queue: &QueueInfo,
    probes: &[StoreProbe],
    holds: &[Hold],
    now: Timestamp,
) -> CheckResult {
    let [depth, oldest, waiting, held] = args.bounds().map(|(_, bounds)| bounds);
    let measure =
        |name, help, value, unit, bounds| CheckMeasure { name, help, value, unit, bounds };
    let age = queue.oldest.map_or(0, millis);
    let mut measures = vec![
        measure("depth", "Jobs that wait for a slot", queue.pending, CheckUnit::Count, depth),
        measure("oldest", "How long the oldest of them has waited", age, CheckUnit::Millis, oldest),
        measure(
            "waiting",
            "Jobs that wait for their due time",
            queue.waiting,
            CheckUnit::Count,
            waiting,
        ),
        measure(
            "held",
            "Jobs that a breaker, a budget or a pause holds",
            holds.iter().map(|hold| hold.jobs).sum(),
            CheckUnit::Count,
            held,
        ),
    ];
    // Only where there are any: a healthy queue has no such number.
    if queue.forgotten > 0 {
        measures.push(measure(
            "forgotten",
            "Jobs that the broker's consumer has lost track of",
            queue.forgotten,
            CheckUnit::Count,
            CheckBounds::above(Some(0), None),
        ));
    }
    // A limit of the stream by which the broker removes jobs. Then enqueues fail, too.
    if !queue.evicts.is_empty() {
        measures.push(measure(
            "evicts",
            "Limits of the stream by which the broker removes jobs",
            queue.evicts.len() as u64,
            CheckUnit::Count,
            CheckBounds::above(None, Some(0)),
        ));
    }
    if let Some(filled) = filled(queue) {
        measures.push(measure(
            "filled",
            "Share of its bound that the queue stores",
            filled,
            CheckUnit::Percent,
            CheckBounds::above(Some(99), None),
        ));
    }
    let faults: Vec<_> = probes.iter().filter(|probe| probe.answer.is_fault()).collect();
    if !faults.is_empty() {
        measures.push(measure(
            "stores",
            "Streams that store nothing",
            faults.len() as u64,
            CheckUnit::Count,
            CheckBounds::above(None, Some(0)),
        ));
    }
    let faults = faults.iter().map(|probe| format!("{}: {}", probe.stream, probe.answer));
    let faults: Vec<_> = faults.collect();
    let faults = (!faults.is_empty()).then(|| format!("{}; see naq doctor", faults.join("; ")));
    let evicts = (!queue.evicts.is_empty()).then(|| {
        format!("the broker removes jobs for {}; see naq doctor", queue.evicts.join(", "))
    });
    let paused = queue.paused_until.map(|until| format!("paused until {until}"));
    let next = format!("naq queue info {}", queue.name);
    let result = CheckResult::of("queue", Some(queue.name.to_string()), measures)
        .add_note(faults)
        .add_note(evicts)
        .add_note(paused);
    let note = |result: CheckResult, hold| result.add_note(Some(hold_words::words(hold, now)));
    // The pause has its note.
    let others = holds.iter().filter(|hold| hold.cause != HoldCause::QueuePause);
    others.fold(result, note).next(Some(next))
}

/// How much of its bound the queue stores, in percent. `None` without a bound.
fn filled(queue: &QueueInfo) -> Option<u64> {
    let jobs = queue.pending + queue.running + queue.waiting;
    let share = |now: u64, max: NonZeroU64| now.saturating_mul(100) / max;
    let of_jobs = queue.bound.max_jobs.map(|max| share(jobs, max));
    let of_bytes = queue.bound.max_bytes.map(|max| share(queue.bytes, max));
    of_jobs.max(of_bytes)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use naq_core::transport::QueueBound;

    use super::super::result::Severity;
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CheckQueueArgs,
    }

    fn result(flags: &str, queue: &QueueInfo) -> Severity {
        let words = ["check", "mail"].into_iter().chain(flags.split_whitespace());
        judge(&Line::parse_from(words).args, queue, &[], &[], Timestamp::default()).severity
    }

    #[test]
    fn each_limit_applies_to_its_own_number() {
        use Severity::{Critical, Ok, Warning};
        let queue = QueueInfo {
            name: QueueName::new("mail").expect("a name"),
            pending: 12,
            running: 99,
            waiting: 40,
            dead: 99,
            oldest: Some(Duration::from_secs(90)),
            paused_until: None,
            lease: None,
            concurrency_limit: None,
            bound: QueueBound::default(),
            evicts: Vec::new(),
            forgotten: 0,
            bytes: 1,
            last_seq: 1,
        };
        for (flags, expected) in [
            ("", Ok),
            ("--warn-depth 12", Ok),
            ("--warn-depth 11", Warning),
            ("--warn-depth 5 --crit-depth 11", Critical),
            ("--warn-waiting 39 --crit-waiting 40", Warning),
            ("--crit-waiting 39", Critical),
            ("--warn-oldest 90s", Ok),
            ("--warn-oldest 1m", Warning),
            ("--warn-oldest 1m --crit-oldest 89s", Critical),
        ] {
            assert_eq!(result(flags, &queue), expected, "{flags}");
        }
        let forgotten = QueueInfo { forgotten: 1, ..queue.clone() };
        assert_eq!(result("", &forgotten), Warning);
        let evicts = QueueInfo { evicts: vec!["max_msgs 5".into()], ..queue.clone() };
        assert_eq!(result("", &evicts), Critical);
        // 12 pending, 99 running and 40 waiting jobs are stored.
        for (max_jobs, expected) in [(151, Warning), (152, Ok)] {
            let bound = QueueBound { max_jobs: NonZeroU64::new(max_jobs), max_bytes: None };
            assert_eq!(result("", &QueueInfo { bound, ..queue.clone() }), expected, "{max_jobs}");
        }
        let empty = QueueInfo { pending: 0, waiting: 0, oldest: None, ..queue };
        assert_eq!(result("--crit-oldest 0s --crit-depth 0 --crit-waiting 0", &empty), Ok);
    }
}
