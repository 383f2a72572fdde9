//! Gates: what may keep a delivery from its handler besides the retry policy. A job that is held
//! back uses no attempt and no slot. Each gate is one file. A job that no gate guards passes
//! without a request.

mod breaker;
mod budget;
mod depends;
mod first_read;
mod gate;
mod gate_answer;
mod job_key;
mod limit;
mod list;
mod pause;
mod unique;

pub(crate) use self::breaker::BreakerGate;
pub(crate) use self::budget::BudgetGate;
pub(crate) use self::depends::DependsGate;
pub(crate) use self::gate::Gate;
pub(crate) use self::gate_answer::{GateAnswer, GateExit, HoldBack};
pub(crate) use self::limit::LimitGate;
pub(crate) use self::list::{EnteredGates, Gates};
pub(crate) use self::pause::PauseGate;
pub(crate) use self::unique::UniqueGate;
