//! A broker of one test's own, and processes that come and go.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use naq_client::{Client, ScheduleReport};
use naq_core::testing::ManualClock;
use naq_core::transport::JobKey;
use naq_core::{JobId, JobState, QueueName, ScheduleName, Timestamp};
use naq_faults::fleet::Site;
use naq_faults::history::{History, Run};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{ChildProcess, NatsServer};
use tempfile::TempDir;

pub(crate) const QUEUE: &str = "recurring";

pub(crate) struct Scene {
    pub(crate) server: NatsServer,
    pub(crate) client: Client,
    site: Site,
    _dir: TempDir,
}

impl Scene {
    /// With a broker of its own: chores are everybody's, and here whoever does them is killed.
    pub(crate) async fn new() -> Self {
        let server = NatsServer::start().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_naq-fault-run")).to_owned();
        let site = Site { program, dir: dir.path().to_owned(), url: server.url() };
        let client = connect(&server.url()).await;
        Self { server, client, site, _dir: dir }
    }

    /// A worker with what else it is told.
    pub(crate) fn worker(&self, name: &str, options: &[&str]) -> ChildProcess {
        let mut command = self.site.command("worker");
        command.args(["--name", name]).args(options).arg(QUEUE);
        ChildProcess::spawn(command).unwrap()
    }

    /// A client that lives at another time.
    pub(crate) fn client_at(&self, now: Timestamp) -> Client {
        self.client.clone().clock(Arc::new(ManualClock::at(now)))
    }

    pub(crate) async fn schedule(&self, name: &str) -> ScheduleReport {
        self.client.schedules().get(&ScheduleName::new(name).unwrap()).await.unwrap()
    }

    /// The runs of a schedule by what handlers wrote down: each with its id, in the order of ticks.
    pub(crate) fn runs(&self, schedule: &str) -> Vec<(String, Vec<Run>)> {
        let prefix = format!("{schedule}-");
        let history = History::load(&self.site.dir).unwrap();
        history.runs.into_iter().filter(|(id, _)| id.starts_with(&prefix)).collect()
    }

    /// How a run ended, and how many workers died over it.
    pub(crate) async fn end(&self, id: &str) -> (JobState, u32) {
        let key = JobKey { queue: queue(), id: JobId::new(id).unwrap() };
        let report = self.client.report(&key).await.unwrap();
        (report.state, report.envelope.unwrap().crashes)
    }

    /// Every run of a schedule has completed, and none was begun more often than its workers died. A
    /// broker that is killed, too, forgets whom it has given the runs of those moments: `down` is from the
    /// first kill to the last, since whoever is killed later begins runs meanwhile.
    pub(crate) async fn each_ran_once(
        &self,
        schedule: &str,
        down: Option<RangeInclusive<Timestamp>>,
    ) {
        for (id, runs) in self.runs(schedule) {
            let (state, crashes) = self.end(&id).await;
            assert_eq!(state, JobState::Completed, "{id}: {runs:?}");
            let cut = |run: &&Run| {
                let settled = run.finish.unwrap_or(u64::MAX).saturating_add(100);
                down.as_ref().is_some_and(|down| {
                    run.start <= down.end().as_millis() && down.start().as_millis() <= settled
                })
            };
            let again = crashes as usize + runs.iter().filter(cut).count();
            assert!(runs.len() <= 1 + again, "{id}, {crashes} crashes: {runs:?}");
        }
    }
}

pub(crate) fn queue() -> QueueName {
    QueueName::new(QUEUE).unwrap()
}

/// The ids of the runs that a schedule makes at these ticks.
pub(crate) fn ids(report: &ScheduleReport, ticks: &[Timestamp]) -> Vec<String> {
    ticks.iter().map(|tick| report.schedule.run_key(*tick).id.to_string()).collect()
}

async fn connect(url: &str) -> Client {
    Client::new(Arc::new(NatsTransport::connect(NatsConfig::new(url)).await.unwrap()))
}
