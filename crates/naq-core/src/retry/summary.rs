//! [`RetryPolicy::summary`]: a policy in words.

use std::fmt::{self, Write};

use super::duration::CompactDuration;
use super::{Delay, Jitter, RetryPolicy, Strategy};
use crate::ErrorKind;

impl RetryPolicy {
    /// The policy in words, on one line: `up to 4 retries, after 2s, then 2 times as long each
    /// time, at most 1d`.
    pub fn summary(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.describe(&mut out);
        out
    }

    fn describe(&self, out: &mut String) -> fmt::Result {
        match self.max_retries {
            0 => return out.write_str("no retries"),
            1 => out.write_str("1 retry, ")?,
            n => write!(out, "up to {n} retries, ")?,
        }
        self.describe_delay(out)?;
        match self.jitter {
            Jitter::None => {}
            jitter => write!(out, ", jitter {jitter}")?,
        }
        if !self.retry_on.is_empty() {
            write!(out, ", only on {}", listed(&self.retry_on))?;
        }
        if !self.ignore_on.is_empty() {
            write!(out, ", never on {}", listed(&self.ignore_on))?;
        }
        match self.retry_for {
            Some(limit) => write!(out, ", for {} at most", CompactDuration(limit)),
            None => Ok(()),
        }
    }

    fn describe_delay(&self, out: &mut String) -> fmt::Result {
        let max = CompactDuration(self.max_delay);
        match (&self.delay, self.strategy, self.increment) {
            (Delay::List(list), ..) => {
                let shown: Vec<_> = list
                    .iter()
                    .take(self.max_retries as usize)
                    .map(|d| CompactDuration(*d.min(&self.max_delay)).to_string())
                    .collect();
                write!(out, "after {}", shown.join(", "))
            }
            (Delay::Every(d), Strategy::Exponential, _) => write!(
                out,
                "after {}, then {} times as long each time, at most {max}",
                CompactDuration(*d),
                self.multiplier
            ),
            (Delay::Every(d), Strategy::Linear, Some(step)) => write!(
                out,
                "after {}, then {} longer each time, at most {max}",
                CompactDuration(*d),
                CompactDuration(step)
            ),
            (Delay::Every(d), ..) => {
                write!(out, "{} apart", CompactDuration(*d.min(&self.max_delay)))
            }
        }
    }
}

fn listed(kinds: &[ErrorKind]) -> String {
    kinds.iter().map(ErrorKind::as_str).collect::<Vec<_>>().join(", ")
}
