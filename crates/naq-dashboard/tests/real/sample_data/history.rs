//! Statistics of the last hours, from workers that have stopped.

use std::time::Duration;

use anyhow::Result;
use naq_client::Client;
use naq_core::retry::Rule;
use naq_core::stats::{Ending, Observation, ObservedError, Run, Tally};
use naq_core::{ErrorKind, JobId, QueueName, TaskName, Timestamp, WorkerId};

const HOURS: u64 = 20;
/// The minutes from one report to the next.
const EVERY: u64 = 5;

/// Queue, task, jobs in five minutes, failed jobs of a hundred, and dead jobs of a hundred failed ones.
const TASKS: [(&str, &str, u64, u64, u64); 3] = [
    ("mail", "email.send", 300, 6, 3),
    ("billing", "invoice.charge", 60, 9, 30),
    ("partners", "partner.sync", 80, 35, 8),
];

pub(crate) async fn write(client: &Client) -> Result<()> {
    let worker = WorkerId::new("ada-of-yesterday")?;
    let mut tally = Tally::default();
    for ago in (1..=HOURS * 60 / EVERY).rev() {
        let at = client.now().saturating_sub(Duration::from_secs(60 * EVERY * ago));
        for (queue, task, jobs, failed, lost) in TASKS {
            let queue = QueueName::new(queue)?;
            let task = TaskName::new(task)?;
            // The load rises and falls in waves.
            let jobs = jobs * (20 + (ago * 7 % 120).abs_diff(60)) / 80;
            for n in 0..jobs {
                let of_hundred = (n * 37 + ago) % 100;
                count_job(&mut tally, &queue, &task, at, of_hundred, failed, lost, n + ago);
            }
        }
        for due in tally.unwritten(&worker, "0.0.9", at) {
            client.transport().stats_put(&due.report).await?;
            tally.written(&due);
        }
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "each argument is a part of the counted job")]
fn count_job(
    tally: &mut Tally,
    queue: &QueueName,
    task: &TaskName,
    at: Timestamp,
    of_hundred: u64,
    failed: u64,
    lost: u64,
    n: u64,
) {
    let job = JobId::random();
    let kind = ErrorKind::CONNECTION;
    let message = format!("10.0.3.{}:443 refused", n % 250);
    let mut record = |attempt: u32, ending: Ending, rule: Option<Rule>| {
        let was_due = attempt > 1;
        let ready_at = at.saturating_sub(Duration::from_millis(20 + n % 300));
        let run = Run {
            started_at: at,
            ended_at: at + Duration::from_millis(15 + n * 13 % 400),
            ready_at,
            was_due,
        };
        let error = rule.map(|rule| ObservedError { kind: &kind, message: &message, rule });
        let observation = Observation {
            queue,
            task: Some(task),
            job: &job,
            attempt,
            crashes: 0,
            run: Some(run),
            ending,
            error,
        };
        tally.record(&observation, at);
    };
    let retried =
        Ending::Retried { delay: Duration::from_secs(5), due_at: at + Duration::from_secs(5) };
    if of_hundred >= failed {
        return record(1, Ending::Completed, None);
    }
    record(1, retried, Some(Rule::Strategy));
    match n % 100 {
        n if n < lost => {
            record(2, retried, Some(Rule::Strategy));
            record(3, Ending::Dead, Some(Rule::MaxRetries));
        }
        n if n < 30 => {
            record(2, retried, Some(Rule::Strategy));
            record(3, Ending::Completed, None);
        }
        _ => record(2, Ending::Completed, None),
    }
}
