//! For tests: a clock that the test moves, and a transport that fails on command.

mod clock;
mod die_point;
mod faulty;
mod faulty_ports;
mod faulty_streams;
mod plan;
mod skewed_clock;

pub use clock::ManualClock;
pub use die_point::{DiePoint, DiePointError, Op};
pub use faulty::FaultyTransport;
pub use plan::{Fault, FaultPlan};
pub use skewed_clock::SkewedClock;
