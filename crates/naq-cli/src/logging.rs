//! Logs: on stderr, as text for people or JSON for machines, never with a job's control characters.

mod text;

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use naq_nats::CLIENT_LOG_TARGET;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::{self, format};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

use crate::telemetry::Traces;
use crate::text::printable_json;

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// Only what needs somebody's attention.
    #[value(alias = "critical")]
    Error,
    /// And what may.
    #[value(alias = "warning")]
    Warn,
    /// And what happens to the process.
    Info,
    /// And the story of every attempt.
    Debug,
    /// And what is said to the broker.
    Trace,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What to log, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LogArgs {
    /// How much to log, on stderr [default: info for worker and dev, else warn]
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
    /// How to write log lines
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
    /// Begins to log, and to trace. `usual` is the level when none is given.
    pub(crate) fn init(&self, usual: Level, traces: Option<&Traces>) {
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
        let lines = lines.with_filter(filter(self.log_level.unwrap_or(usual)));
        // An own binary may have set up its logging already; then that stays.
        let _ = registry().with(lines).with(traces.map(Traces::layer)).try_init();
    }
}

fn colours() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// The client library's own words are for those who look for a fault in it.
fn filter(level: Level) -> EnvFilter {
    const QUIET: &str = "tokio=info,mio=info,rustls=info";
    EnvFilter::new(match level {
        Level::Error => "error".to_owned(),
        Level::Warn => format!("warn,{CLIENT_LOG_TARGET}=error"),
        Level::Info => format!("info,{CLIENT_LOG_TARGET}=error"),
        Level::Debug => format!("debug,{CLIENT_LOG_TARGET}=warn,{QUIET}"),
        Level::Trace => format!("trace,{QUIET}"),
    })
}

/// Takes whole events of JSON, and escapes what JSON itself would let through.
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
