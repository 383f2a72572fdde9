//! Actions and views for operators: pause, drain, limits, breakers, the audit log, statistics.

pub(crate) mod audit;
mod audit_chain;
mod breaker;
pub(crate) mod cancel_tally;
mod drain;
mod history;
mod limits;
mod pause;

pub use audit::{AUDIT_TTL, AuditEntry, AuditPage, AuditQuery, MAX_AUDIT_PAGE};
pub use audit_chain::AuditCheck;
pub use limits::{LimitInfo, LimitedJob};
