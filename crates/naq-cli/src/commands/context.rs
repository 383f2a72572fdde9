//! `naq context`: brokers with names.

use anyhow::Result;
use clap::Subcommand;
use serde::Serialize;

use crate::connection::ConnectionArgs;
use crate::connection_settings::LabelColor;
use crate::context::{ContextFile, StoredContext};
use crate::output::{Output, TableRow};

#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// Store the connection options of this command line under a name
    #[command(after_help = "\
Examples:
  naq context add prod --nats-url tls://nats.example.com:4222 --nats-creds prod.creds
  naq context add local --nats-url nats://localhost:4222 --label-color green --use

The file of the contexts has the names of files with secrets, and no secrets. A password or a token
in the URL is refused.")]
    Add {
        /// The name, such as prod
        #[arg(value_parser = parse_name)]
        name: String,
        /// The colour of the name in questions and in the dashboard
        #[arg(long, value_name = "COLOR", value_enum, default_value_t)]
        label_color: LabelColor,
        /// Make it the current context, too
        #[arg(long = "use")]
        make_current: bool,
    },
    /// List the contexts
    #[command(visible_alias = "ls")]
    List,
    /// Make a context the current one: commands that name no broker use it
    #[command(after_help = "\
Examples:
  naq context use prod")]
    Use {
        /// The name
        name: String,
    },
    /// Remove a context
    #[command(visible_alias = "rm")]
    Remove {
        /// The name
        name: String,
    },
}

fn parse_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    if (1..=40).contains(&text.len()) && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("use 1 to 40 letters, digits, `-`, `_` or `.`".to_owned())
}

/// One line of `naq context list`.
#[derive(Serialize)]
struct ContextRow {
    name: String,
    current: bool,
    #[serde(flatten)]
    context: StoredContext,
}

impl TableRow for ContextRow {
    const COLUMNS: &'static [&'static str] = &["NAME", "CURRENT", "URL", "PREFIX", "~LOGIN"];
    const LEFT_OUT: &'static [&'static str] = &["PREFIX"];
    const NONE: &'static str = "no contexts; to add one: naq context add NAME --nats-url URL";

    fn cells(&self) -> Vec<String> {
        let settings = &self.context.settings;
        vec![
            self.name.clone(),
            if self.current { "yes".into() } else { "-".into() },
            settings.nats_url.clone(),
            settings.prefix.clone(),
            settings.login(),
        ]
    }
}

impl ContextCommand {
    pub(crate) fn run(&self, connection: &ConnectionArgs, out: Output) -> Result<()> {
        let mut file = ContextFile::load()?;
        match self {
            Self::Add { name, label_color, make_current } => {
                // Checks the options as a command that connects does.
                connection.config()?;
                let context =
                    StoredContext { color: *label_color, settings: connection.settings()? };
                let old = file.contexts.insert(name.clone(), context);
                if *make_current {
                    file.current = Some(name.clone());
                }
                file.store()?;
                let done = if old.is_some() { "replaced" } else { "stored" };
                out.note(format_args!(
                    "context {name} is {done}; to use it: naq --context {name} COMMAND"
                ))
            }
            Self::List => {
                let current = file.current;
                let row = |(name, context): (String, StoredContext)| ContextRow {
                    current: current.as_deref() == Some(&name),
                    name,
                    context,
                };
                out.list(&file.contexts.into_iter().map(row).collect::<Vec<_>>())
            }
            Self::Use { name } => {
                file.get(name)?;
                file.current = Some(name.clone());
                file.store()?;
                out.note(format_args!("{name} is the current context"))
            }
            Self::Remove { name } => {
                file.get(name)?;
                file.contexts.remove(name);
                file.current.take_if(|current| current == name);
                file.store()?;
                out.note(format_args!("context {name} is removed"))
            }
        }
    }
}
