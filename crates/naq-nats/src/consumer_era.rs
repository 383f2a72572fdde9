//! [`ConsumerEra`]: for how long the consumer of a queue is known to be the same one.
//!
//! The broker looks at nothing but the sequence that an ack names. If a stream was removed and made
//! again, or the broker has lost its newest messages, another job has that sequence, and the ack would
//! remove it. So a delivery is acked at once only while it is known that nothing of the kind has
//! happened since it arrived. Otherwise the worker looks first which message has the sequence.
//!
//! An open pull proves that the consumer is still the same: the broker ends the pull when it removes the
//! consumer or changes its leader, and is silent when it is gone. Without an open pull the proof is good
//! for [`MAX_GAP`].

use std::sync::Mutex;
use std::time::Duration;

use naq_core::sync::lock;
use tokio::time::Instant;

/// How old the last sign of the consumer may be when no pull is open. In this time a stream would have to
/// be removed, made again, and filled up to the sequence in question, and its job be delivered.
const MAX_GAP: Duration = Duration::from_millis(100);

/// One stretch of time without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EraMark {
    breaks: u64,
    gaps: u64,
}

#[derive(Debug, Default)]
struct EraState {
    /// How often the connection, the consumer or its leader changed.
    breaks: u64,
    /// How often no pull was open for too long.
    gaps: u64,
    /// Since when no pull is open. `None` while one is.
    no_pull_since: Option<Instant>,
}

/// The eras of the consumer of one queue, as one subscription sees them.
#[derive(Debug, Default)]
pub(crate) struct ConsumerEra(Mutex<EraState>);

impl ConsumerEra {
    /// The consumer may be another one from now on.
    pub(crate) fn broken(&self) {
        lock(&self.0).breaks += 1;
    }

    /// The broker has sent something. `open` says whether a pull is still open.
    pub(crate) fn heard(&self, open: bool, now: Instant) {
        lock(&self.0).no_pull_since = (!open).then_some(now);
    }

    /// A pull is sent.
    pub(crate) fn pull_sent(&self, now: Instant) {
        let mut state = lock(&self.0);
        if state.no_pull_since.take().is_some_and(|since| now - since > MAX_GAP) {
            state.gaps += 1;
        }
    }

    /// The era of a delivery that arrives now.
    pub(crate) fn mark(&self) -> EraMark {
        let state = lock(&self.0);
        EraMark { breaks: state.breaks, gaps: state.gaps }
    }

    /// Whether the consumer is known to be the one that made a delivery of this era.
    pub(crate) fn is_unbroken(&self, since: EraMark, now: Instant) -> bool {
        let state = lock(&self.0);
        let same = EraMark { breaks: state.breaks, gaps: state.gaps } == since;
        same && state.no_pull_since.is_none_or(|quiet| now - quiet <= MAX_GAP)
    }

    /// Whether the consumer, its leader or the connection has changed since a delivery of this era.
    pub(crate) fn has_changed(&self, since: EraMark) -> bool {
        lock(&self.0).breaks != since.breaks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_era_ends_with_a_break_and_with_a_gap_between_pulls() {
        let era = ConsumerEra::default();
        let start = Instant::now();
        let late = start + MAX_GAP + Duration::from_millis(1);
        era.pull_sent(start);
        let first = era.mark();
        assert!(era.is_unbroken(first, start + MAX_GAP * 100), "a pull is open");
        era.heard(false, start);
        assert!(era.is_unbroken(first, start + MAX_GAP));
        assert!(!era.is_unbroken(first, late));
        era.pull_sent(late);
        assert!(!era.is_unbroken(first, late), "nothing says what happened in the gap");
        assert!(!era.has_changed(first));
        let second = era.mark();
        assert!(era.is_unbroken(second, late));
        era.broken();
        assert!(!era.is_unbroken(second, late) && era.has_changed(second));
    }

    #[tokio::test(start_paused = true)]
    async fn pulls_that_follow_each_other_closely_are_one_era() {
        let era = ConsumerEra::default();
        let mut now = Instant::now();
        era.pull_sent(now);
        let mark = era.mark();
        for _ in 0..100 {
            era.heard(false, now);
            now += MAX_GAP;
            era.pull_sent(now);
        }
        assert!(era.is_unbroken(mark, now));
    }
}
