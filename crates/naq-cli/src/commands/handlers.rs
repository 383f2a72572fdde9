//! Handlers that are not Rust: which ones the options and `naq.toml` name.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use naq_handlers::{HandlerSources, Handlers, Keys};

/// The file that a worker finds in its working directory.
const FILE: &str = "naq.toml";
/// The variable with the keys that sign requests. There is no option for them, because other processes
/// can read a command line.
const KEYS: &str = "NAQ_HANDLER_KEYS";

/// Where the handlers are that are not part of this program.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Handlers in other languages")]
pub(crate) struct HandlerArgs {
    /// File with the handlers of tasks [default: naq.toml, if it exists and this program has no tasks of
    /// its own]
    #[arg(long, env = "NAQ_HANDLERS", value_name = "FILE")]
    handlers: Option<PathBuf>,
    /// An HTTP service that lists its tasks and runs them: http://127.0.0.1:8000/naq,
    /// unix:/run/app.sock; on another machine https, with keys in NAQ_HANDLER_KEYS
    #[arg(long, env = "NAQ_HANDLER_HTTP", value_name = "URL", value_delimiter = ',')]
    http: Vec<String>,
    /// A command that runs one attempt of a task: JSON on its standard input, the answer on its
    /// standard output
    #[arg(long, value_name = "TASK=COMMAND")]
    exec: Vec<String>,
    /// A command that stays and reads one attempt a line; without a task it lists its tasks with
    /// --describe
    #[arg(long, value_name = "[TASK=]COMMAND")]
    exec_pool: Vec<String>,
}

impl HandlerArgs {
    /// The handlers. Nothing is called yet. A program with tasks of its own reads `naq.toml` only if it is
    /// named: the file may be there for another program.
    pub(crate) fn load(&self, has_own_tasks: bool) -> Result<Handlers> {
        let mut sources = HandlerSources::default();
        sources.file.clone_from(&self.handlers);
        if sources.file.is_none() && !has_own_tasks && Path::new(FILE).is_file() {
            sources.file = Some(FILE.into());
        }
        sources.http.clone_from(&self.http);
        sources.exec.clone_from(&self.exec);
        sources.exec_pool.clone_from(&self.exec_pool);
        if let Some(keys) = std::env::var_os(KEYS) {
            let keys = keys.to_string_lossy();
            sources.keys = Some(Keys::new(&keys).context(KEYS)?);
        }
        Ok(Handlers::new(&sources)?)
    }
}
