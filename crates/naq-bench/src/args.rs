//! [`BenchArgs`]: the arguments of `naq bench`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::console::Console;
use crate::contestants::BenchPlan;
use crate::dashboard::{self, DashboardLoad};

/// Jobs per round, if `--jobs` is not given.
const JOBS: u32 = 20_000;

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// All measures except the handlers and the dashboard
    All,
    /// Enqueue, one at a time and pipelined
    Enqueue,
    /// Drain of jobs that do nothing, with records and without
    Drain,
    /// Time from enqueue to the start of the handler, with an idle worker
    Latency,
    /// How late retries start
    Retries,
    /// Latency of new jobs while many other jobs wait for their due time
    Delayed,
    /// Jobs with a key, a limit or a dependency, compared with plain jobs
    Features,
    /// Handlers that are not Rust, compared with a Rust handler; needs sh; not part of all
    Handlers,
    /// Memory of a worker process
    Memory,
    /// The dashboard with a million jobs and 200 open tabs; not part of all
    Dashboard,
    /// One retry decision
    Decide,
}

/// The role of a child process of the benchmark. A part that runs in its own process can be measured
/// apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChildRole {
    /// The worker whose memory is measured.
    Worker,
    /// The worker that runs the traffic beside the dashboard. Many of its jobs die, and it logs
    /// each of them.
    Traffic,
    /// The dashboard.
    Dashboard,
}

/// The arguments of `naq bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq bench --quick
  naq bench enqueue drain --jobs 50000 --rounds 7
  naq bench dashboard --jobs 100000 --tabs 50
  naq bench -u nats://localhost:4222 -o json > bench.json

Without --nats-url it starts its own broker (NAQ_NATS_SERVER, or nats-server on PATH) on loopback,
in a temporary directory. On your broker it creates streams under its own prefix and removes them
at the end. Run nothing else on the machine meanwhile.")]
pub struct BenchArgs {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    measures: Vec<Measure>,
    /// Jobs per round of enqueue and drain [default: 20000], or jobs stored for the dashboard
    /// [default: 1000000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    jobs: Option<u32>,
    /// Open tabs on the dashboard; every tenth reads very slowly
    #[arg(long, value_name = "N", default_value_t = dashboard::TABS, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    tabs: u32,
    /// Rounds: each measures both sides; medians are shown
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Slots of the worker
    #[arg(short, long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency: u32,
    /// Size of a job's arguments in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 300, value_parser = clap::value_parser!(u32).range(16..=500_000))]
    payload: u32,
    /// How many jobs wait while new jobs are measured
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    waiting: u32,
    /// One small round of everything, in less than a minute; too short to compare versions with
    #[arg(long)]
    quick: bool,
    /// The role of this process in a benchmark that another process runs
    #[arg(long = "as", value_name = "ROLE", hide = true, requires = "as_prefix")]
    role: Option<ChildRole>,
    /// The prefix of the streams that the child process uses
    #[arg(long, value_name = "PREFIX", hide = true)]
    as_prefix: Option<String>,
}

impl BenchArgs {
    /// Whether one of the measures needs a broker.
    #[must_use]
    pub fn needs_broker(&self) -> bool {
        self.measures.iter().any(|given| *given != Measure::Decide)
    }

    /// Whether this process is a child of a running benchmark. Then call
    /// [`run_child`](crate::run_child) instead of [`run`](crate::run).
    #[must_use]
    pub fn is_child(&self) -> bool {
        self.role.is_some()
    }

    /// The child's role, and the prefix of its streams.
    pub(crate) fn child(&self) -> Option<(ChildRole, &str)> {
        Some((self.role?, self.as_prefix.as_deref()?))
    }

    pub(crate) fn payload(&self) -> u32 {
        self.payload
    }

    pub(crate) fn plan(&self, broker: Option<u32>, console: Console) -> BenchPlan {
        let full = BenchPlan {
            jobs: self.jobs.unwrap_or(JOBS) as usize,
            rounds: self.rounds as usize,
            concurrency: self.concurrency as usize,
            samples: 1000,
            retries: 300,
            waiting: self.waiting as usize,
            broker,
            console,
        };
        if !self.quick {
            return full;
        }
        BenchPlan {
            jobs: full.jobs.min(5000),
            rounds: 1,
            samples: 200,
            retries: 50,
            waiting: full.waiting.min(10_000),
            ..full
        }
    }

    pub(crate) fn dashboard_load(&self) -> DashboardLoad {
        let jobs = self.jobs.unwrap_or(dashboard::JOBS) as usize;
        let tabs = self.tabs as usize;
        if !self.quick {
            return DashboardLoad { jobs, tabs, visits: 20, span: Duration::from_secs(20) };
        }
        DashboardLoad {
            jobs: jobs.min(20_000),
            tabs: tabs.min(20),
            visits: 3,
            span: Duration::from_secs(3),
        }
    }

    /// Whether the user asked for this measure, by its name or by `all`. `all` does not include the
    /// dashboard.
    pub(crate) fn wants(&self, measure: Measure) -> bool {
        let by_all = !matches!(measure, Measure::Dashboard | Measure::Handlers);
        self.measures.iter().any(|given| *given == measure || (by_all && *given == Measure::All))
    }
}
