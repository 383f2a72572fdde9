//! [`StreamReport`]: the numbers of one stream at the broker.

use std::fmt;

use serde::Serialize;

use crate::names::QueueName;

/// What a stream is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "role", content = "queue", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StreamRole {
    /// The jobs of a queue that have not ended.
    Queue(QueueName),
    /// The dead letters of all queues.
    Dead,
    /// The final records of all queues.
    Records,
    /// The directory of workers.
    Workers,
    /// The state store: limits, breakers, schedules, workflows.
    State,
    /// The unique keys that jobs hold. It refuses `Nats-Rollup`, because producers write to it.
    Keys,
    /// The audit log. The broker removes and replaces none of its messages before their time.
    Audit,
    /// The blobs: large results and checkpoints.
    Blobs,
    /// The statistics of the last day.
    Stats,
}

/// What is lost when the broker removes messages of a stream for one of its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvictionLoss {
    /// Whether a promise of NAQ breaks. If not, the limit is the operator's choice.
    pub breaks_promise: bool,
    /// What is lost.
    pub what: &'static str,
}

impl StreamRole {
    /// What is lost when the broker removes messages of this stream for one of its limits.
    pub fn loss(&self) -> EvictionLoss {
        let (breaks_promise, what) = match self {
            Self::Queue(_) => (true, "jobs that were acknowledged"),
            Self::State => (true, "schedules, workflows and limits that are in use"),
            Self::Keys => (true, "unique keys that jobs hold"),
            Self::Audit => (false, "the oldest entries of the audit log"),
            Self::Workers => (true, "workers that are alive, whose jobs then count as crashed"),
            Self::Dead => (false, "the oldest dead letters"),
            Self::Records => {
                (false, "the oldest records, with results that a job or a user may still wait for")
            }
            Self::Blobs => (false, "the oldest large results and checkpoints"),
            Self::Stats => (false, "the oldest statistics"),
        };
        EvictionLoss { breaks_promise, what }
    }
}

impl fmt::Display for StreamRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Queue(queue) => return write!(f, "jobs of queue {queue}"),
            Self::Dead => "dead letters",
            Self::Records => "records of ended jobs",
            Self::Workers => "directory of workers",
            Self::State => "shared state",
            Self::Keys => "unique keys",
            Self::Audit => "audit log",
            Self::Blobs => "large results and checkpoints",
            Self::Stats => "statistics",
        })
    }
}

/// How a stream stores its messages, and so what may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Durability {
    /// Whether messages are on disk. Otherwise they are in memory.
    pub on_disk: bool,
    /// The number of copies on different servers. 0 and 1 mean the same.
    pub replicas: u32,
}

impl fmt::Display for Durability {
    /// Writes the durability in words, and what may be lost.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.on_disk, self.replicas) {
            (false, 0 | 1) => "in memory: lost when the broker ends",
            (false, _) => "in memory of several servers: lost when all of them end",
            (true, 0 | 1) => {
                "on one disk: survives a broker crash; a power loss may take what was not yet \
                 synced (2 minutes by default, see sync_interval)"
            }
            (true, _) => {
                "on several disks: survives the loss of a minority of servers; a power loss of all \
                 may take what was not yet synced (see sync_interval)"
            }
        })
    }
}

/// The numbers of a stream, from the counters of the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    /// The name at the broker.
    pub name: String,
    /// What the stream is for.
    #[serde(flatten)]
    pub role: StreamRole,
    /// The number of messages.
    pub messages: u64,
    /// The bytes of the messages.
    pub bytes: u64,
    /// How it stores them.
    pub durability: Durability,
    /// The settings by which the broker removes messages of it before their time, such as
    /// `max_bytes 1000000`. [`StreamRole::loss`] says what that costs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evicts: Vec<String>,
    /// The consumer of a queue that a worker has opened. `None` for other streams.
    pub consumer: Option<ConsumerReport>,
}

/// The consumer that all workers of a queue share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsumerReport {
    /// The name at the broker.
    pub name: String,
    /// How many messages are not delivered yet.
    pub lag: u64,
    /// How many messages workers hold (`ack pending` in NATS).
    pub held: u64,
    /// How many messages workers may hold. `None` for no limit.
    pub held_limit: Option<u64>,
    /// How many of the held messages were delivered more than once.
    pub redelivered: u64,
    /// How many requests of workers wait for a job.
    pub waiting_requests: u64,
    /// Whether it is paused and delivers nothing.
    pub paused: bool,
    /// How many jobs it has forgotten: they are in the stream, and are not delivered. A worker of the
    /// queue stores them again by itself.
    #[serde(skip_serializing_if = "is_zero")]
    pub forgotten: u64,
}

/// What is not said where all is well.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) fn is_zero(n: &u64) -> bool {
    *n == 0
}
