//! `naq doctor`: is the broker there, and is it as NAQ needs it.

use anyhow::Result;
use naq_core::transport::TransportError;
use naq_core::{Client, QueueName};
use naq_nats::NatsConfig;
use serde::Serialize;

use crate::connection::connect;
use crate::exit::{Exit, explain};
use crate::output::{Output, Row};

/// A clock that differs by more than this shifts due times noticeably.
const CLOCK_TOLERANCE_MS: u64 = 250;
/// Below this, a job with the history of its retries may not fit.
const PAYLOAD_FLOOR: usize = 1024 * 1024;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warning,
    Failed,
}

/// One check.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    verdict: Verdict,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Row for Check {
    const COLUMNS: &'static [&'static str] = &["CHECK", "VERDICT", "DETAIL"];
    const NONE: &'static str = "nothing was checked";

    fn cells(&self) -> Vec<String> {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "FAILED",
        };
        let detail = match &self.next {
            Some(next) => format!("{}; next: {next}", self.detail),
            None => self.detail.clone(),
        };
        vec![self.check.into(), verdict.into(), detail]
    }
}

fn ok(check: &'static str, detail: impl Into<String>) -> Check {
    Check { check, verdict: Verdict::Ok, detail: detail.into(), next: None }
}

fn warning(check: &'static str, detail: impl Into<String>, next: &str) -> Check {
    Check { check, verdict: Verdict::Warning, detail: detail.into(), next: Some(next.into()) }
}

/// Runs every check that can be run, and returns the exit code of the first that failed.
pub(crate) async fn run(config: NatsConfig, out: Output) -> Result<Exit> {
    let url = config.redacted_url();
    let mut checks = Vec::new();
    let mut exit = Exit::Ok;
    match connect(config).await {
        Ok(client) => {
            checks.push(ok("connection", url));
            exit = look(&client, &mut checks).await;
        }
        Err(error) => exit = failed("connection", error, &mut checks, exit),
    }
    out.list(&checks)?;
    Ok(exit)
}

fn failed(check: &'static str, error: anyhow::Error, checks: &mut Vec<Check>, exit: Exit) -> Exit {
    let (code, next) = explain(&error);
    checks.push(Check { check, verdict: Verdict::Failed, detail: format!("{error:#}"), next });
    if exit == Exit::Ok { code } else { exit }
}

async fn look(client: &Client, checks: &mut Vec<Check>) -> Exit {
    let mut exit = Exit::Ok;
    match client.transport().broker().await {
        Ok(broker) => {
            checks.push(ok("server", broker.server));
            checks.push(clock(broker.clock_ahead_ms));
            checks.push(payload(broker.max_payload));
        }
        Err(error) => exit = failed("server", error.into(), checks, exit),
    }
    match queues(client).await {
        Ok(found) => checks.extend(found),
        Err(error) => exit = failed("queues", error.into(), checks, exit),
    }
    match client.list_workers().await {
        Ok(workers) if workers.is_empty() => {
            checks.push(warning("workers", "none", "start one: jobs wait until then"))
        }
        Ok(workers) => checks.push(ok("workers", format!("{} alive", workers.len()))),
        Err(error) => exit = failed("workers", error.into(), checks, exit),
    }
    match client.transport().dead_letters(None, 0, 1).await {
        Ok(_) => checks.push(ok("dead letters", "readable")),
        Err(TransportError::NoQueue(_)) => checks.push(ok("dead letters", "none yet")),
        Err(error) => exit = failed("dead letters", error.into(), checks, exit),
    }
    exit
}

fn clock(ahead_ms: i64) -> Check {
    let detail = match ahead_ms {
        0 => "the broker's is the same as ours".to_owned(),
        ahead if ahead > 0 => format!("the broker's is {ahead} ms ahead of ours"),
        behind => format!("the broker's is {} ms behind ours", behind.unsigned_abs()),
    };
    if ahead_ms.unsigned_abs() <= CLOCK_TOLERANCE_MS {
        ok("clock", detail)
    } else {
        warning("clock", detail, "set both by NTP: retries are due by the broker's clock")
    }
}

fn payload(max: usize) -> Check {
    let detail = format!("{max} bytes a message");
    if max >= PAYLOAD_FLOOR {
        ok("max_payload", detail)
    } else {
        warning("max_payload", detail, "raise the server's max_payload to 1MB or more")
    }
}

async fn queues(client: &Client) -> Result<Vec<Check>, TransportError> {
    let queues = client.queues().await?;
    if queues.is_empty() {
        return Ok(vec![ok("queues", "none yet; the first job makes one")]);
    }
    let workers = client.list_workers().await?;
    let worked = |queue: &QueueName| workers.iter().any(|w| w.queues.contains(queue));
    let summary = |q: &naq_core::transport::QueueInfo| {
        format!(
            "{}: {} pending, {} running, {} waiting, {} dead",
            q.name, q.pending, q.running, q.waiting, q.dead
        )
    };
    Ok(queues
        .iter()
        .map(|q| {
            if q.pending + q.waiting > 0 && !worked(&q.name) {
                warning("queue", summary(q), "no worker takes jobs from it: naq worker QUEUE")
            } else if q.dead > 0 {
                warning("queue", summary(q), "see why: naq dlq list")
            } else {
                ok("queue", summary(q))
            }
        })
        .collect())
}
