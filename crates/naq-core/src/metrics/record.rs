//! Handles that record values through the `metrics` facade.

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, Unit};

use super::{ALL, Kind, Metric};

const METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

impl Metric {
    /// A handle for a counter with these values of its [labels](Self::labels), in the order of the labels.
    /// Create it once: counting is then one atomic addition. It has no effect if no recorder was
    /// installed before.
    pub fn counter(&self, values: &[&str]) -> Counter {
        self.register(values, |recorder, key| recorder.register_counter(key, &METADATA))
    }

    /// A handle for a gauge; see [`counter`](Self::counter).
    pub fn gauge(&self, values: &[&str]) -> Gauge {
        self.register(values, |recorder, key| recorder.register_gauge(key, &METADATA))
    }

    /// A handle for a histogram; see [`counter`](Self::counter). The recorder must be configured with its
    /// [buckets](Kind::Histogram).
    pub fn histogram(&self, values: &[&str]) -> Histogram {
        self.register(values, |recorder, key| recorder.register_histogram(key, &METADATA))
    }

    fn register<H>(&self, values: &[&str], with: impl FnOnce(&dyn Recorder, &Key) -> H) -> H {
        debug_assert_eq!(self.labels.len(), values.len(), "{}", self.name);
        let label = |(name, value): (&&'static str, &&str)| Label::new(*name, (*value).to_owned());
        let labels: Vec<_> = self.labels.iter().zip(values).map(label).collect();
        let key = Key::from_parts(self.name, labels);
        metrics::with_recorder(|recorder| with(recorder, &key))
    }
}

/// Gives the recorder the unit and the help text of every metric.
pub fn describe() {
    metrics::with_recorder(|recorder| {
        for metric in ALL {
            let unit = (metric.unit == "seconds").then_some(Unit::Seconds);
            let (name, help) = (metric.name.into(), metric.help.into());
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, unit, help),
                Kind::Gauge => recorder.describe_gauge(name, unit, help),
                Kind::Histogram(_) => recorder.describe_histogram(name, unit, help),
            }
        }
    });
}
