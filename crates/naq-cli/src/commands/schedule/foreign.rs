//! Messages that the broker repeats, and that are no schedule of NAQ: another program gave them to it.

use std::fmt;
use std::str::FromStr;

use anyhow::Result;
use naq_client::{AuditEntry, Client};
use naq_core::names::{JobKey, ScheduleName};
use naq_core::transport::BrokerSchedule;

use crate::commands::audit;
use crate::exit::CliError;
use crate::output::Output;

/// What `naq schedule delete` deletes.
#[derive(Debug, Clone)]
pub(super) enum DeletedSchedule {
    Ours(ScheduleName),
    Foreign(JobKey),
}

impl FromStr for DeletedSchedule {
    type Err = naq_core::NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.contains('/') {
            true => Self::Foreign(text.parse()?),
            false => Self::Ours(ScheduleName::new(text)?),
        })
    }
}

impl fmt::Display for DeletedSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(name) => name.fmt(f),
            Self::Foreign(key) => key.fmt(f),
        }
    }
}

/// One sentence about it, and how to end it.
pub(crate) fn words(found: &BrokerSchedule) -> String {
    let BrokerSchedule { stored, times } = found;
    format!("the broker repeats the message {} ({times}), which is no schedule of NAQ", stored.key)
}

pub(crate) fn next_step(found: &BrokerSchedule) -> String {
    format!("to end it: naq schedule delete {}", found.stored.key)
}

/// Prints a note about each of them.
pub(super) async fn note_all(client: &Client, out: Output) -> Result<()> {
    for queue in client.transport().queues().await? {
        for found in client.transport().broker_schedules(&queue).await? {
            out.note(format_args!("{}; {}", words(&found), next_step(&found)))?;
        }
    }
    Ok(())
}

/// Ends the one with this key.
pub(super) async fn delete(
    key: &JobKey,
    dry_run: bool,
    client: &Client,
    out: Output,
) -> Result<()> {
    let mut found = client.transport().broker_schedules(&key.queue).await?;
    found.retain(|found| found.stored.key == *key);
    if found.is_empty() {
        let what = format!("the broker repeats no message {key}");
        return Err(CliError::not_found(what).next("list them: naq schedule list").into());
    }
    if dry_run {
        return Ok(());
    }
    for found in &found {
        client.transport().remove(&found.stored).await?;
    }
    let entry = |who: &str| AuditEntry::new(who, "delete", format!("repeating message {key}"));
    audit::record(client, out, entry).await
}
