//! [`LimitArgs`]: a job's limits on the command line.

use clap::Args;
use naq_core::flow::Limit;

#[derive(Debug, Clone, Args)]
pub(crate) struct LimitArgs {
    /// At most N jobs of this key run at once, such as tenant:7=3; may be repeated
    #[arg(long = "concurrency-key", value_name = "KEY=N", value_parser = Limit::read_concurrency)]
    concurrency: Vec<Limit>,
    /// At most COUNT jobs of this key start in each PERIOD, evenly spaced, such as api=100/1m; with
    /// api=100/1m/10 ten may start at once; may be repeated
    #[arg(long = "rate-limit", value_name = "KEY=COUNT/PERIOD", value_parser = Limit::read_rate)]
    rates: Vec<Limit>,
}

impl LimitArgs {
    pub(crate) fn all(&self) -> impl Iterator<Item = Limit> {
        self.concurrency.iter().chain(&self.rates).cloned()
    }
}
