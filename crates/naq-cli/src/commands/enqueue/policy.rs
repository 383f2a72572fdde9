//! [`PolicyArgs`]: the retry options, named as in the API.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use naq_core::ErrorKind;
use naq_core::retry::{Delay, Jitter, RetryPolicy, Strategy};

use crate::exit::CliError;
use crate::text::parse_duration;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Retries")]
pub(crate) struct PolicyArgs {
    /// The policy as text, or a preset; the options below change parts of it
    #[arg(long, value_name = "POLICY")]
    policy: Option<RetryPolicy>,
    /// Attempts after the first [default: 3]
    #[arg(long, value_name = "N")]
    max_retries: Option<u32>,
    /// The delay before each retry, or a list with one per retry: 5s, 2s/5s/10s [default: 5s]
    #[arg(long, value_name = "DELAY")]
    retry_delay: Option<Delay>,
    /// fixed, linear or exponential [default: fixed]
    #[arg(long, value_name = "STRATEGY")]
    retry_strategy: Option<Strategy>,
    /// With linear: how much is added to each further delay
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    retry_increment: Option<Duration>,
    /// With exponential: the factor from one delay to the next [default: 2]
    #[arg(long, value_name = "FACTOR")]
    retry_multiplier: Option<f64>,
    /// The longest delay [default: 1d]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    max_delay: Option<Duration>,
    /// none, full, equal, decorrelated, or a factor from 0 to 1 [default: none]
    #[arg(long, value_name = "JITTER")]
    jitter: Option<Jitter>,
    /// Retry only these kinds of error: 'ConnectionError|TimeoutError' [default: any]
    #[arg(long, value_name = "KINDS", value_delimiter = '|')]
    retry_on: Vec<ErrorKind>,
    /// Never retry these kinds of error: 'ValueError|PermissionError'
    #[arg(long, value_name = "KINDS", value_delimiter = '|')]
    ignore_on: Vec<ErrorKind>,
    /// Make no retry that would start later than this after the start of the first attempt
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    retry_for: Option<Duration>,
    /// This many worker crashes make the job poison, and it dies [default: 3]
    #[arg(long, value_name = "N")]
    max_crashes: Option<u32>,
}

impl PolicyArgs {
    /// The policy that the options describe.
    ///
    /// # Errors
    /// The policy is invalid.
    pub(crate) fn build(&self) -> Result<RetryPolicy> {
        self.change(RetryPolicy::default())
    }

    /// `policy`, changed by those options that are given.
    ///
    /// # Errors
    /// The resulting policy is invalid.
    pub(crate) fn change(&self, policy: RetryPolicy) -> Result<RetryPolicy> {
        let mut policy = self.policy.clone().unwrap_or(policy).to_builder();
        macro_rules! set {
            ($($name:ident = $value:expr;)*) => {
                $(if let Some(value) = $value { policy = policy.$name(value); })*
            };
        }
        set! {
            max_retries = self.max_retries;
            delay = self.retry_delay.clone();
            strategy = self.retry_strategy;
            increment = self.retry_increment;
            multiplier = self.retry_multiplier;
            max_delay = self.max_delay;
            jitter = self.jitter;
            retry_on = (!self.retry_on.is_empty()).then(|| self.retry_on.clone());
            ignore_on = (!self.ignore_on.is_empty()).then(|| self.ignore_on.clone());
            retry_for = self.retry_for;
            max_crashes = self.max_crashes;
        }
        policy.try_build().map_err(|err| {
            CliError::usage(format!("retry policy: {err}"))
                .next("to see what a policy does: naq retry preview POLICY")
                .into()
        })
    }
}
