//! [`Scale`]: where a moment stands between left and right, when waits span milliseconds to days.
//!
//! To scale where that can be read. Otherwise the stretches between moments that matter are drawn by
//! a root of their length, chosen so that the longest is at most so many times as wide as the
//! shortest: order and "longer is wider" stay true, and labels say the real lengths.

use std::collections::BTreeSet;
use std::time::Duration;

use naq_core::Timestamp;

use super::Row;

/// The longest stretch is at most this many times as wide as the shortest.
const CONTRAST: f64 = 30.0;
/// The root is no smaller: a day is 35 times as wide as a millisecond, and a year no 1,000 times.
const SMALLEST_ROOT: f64 = 0.2;
/// No stretch is narrower than this share, so that it can be seen.
const NARROWEST: f64 = 0.006;
/// Room between labels of the axis.
const APART: f64 = 0.11;

/// Maps moments to shares of the width, 0 to 1, in their order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scale {
    /// Moments that matter, with their places.
    knots: Vec<(Timestamp, f64)>,
    root: f64,
}

impl Scale {
    /// The scale of these rows, and of `now` where that matters.
    pub(crate) fn of(rows: &[Row], now: Option<Timestamp>) -> Self {
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
        let root = match contrast.is_finite() && contrast > CONTRAST {
            true => (CONTRAST.ln() / contrast.ln()).max(SMALLEST_ROOT),
            false => 1.0,
        };
        let widths: Vec<f64> = lengths.iter().map(|length| length.powf(root)).collect();
        let all: f64 = widths.iter().sum();
        let widths: Vec<f64> = widths.iter().map(|width| (width / all).max(NARROWEST)).collect();
        let all: f64 = widths.iter().sum();
        let mut place = 0.0;
        let mut knots = Vec::with_capacity(moments.len());
        for (at, moment) in moments.into_iter().enumerate() {
            knots.push((moment, place));
            place += widths.get(at).map_or(0.0, |width| width / all);
        }
        Self { knots, root }
    }

    /// Whether twice as long is drawn twice as wide.
    pub(crate) fn is_linear(&self) -> bool {
        self.root >= 1.0
    }

    /// Where the moment stands.
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

    /// Times since the first moment that are round and far enough apart to be read.
    pub(crate) fn ticks(&self) -> Vec<(f64, Duration)> {
        let Some((first, _)) = self.knots.first() else { return Vec::new() };
        let (mut ticks, mut last) = (vec![(0.0, Duration::ZERO)], 0.0);
        for ms in ROUND_MS {
            let since = Duration::from_millis(ms);
            let place = self.place(*first + since);
            let inside = self.knots.last().is_some_and(|(end, _)| *first + since < *end);
            if inside && place - last >= APART && place <= 1.0 - APART / 2.0 {
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
    use super::super::{Kind, Look};
    use super::*;

    fn scale(bars: &[(u64, u64)]) -> Scale {
        let mut row = Row::new("r".into(), Kind::Runs, "r".into());
        for (from, to) in bars {
            row.bar(Look::Running, Timestamp::from_millis(*from), Timestamp::from_millis(*to));
        }
        Scale::of(&[row], None)
    }

    #[test]
    fn alike_stretches_are_drawn_to_scale() {
        let scale = scale(&[(0, 1_000), (1_000, 4_000)]);
        assert!(scale.is_linear());
        assert!((scale.place(Timestamp::from_millis(1_000)) - 0.25).abs() < 1e-9);
        assert!((scale.place(Timestamp::from_millis(2_500)) - 0.625).abs() < 1e-9);
    }

    #[test]
    fn milliseconds_and_days_are_both_seen_and_keep_their_order() {
        let scale = scale(&[(0, 5), (5, 2_005), (2_005, 2 * DAY), (2 * DAY, 2 * DAY + 90)]);
        assert!(!scale.is_linear());
        let ends = [0, 5, 2_005, 2 * DAY, 2 * DAY + 90].map(Timestamp::from_millis);
        let places = ends.map(|at| scale.place(at));
        assert_eq!((places[0], (places[4] * 1e6).round()), (0.0, 1e6));
        let widths: Vec<f64> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(widths.iter().all(|width| *width > NARROWEST / 1.1), "{widths:?}");
        assert!(widths[0] < widths[3] && widths[3] < widths[1] && widths[1] < widths[2]);
    }

    #[test]
    fn the_axis_has_few_round_labels() {
        let scale = scale(&[(0, 2_000), (2_000, 6_000), (6_000, 14_000), (14_000, 30_000)]);
        let ticks: Vec<u64> = scale.ticks().iter().map(|(_, at)| at.as_secs()).collect();
        assert_eq!(ticks, [0, 5, 10, 15, 20]);
    }

    #[test]
    fn one_moment_or_none_is_no_trouble() {
        assert_eq!(scale(&[]).place(Timestamp::from_millis(7)), 0.0);
        let still = scale(&[(7, 7)]);
        assert_eq!((still.place(Timestamp::from_millis(7)), still.ticks().len()), (0.0, 1));
    }
}
