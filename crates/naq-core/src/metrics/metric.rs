//! [`Metric`]: the name, labels and meaning of one metric.

/// A metric: its name in Prometheus, and what it means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// The name. The series of a histogram end in `_bucket`, `_sum` and `_count`.
    pub name: &'static str,
    /// The kind.
    pub kind: Kind,
    /// The unit, in the plural: `jobs`, `seconds`.
    pub unit: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it means, in one sentence.
    pub help: &'static str,
}

/// The kinds of metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A number that only grows, from 0 at the start of the process.
    Counter,
    /// The current value.
    Gauge,
    /// Values counted in buckets with these upper bounds. One more bucket has the larger values.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The name of the kind in the text format of Prometheus.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Metric {
    /// The names of its series in Prometheus.
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
