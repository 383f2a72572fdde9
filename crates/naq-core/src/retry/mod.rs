//! Retry policies.
