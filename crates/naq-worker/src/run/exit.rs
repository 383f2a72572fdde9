//! How a worker ends.

use naq_core::transport::TransportError;

/// Why [`Worker::run`](crate::Worker::run) returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// It was asked to stop. Running jobs have finished or were given back.
    Drained,
    /// A second signal ended it at once. Running jobs come back when their leases end.
    Forced(StopSignal),
}

/// The signal that ended a worker at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM, which init systems and orchestrators send.
    Terminate,
}

impl Exit {
    /// The exit code by the convention of shells: 0, or 128 plus the signal's number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Drained => 0,
            Self::Forced(StopSignal::Interrupt) => 130,
            Self::Forced(StopSignal::Terminate) => 143,
        }
    }
}

/// Why a worker could not start. Once it runs, no error of the broker ends it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The broker refuses a queue permanently.
    #[error("queue {queue:?}: {source}")]
    Queue {
        /// The queue.
        queue: naq_core::QueueName,
        /// The answer of the broker.
        source: TransportError,
    },
    /// The threads for the handlers could not be started.
    #[error("cannot start the handlers' threads: {0}")]
    Threads(#[source] std::io::Error),
    /// The worker cannot listen to the signals of the operating system.
    #[error("cannot listen to signals: {0}")]
    Signals(#[source] std::io::Error),
}
