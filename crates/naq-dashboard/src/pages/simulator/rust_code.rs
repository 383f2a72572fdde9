//! A policy as Rust code.

use std::fmt::Write;
use std::time::Duration;

use naq_core::retry::Jitter;
use naq_core::{Delay, ErrorKind, RetryPolicy, Strategy};

/// Code that builds the same policy. Settings with their default value are left out.
pub(super) fn code(policy: &RetryPolicy) -> String {
    let default = RetryPolicy::default();
    let mut code = String::from("RetryPolicy::builder()\n");
    let mut set = |setter: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(code, "    .{setter}({value})");
    };
    if policy.max_retries() != default.max_retries() {
        set("max_retries", policy.max_retries().to_string());
    }
    match policy.delay() {
        Delay::Every(delay) => set("delay", duration(*delay)),
        Delay::List(list) => {
            let list: Vec<_> = list.iter().copied().map(duration).collect();
            set("delay", format!("[{}]", list.join(", ")));
        }
    }
    match policy.strategy() {
        Strategy::Fixed => {}
        Strategy::Linear => set("strategy", "Strategy::Linear".into()),
        Strategy::Exponential => set("strategy", "Strategy::Exponential".into()),
    }
    if let Some(increment) = policy.increment() {
        set("increment", duration(increment));
    }
    if policy.multiplier() != default.multiplier() {
        set("multiplier", format!("{:?}", policy.multiplier()));
    }
    let written = policy.to_string();
    if written.contains(",max_delay=") {
        set("max_delay", duration(policy.max_delay()));
    }
    match policy.jitter() {
        Jitter::None => {}
        Jitter::Full => set("jitter", "Jitter::Full".into()),
        Jitter::Equal => set("jitter", "Jitter::Equal".into()),
        Jitter::Decorrelated => set("jitter", "Jitter::Decorrelated".into()),
        Jitter::Factor(factor) => set("jitter", format!("Jitter::Factor({factor:?})")),
    }
    for (setter, kinds) in [("retry_on", policy.retry_on()), ("ignore_on", policy.ignore_on())] {
        if !kinds.is_empty() {
            let kinds: Vec<_> =
                kinds.iter().map(|kind| format!("{:?}", ErrorKind::as_str(kind))).collect();
            set(setter, format!("[{}]", kinds.join(", ")));
        }
    }
    if let Some(limit) = policy.retry_for() {
        set("retry_for", duration(limit));
    }
    if policy.max_crashes() != default.max_crashes() {
        set("max_crashes", policy.max_crashes().to_string());
    }
    code + "    .build()"
}

fn duration(d: Duration) -> String {
    match d.as_millis() {
        ms if ms % 1_000 == 0 => format!("Duration::from_secs({})", ms / 1_000),
        ms => format!("Duration::from_millis({ms})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares the code that is shown with code that this test compiles and runs.
    macro_rules! assert_code {
        ($text:literal, $code:expr) => {
            let policy: RetryPolicy = $text.parse().expect("a policy");
            assert_eq!($code, policy);
            let squeeze =
                |text: &str| text.split_whitespace().collect::<String>().replace(",)", ")");
            assert_eq!(squeeze(&code(&policy)), squeeze(stringify!($code)));
        };
    }

    #[test]
    fn the_code_compiles_and_builds_the_same_policy() {
        assert_code!("conservative", RetryPolicy::builder().delay(Duration::from_secs(5)).build());
        assert_code!(
            "exponential:1s500ms,max_retries=7,multiplier=2.5,max_delay=10m,jitter=full,retry_for=2h",
            RetryPolicy::builder()
                .max_retries(7)
                .delay(Duration::from_millis(1500))
                .strategy(Strategy::Exponential)
                .multiplier(2.5)
                .max_delay(Duration::from_secs(600))
                .jitter(Jitter::Full)
                .retry_for(Duration::from_secs(7200))
                .build()
        );
        assert_code!(
            "linear:5s,increment=3s,jitter=0.25,retry_on=HTTPError.503|TimeoutError,ignore_on=ValueError,max_crashes=9",
            RetryPolicy::builder()
                .delay(Duration::from_secs(5))
                .strategy(Strategy::Linear)
                .increment(Duration::from_secs(3))
                .jitter(Jitter::Factor(0.25))
                .retry_on(["HTTPError.503", "TimeoutError"])
                .ignore_on(["ValueError"])
                .max_crashes(9)
                .build()
        );
        assert_code!(
            "fixed:2s/5s/10s,jitter=decorrelated",
            RetryPolicy::builder()
                .delay([Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(10)])
                .jitter(Jitter::Decorrelated)
                .build()
        );
        assert_code!(
            "fixed:0s,max_retries=0,jitter=equal",
            RetryPolicy::builder()
                .max_retries(0)
                .delay(Duration::from_secs(0))
                .jitter(Jitter::Equal)
                .build()
        );
    }
}
