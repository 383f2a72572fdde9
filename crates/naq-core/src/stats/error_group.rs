//! [`ErrorGroup`]: failures with the same task, error kind and message pattern.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Ending, Observation, ObservedError, pattern};
use crate::clock::Timestamp;
use crate::failure::ErrorKind;
use crate::names::{JobId, JobKey, QueueName, TaskName};
use crate::retry::Rule;

/// The most jobs that a group names as samples: the newest ones.
pub const SAMPLE_JOBS: usize = 5;
/// The most versions of workers that a group names.
const MAX_VERSIONS: usize = 20;
/// The most bytes of the message of a group.
const MAX_MESSAGE: usize = 400;
/// The most bytes of a pattern. A pattern made by this version is never longer.
const MAX_PATTERN: usize = 4 * super::pattern::MAX_CHARS;

/// The id of an error group: a hash of task, kind and pattern, which is the same in every process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(u64);

/// Failures of one task with the same error kind and the same message, apart from ids, numbers and
/// similar parts of the message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorGroup {
    /// The queue of the newest failure.
    pub queue: QueueName,
    /// The task.
    pub task: TaskName,
    /// The error kind.
    pub kind: ErrorKind,
    /// The message without the parts that differ between failures; see [`pattern`].
    pub pattern: String,
    /// The newest message, unchanged.
    pub message: String,
    /// The number of failures.
    pub count: u64,
    /// How many of those are retried.
    #[serde(default)]
    pub retried: u64,
    /// How many of those were the last failure of a job that died.
    #[serde(default)]
    pub dead: u64,
    /// The time of the first failure.
    pub first_at: Timestamp,
    /// The time of the newest failure.
    pub last_at: Timestamp,
    /// The rules that decided, and how often.
    #[serde(default)]
    pub rules: BTreeMap<Rule, u64>,
    /// The newest jobs, newest last.
    #[serde(default)]
    pub jobs: Vec<JobKey>,
    /// The versions of the workers that counted its failures. Empty in a report, which has the version of its worker.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub versions: BTreeSet<String>,
}

impl GroupId {
    /// The id of the group with this task, kind and [`pattern`]: their 64-bit FNV-1a hash.
    pub fn of(task: &TaskName, kind: &ErrorKind, pattern: &str) -> Self {
        let parts = [task.as_str(), kind.as_str(), pattern];
        let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
        Self(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }
}

impl ErrorGroup {
    pub(super) fn new(
        task: TaskName,
        pattern: String,
        seen: &Observation<'_>,
        error: &ObservedError<'_>,
        at: Timestamp,
    ) -> Self {
        Self {
            queue: seen.queue.clone(),
            task,
            kind: error.kind.clone(),
            pattern,
            message: String::new(),
            count: 0,
            retried: 0,
            dead: 0,
            first_at: at,
            last_at: at,
            rules: BTreeMap::new(),
            jobs: Vec::new(),
            versions: BTreeSet::new(),
        }
    }

    pub(super) fn record(
        &mut self,
        seen: &Observation<'_>,
        error: &ObservedError<'_>,
        at: Timestamp,
    ) {
        self.count += 1;
        match seen.ending {
            Ending::Retried { .. } => self.retried += 1,
            Ending::Dead => self.dead += 1,
            _ => {}
        }
        self.queue = seen.queue.clone();
        self.message = clip(error.message, MAX_MESSAGE);
        self.last_at = at;
        *self.rules.entry(error.rule).or_default() += 1;
        self.sample(seen.queue, seen.job);
    }

    fn sample(&mut self, queue: &QueueName, id: &JobId) {
        let key = JobKey::new(queue.clone(), id.clone());
        add_sample(&mut self.jobs, key);
    }

    /// The id of the group.
    pub fn id(&self) -> GroupId {
        GroupId::of(&self.task, &self.kind, &self.pattern)
    }

    /// Cuts texts and lists to the limits of this version, because another version of NAQ may have
    /// written the report.
    pub(super) fn bound_size(&mut self) {
        self.message = clip(&self.message, MAX_MESSAGE);
        self.pattern = clip(&self.pattern, MAX_PATTERN);
        self.jobs.drain(..self.jobs.len().saturating_sub(SAMPLE_JOBS));
        self.versions.clear();
    }

    /// Adds times, message, jobs and version of another part of the same group, without its counts.
    pub(super) fn merge_samples(&mut self, other: &Self, version: &str) {
        self.first_at = self.first_at.min(other.first_at);
        if other.last_at >= self.last_at {
            self.last_at = other.last_at;
            self.message.clone_from(&other.message);
            self.queue = other.queue.clone();
        }
        for job in &other.jobs {
            add_sample(&mut self.jobs, job.clone());
        }
        self.versions.insert(clip(version, MAX_MESSAGE));
        while self.versions.len() > MAX_VERSIONS {
            self.versions.pop_first();
        }
    }
}

fn add_sample(jobs: &mut Vec<JobKey>, job: JobKey) {
    if jobs.contains(&job) {
        return;
    }
    if jobs.len() == SAMPLE_JOBS {
        jobs.remove(0);
    }
    jobs.push(job);
}

fn clip(text: &str, most: usize) -> String {
    match text.char_indices().find(|(at, _)| *at >= most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The pattern of a failure.
pub(super) fn pattern_of(error: &ObservedError<'_>) -> String {
    pattern(error.message)
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for GroupId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

impl Serialize for GroupId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GroupId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
