//! What the parts of a running worker share.

mod attempt_counts;
mod attempt_deps;
mod cancelled_lately;
mod full_store;
mod health;
mod look_list;
mod observe;
mod pending_observation;
mod send_settle_request;
mod settle_outage;
mod settle_request;
mod signatures;
mod standstill;
mod worker_queue;
mod worker_role;
mod worker_state;

pub(crate) use self::attempt_counts::AttemptCounts;
pub(crate) use self::attempt_deps::AttemptDeps;
pub(crate) use self::cancelled_lately::CancelledLately;
pub(crate) use self::full_store::{FullStore, FullTime};
pub use self::health::{Health, NotReady};
pub(crate) use self::look_list::LookList;
pub(crate) use self::pending_observation::PendingObservation;
pub(crate) use self::settle_outage::SettleOutage;
pub(crate) use self::settle_request::SettleRequest;
pub(crate) use self::signatures::Signatures;
pub(crate) use self::standstill::{Standstill, slack};
pub(crate) use self::worker_queue::WorkerQueue;
pub(crate) use self::worker_role::{HeartbeatTimes, WorkerRole};
pub(crate) use self::worker_state::WorkerState;
