//! What holds jobs, in words, and the command that ends it.

use naq_client::{Hold, HoldCause};
use naq_core::Timestamp;

use crate::text::about;

/// Why, how many jobs, since when and until when: `breaker stripe is open; 420 jobs, for 5m`.
pub(crate) fn words(hold: &Hold, now: Timestamp) -> String {
    let mut text = reason_words(hold, now);
    if hold.queue.is_some() && hold.cause != HoldCause::FullQueue {
        let jobs = hold.jobs_text();
        let plural = if hold.jobs == 1 && !hold.at_least { "" } else { "s" };
        text.push_str(&format!("; it holds {jobs} job{plural}"));
    }
    text
}

/// Why, since when and until when, without the number of jobs.
pub(crate) fn reason_words(hold: &Hold, now: Timestamp) -> String {
    let since = hold.since.map(|since| format!(", for {}", about(now.since(since))));
    let until = match hold.until {
        Some(until) if until > now => Some(format!(", until in {}", about(until.since(now)))),
        Some(_) => None,
        None if hold.cause == HoldCause::QueuePause || hold.cause == HoldCause::TaskPause => {
            Some(", until resumed".to_owned())
        }
        None => None,
    };
    format!("{}{}{}", hold.reason, since.unwrap_or_default(), until.unwrap_or_default())
}

/// The command that ends the hold, or that shows more of it.
pub(crate) fn next_step(hold: &Hold) -> String {
    let queue = hold.queue.as_ref().map_or("QUEUE", |queue| queue.as_str());
    let name = hold.name.as_deref().unwrap_or_default();
    match hold.cause {
        HoldCause::NoWorker => format!("naq worker {queue}"),
        HoldCause::QueuePause => format!("naq queue resume {queue}"),
        HoldCause::Breaker => format!("naq breaker close {}", quoted(name)),
        HoldCause::TaskPause => format!("naq queue resume {queue} --task {name}"),
        HoldCause::FullQueue => format!("naq queue limit {queue} --max-jobs N"),
        HoldCause::QueueLimit => format!("naq queue limit {queue} N"),
        HoldCause::Limit => format!("naq limit show {}", quoted(name)),
        HoldCause::Dependencies => format!("naq job list --state blocked --queue {queue}"),
        HoldCause::NoHandler => {
            format!("start a worker of {queue} that has task {name}: naq workers")
        }
        HoldCause::Budget => {
            "the budget gives its tokens by time; raise it in the worker, or fix what fails"
                .to_owned()
        }
        _ => format!("naq job list --state scheduled --queue {queue}"),
    }
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_word_of_a_shell() {
        assert_eq!(quoted("stripe.eu:1"), "stripe.eu:1");
        assert_eq!(quoted("it's two"), r"'it'\''s two'");
        assert_eq!(quoted(""), "''");
    }
}
