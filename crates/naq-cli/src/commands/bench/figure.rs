//! [`Figure`]: one line of the result. Each is measured in rounds, NAQ and raw async-nats in turn,
//! and compared round by round, so that a machine that slows down slows down both.

use serde::Serialize;

use super::stats::{median, range};
use crate::output::Row;

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Unit {
    /// Jobs a second.
    #[serde(rename = "jobs/s")]
    PerSecond,
    /// Microseconds.
    #[serde(rename = "us")]
    Micros,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Millis,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanos,
    /// Megabytes (10^6).
    #[serde(rename = "MB")]
    Megabytes,
    /// Jobs.
    #[serde(rename = "jobs")]
    Jobs,
    /// Messages to the broker.
    #[serde(rename = "msgs")]
    Messages,
}

/// What DESIGN section 9 asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Target {
    /// Told for its own sake.
    None,
    /// NAQ reaches at least this part of raw.
    RatioAtLeast(f64),
    /// NAQ takes at most this many times as much as raw.
    RatioAtMost(f64),
    /// NAQ's own value.
    AtMost(f64),
}

/// What NAQ is compared with, unless a figure says otherwise.
const RAW: &str = "raw async-nats";

/// One round.
#[derive(Debug, Clone, Copy, Serialize)]
struct Round {
    naq: f64,
    base: Option<f64>,
}

/// One measured thing.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figure {
    name: String,
    unit: Unit,
    /// The median of the rounds.
    naq: f64,
    base: Option<f64>,
    /// What the base is.
    against: Option<&'static str>,
    /// The median of the rounds' ratios.
    ratio: Option<f64>,
    /// The least and the greatest of them.
    ratio_range: Option<[f64; 2]>,
    /// As text: `>= 0.9 x`, `<= 350 ms`.
    target: Option<String>,
    ok: Option<bool>,
    rounds: Vec<Round>,
    #[serde(skip)]
    asked: Target,
}

impl Figure {
    pub(super) fn new(name: impl Into<String>, unit: Unit, asked: Target) -> Self {
        let (name, naq, rounds) = (name.into(), f64::NAN, Vec::new());
        let (base, against, ratio, ratio_range) = (None, None, None, None);
        let (target, ok) = (None, None);
        Self { name, unit, naq, base, against, ratio, ratio_range, target, ok, rounds, asked }
    }

    /// Compares with this instead of raw async-nats.
    pub(super) fn against(mut self, what: &'static str) -> Self {
        self.against = Some(what);
        self
    }

    /// Adds a round in which both were measured.
    pub(super) fn pair(&mut self, naq: f64, base: f64) {
        self.against.get_or_insert(RAW);
        self.rounds.push(Round { naq, base: Some(base) });
    }

    /// Adds a round of a thing that has no counterpart.
    pub(super) fn alone(&mut self, naq: f64) {
        self.rounds.push(Round { naq, base: None });
    }

    /// Whether there was a round.
    pub(super) fn is_measured(&self) -> bool {
        !self.rounds.is_empty()
    }

    /// Sums the rounds up.
    pub(super) fn done(mut self) -> Self {
        let naq: Vec<f64> = self.rounds.iter().map(|r| r.naq).collect();
        let base: Vec<f64> = self.rounds.iter().filter_map(|r| r.base).collect();
        let ratios = self.rounds.iter().filter_map(|r| Some(r.naq / r.base?));
        let ratios: Vec<f64> = ratios.filter(|ratio| ratio.is_finite()).collect();
        self.naq = median(&naq);
        self.base = (!base.is_empty()).then(|| median(&base));
        self.ratio = (!ratios.is_empty()).then(|| median(&ratios));
        self.ratio_range = range(&ratios);
        let unit = self.unit.text();
        (self.target, self.ok) = match self.asked {
            Target::None => (None, None),
            Target::RatioAtLeast(x) => (Some(format!(">= {x} x")), self.ratio.map(|r| r >= x)),
            Target::RatioAtMost(x) => (Some(format!("<= {x} x")), self.ratio.map(|r| r <= x)),
            Target::AtMost(x) => (Some(format!("<= {x} {unit}")), Some(self.naq <= x)),
        };
        self
    }
}

impl Unit {
    const fn text(self) -> &'static str {
        match self {
            Self::PerSecond => "jobs/s",
            Self::Micros => "us",
            Self::Millis => "ms",
            Self::Nanos => "ns",
            Self::Megabytes => "MB",
            Self::Jobs => "jobs",
            Self::Messages => "msgs",
        }
    }
}

impl Row for Figure {
    const COLUMNS: &'static [&'static str] =
        &["MEASURE", ">NAQ", ">BASE", "UNIT", ">RATIO", "RANGE", "TARGET", "VERDICT", "BASE IS"];
    const NONE: &'static str = "nothing was measured";

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            short(self.naq),
            self.base.map(short).unwrap_or_default(),
            self.unit.text().to_owned(),
            self.ratio.map(|r| format!("{r:.2}")).unwrap_or_default(),
            self.ratio_range.map(|[a, b]| format!("{a:.2} to {b:.2}")).unwrap_or_default(),
            self.target.clone().unwrap_or_default(),
            match self.ok {
                None => String::new(),
                Some(true) => "ok".to_owned(),
                Some(false) => "MISS".to_owned(),
            },
            self.against.unwrap_or_default().to_owned(),
        ]
    }
}

/// Three digits that mean something.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_compared_one_by_one_and_judged_by_their_median() {
        let mut figure = Figure::new("x", Unit::PerSecond, Target::RatioAtLeast(0.9));
        for (naq, raw) in [(95.0, 100.0), (19.0, 20.0), (10.0, 50.0)] {
            figure.pair(naq, raw);
        }
        let figure = figure.done();
        assert_eq!((figure.ratio, figure.ok), (Some(0.95), Some(true)));
        assert_eq!(figure.ratio_range, Some([0.2, 0.95]));
        assert_eq!(figure.cells()[4..8], ["0.95", "0.20 to 0.95", ">= 0.9 x", "ok"]);
    }

    #[test]
    fn a_value_without_a_counterpart_has_no_ratio_and_can_still_miss() {
        let mut figure = Figure::new("x", Unit::Millis, Target::AtMost(350.0));
        figure.alone(351.0);
        let figure = figure.done();
        assert_eq!((figure.ratio, figure.ok), (None, Some(false)));
        assert_eq!(figure.cells()[6..8], ["<= 350 ms", "MISS"]);
    }
}
