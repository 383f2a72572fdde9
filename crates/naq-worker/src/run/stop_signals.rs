//! [`StopSignals`]: the signals of the operating system that stop a worker.

use super::exit::{StopSignal, WorkerError};

/// Ctrl-C and SIGTERM, caught from the call of [`listen`](Self::listen) on. A program that has to wait
/// before it can start its worker, for example for the broker, listens first: otherwise a signal ends it
/// at once, or does nothing where it is the first process of a container.
///
/// ```no_run
/// # use std::future::Future;
/// # use naq_client::Client;
/// # use naq_worker::{Registry, StopSignals, Worker, WorkerError};
/// # async fn f(connects: impl Future<Output = Client>, registry: Registry) -> Result<(), WorkerError> {
/// let mut signals = StopSignals::listen()?;
/// let client = tokio::select! {
///     client = connects => client,
///     _ = signals.next() => return Ok(()),
/// };
/// let exit = Worker::builder(client, registry).build().run_until(signals).await?;
/// std::process::exit(exit.code().into());
/// # }
/// ```
#[cfg(unix)]
#[derive(Debug)]
pub struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignals {
    /// Listens from now on. Call it on a tokio runtime.
    ///
    /// # Errors
    /// [`WorkerError::Signals`] if the system refuses to register the signals.
    pub fn listen() -> Result<Self, WorkerError> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(WorkerError::Signals);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// The next signal. Cancel safe.
    pub async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
#[derive(Debug)]
pub struct StopSignals(());

#[cfg(not(unix))]
impl StopSignals {
    /// Listens to Ctrl-C.
    ///
    /// # Errors
    /// Never.
    pub fn listen() -> Result<Self, WorkerError> {
        Ok(Self(()))
    }

    /// The next signal. Cancel safe.
    pub async fn next(&mut self) -> StopSignal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        StopSignal::Interrupt
    }
}
