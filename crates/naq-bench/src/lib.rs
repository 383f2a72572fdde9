//! The benchmark behind `naq bench`: NAQ is compared with raw async-nats that does the same work on the
//! broker. Each round measures one, then the other.
//!
//! The crate measures and returns a [`BenchReport`]. The command that calls it parses
//! [`BenchArgs`], starts a broker if the user gave no address, and prints the report.

mod args;
mod console;
mod contestant;
mod contestants;
mod cpu;
mod dashboard;
mod decide;
mod delayed;
mod drain;
mod enqueue;
mod features;
mod figure;
mod handlers;
mod latency;
mod memory;
mod naq;
mod raw;
mod report;
mod retries;
mod run;
mod stats;
mod topology;

pub use args::{BenchArgs, Measure};
pub use console::Console;
pub use figure::{BenchFigure, FigureRound, FigureUnit};
pub use report::BenchReport;
pub use run::{Broker, run, run_child};
