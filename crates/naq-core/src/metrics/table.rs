//! Every metric, and the values of labels with few values.

use super::{Kind, Metric};
use crate::stats::BOUNDS_MS;

/// The version of this process.
pub const BUILD_INFO: Metric = Metric {
    name: "naq_build_info",
    kind: Kind::Gauge,
    unit: "1",
    labels: &["version"],
    help: "Always 1. The label says which version of NAQ runs.",
};

/// Whether this process is connected to the broker.
pub const BROKER_CONNECTED: Metric = Metric {
    name: "naq_broker_connected",
    kind: Kind::Gauge,
    unit: "1",
    labels: &[],
    help: "1 while this process is connected to the broker, 0 while it is not.",
};

/// Jobs that this process has enqueued.
pub const JOBS_ENQUEUED: Metric = Metric {
    name: "naq_jobs_enqueued_total",
    kind: Kind::Counter,
    unit: "jobs",
    labels: &["queue", "task"],
    help: "Jobs that this process has enqueued. A duplicate of a stored job does not count.",
};

/// Attempts that have ended, by [outcome](OUTCOMES).
pub const ATTEMPTS: Metric = Metric {
    name: "naq_attempts_total",
    kind: Kind::Counter,
    unit: "attempts",
    labels: &["queue", "task", "outcome"],
    help: "Attempts that have ended, by outcome.",
};

/// How long handlers ran.
pub const ATTEMPT_DURATION: Metric = Metric {
    name: "naq_attempt_duration_seconds",
    kind: Kind::Histogram(&SECONDS),
    unit: "seconds",
    labels: &["queue", "task"],
    help: "How long handlers ran. All outcomes count.",
};

/// How long first attempts waited for a slot.
pub const QUEUE_WAIT: Metric = Metric {
    name: "naq_queue_wait_seconds",
    kind: Kind::Histogram(&SECONDS),
    unit: "seconds",
    labels: &["queue", "task"],
    help: "How long jobs waited from their enqueue to the start of their first attempt.",
};

/// The delays before retries.
pub const RETRY_DELAY: Metric = Metric {
    name: "naq_retry_delay_seconds",
    kind: Kind::Histogram(&DELAYS),
    unit: "seconds",
    labels: &["queue", "task"],
    help: "The delays before retries, as NAQ decided them.",
};

/// How long after their due time delayed attempts started.
pub const RETRY_LATENESS: Metric = Metric {
    name: "naq_retry_lateness_seconds",
    kind: Kind::Histogram(&SECONDS),
    unit: "seconds",
    labels: &["queue", "task"],
    help: "How long after their due time retries and scheduled jobs started.",
};

/// The number of the attempt at which jobs succeeded.
pub const SUCCESS_ATTEMPT: Metric = Metric {
    name: "naq_success_attempt_number",
    kind: Kind::Histogram(&[1.0, 2.0, 3.0, 5.0, 10.0]),
    unit: "attempts",
    labels: &["queue", "task"],
    help: "The number of the attempt at which jobs completed. 1 is the first attempt.",
};

/// Jobs that died.
pub const JOBS_DEAD: Metric = Metric {
    name: "naq_jobs_dead_total",
    kind: Kind::Counter,
    unit: "jobs",
    labels: &["task", "error_kind"],
    help: "Jobs that went to the dead letter queue, by the kind of their last error.",
};

/// Jobs that ended without a record, because the broker's store was full.
pub const RECORDS_NOT_STORED: Metric = Metric {
    name: "naq_records_not_stored_total",
    kind: Kind::Counter,
    unit: "jobs",
    labels: &["queue"],
    help: "Jobs that ended without a record, because the broker's store was full.",
};

/// Jobs in a queue, by [state](DEPTH_STATES).
pub const QUEUE_DEPTH: Metric = Metric {
    name: "naq_queue_depth",
    kind: Kind::Gauge,
    unit: "jobs",
    labels: &["queue", "state"],
    help: "Jobs in a queue, by state. The broker counts them (from the dashboard).",
};

/// Jobs that something holds, by [what holds them](HELD_BY).
pub const HELD_JOBS: Metric = Metric {
    name: "naq_held_jobs",
    kind: Kind::Gauge,
    unit: "jobs",
    labels: &["queue", "by"],
    help: "Jobs that cannot start, by what holds them. At most the 1,000 newest waiting jobs of a queue are counted (from the dashboard).",
};

/// The bound of a queue, [of jobs and of bytes](BOUND_UNITS).
pub const QUEUE_BOUND: Metric = Metric {
    name: "naq_queue_bound",
    kind: Kind::Gauge,
    unit: "jobs or bytes",
    labels: &["queue", "of"],
    help: "How many jobs or bytes a queue stores before it refuses new jobs. 0 without a bound (from the dashboard).",
};

/// The bytes of a queue.
pub const QUEUE_BYTES: Metric = Metric {
    name: "naq_queue_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    labels: &["queue"],
    help: "Bytes of the jobs that a queue stores (from the dashboard).",
};

/// The age of the oldest pending job of a queue.
pub const OLDEST_JOB_AGE: Metric = Metric {
    name: "naq_oldest_job_age_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    labels: &["queue"],
    help: "How long the oldest pending job has waited for a slot. 0 if no job is pending (from the dashboard).",
};

/// Live workers.
pub const WORKERS: Metric = Metric {
    name: "naq_workers",
    kind: Kind::Gauge,
    unit: "workers",
    labels: &["queue"],
    help: "Workers that serve the queue and have a current heartbeat (from the dashboard).",
};

/// This worker's slots, by [state](SLOT_STATES).
pub const WORKER_SLOTS: Metric = Metric {
    name: "naq_worker_slots",
    kind: Kind::Gauge,
    unit: "slots",
    labels: &["state"],
    help: "Slots of this worker, by state.",
};

/// Deliveries of a message that was delivered before.
pub const REDELIVERIES: Metric = Metric {
    name: "naq_redeliveries_total",
    kind: Kind::Counter,
    unit: "deliveries",
    labels: &["queue"],
    help: "Messages that the broker delivered again. A worker had crashed, lost its lease, or given them back.",
};

/// Heartbeats that could not be written.
pub const HEARTBEAT_MISSED: Metric = Metric {
    name: "naq_heartbeat_missed_total",
    kind: Kind::Counter,
    unit: "heartbeats",
    labels: &[],
    help: "Heartbeats of this worker that the broker did not store.",
};

/// Messages that cannot be read, by [reason](DECODE_REASONS).
pub const DECODE_ERRORS: Metric = Metric {
    name: "naq_decode_errors_total",
    kind: Kind::Counter,
    unit: "messages",
    labels: &["reason"],
    help: "Deliveries that the worker cannot run as a job, by reason.",
};

/// Logins that a dashboard refused.
pub const LOGINS_REFUSED: Metric = Metric {
    name: "naq_dashboard_logins_refused_total",
    kind: Kind::Counter,
    unit: "logins",
    labels: &[],
    help: "Logins that this dashboard refused: wrong ones, and those after too many wrong ones.",
};

/// Requests to the gateway.
pub const GATEWAY_REQUESTS: Metric = Metric {
    name: "naq_gateway_requests_total",
    kind: Kind::Counter,
    unit: "requests",
    labels: &["route", "status"],
    help: "Requests that this gateway has answered, by route and HTTP status.",
};

/// How long requests to the gateway took.
pub const GATEWAY_REQUEST_DURATION: Metric = Metric {
    name: "naq_gateway_request_duration_seconds",
    kind: Kind::Histogram(&SECONDS),
    unit: "seconds",
    labels: &["route"],
    help: "How long this gateway took for its answers. A request that waits for a job takes long.",
};

/// All metrics.
pub const ALL: [&Metric; 24] = [
    &BUILD_INFO,
    &BROKER_CONNECTED,
    &JOBS_ENQUEUED,
    &ATTEMPTS,
    &ATTEMPT_DURATION,
    &QUEUE_WAIT,
    &RETRY_DELAY,
    &RETRY_LATENESS,
    &SUCCESS_ATTEMPT,
    &JOBS_DEAD,
    &RECORDS_NOT_STORED,
    &QUEUE_DEPTH,
    &HELD_JOBS,
    &QUEUE_BOUND,
    &QUEUE_BYTES,
    &OLDEST_JOB_AGE,
    &WORKERS,
    &WORKER_SLOTS,
    &REDELIVERIES,
    &HEARTBEAT_MISSED,
    &DECODE_ERRORS,
    &LOGINS_REFUSED,
    &GATEWAY_REQUESTS,
    &GATEWAY_REQUEST_DURATION,
];

/// The metric of a series in Prometheus, also for the `_bucket`, `_sum` and `_count` of a histogram.
/// `None` if NAQ has no such series.
pub fn of_series(name: &str) -> Option<&'static Metric> {
    ALL.into_iter().find(|metric| metric.series().any(|series| series == name))
}

/// The outcomes of attempts. `crash` is the crash of a worker. NAQ counts it when the
/// broker delivers the job again.
pub const OUTCOMES: [&str; 6] = ["success", "retry", "dead", "cancelled", "expired", "crash"];

/// The states by which the jobs of a queue are counted. `waiting` is scheduled, retrying and blocked
/// together, because the broker counts them together.
pub const DEPTH_STATES: [&str; 4] = ["pending", "running", "waiting", "dead"];

/// What can hold jobs.
pub const HELD_BY: [&str; 11] = [
    "no_worker",
    "queue_pause",
    "breaker",
    "task_pause",
    "full_queue",
    "budget",
    "no_handler",
    "queue_limit",
    "limit",
    "dependencies",
    "other",
];

/// What a queue's bound counts.
pub const BOUND_UNITS: [&str; 2] = ["jobs", "bytes"];

/// The states of a slot.
pub const SLOT_STATES: [&str; 2] = ["busy", "free"];

/// Why a delivery cannot be run: its body is not a job, or the worker has no handler for its task.
pub const DECODE_REASONS: [&str; 2] = ["envelope", "unknown_task"];

/// How many error kinds a process uses as label values.
pub const MAX_ERROR_KINDS: usize = 50;

/// The label value of all further error kinds.
pub const OTHER_ERROR_KIND: &str = "_other";

/// The bounds of durations: those of the [statistics](BOUNDS_MS), in seconds.
pub const SECONDS: [f64; BOUNDS_MS.len()] = {
    let mut seconds = [0.0; BOUNDS_MS.len()];
    let mut i = 0;
    while i < BOUNDS_MS.len() {
        seconds[i] = BOUNDS_MS[i] as f64 / 1_000.0;
        i += 1;
    }
    seconds
};

/// The bounds of retry delays, in seconds: from one to a day.
pub const DELAYS: [f64; 9] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_follow_prometheus_and_are_unique() {
        let series: Vec<String> = ALL.iter().flat_map(|metric| metric.series()).collect();
        assert_eq!(series.iter().collect::<BTreeSet<_>>().len(), series.len());
        for metric in ALL {
            assert!(metric.name.starts_with("naq_"), "{}", metric.name);
            assert!(metric.name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()));
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter);
            assert_eq!(metric.name.ends_with("_seconds"), metric.unit == "seconds");
        }
    }

    #[test]
    fn buckets_grow() {
        for metric in ALL {
            let Kind::Histogram(bounds) = metric.kind else { continue };
            assert!(bounds.is_sorted_by(|a, b| a < b), "{}: {bounds:?}", metric.name);
        }
        assert_eq!(SECONDS[0], 0.001);
        assert_eq!(SECONDS[SECONDS.len() - 1], 1_800.0);
    }

    #[test]
    fn a_series_is_found_by_its_whole_name() {
        assert_eq!(of_series("naq_queue_wait_seconds_sum"), Some(&QUEUE_WAIT));
        assert_eq!(of_series("naq_attempts_total"), Some(&ATTEMPTS));
        assert_eq!(of_series("naq_attempts_total_sum"), None);
        assert_eq!(of_series("naq_queue_wait_seconds"), None);
    }
}
