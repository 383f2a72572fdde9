//! The operators: one process that does each deed of a plan at its time, many at once. It repeats
//! what the broker does not answer, and writes each deed and what it saw to its ledger.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::future::try_join_all;
use naq_client::{Client, ClientError};
use naq_core::transport::{JobKey, JobsQuery, Place, Stored, Transport, TransportError};
use naq_core::{Clock, JobId, JobState, QueueName, SystemClock, TaskName, Timer, Timestamp};
use naq_testing::NatsConnection;
use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::broker;
use crate::deed::{Deed, DeedEntry, DeedOutcome};
use crate::ledger::{FaultEntry, FaultKind, Ledger, LedgerEntry, now};
use crate::plan::RunPlan;

/// How long until a request without an answer is repeated, in milliseconds.
const AGAIN_MS: u64 = 200;
/// The code of an answer of a broker that is still starting.
const UNAVAILABLE: u64 = 503;
/// How long the broker may not answer, in milliseconds. It is longer than any fault of a plan.
const PATIENCE: u64 = 60_000;
/// A pause of a queue that is never resumed by hand ends then.
const LONG_PAUSE: Duration = Duration::from_secs(600);

/// Does all deeds, and returns when the last one is done.
///
/// # Errors
/// The ledger cannot be written.
pub async fn operate(
    plan: &RunPlan,
    transport: Arc<dyn Transport>,
    url: &str,
    ledger: Ledger,
) -> Result<()> {
    let start = now();
    let addresses = url.split(',').map(|url| url.trim_start_matches("nats://").to_owned());
    let addresses = addresses.collect();
    let client = Client::new(transport);
    let operator = Operator { client, addresses, ledger, plan };
    let deeds = plan.deeds.iter().map(|planned| async {
        until(start + planned.at_ms).await;
        operator.act(&planned.deed).await
    });
    try_join_all(deeds).await.map(drop)
}

async fn until(time: u64) {
    SystemClock.sleep_until(Timestamp::from_millis(time)).await;
}

#[derive(Debug)]
struct Operator<'a> {
    client: Client,
    /// The servers of the broker.
    addresses: Vec<String>,
    ledger: Ledger,
    plan: &'a RunPlan,
}

/// The answer to a request that may have been repeated.
struct Answer<T> {
    value: T,
    /// An earlier request got no answer, and may have had its effect.
    repeated: bool,
}

impl Operator<'_> {
    async fn act(&self, deed: &Deed) -> Result<()> {
        let from = now();
        // The checker reports a deed that the broker did not answer; the run goes on.
        let outcome = self.outcome(deed).await;
        let outcome =
            outcome.unwrap_or_else(|error| DeedOutcome::Refused { why: format!("{error:#}") });
        let to = now();
        let mut entries = Vec::new();
        if let Deed::DeleteConsumer { queue } = deed {
            let (kind, queue) = (FaultKind::ConsumerDeleted, Some(queue.clone()));
            entries.push(LedgerEntry::Fault(FaultEntry {
                kind,
                worker: None,
                queue,
                server: None,
                from,
                to,
            }));
        }
        entries.push(LedgerEntry::Deed(DeedEntry { deed: deed.clone(), from, to, outcome }));
        Ok(self.ledger.write(&entries)?)
    }

    async fn outcome(&self, deed: &Deed) -> Result<DeedOutcome> {
        match deed {
            Deed::Cancel { job } => self.cancel(&self.key(job)?).await,
            Deed::PurgeJob { job } => self.purge_jobs(vec![self.key(job)?]).await,
            Deed::PurgeSubject { job } => self.purge_subject(&self.key(job)?).await,
            Deed::PurgeTask { queue, task } => {
                let jobs = self.jobs_of(&QueueName::new(queue)?, &TaskName::new(task)?).await?;
                self.purge_jobs(jobs).await
            }
            Deed::PurgeQueue { queue } => self.purge_queue(&QueueName::new(queue)?).await,
            Deed::Requeue { job } => self.requeue(&self.key(job)?).await,
            Deed::PurgeDead { job } => self.purge_dead(&self.key(job)?).await,
            Deed::PauseQueue { queue, ms } => self.pause_queue(&QueueName::new(queue)?, *ms).await,
            Deed::PauseTask { queue, task, ms } => {
                self.pause_task(&QueueName::new(queue)?, &TaskName::new(task)?, *ms).await
            }
            Deed::LimitQueue { queue, limit, ms } => {
                self.limit(&QueueName::new(queue)?, *limit, *ms).await
            }
            Deed::DeleteConsumer { queue } => {
                let subject = format!("$JS.API.CONSUMER.DELETE.NAQ_Q_{queue}.workers");
                self.by_hand(&subject, &Value::Null).await?;
                Ok(DeedOutcome::Done)
            }
            Deed::EditStream { stream } => self.edit_stream(stream).await,
        }
    }

    fn key(&self, job: &str) -> Result<JobKey> {
        let planned = self.plan.jobs.iter().find(|planned| planned.id == job);
        let planned = planned.with_context(|| format!("{job} is not in the plan"))?;
        Ok(JobKey::new(QueueName::new(&planned.queue)?, JobId::new(job)?))
    }

    async fn cancel(&self, key: &JobKey) -> Result<DeedOutcome> {
        let found = self.client.report(key).await.ok().map(|report| report.state);
        let found = found.filter(|state| !state.is_final());
        let answer = answered(async || self.client.cancel(key, "by a plan").await).await?;
        Ok(match answer.value {
            Ok(_) => DeedOutcome::Cancelled { found },
            Err(ClientError::NoJob(_)) => DeedOutcome::NoJob,
            Err(ClientError::State { state, .. }) if state.is_final() => {
                // If the job cancels itself by its script, that is its end in both cases.
                let by_this = answer.repeated && state == JobState::Cancelled;
                if by_this {
                    DeedOutcome::Cancelled { found }
                } else {
                    DeedOutcome::HadEnded { state }
                }
            }
            Err(error) => DeedOutcome::Refused { why: error.to_string() },
        })
    }

    /// The pending and waiting jobs of a task.
    async fn jobs_of(&self, queue: &QueueName, task: &TaskName) -> Result<Vec<JobKey>> {
        let mut keys = Vec::new();
        for place in [Place::Queue, Place::Schedule] {
            let mut query = JobsQuery { limit: 50, ..JobsQuery::at(place) };
            (query.queue, query.task) = (Some(queue.clone()), Some(task.clone()));
            loop {
                let page = answered(async || self.client.jobs(&query).await).await?.value?;
                keys.extend(page.jobs.into_iter().map(|job| job.key));
                let Some(next) = page.next else { break };
                query.cursor = Some(next);
            }
        }
        Ok(keys)
    }

    async fn purge_jobs(&self, keys: Vec<JobKey>) -> Result<DeedOutcome> {
        let (mut jobs, mut maybe) = (Vec::new(), Vec::new());
        for key in keys {
            let answer = answered(async || Ok(self.client.purge_job(&key).await?)).await?;
            if answer.value? {
                jobs.push(key.id.to_string());
            } else if answer.repeated {
                maybe.push(key.id.to_string());
            }
        }
        Ok(DeedOutcome::Removed { jobs, maybe })
    }

    async fn purge_subject(&self, key: &JobKey) -> Result<DeedOutcome> {
        let subject = format!("$JS.API.STREAM.PURGE.NAQ_Q_{}", key.queue);
        let filter = format!("naq.q.{}.{}", key.queue, key.id);
        let Answer { value, repeated } =
            self.by_hand(&subject, &serde_json::json!({ "filter": filter })).await?;
        let removed = value["purged"].as_u64() > Some(0);
        let job = |is_it: bool| is_it.then(|| key.id.to_string()).into_iter().collect();
        Ok(DeedOutcome::Removed { jobs: job(removed), maybe: job(repeated && !removed) })
    }

    async fn purge_queue(&self, queue: &QueueName) -> Result<DeedOutcome> {
        let transport = self.client.transport();
        let answer = answered(async || Ok(transport.purge(queue).await?)).await?;
        let messages = answer.value?;
        Ok(DeedOutcome::Purged { messages: (!answer.repeated).then_some(messages) })
    }

    /// The dead letter of a job.
    async fn letter(&self, key: &JobKey) -> Result<Option<Stored>> {
        let transport = self.client.transport();
        let found = answered(async || Ok(transport.locate(key).await?)).await?.value?;
        Ok(found.into_iter().find(|stored| stored.place == Place::Dead))
    }

    async fn requeue(&self, key: &JobKey) -> Result<DeedOutcome> {
        let Some(letter) = self.letter(key).await? else { return Ok(DeedOutcome::NoLetter) };
        let answer = answered(async || self.client.requeue(&letter, None).await).await?;
        Ok(match answer.value {
            Ok(_) => DeedOutcome::Requeued { letter: broker::end(&letter)? },
            Err(error) => DeedOutcome::Refused { why: error.to_string() },
        })
    }

    async fn purge_dead(&self, key: &JobKey) -> Result<DeedOutcome> {
        let Some(letter) = self.letter(key).await? else { return Ok(DeedOutcome::NoLetter) };
        answered(async || Ok(self.client.purge_dead(&letter).await?)).await?.value?;
        Ok(DeedOutcome::LetterRemoved { letter: broker::end(&letter)? })
    }

    async fn pause_queue(&self, queue: &QueueName, ms: u64) -> Result<DeedOutcome> {
        let transport = self.client.transport();
        let end = SystemClock.now() + LONG_PAUSE;
        let paused = answered(async || Ok(transport.pause(queue, end).await?)).await?;
        until(now() + ms).await;
        let resumed = answered(async || Ok(transport.resume(queue).await?)).await?;
        Ok(done(paused.value.and(resumed.value)))
    }

    async fn pause_task(&self, queue: &QueueName, task: &TaskName, ms: u64) -> Result<DeedOutcome> {
        let client = &self.client;
        let pause =
            async || Ok(client.pause_task(queue, task, None, "a plan", "").await.map(drop)?);
        let paused = answered(pause).await?;
        until(now() + ms).await;
        let resume = async || Ok(client.resume_task(queue, task).await.map(drop)?);
        let resumed = answered(resume).await?;
        Ok(done(paused.value.and(resumed.value)))
    }

    async fn limit(&self, queue: &QueueName, limit: u64, ms: u64) -> Result<DeedOutcome> {
        let set = async |limit| Ok(self.client.set_queue_limit(queue, limit).await?);
        let limited = answered(async || set(Some(limit)).await).await?;
        until(now() + ms).await;
        let removed = answered(async || set(None).await).await?;
        Ok(done(limited.value.and(removed.value)))
    }

    async fn edit_stream(&self, stream: &str) -> Result<DeedOutcome> {
        let info = self.by_hand(&format!("$JS.API.STREAM.INFO.{stream}"), &Value::Null).await?;
        let mut config = info.value["config"].clone();
        if !config.is_object() {
            return Ok(DeedOutcome::Refused { why: info.value.to_string() });
        }
        config["description"] = format!("edited at {}", now()).into();
        config["metadata"]["edited-by"] = "an operator".into();
        let edited = self.by_hand(&format!("$JS.API.STREAM.UPDATE.{stream}"), &config).await?;
        Ok(match edited.value.get("error") {
            None => DeedOutcome::Done,
            Some(error) => DeedOutcome::Refused { why: error.to_string() },
        })
    }

    /// Sends a request to the broker as an operator does with a tool of the broker.
    async fn by_hand(&self, subject: &str, body: &Value) -> Result<Answer<Value>> {
        let time_limit = now() + PATIENCE;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut repeated = false;
        for address in self.addresses.iter().cycle() {
            let (address, to, body) = (address.clone(), subject.to_owned(), body.clone());
            let asked = spawn_blocking(move || {
                NatsConnection::connect(&address, "\"no_responders\":true")?.request(&to, &body)
            });
            let asked = asked.await?;
            if asked.is_err() && now() > time_limit {
                asked.with_context(|| format!("no answer to {subject} for a minute"))?;
            } else if let Ok(text) = asked {
                let value: Value = serde_json::from_str(&text)?;
                if value["error"]["code"] != UNAVAILABLE {
                    return Ok(Answer { value, repeated });
                }
            }
            repeated = true;
            until(now() + AGAIN_MS).await;
        }
        bail!("the broker has no address")
    }
}

/// Repeats a request until the broker answers. The inner error is final.
async fn answered<T>(
    act: impl AsyncFn() -> Result<T, ClientError>,
) -> Result<Answer<Result<T, ClientError>>> {
    let time_limit = now() + PATIENCE;
    let mut repeated = false;
    loop {
        match act().await {
            Err(ClientError::Transport(error)) if error.is_transient() => {
                if now() > time_limit {
                    bail!("no answer for a minute: {error}");
                }
                repeated = true;
                until(now() + AGAIN_MS).await;
            }
            // A queue that no producer has written to yet.
            Err(ClientError::Transport(TransportError::NoQueue(_))) if now() <= time_limit => {
                until(now() + AGAIN_MS).await;
            }
            value => return Ok(Answer { value, repeated }),
        }
    }
}

fn done(answer: Result<(), ClientError>) -> DeedOutcome {
    match answer {
        Ok(()) => DeedOutcome::Done,
        Err(error) => DeedOutcome::Refused { why: error.to_string() },
    }
}
