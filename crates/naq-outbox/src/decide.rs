//! What becomes of a row, as pure functions: after the broker's answer, and when the broker may have it already.

use std::time::Duration;

use naq_client::EnqueueError;
use naq_core::transport::TransportError;

use crate::settlement::Settlement;
use crate::taken_row::TakenRow;

/// The first wait after a refusal. It doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait after a refusal.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How long a row waits after a request without an answer.
const UNANSWERED_WAIT: Duration = Duration::from_secs(1);
/// How long the broker itself refuses the id of a message that it has stored.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// How much earlier evidence counts as gone, because clocks and requests take time.
const MARGIN: Duration = Duration::from_secs(20);

/// What to do with a row that the broker may have already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The broker has it, or had it.
    Published,
    /// The broker does not have it. A worker looks again before it runs the job.
    SendAgain,
    /// The broker may have had it, and its record may have expired.
    Unclear,
}

impl Doubt {
    /// Decides by what the broker knows: `found` if it has a message of this life of the job. The job may have
    /// been published `offered` ago, and its record is kept for `record_ttl`.
    pub(crate) fn of(found: bool, offered: Duration, record_ttl: Duration) -> Self {
        let known_for = record_ttl.max(DUPLICATE_WINDOW).saturating_sub(MARGIN);
        match found {
            true => Self::Published,
            false if offered < known_for => Self::SendAgain,
            false => Self::Unclear,
        }
    }
}

/// What becomes of a row that the broker did not take.
pub(crate) fn after_error(row: &TakenRow, error: &EnqueueError, max_attempts: u32) -> Settlement {
    let text = error.to_string();
    let attempts = row.attempts.saturating_add(1);
    // A job with parents is linked to them after its publish, and that can be refused, too.
    let has_parents = || {
        let job = row.job.as_ref().ok().and_then(|job| job.envelope());
        job.is_some_and(|job| job.depends_on.is_some())
    };
    let is_sent = !matches!(error, EnqueueError::UnknownDependency(_)) && has_parents();
    let later = |text| Settlement {
        not_stored: !is_sent,
        ..Settlement::refused(row.seq, wait_after(attempts), text)
    };
    match blame(error) {
        Blame::NoAnswer => Settlement::unanswered(row.seq, UNANSWERED_WAIT, text),
        Blame::Queue => later(text),
        Blame::Row => Settlement::failed(row.seq, text),
        Blame::Unknown if attempts >= max_attempts => Settlement::failed(row.seq, text),
        Blame::Unknown => later(text),
    }
}

/// Who has to change something, so that a refused row is published.
enum Blame {
    /// There was no answer, so the broker may have it.
    NoAnswer,
    /// An operator: the queue is full, or a permission is missing. All rows of the queue wait.
    Queue,
    /// No one can: this row can never be published.
    Row,
    /// It is not known. After some attempts the row counts as one that can never be published.
    Unknown,
}

fn blame(error: &EnqueueError) -> Blame {
    match error {
        EnqueueError::Transport(error) if error.is_transient() => Blame::NoAnswer,
        EnqueueError::Transport(TransportError::TooLarge { .. }) => Blame::Row,
        EnqueueError::Transport(TransportError::Rejected { .. }) => Blame::Unknown,
        EnqueueError::Transport(_) => Blame::Queue,
        // The other job may be in an outbox, too, and come later.
        EnqueueError::UnknownDependency(_) => Blame::Unknown,
        _ => Blame::Row,
    }
}

/// How long a row waits after so many refusals.
fn wait_after(attempts: u32) -> Duration {
    let doubled = 1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT)
}

/// How long a relay waits after so many failures in a row of the broker or the database.
pub(crate) fn relay_wait(failures: u32, poll: Duration) -> Duration {
    let doubled = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    poll.saturating_mul(doubled).min(Duration::from_secs(10)).max(poll)
}

#[cfg(test)]
mod tests {
    use naq_core::JobId;
    use naq_core::names::{JobKey, QueueName};

    use super::*;
    use crate::RowState;

    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_row_in_doubt_is_sent_again_only_while_a_record_of_it_would_be_kept() {
        for (found, offered, record_ttl, expected) in [
            (true, 50 * HOUR, HOUR, Doubt::Published),
            (false, MINUTE, HOUR, Doubt::SendAgain),
            (false, 59 * MINUTE, HOUR, Doubt::SendAgain),
            (false, HOUR - Duration::from_secs(10), HOUR, Doubt::Unclear),
            (false, 2 * HOUR, HOUR, Doubt::Unclear),
            (false, 2 * HOUR, 3 * HOUR, Doubt::SendAgain),
            // Without a record, the broker itself refuses the id for two minutes.
            (false, MINUTE, Duration::ZERO, Doubt::SendAgain),
            (false, 2 * MINUTE, Duration::ZERO, Doubt::Unclear),
        ] {
            assert_eq!(Doubt::of(found, offered, record_ttl), expected, "{found} {offered:?}");
        }
    }

    fn row(attempts: u32) -> TakenRow {
        let job = Err("none".to_owned());
        TakenRow { seq: 7, order_key: None, attempts, offered: None, job }
    }

    fn rejected() -> EnqueueError {
        let (what, reason) = ("enqueue".to_owned(), "no".to_owned());
        TransportError::Rejected { what, reason }.into()
    }

    #[test]
    fn an_error_says_whether_the_row_fails_waits_or_may_be_stored() {
        let unreachable = TransportError::Unreachable { url: "u".into(), reason: "r".into() };
        let key = JobKey::new(QueueName::default(), JobId::new("parent").expect("an id"));
        for (error, attempts, state, not_stored) in [
            (unreachable.into(), 99, RowState::Pending, false),
            (TransportError::TooLarge { size: 9, max: 1 }.into(), 0, RowState::Failed, true),
            (
                TransportError::Permission { subject: "s".into() }.into(),
                99,
                RowState::Pending,
                true,
            ),
            (TransportError::NoQueue("q".into()).into(), 99, RowState::Pending, true),
            (rejected(), 8, RowState::Pending, true),
            (rejected(), 9, RowState::Failed, true),
            (EnqueueError::UnknownDependency(key), 0, RowState::Pending, true),
            (EnqueueError::Option("broken".into()), 0, RowState::Failed, true),
        ] {
            let settled = after_error(&row(attempts), &error, 10);
            assert_eq!((settled.state, settled.not_stored), (state, not_stored), "{error}");
            assert_eq!(settled.error, Some(error.to_string()));
        }
    }

    #[test]
    fn a_refused_row_waits_twice_as_long_each_time_up_to_five_minutes() {
        let waits = [1, 2, 3, 9, 10, 40, u32::MAX].map(|attempts| wait_after(attempts).as_secs());
        assert_eq!(waits, [1, 2, 4, 256, 300, 300, 300]);
    }

    #[test]
    fn a_relay_waits_longer_the_longer_the_broker_is_away() {
        let poll = Duration::from_millis(100);
        let waits = [0, 1, 3, 6, 7, 60].map(|failures| relay_wait(failures, poll).as_millis());
        assert_eq!(waits, [100, 200, 800, 6_400, 10_000, 10_000]);
        assert_eq!(relay_wait(9, MINUTE), MINUTE);
    }
}
