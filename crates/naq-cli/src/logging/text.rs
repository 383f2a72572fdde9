//! [`LogLineFormat`]: a log line for people: time, level, message, and then the job.

use std::fmt;

use anstyle::{AnsiColor, Style};
use naq_core::{Clock, SystemClock};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::output::DIM;
use crate::text::printable;

/// Writes `TIME LEVEL message field=value  span fields`.
pub(super) struct LogLineFormat;

impl<S, N> FormatEvent<S, N> for LogLineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        cx: &FmtContext<'_, S, N>,
        mut w: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let colours = w.has_ansi_escapes();
        let paint = |style: Style| if colours { style } else { Style::new() };
        let (dim, level) = (paint(DIM), paint(style(event.metadata().level())));
        write!(w, "{dim}")?;
        UtcTime.format_time(&mut w)?;
        write!(w, "{dim:#} {level}{:>5}{level:#} ", event.metadata().level())?;
        match is_of_attempt(event) {
            true => write_message(&mut w, event)?,
            false => cx.format_fields(w.by_ref(), event)?,
        }
        for span in cx.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let Some(fields) = extensions.get::<FormattedFields<N>>() else { continue };
            if !fields.is_empty() {
                write!(w, "  {dim}{fields}{dim:#}")?;
            }
        }
        writeln!(w)
    }
}

/// The text of such a line says what its fields say, which are for programs.
fn is_of_attempt(event: &Event<'_>) -> bool {
    matches!(
        event.metadata().target(),
        "naq_worker::report::attempt_log" | "naq_worker::run::summary_loop"
    )
}

fn write_message(w: &mut Writer<'_>, event: &Event<'_>) -> fmt::Result {
    let mut message = Message(String::new());
    event.record(&mut message);
    write!(w, "{}", printable(&message.0))
}

/// Reads the message of an event.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

fn style(level: &Level) -> Style {
    match *level {
        Level::ERROR => AnsiColor::Red.on_default(),
        Level::WARN => AnsiColor::Yellow.on_default(),
        Level::INFO => AnsiColor::Green.on_default(),
        Level::DEBUG => AnsiColor::Blue.on_default(),
        _ => AnsiColor::Magenta.on_default(),
    }
}

/// Writes one field, with control characters escaped.
pub(super) fn field(w: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let text = format!("{value:?}");
    match field.name() {
        "message" => write!(w, "{}", printable(&text)),
        name => write!(w, "{name}={}", printable(&text)),
    }
}

/// Writes times in UTC with milliseconds, as all of NAQ does.
pub(super) struct UtcTime;

impl FormatTime for UtcTime {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(w, "{}", SystemClock.now())
    }
}
