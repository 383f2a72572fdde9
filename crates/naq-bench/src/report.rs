//! [`BenchReport`]: the result of a benchmark.

use naq_core::Timestamp;
use serde::Serialize;

use crate::figure::BenchFigure;

/// The result of a benchmark: its settings, and what it measured.
#[derive(Debug, Serialize)]
pub struct BenchReport {
    /// When the benchmark ended.
    pub at: Timestamp,
    /// The version of NAQ.
    pub naq: &'static str,
    /// The broker's name and version, if a measure needed a broker.
    pub server: Option<String>,
    /// Jobs per round.
    pub jobs: usize,
    /// Rounds per measure.
    pub rounds: usize,
    /// Slots of the worker.
    pub concurrency: usize,
    /// The size of a job's arguments in bytes.
    pub payload: u32,
    /// How many jobs wait while new jobs are measured.
    pub waiting: usize,
    /// What was measured.
    pub figures: Vec<BenchFigure>,
}
