//! [`CoalesceArgs`]: many enqueues of one key, and one job.

use std::time::Duration;

use clap::Args;
use naq_client::Enqueue;
use naq_core::flow::{Debounce, read_throttle};

use crate::text::parse_duration;

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CoalesceArgs {
    /// Start the job when no enqueue of this task and key has come for WAIT; the last one gives the
    /// arguments, such as index-7=5s
    #[arg(
        long,
        value_name = "KEY=WAIT",
        value_parser = Debounce::read,
        conflicts_with_all = ["id", "delay", "at", "unique", "depends_on", "throttle"]
    )]
    pub(super) debounce: Option<Debounce>,
    /// With --debounce: start the job this long after the enqueue that added it, even if more come
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "debounce")]
    pub(super) max_wait: Option<Duration>,
    /// Allow only one job of this task and key in each EVERY; rounded up to whole seconds, such as
    /// index-7=1m
    #[arg(long, value_name = "KEY=EVERY", value_parser = read_throttle, conflicts_with = "unique")]
    pub(super) throttle: Option<(String, Duration)>,
}

impl CoalesceArgs {
    pub(super) fn apply<'a, O>(&self, mut job: Enqueue<'a, O>) -> Enqueue<'a, O> {
        if let Some(debounce) = &self.debounce {
            job = job.debounce(&debounce.key, debounce.wait);
        }
        if let Some(longest) = self.max_wait {
            job = job.max_wait(longest);
        }
        match &self.throttle {
            Some((key, every)) => job.throttle(key, *every),
            None => job,
        }
    }
}
