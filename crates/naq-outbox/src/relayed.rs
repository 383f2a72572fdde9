//! [`Relayed`]: what a relay has done.

use std::ops::AddAssign;

use serde::Serialize;

use crate::RowState;
use crate::settlement::Settlement;

/// What a relay has done with the rows that it took.
///
/// ```
/// use naq_outbox::Relayed;
///
/// let mut all = Relayed::default();
/// all += Relayed { taken: 3, published: 2, ..Relayed::default() };
/// assert_eq!(all.published, 2);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Relayed {
    /// How many rows it took. A row counts each time.
    pub taken: u64,
    /// How many are published.
    pub published: u64,
    /// How many of these the broker had already: a relay had crashed after their publish, or another job has the
    /// same id or holds the unique key.
    pub duplicates: u64,
    /// How many the broker refused, and a relay tries again.
    pub refused: u64,
    /// How many the broker did not answer, and a relay tries again.
    pub unanswered: u64,
    /// How many failed for good.
    pub failed: u64,
    /// How many became unclear.
    pub unclear: u64,
    /// How many were deleted because of their age.
    pub pruned: u64,
}

impl Relayed {
    pub(crate) fn of(settled: &[Settlement], duplicates: u64) -> Self {
        let count =
            |fits: fn(&Settlement) -> bool| settled.iter().filter(|it| fits(it)).count() as u64;
        Self {
            taken: settled.len() as u64,
            published: count(|it| it.state == RowState::Published),
            duplicates,
            refused: count(|it| it.state == RowState::Pending && it.refused > 0),
            unanswered: count(Settlement::is_unanswered),
            failed: count(|it| it.state == RowState::Failed),
            unclear: count(|it| it.state == RowState::Unclear),
            pruned: 0,
        }
    }

    /// Whether the broker answered none of the rows.
    pub(crate) fn has_no_answer(&self) -> bool {
        let answered = self.published + self.refused + self.failed + self.unclear;
        self.unanswered > 0 && answered == 0
    }
}

impl AddAssign for Relayed {
    fn add_assign(&mut self, more: Self) {
        self.taken += more.taken;
        self.published += more.published;
        self.duplicates += more.duplicates;
        self.refused += more.refused;
        self.unanswered += more.unanswered;
        self.failed += more.failed;
        self.unclear += more.unclear;
        self.pruned += more.pruned;
    }
}
