//! `naq doctor`: checks the broker, its settings, the workers and the queues.

mod safety;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use naq_client::{Client, Hold, HoldCause, Need, find_needs};
use naq_core::QueueName;
use naq_core::transport::{QueueInfo, TransportError, WorkerInfo};
use naq_nats::{Finding, Level, NatsTransport};
use serde::Serialize;

use crate::commands::schedule::foreign;
use crate::connection::ClientConfig;
use crate::exit::{ExitCode, explain};
use crate::hold_words;
use crate::output::{Output, TableRow};
use crate::text::count;

/// One line of `naq doctor`: a check and its finding.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct DoctorRow(Finding);

impl TableRow for DoctorRow {
    const COLUMNS: &'static [&'static str] = &["", "CHECK", "~FOUND"];
    const NONE: &'static str = "nothing was checked";

    fn cells(&self) -> Vec<String> {
        let level = match self.0.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        let found = match &self.0.next_step {
            Some(next) => format!("{}; next: {next}", self.0.detail),
            None => self.0.detail.clone(),
        };
        vec![level.into(), self.0.check.clone(), found]
    }
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Raise the replicas of streams to those written down; --replicas N sets them
    #[arg(long)]
    fix: bool,
}

/// Runs all checks, or raises the replicas of the streams. The exit code is that of the connection, or 1 if a check failed. A warning is not
/// a failure.
pub(crate) async fn run(
    args: &DoctorArgs,
    config: ClientConfig,
    open_files: Vec<PathBuf>,
    out: Output,
) -> Result<ExitCode> {
    let url = config.nats.redacted_url();
    let transport = match NatsTransport::connect(config.nats).await {
        Ok(transport) => transport,
        Err(error) => return not_connected(error, out),
    };
    let mut checks = vec![DoctorRow(finding("connection", Level::Ok, url, None))];
    if args.fix {
        checks.extend(transport.fix_replicas().await.into_iter().map(DoctorRow));
        return report(&checks, out);
    }
    checks.extend(transport.diagnose().await.into_iter().map(DoctorRow));
    checks.extend(safety::findings(&open_files).into_iter().map(DoctorRow));
    let client = Client::new(Arc::new(transport));
    checks.extend(work_findings(&client).await.into_iter().map(DoctorRow));
    report(&checks, out)
}

fn report(checks: &[DoctorRow], out: Output) -> Result<ExitCode> {
    out.list(checks)?;
    let failed = checks.iter().any(|check| check.0.level == Level::Fail);
    Ok(if failed { ExitCode::Failed } else { ExitCode::Ok })
}

fn not_connected(error: TransportError, out: Output) -> Result<ExitCode> {
    let detail = error.to_string();
    let (exit, next) = explain(&error.into());
    out.list(&[DoctorRow(finding("connection", Level::Fail, detail, next.as_deref()))])?;
    Ok(exit)
}

fn finding(check: &str, level: Level, detail: String, next: Option<&str>) -> Finding {
    Finding { check: check.to_owned(), level, detail, next_step: next.map(str::to_owned) }
}

/// Findings about the workers, about queues that no worker serves, and about dead letters.
async fn work_findings(client: &Client) -> Vec<Finding> {
    let read = async { Ok((client.list_workers().await?, client.queues().await?)) };
    match read.await {
        Ok((workers, queues)) => {
            let mut found = vec![match workers.len() {
                0 => {
                    let next = Some("start a worker: until then all jobs wait");
                    finding("workers", Level::Warn, "none".into(), next)
                }
                n => finding("workers", Level::Ok, format!("{n} alive"), None),
            }];
            found.extend(queues.iter().filter_map(|queue| unattended(queue, &workers)));
            found.extend(held(client).await);
            found.extend(find_needs(&queues, &workers, client.now()).iter().map(needed));
            found.extend(signatures(&queues, &workers));
            found.extend(queues.iter().filter_map(dead));
            found.extend(foreign_schedules(&queues, client).await);
            found
        }
        Err::<_, TransportError>(error) => {
            vec![finding("workers", Level::Warn, error.to_string(), None)]
        }
    }
}

fn unattended(queue: &QueueInfo, workers: &[WorkerInfo]) -> Option<Finding> {
    let jobs = queue.pending + queue.waiting;
    if jobs == 0 || workers.iter().any(|w| w.queues.contains(&queue.name)) {
        return None;
    }
    let detail = format!("{}, and no worker takes jobs from this queue", count(jobs, "job"));
    let next = format!("naq worker {}", queue.name);
    Some(finding(&format!("queue {}", queue.name), Level::Warn, detail, Some(&next)))
}

/// What holds jobs and does not end in normal work. A queue without a worker has a finding of its own.
async fn held(client: &Client) -> Vec<Finding> {
    let holds = match client.all_holds().await {
        Ok(holds) => holds,
        Err(error) => return vec![finding("held jobs", Level::Warn, error.to_string(), None)],
    };
    let is_new = |hold: &&Hold| hold.cause.needs_operator() && hold.cause != HoldCause::NoWorker;
    let row = |hold: &Hold| {
        let check = match &hold.queue {
            Some(queue) => format!("queue {queue}"),
            None => "held jobs".to_owned(),
        };
        let next = hold_words::next_step(hold);
        finding(&check, Level::Warn, hold_words::words(hold, client.now()), Some(&next))
    };
    holds.iter().filter(is_new).map(row).collect()
}

/// A queue or a worker that is not as it should be, and the next step.
fn needed(need: &Need) -> Finding {
    let (check, next) = match need {
        Need::QueueBehind { queue, .. } => (
            format!("queue {queue}"),
            format!("start more workers: naq worker {queue}; or raise --concurrency"),
        ),
        Need::WorkerTakesNothing { worker, .. } => (
            format!("worker {worker}"),
            format!("read its log, then restart it: naq workers drain {worker}"),
        ),
        Need::VersionMix { .. } => (
            "workers".to_owned(),
            "update the older workers, unless an update is under way: naq workers".to_owned(),
        ),
        Need::ClockOff { worker, .. } => {
            (format!("worker {worker}"), "set the clock of its machine with NTP".to_owned())
        }
        _ => ("workers".to_owned(), "naq workers".to_owned()),
    };
    finding(&check, Level::Warn, need.text().to_owned(), Some(&next))
}

/// Which queues take only signed jobs. Unsigned queues are named only beside signed ones.
fn signatures(queues: &[QueueInfo], workers: &[WorkerInfo]) -> Vec<Finding> {
    let strict = |queue: &QueueName| workers.iter().filter(|w| w.signed.contains(queue)).count();
    let served = |queue: &QueueName| workers.iter().filter(|w| w.queues.contains(queue)).count();
    let (signed, open): (Vec<_>, Vec<_>) = queues
        .iter()
        .map(|queue| &queue.name)
        .filter(|queue| served(queue) > 0)
        .partition(|queue| strict(queue) > 0);
    if signed.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for queue in signed {
        let (strict, served) = (strict(queue), served(queue));
        let check = format!("queue {queue}");
        findings.push(if strict == served {
            finding(&check, Level::Ok, "takes only signed jobs".into(), None)
        } else {
            let verb = if strict == 1 { "requires" } else { "require" };
            let detail =
                format!("{strict} of {served} workers {verb} signatures; the others run any job");
            let next = format!("start every worker of {queue} with --require-signed {queue}");
            finding(&check, Level::Warn, detail, Some(&next))
        });
    }
    if !open.is_empty() {
        let names: Vec<_> = open.iter().map(ToString::to_string).collect();
        let detail = format!("{} take unsigned jobs, beside queues that do not", names.join(", "));
        findings.push(finding("signatures", Level::Ok, detail, None));
    }
    findings
}

/// Messages that another program has told the broker to repeat.
async fn foreign_schedules(queues: &[QueueInfo], client: &Client) -> Vec<Finding> {
    let mut findings = Vec::new();
    for QueueInfo { name, .. } in queues {
        let check = format!("queue {name}");
        match client.transport().broker_schedules(name).await {
            Ok(found) => findings.extend(found.iter().map(|found| {
                let next = foreign::next_step(found);
                finding(&check, Level::Warn, foreign::words(found), Some(&next))
            })),
            Err(error) => findings.push(finding(&check, Level::Warn, error.to_string(), None)),
        }
    }
    findings
}

fn dead(queue: &QueueInfo) -> Option<Finding> {
    let next = format!("naq dlq list --queue {}", queue.name);
    let detail = count(queue.dead, "dead letter");
    let check = format!("queue {}", queue.name);
    (queue.dead > 0).then(|| finding(&check, Level::Warn, detail, Some(&next)))
}
