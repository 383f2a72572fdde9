//! Actions and views for operators: pause, drain, limits, breakers, the audit log, statistics.

mod audit;
mod audit_chain;
pub(crate) mod audit_entry;
mod breaker;
pub(crate) mod cancel_tally;
mod drain;
mod history;
mod limits;
mod pause;

pub use audit::{AuditPage, AuditQuery, MAX_AUDIT_PAGE};
pub use audit_chain::AuditCheck;
pub use audit_entry::{AUDIT_TTL, AuditEntry};
pub use limits::{LimitInfo, LimitedJob};
