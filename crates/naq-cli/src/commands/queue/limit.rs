//! `naq queue limit`: how many jobs run at once, and how many jobs and bytes the queue stores.

use std::num::NonZeroU64;

use anyhow::Result;
use clap::{ArgGroup, Args};
use naq_client::{AuditEntry, Client};
use naq_core::QueueName;
use naq_core::transport::QueueBound;

use super::{QueueRow, all_exist, audit, info};
use crate::output::Output;
use crate::text::{count, parse_bytes};

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).multiple(true),
    after_help = "\
Examples:
  naq queue limit reports 20
  naq queue limit reports none
  naq queue limit reports --max-jobs 10000 --max-bytes 500MB
  naq queue limit reports --max-jobs none --max-bytes none

A limit on running jobs applies at once, and the broker enforces it. Running jobs beyond a lower
limit finish.

A queue at its --max-jobs or --max-bytes refuses new jobs with an error. Pending, running and
waiting jobs count, dead letters do not. Retries are always stored. Producers read the size once
a second, and a new bound within five seconds. Several producers together can pass the bound by
what they send in that time. Setting a bound also removes max_msgs, max_bytes, max_age and
max_msgs_per_subject from the queue's stream, by which the broker would remove jobs."
)]
pub(crate) struct QueueLimitArgs {
    /// The queue
    queue: QueueName,
    /// How many jobs may run at once, on all workers together; none for no limit
    #[arg(value_name = "N|none", value_parser = parse_limit, group = "what")]
    limit: Option<LimitValue>,
    /// Refuse new jobs while the queue stores this many; none for no bound
    #[arg(long, value_name = "N|none", value_parser = parse_limit, group = "what")]
    max_jobs: Option<LimitValue>,
    /// Refuse new jobs while the queue stores this much, such as 500MB; none for no bound
    #[arg(long, value_name = "SIZE|none", value_parser = parse_size, group = "what")]
    max_bytes: Option<LimitValue>,
}

/// A limit; none for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LimitValue(Option<NonZeroU64>);

fn parse_limit(text: &str) -> Result<LimitValue, String> {
    match text.parse() {
        _ if text == "none" => Ok(LimitValue(None)),
        Ok(n) => Ok(LimitValue(Some(n))),
        _ => Err("use a number above 0, or none; to stop a queue: naq queue pause".into()),
    }
}

/// Parses a size, or `none`.
fn parse_size(text: &str) -> Result<LimitValue, String> {
    if text == "none" {
        return Ok(LimitValue(None));
    }
    let size = parse_bytes(text).ok().and_then(|size| NonZeroU64::new(size.0));
    let bad = || "use a size above 0, such as 500MB or 2GB, or none".to_owned();
    size.map(|bytes| LimitValue(Some(bytes))).ok_or_else(bad)
}

impl QueueLimitArgs {
    pub(super) async fn run(&self, client: &Client, out: Output) -> Result<()> {
        let queue = &self.queue;
        all_exist(client, std::slice::from_ref(queue)).await?;
        if let Some(LimitValue(limit)) = self.limit {
            client.set_queue_limit(queue, limit.map(NonZeroU64::get)).await?;
            let to = limit.map_or("none".to_owned(), |n| n.to_string());
            let scope = format!("queue {queue} to {to}");
            audit::record(client, out, |who| AuditEntry::new(who, "limit", scope)).await?;
        }
        let sets_bound = self.max_jobs.is_some() || self.max_bytes.is_some();
        if sets_bound {
            let now = info(client, queue).await?.bound;
            let bound = QueueBound {
                max_jobs: self.max_jobs.map_or(now.max_jobs, |value| value.0),
                max_bytes: self.max_bytes.map_or(now.max_bytes, |value| value.0),
            };
            client.set_queue_bound(queue, bound).await?;
            let scope = format!("queue {queue} to {bound}");
            audit::record(client, out, |who| AuditEntry::new(who, "bound", scope)).await?;
        }
        let line =
            QueueRow::new(info(client, queue).await?, &client.runs().await?, &[], client.now());
        out.one(&line, || {
            let mut words = Vec::new();
            if self.limit.is_some() {
                words.push(match line.info.concurrency_limit {
                    Some(n) => format!("queue {queue}: at most {} at once", count(n, "job")),
                    None => format!("queue {queue}: no limit"),
                });
            }
            if sets_bound {
                words.push(format!("queue {queue} stores {}", line.info.bound));
            }
            words.join("\n")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_or_none() {
        let size = |text| parse_size(text).map(|LimitValue(size)| size.map(NonZeroU64::get));
        assert_eq!(size("none"), Ok(None));
        assert_eq!(size("1000"), Ok(Some(1000)));
        assert_eq!(size("500MB"), Ok(Some(500 << 20)));
        assert_eq!(size("2 gib"), Ok(Some(2 << 30)));
        for bad in ["", "0", "0MB", "MB", "1.5GB", "-1", "1XB", "99999999999TB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
