//! Handlers, and what users register with them: tasks, hooks, classifiers, fallbacks.

mod async_result;
mod attempt_context;
mod batch;
mod checkpoint;
mod classify;
mod context;
mod events;
mod handler_fn;
mod hooks;
mod layer;
mod parents;
mod progress;
mod registry;
mod run_hooks;
mod task_options;
mod task_table;

pub use self::async_result::AsyncResult;
pub use self::batch::{BatchTask, BatchedJob, JobBatch};
pub use self::classify::Class;
pub use self::context::{Context, LastError};
pub use self::events::{Exhausted, Recovered, Retrying};
pub use self::handler_fn::RawArgs;
pub use self::layer::{AttemptLayer, Next};
pub use self::registry::Registry;
pub use self::task_options::TaskOptions;

pub(crate) use self::attempt_context::AttemptContext;
pub(crate) use self::events::HookEvent;
pub(crate) use self::handler_fn::{Handler, HandlerFuture};
pub(crate) use self::run_hooks::run_hooks;
pub(crate) use self::task_table::{RegisteredTask, TaskTable};
