//! The user's code may panic. Here a panic becomes a message.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls code of the user's that returns at once. An error is the message of its panic.
pub(crate) fn catch_panic<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(panic_message)
}

/// None after a panic, which is logged: "a hook panicked: ...".
pub(crate) fn catch_or_log<T>(what: &str, call: impl FnOnce() -> T) -> Option<T> {
    catch_panic(call).map_err(|message| log_panic(what, &message)).ok()
}

/// Logs the message of a panic.
pub(crate) fn log_panic(what: &str, message: &str) {
    tracing::warn!("{what} panicked: {message}");
}

/// The text of a panic.
pub(crate) fn panic_message(panic: Box<dyn Any + Send>) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    // A payload may panic in its own drop.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
    text
}
