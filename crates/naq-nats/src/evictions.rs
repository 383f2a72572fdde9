//! The limits by which the broker removes messages of a stream by itself. NAQ's streams discard the
//! oldest message when a limit is reached. The broker refuses `discard: new` on a stream with
//! schedules.

use std::collections::HashMap;
use std::sync::Mutex;

use async_nats::jetstream::stream::Config;
use naq_core::sync::lock;

/// A limit as the broker writes it, and the option of `nats stream edit` that removes it.
struct Limit {
    found: Option<String>,
    is_ours: bool,
    flag: &'static str,
}

fn limits(wanted: &Config, found: &Config) -> [Limit; 4] {
    let number = |name: &str, n: i64| (n > 0).then(|| format!("{name} {n}"));
    let age = found.max_age;
    [
        Limit {
            found: number("max_msgs", found.max_messages),
            is_ours: wanted.max_messages > 0,
            flag: "--max-msgs=-1",
        },
        Limit {
            found: number("max_bytes", found.max_bytes),
            is_ours: wanted.max_bytes > 0,
            flag: "--max-bytes=-1",
        },
        Limit {
            found: (!age.is_zero()).then(|| format!("max_age {age:?}")),
            is_ours: !wanted.max_age.is_zero(),
            flag: "--max-age=0s",
        },
        Limit {
            found: number("max_msgs_per_subject", found.max_messages_per_subject),
            is_ours: wanted.max_messages_per_subject > 0,
            flag: "--max-msgs-per-subject=-1",
        },
    ]
}

/// The limits in `found` that NAQ did not ask for.
pub(crate) fn evictions(wanted: &Config, found: &Config) -> Vec<String> {
    let limits = limits(wanted, found).into_iter().filter(|limit| !limit.is_ours);
    limits.filter_map(|limit| limit.found).collect()
}

/// The command that removes these limits.
pub(crate) fn mend_command(wanted: &Config, found: &Config) -> String {
    let limits = limits(wanted, found).into_iter();
    let flags = limits.filter(|limit| !limit.is_ours && limit.found.is_some());
    let flags: Vec<_> = flags.map(|limit| limit.flag).collect();
    format!("nats stream edit {} {} --force", found.name, flags.join(" "))
}

/// The limits that this process has warned of, by stream.
#[derive(Debug, Default)]
pub(crate) struct EvictionLog(Mutex<HashMap<String, Vec<String>>>);

impl EvictionLog {
    /// Logs limits that appear and limits that are gone, once each.
    pub(crate) fn note(&self, wanted: &Config, found: &Config) {
        let evicts = evictions(wanted, found);
        let stream = &found.name;
        let before = match evicts.is_empty() {
            true => lock(&self.0).remove(stream).unwrap_or_default(),
            false => lock(&self.0).insert(stream.clone(), evicts.clone()).unwrap_or_default(),
        };
        if before == evicts {
            return;
        }
        if evicts.is_empty() {
            tracing::info!(stream, "the broker removes no jobs by itself any more");
            return;
        }
        tracing::warn!(
            stream,
            limits = evicts.join(", "),
            "the broker removes the oldest jobs of this stream without a trace; remove the limit: {}",
            mend_command(wanted, found)
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn limits_that_naq_did_not_ask_for_are_found_and_can_be_removed() {
        let sound = Config { name: "NAQ_Q_mail".into(), ..Config::default() };
        let unlimited = Config { max_messages: -1, max_bytes: -1, ..sound.clone() };
        assert_eq!(evictions(&sound, &unlimited), [""; 0]);
        let found = Config {
            max_messages: 500,
            max_age: Duration::from_secs(60),
            max_messages_per_subject: 1,
            ..sound.clone()
        };
        assert_eq!(
            evictions(&sound, &found),
            ["max_msgs 500", "max_age 60s", "max_msgs_per_subject 1"]
        );
        assert_eq!(
            mend_command(&sound, &found),
            "nats stream edit NAQ_Q_mail --max-msgs=-1 --max-age=0s --max-msgs-per-subject=-1 --force"
        );
        let records = Config { max_messages_per_subject: 1, ..sound };
        assert_eq!(evictions(&records, &found), ["max_msgs 500", "max_age 60s"]);
    }
}
