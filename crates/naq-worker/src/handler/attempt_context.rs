//! [`AttemptContext`]: what is behind every [`Context`](super::Context) of one attempt.

use std::sync::{Arc, OnceLock};

use naq_client::{Client, EncryptedJob};
use naq_core::{Envelope, Payload, Timer, WorkerId};
use tokio::runtime::Handle;

use crate::delivery::HeldDelivery;

/// What is behind every [`Context`](super::Context) of one attempt.
#[derive(Debug)]
pub(crate) struct AttemptContext {
    pub(crate) envelope: Envelope,
    /// The arguments for the handler: decrypted and decompressed.
    pub(crate) args: Payload,
    /// Set for a job whose arguments are encrypted.
    pub(crate) encrypted: Option<EncryptedJob>,
    /// The message of the last error, if a handler has asked for it and it was encrypted.
    pub(crate) opened_error: OnceLock<String>,
    pub(crate) worker_id: WorkerId,
    /// The slots of the worker.
    pub(crate) slots: usize,
    pub(crate) client: Client,
    pub(crate) timer: Arc<dyn Timer>,
    /// The runtime that handlers run on.
    pub(crate) runtime: Handle,
    pub(crate) held: Arc<HeldDelivery>,
}
