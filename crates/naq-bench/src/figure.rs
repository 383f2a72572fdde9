//! [`BenchFigure`]: one line of the result. Each figure is measured in rounds, NAQ and raw async-nats in
//! turn, and compared round by round: a machine that becomes slower makes both slower.

use serde::Serialize;

use crate::stats::{median, range};

/// The unit of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum FigureUnit {
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

/// The value that NAQ should reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum FigureTarget {
    /// No target: the value is shown for information.
    None,
    /// NAQ reaches at least this ratio to the base.
    RatioAtLeast(f64),
    /// NAQ stays at or below this ratio to the base.
    RatioAtMost(f64),
    /// NAQ's own value stays at or below this.
    AtMost(f64),
}

/// The base of a figure that names no other.
const RAW: &str = "raw async-nats";

/// The values of one round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct FigureRound {
    naq: f64,
    base: Option<f64>,
}

/// One measured value, with its base and its target.
#[derive(Debug, Clone, Serialize)]
pub struct BenchFigure {
    name: String,
    unit: FigureUnit,
    /// The median of the rounds.
    naq: f64,
    base: Option<f64>,
    /// What NAQ is compared with.
    against: Option<&'static str>,
    /// The median of the rounds' ratios.
    ratio: Option<f64>,
    /// The smallest and the largest of these ratios.
    ratio_range: Option<[f64; 2]>,
    /// As text: `>= 0.9 x`, `<= 350 ms`.
    target: Option<String>,
    ok: Option<bool>,
    rounds: Vec<FigureRound>,
    #[serde(skip)]
    asked: FigureTarget,
}

impl BenchFigure {
    pub(crate) fn new(name: impl Into<String>, unit: FigureUnit, asked: FigureTarget) -> Self {
        Self {
            name: name.into(),
            unit,
            naq: f64::NAN,
            base: None,
            against: None,
            ratio: None,
            ratio_range: None,
            target: None,
            ok: None,
            rounds: Vec::new(),
            asked,
        }
    }

    /// Compares with this instead of raw async-nats.
    pub(crate) fn against(mut self, what: &'static str) -> Self {
        self.against = Some(what);
        self
    }

    /// Adds a round that measured both sides.
    pub(crate) fn pair(&mut self, naq: f64, base: f64) {
        self.against.get_or_insert(RAW);
        self.rounds.push(FigureRound { naq, base: Some(base) });
    }

    /// Adds a round that measured NAQ alone.
    pub(crate) fn alone(&mut self, naq: f64) {
        self.rounds.push(FigureRound { naq, base: None });
    }

    /// Whether at least one round was added.
    pub(crate) fn is_measured(&self) -> bool {
        !self.rounds.is_empty()
    }

    /// Sums up the rounds and compares with the target.
    pub(crate) fn done(mut self) -> Self {
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
            FigureTarget::None => (None, None),
            FigureTarget::RatioAtLeast(x) => {
                (Some(format!(">= {x} x")), self.ratio.map(|r| r >= x))
            }
            FigureTarget::RatioAtMost(x) => (Some(format!("<= {x} x")), self.ratio.map(|r| r <= x)),
            FigureTarget::AtMost(x) => (Some(format!("<= {x} {unit}")), Some(self.naq <= x)),
        };
        self
    }
}

impl FigureUnit {
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

impl BenchFigure {
    /// The columns of a table of figures. A `>` marks a column of numbers, which are aligned to the
    /// right.
    pub const COLUMNS: &'static [&'static str] =
        &["MEASURE", ">NAQ", ">BASE", "UNIT", ">RATIO", "RANGE", "TARGET", "VERDICT", "BASE IS"];

    /// One text for each column.
    #[must_use]
    pub fn cells(&self) -> Vec<String> {
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

/// The value with three significant digits.
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
        let mut figure =
            BenchFigure::new("x", FigureUnit::PerSecond, FigureTarget::RatioAtLeast(0.9));
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
        let mut figure = BenchFigure::new("x", FigureUnit::Millis, FigureTarget::AtMost(350.0));
        figure.alone(351.0);
        let figure = figure.done();
        assert_eq!((figure.ratio, figure.ok), (None, Some(false)));
        assert_eq!(figure.cells()[6..8], ["<= 350 ms", "MISS"]);
    }
}
