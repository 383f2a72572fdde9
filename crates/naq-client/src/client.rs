//! [`Client`]: the handle that all verbs are methods of.

use std::sync::Arc;
use std::time::Duration;

use naq_core::clock::{Clock, SystemClock, Timestamp};
use naq_core::compress::Compression;
use naq_core::names::{CHORES, QueueName};
use naq_core::seal::KeyRing;
use naq_core::sign::{SigningKey, TrustedKeys};
use naq_core::transport::{BrokerClock, QueueInfo, Transport, TransportError, WorkerInfo};
use naq_core::wire::Codec;

use crate::enqueue::{EnqueueLayer, EnqueueLayers, LargeArgs};
use crate::operate::cancel_tally::CancelTally;

/// The verbs of NAQ for producers and operators. Cheap to clone; clones share the connection.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) codec: Codec,
    pub(crate) queue: QueueName,
    pub(crate) record_ttl: Option<Duration>,
    pub(crate) cancel_tally: Arc<CancelTally>,
    pub(crate) only_prepares: bool,
    pub(crate) signing_key: Option<SigningKey>,
    pub(crate) trusted_keys: TrustedKeys,
    pub(crate) key_ring: Option<KeyRing>,
    pub(crate) large_args: LargeArgs,
    pub(crate) compression: Compression,
    pub(crate) encrypts_errors: bool,
    pub(crate) layers: EnqueueLayers,
}

impl Client {
    /// A client over `transport`. It writes JSON, and uses the queue `default` for jobs that name
    /// no queue.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self {
            clock: broker_clock(&transport, Arc::new(SystemClock)),
            transport,
            codec: Codec::Json,
            queue: QueueName::default(),
            record_ttl: None,
            cancel_tally: Arc::default(),
            only_prepares: false,
            signing_key: None,
            trusted_keys: TrustedKeys::default(),
            key_ring: None,
            large_args: LargeArgs::Refuse,
            compression: Compression::None,
            encrypts_errors: false,
            layers: EnqueueLayers::default(),
        }
    }

    /// Writes jobs in this codec.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Puts jobs that name no queue into this one.
    #[must_use]
    pub fn default_queue(mut self, queue: QueueName) -> Self {
        self.queue = queue;
        self
    }

    /// How long the record of a finished job is kept, if the job itself sets no time; zero keeps
    /// none. 1 hour by default.
    #[must_use]
    pub fn default_record_ttl(mut self, ttl: Duration) -> Self {
        self.record_ttl = Some(ttl);
        self
    }

    /// This client prepares jobs, and another client sends them. The times of a job, such as its
    /// delay, then begin when it is sent.
    #[must_use]
    pub fn only_prepares(mut self) -> Self {
        self.only_prepares = true;
        self
    }

    /// What this client does with arguments that are too large for a message. [`LargeArgs::Refuse`] by
    /// default. A client that [only prepares](Self::only_prepares) jobs needs the same choice as the client that
    /// sends them.
    #[must_use]
    pub fn large_args(mut self, large_args: LargeArgs) -> Self {
        self.large_args = large_args;
        self
    }

    /// Compresses large arguments of the jobs that this client makes; a worker of this client also compresses large
    /// results and checkpoints. [`Compression::None`] by default. All clients read compressed values. First update every
    /// worker: one that is older than this setting leaves such a job to newer workers, and cannot read a
    /// compressed checkpoint. The arguments of schedules are not compressed.
    #[must_use]
    pub fn compress(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Signs each job and each schedule that this client makes, so that queues that take only signed
    /// jobs accept them. Without a key, which is the default, they are not signed. See
    /// [`naq_core::sign`].
    #[must_use]
    pub fn sign_with(mut self, key: SigningKey) -> Self {
        self.signing_key = Some(key);
        self
    }

    /// Encrypts the arguments of each job and each schedule that this client makes with the first key of
    /// the ring, and decrypts with all of them what it reads. A worker of this client decrypts the
    /// arguments for its handlers, and encrypts what it stores of such a job: result, checkpoint, and
    /// the text of its progress. Without a ring, which is the default, nothing is encrypted. See
    /// [`naq_core::seal`].
    #[must_use]
    pub fn encrypt_with(mut self, ring: KeyRing) -> Self {
        self.key_ring = Some(ring);
        self
    }

    /// A worker of this client also encrypts the messages of errors, of jobs whose arguments are encrypted: in the
    /// history, the record and the dead letter. Off by default. The kind of an error is never encrypted,
    /// because policies and statistics need it. Logs and statistics then have only the id of the key.
    #[must_use]
    pub fn encrypt_errors(mut self, encrypt: bool) -> Self {
        self.encrypts_errors = encrypt;
        self
    }

    /// The public keys that this client knows by name: [`JobReport::signer`](crate::JobReport::signer)
    /// names the one that signed a job, and a worker of this client accepts jobs by them. None by
    /// default.
    #[must_use]
    pub fn trusted_keys(mut self, keys: TrustedKeys) -> Self {
        self.trusted_keys = keys;
        self
    }

    /// The keys that [`trusted_keys`](Self::trusted_keys) has set.
    pub fn known_keys(&self) -> &TrustedKeys {
        &self.trusted_keys
    }

    /// Puts code around every enqueue of this client and of its later clones. The first layer is the
    /// outermost one: its [`before`](EnqueueLayer::before) runs first, and its
    /// [`after`](EnqueueLayer::after) last.
    #[doc(alias = "middleware")]
    #[must_use]
    pub fn layer(mut self, layer: impl EnqueueLayer) -> Self {
        self.layers.push(layer);
        self
    }

    /// Uses this clock instead of the machine's; for tests. See [`now`](Self::now).
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = broker_clock(&self.transport, clock);
        self
    }

    /// The time by the broker's clock. Until the clocks are compared it is the time by the client's
    /// own clock. See [`broker_now`](Self::broker_now).
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time by the broker's clock. Compares the clocks first, unless that was done lately. A
    /// span that is given to the broker as a time starts here: `client.broker_now().await? + span`.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn broker_now(&self) -> Result<Timestamp, TransportError> {
        self.transport.broker().await?;
        Ok(self.now())
    }

    /// The transport that the client uses.
    pub fn transport(&self) -> &Arc<dyn Transport> {
        &self.transport
    }

    /// All queues with their numbers, sorted by name. Leaves out the queue of NAQ's own jobs, which
    /// [`queue_info`](naq_core::transport::Lookup::queue_info) describes as well.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn queues(&self) -> Result<Vec<QueueInfo>, TransportError> {
        let mut infos = Vec::new();
        let queues = self.transport.queues().await?;
        for queue in queues.into_iter().filter(|queue| queue.as_str() != CHORES) {
            infos.extend(self.transport.queue_info(&queue).await?);
        }
        Ok(infos)
    }

    /// The workers that are alive now, sorted by id.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn list_workers(&self) -> Result<Vec<WorkerInfo>, TransportError> {
        self.transport.workers().await
    }
}

/// The clock by which a client decides.
fn broker_clock(transport: &Arc<dyn Transport>, ours: Arc<dyn Clock>) -> Arc<dyn Clock> {
    Arc::new(BrokerClock::new(transport.clone(), ours))
}
