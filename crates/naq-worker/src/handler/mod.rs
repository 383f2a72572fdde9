//! Handlers, and what users register with them: tasks, hooks, classifiers, fallbacks.

mod call_hooks;
mod checkpoint;
mod classify;
mod context;
mod events;
mod handler_fn;
mod hooks;
mod parents;
mod progress;
mod registry;
mod running_attempt;
mod task_options;
mod tasks;

pub use self::classify::Class;
pub use self::context::{Context, LastError};
pub use self::events::{Exhausted, Recovered, Retrying};
pub use self::handler_fn::RawArgs;
pub use self::registry::Registry;
pub use self::task_options::TaskOptions;

pub(crate) use self::call_hooks::call_hooks;
pub(crate) use self::events::Event;
pub(crate) use self::handler_fn::{Handler, HandlerFuture};
pub(crate) use self::running_attempt::RunningAttempt;
pub(crate) use self::tasks::{Task, Tasks};
