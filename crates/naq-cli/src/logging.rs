//! Logs on stderr, as text for people or JSON for machines. Control characters of jobs are escaped.

mod text;

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use naq_nats::{CLIENT_LOG_SECRETS, CLIENT_LOG_TARGET};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::{self, format};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

use crate::telemetry::Traces;
use crate::text::printable_json;

/// How much to log. Each level includes those above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// What needs an operator.
    #[value(alias = "critical")]
    Error,
    /// What may need an operator.
    #[value(alias = "warning")]
    Warn,
    /// What happens to the process.
    Info,
    /// Every attempt.
    Debug,
    /// Every message to the broker.
    Trace,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// The logging options.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LogArgs {
    /// How much to log, to stderr [default: info for worker, dashboard and dev, else warn]
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        ignore_case = true,
        env = "NAQ_LOG_LEVEL",
        value_name = "LEVEL"
    )]
    log_level: Option<Level>,
    /// Format of log lines
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        ignore_case = true,
        env = "NAQ_LOG_FORMAT",
        value_name = "FORMAT",
        hide_short_help = true
    )]
    log_format: LogFormat,
}

impl LogArgs {
    /// Starts to log and to trace. `default_level` is used if the user gave no level.
    pub(crate) fn init(&self, default_level: Level, traces: Option<&Traces>) {
        let lines = fmt::layer().with_timer(text::UtcTime).with_target(false);
        let lines = match self.log_format {
            LogFormat::Text => lines
                .with_writer(io::stderr)
                .with_ansi(colours())
                .fmt_fields(format::debug_fn(text::field).delimited(" "))
                .event_format(text::LogLineFormat)
                .boxed(),
            LogFormat::Json => lines
                .with_writer(SafeStderr)
                .json()
                .flatten_event(true)
                .with_span_list(false)
                .boxed(),
        };
        let lines = lines.with_filter(filter(self.log_level.unwrap_or(default_level)));
        // If the user's own binary has installed its logging already, this call changes nothing.
        let _ = registry().with(lines).with(traces.map(Traces::layer)).try_init();
    }
}

fn colours() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// The log filter of a level. The NATS client library's own messages matter only to those who debug
/// it, so most levels hide them. NAQ reports each error of the library itself, with the way out.
fn filter(level: Level) -> EnvFilter {
    const QUIET: &str = "tokio=info,mio=info,rustls=info";
    EnvFilter::new(match level {
        Level::Error => format!("error,{CLIENT_LOG_TARGET}=off"),
        Level::Warn => format!("warn,{CLIENT_LOG_TARGET}=off"),
        Level::Info => format!("info,{CLIENT_LOG_TARGET}=off"),
        Level::Debug => format!("debug,{CLIENT_LOG_TARGET}=warn,{QUIET}"),
        Level::Trace => format!("trace,{QUIET},{CLIENT_LOG_SECRETS}"),
    })
}

/// Writes JSON events to stderr, and escapes characters that JSON allows but a terminal acts on.
struct SafeStderr;

impl<'a> MakeWriter<'a> for SafeStderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for SafeStderr {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let mut line = printable_json(text.trim_end()).into_owned();
        line.push('\n');
        io::stderr().write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
