//! Signals for a command that is process 1, as the first process of a container is. The kernel gives
//! process 1 no default action: a signal without a handler does nothing.

use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::ExitCode;

/// If this process is process 1, SIGINT and SIGTERM end it from now on, as they end any other process.
/// For commands that handle no signals themselves.
pub(crate) fn end_on_signals() {
    if std::process::id() != 1 {
        return;
    }
    // A thread of its own, because the command may block the others while it reads its input.
    let waits = thread::Builder::new().name("naq-signals".into()).spawn(|| {
        let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            let exit = tokio::select! {
                _ = interrupt.recv() => ExitCode::Interrupted,
                _ = terminate.recv() => ExitCode::Terminated,
            };
            std::process::exit(exit as i32);
        });
    });
    // Without the thread the command works all the same. Only its signals do nothing.
    drop(waits);
}
