//! How a worker ends.

use naq_core::transport::TransportError;

/// Why [`Worker::run`](crate::Worker::run) returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// It was asked to stop; what ran has finished or was given back.
    Drained,
    /// It was asked a second time, and ended at once. What ran comes back when its lease ends.
    Forced(StopSignal),
}

/// The signal that ended a worker at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// Ctrl-C.
    Interrupt,
    /// What an init system or orchestrator sends.
    Terminate,
}

impl Exit {
    /// The exit code by the convention of shells: 0, or 128 and the signal's number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Drained => 0,
            Self::Forced(StopSignal::Interrupt) => 130,
            Self::Forced(StopSignal::Terminate) => 143,
        }
    }
}

/// A worker that could not start. Once it runs, it lives through whatever the broker does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The broker refuses a queue, for a reason that waiting will not mend.
    #[error("queue {queue:?}: {source}")]
    Queue {
        /// The queue.
        queue: naq_core::QueueName,
        /// What the broker said.
        source: TransportError,
    },
    /// The threads for the handlers could not be started.
    #[error("cannot start the handlers' threads: {0}")]
    Threads(#[source] std::io::Error),
    /// The signals of the operating system cannot be listened to.
    #[error("cannot listen to signals: {0}")]
    Signals(#[source] std::io::Error),
}
