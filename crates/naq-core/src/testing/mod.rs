//! For tests: a clock that is moved by hand, a transport that fails on command, and the contract
//! that every transport has to pass.

mod clock;
mod die_point;
mod faulty;
mod faulty_ports;
mod plan;

pub use clock::ManualClock;
pub use die_point::{DiePoint, DiePointError, Op};
pub use faulty::FaultyTransport;
pub use plan::{Fault, FaultPlan};
