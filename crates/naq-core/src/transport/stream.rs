//! [`StreamReport`]: what the broker keeps a kind of thing in.

use std::fmt;

use serde::Serialize;

use crate::names::QueueName;

/// What a stream is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "role", content = "queue", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StreamRole {
    /// The jobs of a queue: those that wait for a slot or their time, and those that run.
    Queue(QueueName),
    /// The dead letters of all queues.
    Dead,
    /// What became of jobs that have ended.
    Records,
    /// The directory of workers.
    Workers,
    /// What all workers share: keys of unique jobs, limits, breakers, schedules, workflows.
    State,
    /// Large results and checkpoints.
    Blobs,
    /// Statistics of the last day.
    Stats,
}

impl fmt::Display for StreamRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Queue(queue) => return write!(f, "jobs of queue {queue}"),
            Self::Dead => "dead letters",
            Self::Records => "records of ended jobs",
            Self::Workers => "directory of workers",
            Self::State => "shared state",
            Self::Blobs => "large results and checkpoints",
            Self::Stats => "statistics",
        })
    }
}

/// How well a stream keeps what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Durability {
    /// Whether it is written to disk; in memory otherwise.
    pub on_disk: bool,
    /// Copies on different servers; 0 and 1 are the same.
    pub replicas: u32,
}

impl fmt::Display for Durability {
    /// The class in words, with what it loses.
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

/// A stream in numbers, from the broker's own counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    /// Its name at the broker.
    pub name: String,
    /// What it is for.
    #[serde(flatten)]
    pub role: StreamRole,
    /// Messages in it.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How well it keeps them.
    pub durability: Durability,
    /// Who is handed its messages; workers, together, of a queue that has been opened.
    pub consumer: Option<ConsumerReport>,
}

/// The one consumer that all workers of a queue share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsumerReport {
    /// Its name at the broker.
    pub name: String,
    /// Messages not handed out yet: its lag.
    pub lag: u64,
    /// Messages handed out and not settled yet (ack pending in NATS terms).
    pub held: u64,
    /// The most that may be; none for no limit.
    pub held_limit: Option<u64>,
    /// Of those that are held, how many were handed out more than once.
    pub redelivered: u64,
    /// Requests of workers that wait for a job.
    pub waiting_requests: u64,
    /// Whether it hands out nothing for now.
    pub paused: bool,
}
