//! `naq check dlq`: the number of dead letters, and how many are new.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use naq_client::Client;
use naq_core::QueueName;

use super::result::{CheckBounds, CheckMeasure, CheckResult, CheckUnit};
use super::{parse_duration, queue, recent};
use crate::text::about;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq check dlq --warn-dead 0
  naq check dlq --queue mail --warn-recent 0 --crit-recent 20 --within 15m

New dead letters are those of the last hour, or of --within. They are counted only if one of
their limits is given, and only until the count exceeds it.")]
pub(super) struct CheckDlqArgs {
    /// Only dead letters of this queue
    #[arg(short, long)]
    pub(super) queue: Option<QueueName>,
    /// Warn above this number of dead letters
    #[arg(long, value_name = "N")]
    warn_dead: Option<u64>,
    /// Critical above this number
    #[arg(long, value_name = "N")]
    crit_dead: Option<u64>,
    /// Warn above this number of new dead letters
    #[arg(long, value_name = "N")]
    warn_recent: Option<u64>,
    /// Critical above this number
    #[arg(long, value_name = "N")]
    crit_recent: Option<u64>,
    /// How long a dead letter counts as new
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "1h")]
    within: Duration,
}

impl CheckDlqArgs {
    pub(super) fn bounds(&self) -> [(&'static str, CheckBounds); 2] {
        [
            ("dead", CheckBounds::above(self.warn_dead, self.crit_dead)),
            ("recent", CheckBounds::above(self.warn_recent, self.crit_recent)),
        ]
    }
}

pub(super) async fn run_check(args: &CheckDlqArgs, client: &Client) -> Result<CheckResult> {
    let dead = match &args.queue {
        Some(name) => queue::find(client, name).await?.dead,
        None => client.queues().await?.iter().map(|queue| queue.dead).sum(),
    };
    let recent = match args.warn_recent.max(args.crit_recent) {
        Some(bound) => {
            let enough = bound.saturating_add(1);
            Some(recent::count(client, args.queue.as_ref(), args.within, enough).await?)
        }
        None => None,
    };
    Ok(judge(args, dead, recent))
}

fn judge(args: &CheckDlqArgs, dead: u64, recent: Option<u64>) -> CheckResult {
    let [all, new] = args.bounds().map(|(_, bounds)| bounds);
    let unit = CheckUnit::Count;
    let mut measures =
        vec![CheckMeasure { name: "dead", help: "Dead letters", value: dead, unit, bounds: all }];
    let help = "Dead letters that are new, counted until they exceed the limits";
    measures.extend(recent.map(|value| CheckMeasure {
        name: "recent",
        help,
        value,
        unit,
        bounds: new,
    }));
    let within = recent.map(|_| format!("recent: within the last {}", about(args.within)));
    CheckResult::of("dlq", args.queue.as_ref().map(ToString::to_string), measures)
        .add_note(within)
        .next(Some(match &args.queue {
            Some(queue) => format!("naq dlq list --queue {queue}"),
            None => "naq dlq list".into(),
        }))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::result::Severity;
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CheckDlqArgs,
    }

    #[test]
    fn all_letters_and_new_letters_have_separate_limits() {
        use Severity::{Critical, Ok, Warning};
        for (flags, dead, recent, expected) in [
            ("", 1_000_000, None, Ok),
            ("--warn-dead 0", 0, None, Ok),
            ("--warn-dead 0", 1, None, Warning),
            ("--warn-dead 0 --crit-dead 9", 10, None, Critical),
            ("--crit-recent 0", 99, Some(0), Ok),
            ("--crit-recent 0", 99, Some(1), Critical),
            ("--warn-recent 1 --crit-recent 5", 99, Some(5), Warning),
        ] {
            let words = ["check"].into_iter().chain(flags.split_whitespace());
            let result = judge(&Line::parse_from(words).args, dead, recent);
            assert_eq!(result.severity, expected, "{flags} {dead} {recent:?}");
        }
    }
}
