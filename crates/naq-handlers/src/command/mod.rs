//! Commands: one process an attempt, or a process that stays and runs one attempt after another.

mod command_line;
mod exec;
mod exit;
mod pool;
mod process_group;
mod stderr_log;

pub(crate) use self::command_line::CommandLine;
pub use self::command_line::CommandLineError;
pub(crate) use self::exec::run;
pub(crate) use self::pool::Pool;
pub(crate) use self::stderr_log::says_why;
