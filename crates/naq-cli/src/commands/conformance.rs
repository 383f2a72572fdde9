//! `naq conformance`: whether a handler in another language does what the protocol says. Needs no broker:
//! a real worker runs each case on the transport in memory.

mod case;
mod case_worker;
mod job_cases;
mod raw_cases;

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use naq_handlers::{HandlerSources, Handlers, Keys};
use serde::Serialize;

use self::case::Verdict;
use self::case_worker::CaseWorker;
use self::job_cases::TASKS;
use crate::exit::ExitCode;
use crate::output::{Output, TableRow};
use crate::runtime::runtime;
use crate::text::parse_duration;

/// The variable with the keys that sign requests.
const KEYS: &str = "NAQ_HANDLER_KEYS";

#[derive(Debug, Subcommand)]
pub(crate) enum ConformanceCommand {
    /// Run every case of the handler protocol against a handler; needs no broker
    #[command(after_help = "\
Examples:
  naq conformance handler 'python3 -m naq serve conformance_tasks'   a command that stays
  naq conformance handler --one-shot ./conformance.sh                one process an attempt
  naq conformance handler http://127.0.0.1:8000/naq
  naq conformance handler unix:/run/app.sock -o json

The handler needs the tasks conformance.*, which docs/handler-protocol.md describes. Exit code 0 if every case
passes, 1 if one fails. Give the keys that sign requests in NAQ_HANDLER_KEYS.")]
    Handler(HandlerCaseArgs),
}

#[derive(Debug, Args)]
pub(crate) struct HandlerCaseArgs {
    /// The URL of a service, or a command that stays and reads one request a line
    target: String,
    /// The command runs one attempt and ends
    #[arg(long)]
    one_shot: bool,
    /// How long one case may take
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "30s")]
    case_timeout: Duration,
}

/// How the handler is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Adapter {
    OneShot,
    Pool,
    Http,
}

/// What a case came to.
#[derive(Debug, Serialize)]
struct CaseRow {
    case: &'static str,
    verdict: &'static str,
    /// Why it failed, or why it was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl TableRow for CaseRow {
    const COLUMNS: &'static [&'static str] = &["VERDICT", "CASE", "~WHY"];
    const NONE: &'static str = "no cases";

    fn cells(&self) -> Vec<String> {
        vec![self.verdict.to_owned(), self.case.to_owned(), self.why.clone().unwrap_or_default()]
    }
}

impl CaseRow {
    fn new(case: &'static str, verdict: Verdict) -> Self {
        let (verdict, why) = match verdict {
            Verdict::Passed => ("passed", None),
            Verdict::LeftOut(why) => ("left out", Some(why.to_owned())),
            Verdict::Failed(why) => ("FAILED", Some(why)),
        };
        Self { case, verdict, why }
    }
}

impl HandlerCaseArgs {
    fn adapter(&self) -> Adapter {
        let is_url = ["http://", "https://", "unix:"].iter().any(|it| self.target.starts_with(it));
        match (is_url, self.one_shot) {
            (true, _) => Adapter::Http,
            (false, true) => Adapter::OneShot,
            (false, false) => Adapter::Pool,
        }
    }

    fn handlers(&self, keys: Option<&str>) -> Result<Handlers> {
        let mut sources = HandlerSources::default();
        match self.adapter() {
            Adapter::Http => sources.http.push(self.target.clone()),
            Adapter::Pool => sources.exec_pool.push(self.target.clone()),
            Adapter::OneShot => {
                sources.exec = TASKS.iter().map(|task| format!("{task}={}", self.target)).collect();
            }
        }
        sources.keys = keys.map(Keys::new).transpose().context(KEYS)?;
        Ok(Handlers::new(&sources)?)
    }

    async fn run(&self, out: Output) -> Result<ExitCode> {
        let keys = std::env::var(KEYS).ok().filter(|keys| !keys.is_empty());
        let adapter = self.adapter();
        let handlers = self.handlers(keys.as_deref())?.ask_for_tasks().await?;
        let mut rows = Vec::new();
        let worker = CaseWorker::start(handlers, self.case_timeout)?;
        for case in job_cases::all() {
            let verdict = worker.run(&case, adapter).await;
            rows.push(CaseRow::new(case.name, verdict));
        }
        rows.push(CaseRow::new("four attempts run at the same time", worker.run_at_once().await));
        let drained = worker.drain().await;
        rows.push(CaseRow::new("a worker that stops waits for the attempt that runs", drained));
        let raw = raw_cases::RawService::new(&self.target, keys, self.case_timeout);
        for (name, verdict) in raw_cases::all(adapter, raw).await {
            rows.push(CaseRow::new(name, verdict));
        }
        out.list(&rows)?;
        let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
        let (passed, failed) = (count("passed"), count("FAILED"));
        out.note(format_args!("{passed} of {} cases passed, {failed} failed", rows.len()))?;
        Ok(if failed == 0 { ExitCode::Ok } else { ExitCode::Failed })
    }
}

impl ConformanceCommand {
    pub(crate) fn run(&self, out: Output) -> Result<ExitCode> {
        let Self::Handler(args) = self;
        runtime()?.block_on(args.run(out))
    }
}
