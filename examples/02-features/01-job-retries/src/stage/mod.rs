//! The stage on which the programs perform: it enqueues their jobs, shows every attempt as it
//! happens, and compares what came with what was expected. Nothing here is needed to use NAQ.

mod args;
mod expected;
mod memory;
mod observed;
mod row;
mod screen;
mod script;
mod table;
mod watch;

pub use args::Args;
pub use expected::{Expected, Wait};
pub use memory::in_memory;
pub use observed::{MeasuredWait, Observed};
pub use row::Row;
pub use screen::Screen;
pub use script::Stage;
