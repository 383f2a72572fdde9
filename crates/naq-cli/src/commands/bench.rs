//! `naq bench`: runs the benchmark of `naq-bench` and prints its report.

use anyhow::Result;
use naq_bench::{BenchArgs, BenchFigure, BenchReport, Broker, Console};
use naq_nats::NatsConfig;

use super::dev::server::{DevServer, find};
use crate::output::{Format, Output, TableRow};

/// Output that does not depend on the format.
const PLAIN: Output = Output::new(Format::Table);

const CONSOLE: Console = Console {
    // A benchmark goes on when stderr is closed.
    note: |text| drop(PLAIN.note(text)),
    line: |text| PLAIN.raw(text),
};

impl TableRow for BenchFigure {
    const COLUMNS: &'static [&'static str] = BenchFigure::COLUMNS;
    const NONE: &'static str = "nothing was measured";

    fn cells(&self) -> Vec<String> {
        BenchFigure::cells(self)
    }
}

/// Measures on the broker of `config`, or on one that it starts.
pub(crate) async fn run(args: &BenchArgs, config: Option<NatsConfig>, out: Output) -> Result<()> {
    let report = match config {
        Some(config) if args.is_child() => {
            return naq_bench::run_child(args, config, CONSOLE).await;
        }
        _ if !args.needs_broker() => naq_bench::run(args, None, CONSOLE).await?,
        Some(config) => naq_bench::run(args, Some(Broker { config, pid: None }), CONSOLE).await?,
        None => measure_on_own_broker(args).await?,
    };
    match out.format() {
        Format::Table => out.list(&report.figures),
        Format::Json | Format::Jsonl => out.one(&report, String::new),
    }
}

/// Starts a broker, measures on it, and stops it.
async fn measure_on_own_broker(args: &BenchArgs) -> Result<BenchReport> {
    let mut server = DevServer::start(&find()?, 0, None)?;
    tokio::select! {
        () = server.listens() => {}
        ended = server.ended() => return Err(ended),
    }
    let config = NatsConfig::new(server.url()).name("naq-bench");
    let broker = Broker { config, pid: server.pid() };
    let report = naq_bench::run(args, Some(broker), CONSOLE).await;
    server.stop().await;
    report
}
