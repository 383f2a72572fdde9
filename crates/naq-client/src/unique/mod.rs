//! Unique keys: at most one job holds a key.
//!
//! A client that enqueues a unique job first takes the key by compare and set, and then stores the
//! job. Until the job is stored, the key's entry contains the whole job. If the first client is slow
//! or has crashed between the two steps, a second client finds the key taken but no job. It then
//! stores the job of the entry itself, so that it can rely on the holder that the entry names. It does so
//! only for a job of its own queue: the entry of another queue may be a trap (ADR 0036).

mod key_entry;
mod key_request;
mod keys;

pub(crate) use key_request::{KeyAnswer, KeyRequest};
