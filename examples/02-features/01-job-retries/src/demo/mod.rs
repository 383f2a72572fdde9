//! What the programs share: it enqueues their jobs, shows every attempt as it happens, and compares
//! how each job ended with what the program expects. You do not need it to use NAQ.

mod args;
mod demo_run;
mod expected;
mod memory;
mod observed;
mod row;
mod screen;
mod table;
mod watch;

pub use args::Args;
pub use demo_run::DemoRun;
pub use expected::{Expected, Wait};
pub use memory::in_memory;
pub use observed::{MeasuredWait, Observed};
pub use row::Row;
pub use screen::Screen;
