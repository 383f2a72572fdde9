//! [`TimeScale`]: the place of a time between left and right, for waits of milliseconds to days.
//!
//! The scale is linear if every span is then wide enough to read. Otherwise the width of a span is a root
//! of its length, chosen so that the widest is at most [`MAX_CONTRAST`] times as wide as the narrowest. The
//! order stays, a longer span is wider, and labels say the real durations.

use std::collections::BTreeSet;
use std::time::Duration;

use naq_core::Timestamp;

use super::TimelineRow;

/// The widest span is at most this many times as wide as the narrowest.
const MAX_CONTRAST: f64 = 30.0;
/// The smallest root: a day is then 35 times as wide as a millisecond.
const SMALLEST_ROOT: f64 = 0.2;
/// The smallest share of the width that a span gets, so that it can be seen.
const MIN_WIDTH: f64 = 0.006;
/// The smallest distance between two labels of the axis.
const LABEL_DISTANCE: f64 = 0.11;

/// Maps times to places from 0 (left) to 1 (right).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TimeScale {
    /// The ends of bars and the marks, with their places.
    knots: Vec<(Timestamp, f64)>,
    root: f64,
}

impl TimeScale {
    /// A scale for these rows, and for `now` if the rows show it.
    pub(crate) fn of(rows: &[TimelineRow], now: Option<Timestamp>) -> Self {
        let bars = rows.iter().flat_map(|row| &row.bars).flat_map(|bar| [bar.from, bar.to]);
        let marks = rows.iter().filter_map(|row| row.mark);
        let moments: BTreeSet<_> = bars.chain(marks).chain(now).collect();
        let moments: Vec<_> = moments.into_iter().collect();
        let lengths: Vec<f64> = moments
            .windows(2)
            .map(|pair| pair[1].since(pair[0]).as_secs_f64().max(0.001))
            .collect();
        let shortest = lengths.iter().copied().fold(f64::INFINITY, f64::min);
        let longest = lengths.iter().copied().fold(0.0, f64::max);
        let contrast = longest / shortest;
        let root = match contrast.is_finite() && contrast > MAX_CONTRAST {
            true => (MAX_CONTRAST.ln() / contrast.ln()).max(SMALLEST_ROOT),
            false => 1.0,
        };
        let widths: Vec<f64> = lengths.iter().map(|length| length.powf(root)).collect();
        let all: f64 = widths.iter().sum();
        let widths: Vec<f64> = widths.iter().map(|width| (width / all).max(MIN_WIDTH)).collect();
        let all: f64 = widths.iter().sum();
        let mut place = 0.0;
        let mut knots = Vec::with_capacity(moments.len());
        for (at, moment) in moments.into_iter().enumerate() {
            knots.push((moment, place));
            place += widths.get(at).map_or(0.0, |width| width / all);
        }
        Self { knots, root }
    }

    /// Whether a span that is twice as long is twice as wide.
    pub(crate) fn is_linear(&self) -> bool {
        self.root >= 1.0
    }

    /// The place of a time.
    pub(crate) fn place(&self, at: Timestamp) -> f64 {
        let after = self.knots.partition_point(|(knot, _)| *knot <= at);
        match (after.checked_sub(1).and_then(|i| self.knots.get(i)), self.knots.get(after)) {
            (Some((from, left)), Some((to, right))) => {
                let share = at.since(*from).as_secs_f64() / to.since(*from).as_secs_f64();
                left + (right - left) * share
            }
            (Some((_, place)), None) | (None, Some((_, place))) => *place,
            (None, None) => 0.0,
        }
    }

    /// Round durations since the first time, far enough apart to read their labels.
    pub(crate) fn ticks(&self) -> Vec<(f64, Duration)> {
        let Some((first, _)) = self.knots.first() else { return Vec::new() };
        let mut ticks = vec![(0.0, Duration::ZERO)];
        let mut last = 0.0;
        for ms in ROUND_MS {
            let since = Duration::from_millis(ms);
            let place = self.place(*first + since);
            let inside = self.knots.last().is_some_and(|(end, _)| *first + since < *end);
            if inside && place - last >= LABEL_DISTANCE && place <= 1.0 - LABEL_DISTANCE / 2.0 {
                ticks.push((place, since));
                last = place;
            }
        }
        ticks
    }
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const ROUND_MS: [u64; 33] = [
    1,
    10,
    50,
    100,
    200,
    500,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    20 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    3 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    4 * DAY,
    7 * DAY,
    14 * DAY,
    30 * DAY,
    90 * DAY,
    365 * DAY,
];

#[cfg(test)]
mod tests {
    use super::super::{BarKind, RowKind};
    use super::*;

    fn scale(bars: &[(u64, u64)]) -> TimeScale {
        let mut row = TimelineRow::new("r".into(), RowKind::Running, "r".into());
        for (from, to) in bars {
            row.bar(BarKind::Running, Timestamp::from_millis(*from), Timestamp::from_millis(*to));
        }
        TimeScale::of(&[row], None)
    }

    #[test]
    fn spans_of_similar_length_are_drawn_to_scale() {
        let scale = scale(&[(0, 1_000), (1_000, 4_000)]);
        assert!(scale.is_linear());
        assert!((scale.place(Timestamp::from_millis(1_000)) - 0.25).abs() < 1e-9);
        assert!((scale.place(Timestamp::from_millis(2_500)) - 0.625).abs() < 1e-9);
    }

    #[test]
    fn milliseconds_and_days_are_both_visible_and_in_order() {
        let scale = scale(&[(0, 5), (5, 2_005), (2_005, 2 * DAY), (2 * DAY, 2 * DAY + 90)]);
        assert!(!scale.is_linear());
        let ends = [0, 5, 2_005, 2 * DAY, 2 * DAY + 90].map(Timestamp::from_millis);
        let places = ends.map(|at| scale.place(at));
        assert_eq!((places[0], (places[4] * 1e6).round()), (0.0, 1e6));
        let widths: Vec<f64> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(widths.iter().all(|width| *width > MIN_WIDTH / 1.1), "{widths:?}");
        assert!(widths[0] < widths[3] && widths[3] < widths[1] && widths[1] < widths[2]);
    }

    #[test]
    fn the_axis_has_few_round_labels() {
        let scale = scale(&[(0, 2_000), (2_000, 6_000), (6_000, 14_000), (14_000, 30_000)]);
        let ticks: Vec<u64> = scale.ticks().iter().map(|(_, at)| at.as_secs()).collect();
        assert_eq!(ticks, [0, 5, 10, 15, 20]);
    }

    #[test]
    fn a_scale_of_one_time_or_none_has_places() {
        assert_eq!(scale(&[]).place(Timestamp::from_millis(7)), 0.0);
        let still = scale(&[(7, 7)]);
        assert_eq!((still.place(Timestamp::from_millis(7)), still.ticks().len()), (0.0, 1));
    }
}
