//! Unique keys: at most one job holds a key.
//!
//! The enqueuer takes the key first, by compare and set, and stores the job then. Until the job is
//! stored, the key's entry contains the whole job. So a client that finds the key taken but no job,
//! because the enqueuer is slow or has crashed between the two steps, stores the job itself, and can
//! rely on the holder that the entry names.

mod key_entry;
mod key_request;
mod keys;

pub(crate) use key_request::{KeyAnswer, KeyRequest};
