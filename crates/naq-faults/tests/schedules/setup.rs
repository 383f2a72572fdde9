//! A broker for one test, and processes that the test starts and kills.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use naq_client::{Client, ScheduleReport};
use naq_core::schedule::ScheduleEntry;
use naq_core::transport::{Expect, JobKey};
use naq_core::{JobId, JobState, QueueName, ScheduleName, Timestamp};
use naq_faults::fleet::RunPaths;
use naq_faults::history::{HandlerRun, RunHistory};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{ChildProcess, NatsServer};
use tempfile::TempDir;

pub(crate) const QUEUE: &str = "recurring";

pub(crate) struct TestSetup {
    pub(crate) server: NatsServer,
    pub(crate) client: Client,
    paths: RunPaths,
    _dir: TempDir,
}

impl TestSetup {
    /// Starts a broker for this test alone. On a shared one, workers of other tests could run its
    /// chores, and this test kills the workers that run them.
    pub(crate) async fn new() -> Self {
        let server = NatsServer::start().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_naq-fault-run")).to_owned();
        let paths = RunPaths { program, dir: dir.path().to_owned(), url: server.url() };
        let client = connect(&server.url()).await;
        Self { server, client, paths, _dir: dir }
    }

    /// Starts a worker with these options.
    pub(crate) fn worker(&self, name: &str, options: &[&str]) -> ChildProcess {
        let mut command = self.paths.command("worker");
        command.args(["--name", name]).args(options).arg(QUEUE);
        ChildProcess::spawn(command).unwrap()
    }

    /// As if the schedule had been created that much earlier, and had made no run since.
    pub(crate) async fn make_older(&self, name: &str, by: Duration) {
        let (transport, name) = (self.client.transport(), ScheduleName::new(name).unwrap());
        let key = ScheduleEntry::key(&name).unwrap();
        let stored = transport.state_get(std::slice::from_ref(&key)).await.unwrap().remove(0);
        let mut entry = ScheduleEntry::decode(&name, &stored.unwrap().value).unwrap();
        entry.schedule.created_at = entry.schedule.created_at.saturating_sub(by);
        entry.progress.decided_until = entry.schedule.created_at;
        let saved = transport.state_put(&key, entry.encode().unwrap(), Expect::Any, None).await;
        saved.unwrap();
    }

    pub(crate) async fn schedule(&self, name: &str) -> ScheduleReport {
        self.client.schedules().get(&ScheduleName::new(name).unwrap()).await.unwrap()
    }

    /// The handler runs of a schedule from the ledgers, by job id, in the order of the ticks.
    pub(crate) fn runs(&self, schedule: &str) -> Vec<(String, Vec<HandlerRun>)> {
        let prefix = format!("{schedule}-");
        let history = RunHistory::load(&self.paths.dir).unwrap();
        history.runs.into_iter().filter(|(id, _)| id.starts_with(&prefix)).collect()
    }

    /// The final state of a run, and its number of crashes.
    pub(crate) async fn end(&self, id: &str) -> (JobState, u32) {
        let key = JobKey::new(queue(), JobId::new(id).unwrap());
        let report = self.client.report(&key).await.unwrap();
        (report.state, report.envelope.unwrap().crashes)
    }

    /// Checks that every run of a schedule has completed, and that none started more often than its
    /// workers died. A broker that is killed also forgets the deliveries of that time. `down` is the
    /// time from the first kill to the last one, because the workers that are killed later still start
    /// runs. `killed` are other workers that the test killed, with the times.
    pub(crate) async fn each_ran_once(
        &self,
        schedule: &str,
        down: Option<RangeInclusive<Timestamp>>,
        killed: &[(String, Timestamp)],
    ) {
        for (id, runs) in self.runs(schedule) {
            let (state, crashes) = self.end(&id).await;
            assert_eq!(state, JobState::Completed, "{id}: {runs:?}");
            let lost = |run: &&HandlerRun| {
                let settled = run.finish.unwrap_or(u64::MAX).saturating_add(100);
                let in_outage = down.as_ref().is_some_and(|down| {
                    run.start <= down.end().as_millis() && down.start().as_millis() <= settled
                });
                let died_under_it = killed.iter().any(|(worker, at)| {
                    *worker == run.worker && (run.start..=settled).contains(&at.as_millis())
                });
                in_outage || died_under_it
            };
            let again = runs.iter().filter(lost).count();
            assert!(runs.len() <= 1 + again, "{id}, {crashes} crashes: {runs:?}");
            assert!(crashes as usize <= again, "{id}, {crashes} crashes: {runs:?}");
        }
    }
}

pub(crate) fn queue() -> QueueName {
    QueueName::new(QUEUE).unwrap()
}

/// The job ids of the runs for these ticks.
pub(crate) fn ids(report: &ScheduleReport, ticks: &[Timestamp]) -> Vec<String> {
    ticks.iter().map(|tick| report.schedule.run_key(*tick).id.to_string()).collect()
}

async fn connect(url: &str) -> Client {
    Client::new(Arc::new(NatsTransport::connect(patient_config(url.into())).await.unwrap()))
}

/// These tests wait for a busy broker: they do not test the time of its first answer.
fn patient_config(url: String) -> NatsConfig {
    let mut config = NatsConfig::new(url);
    config.wait_for_broker = true;
    config
}
