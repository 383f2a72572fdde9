//! [`Metric`]: what there is to know of one.

/// A metric: its name in Prometheus, and what it means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// The name. The series of a histogram have `_bucket`, `_sum` and `_count` behind it.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// What is counted or measured, in the plural: `jobs`, `seconds`.
    pub unit: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence.
    pub help: &'static str,
}

/// The kinds of metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows, from 0 when the process starts.
    Counter,
    /// The value of now.
    Gauge,
    /// Values counted in buckets with these upper bounds; one more holds what is above the last.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The name in Prometheus' text format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Metric {
    /// The names of the series that it makes in Prometheus.
    ///
    /// ```
    /// let series: Vec<_> = naq_core::metrics::QUEUE_WAIT.series().collect();
    /// assert_eq!(series[0], "naq_queue_wait_seconds_bucket");
    /// ```
    pub fn series(&self) -> impl Iterator<Item = String> + '_ {
        let ends: &[&str] = match self.kind {
            Kind::Counter | Kind::Gauge => &[""],
            Kind::Histogram(_) => &["_bucket", "_sum", "_count"],
        };
        ends.iter().map(|end| format!("{}{end}", self.name))
    }
}
