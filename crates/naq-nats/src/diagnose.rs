//! Checks whether the broker has what NAQ needs. Returns the findings as data.

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::AckPolicy;
use async_nats::jetstream::stream::{Config, StorageType};
use bytes::Bytes;
use naq_core::transport::{JobKey, Place, ProbeAnswer, StoreProbe, StreamRole};
use naq_core::{JobId, QueueName};

use crate::api::Api;
use crate::error::ApiError;
use crate::error_codes::WRONG_LAST_SEQUENCE;
use crate::evictions::{evictions, mend_command};
use crate::finding::{Finding, Level, finding, not_visible};
use crate::message::EXPECTED_LAST;
use crate::replica_check::{choice_finding, too_few};
use crate::replicas::ReplicaChoice;
use crate::stream_config::{SHARED, drift};
use crate::stream_info::{ConsumerInfo, StreamInfo};
use crate::stream_limits::AccountUse;
use crate::streams::durability;
use crate::transport::NatsTransport;
use crate::{schema_check, server};

/// A larger difference between the clocks is a warning. NAQ goes by the broker's clock in any case.
const CLOCK_TOLERANCE_MS: u64 = 250;
/// The size of a job at its limit, with its history and headers.
const PAYLOAD_FLOOR: usize = 1024 * 1024;
/// A sequence that no stream reaches. The broker refuses a publish that expects it, and stores
/// nothing.
const UNREACHED_SEQUENCE: u64 = 1 << 62;

impl NatsTransport {
    /// Checks everything that NAQ needs: server, clock, payload limit, streams and consumers,
    /// durability, permissions, backlog. Stores one small message in each stream that stores work, and
    /// removes it again; changes nothing else. If a check is not possible,
    /// that is a finding too.
    pub async fn diagnose(&self) -> Vec<Finding> {
        let api = &*self.api;
        let mut found = vec![server(api).await];
        let queues = match api.queues().await {
            Ok(queues) => queues,
            Err(error) => {
                found.push(finding("queues", Level::Warn, error.to_string()));
                Vec::new()
            }
        };
        let choice = api.replica_choice().await;
        found.push(choice_finding(&choice));
        let choice = choice.unwrap_or_default();
        let account = AccountUse::read(api).await.unwrap_or_default();
        let mut older = Vec::new();
        for role in SHARED {
            let wanted =
                Config { num_replicas: choice.copies(), ..api.configs().config_of_role(&role) };
            let info = api.stream_info(&wanted.name).await;
            if let (StreamRole::State, Ok(Some(info))) = (&role, &info) {
                older = api.older_workers(&info.config).await;
            }
            let refusal = account.refusal(&wanted).filter(|_| matches!(info, Ok(None)));
            found.push(match refusal {
                Some(why) => refused(format!("stream {}", wanted.name), &why),
                None => stream(&role, &wanted, &info, &choice),
            });
        }
        found.extend(older);
        let queue = api.configs().queue_config(&QueueName::default());
        let queue = Config { num_replicas: choice.copies(), ..queue };
        if let Some(why) = account.refusal(&queue) {
            found.push(refused("a new queue".to_owned(), &why));
        }
        for queue in &queues {
            found.extend(check_queue(api, queue, &choice).await);
        }
        if let Some(queue) = queues.first() {
            for place in [Place::Queue, Place::Schedule, Place::Dead, Place::Record] {
                found.push(may_publish(api, place, queue).await);
            }
        }
        match api.probe_stores(None).await {
            Ok(probes) => found.extend(probes.iter().map(store)),
            Err(error) => found.push(finding("stores", Level::Warn, error.to_string())),
        }
        found.push(clock(api.offset.ahead_ms()));
        found.push(payload(api.client().max_payload()));
        found.extend(api.security_findings().await);
        found
    }
}

async fn server(api: &Api) -> Finding {
    match server::check(api).await {
        Ok(server) => {
            let level = server.level.map_or("not visible to this user".into(), |l| l.to_string());
            let detail = format!("nats-server {}, JetStream API level {level}", server.version);
            finding("server", Level::Ok, detail)
        }
        Err(unfit) => {
            let found = finding("server", Level::Fail, unfit.error.to_string());
            match unfit.may_pass {
                true => found.with_next_step("wait, and check that all servers of the broker run"),
                false => found,
            }
        }
    }
}

fn clock(ahead_ms: i64) -> Finding {
    let detail = match ahead_ms {
        0 => "equal to the broker's clock".to_owned(),
        ms => {
            format!(
                "the broker's clock is {} ms {}",
                ms.abs(),
                if ms > 0 { "ahead" } else { "behind" }
            )
        }
    };
    if ahead_ms.unsigned_abs() <= CLOCK_TOLERANCE_MS {
        return finding("clock", Level::Ok, detail);
    }
    finding("clock", Level::Warn, detail).with_next_step(
        "set both clocks with NTP: NAQ goes by the broker's clock, your logs go by this one",
    )
}

fn store(probe: &StoreProbe) -> Finding {
    let level = match &probe.answer {
        ProbeAnswer::Stored => Level::Ok,
        answer if answer.is_fault() => Level::Fail,
        _ => Level::Warn,
    };
    let finding = finding(format!("store {}", probe.stream), level, probe.answer.to_string());
    match probe.answer.next_step() {
        Some(next) => finding.with_next_step(next),
        None => finding,
    }
}

fn payload(max: usize) -> Finding {
    let detail = format!("the broker accepts messages of up to {max} bytes");
    if max >= PAYLOAD_FLOOR {
        return finding("max_payload", Level::Ok, detail);
    }
    finding("max_payload", Level::Warn, detail).with_next_step(
        "set `max_payload: 1MB` or more: a large job may not fit with its retry history",
    )
}

fn stream(
    role: &StreamRole,
    wanted: &Config,
    info: &Result<Option<StreamInfo>, ApiError>,
    choice: &ReplicaChoice,
) -> Finding {
    let check = format!("stream {}", wanted.name);
    let info = match info {
        Ok(Some(info)) => info,
        Ok(None) => {
            return finding(check, Level::Ok, "does not exist yet; it is created at first use");
        }
        Err(error) => return not_visible(check, error),
    };
    if let Some(finding) = schema_check::newer(&check, wanted, &info.config) {
        return finding;
    }
    let drift = drift(wanted, &info.config);
    if !drift.is_empty() {
        return finding(check, Level::Fail, drift.join("; ")).with_next_step(
            "correct it with `nats stream edit`, or back it up and create it again",
        );
    }
    if let Some(finding) = schema_check::behind(&check, role, wanted, &info.config) {
        return finding;
    }
    let evicts = evictions(wanted, &info.config);
    if !evicts.is_empty() {
        let loss = role.loss();
        let detail = format!("it has {}: the broker removes {}", evicts.join(", "), loss.what);
        let mend = mend_command(wanted, &info.config);
        let (level, next) = match (loss.breaks_promise, role) {
            (true, StreamRole::Queue(_)) => {
                let next = format!(
                    "{mend} (until then an enqueue fails; for a bound that refuses jobs instead of \
                     removing them: naq queue limit QUEUE --max-jobs N)"
                );
                (Level::Fail, next)
            }
            (true, _) => (Level::Fail, mend),
            (false, _) => (Level::Warn, format!("if you do not want this: {mend}")),
        };
        return finding(check, level, detail).with_next_step(&next);
    }
    if let Some(finding) = too_few(&info.config, choice) {
        return finding;
    }
    let size = format!("{} messages, {} bytes; ", info.state.messages, info.state.bytes);
    let schema = schema_check::words(role, &info.config);
    let class = format!("{}; {schema}", durability(&info.config));
    let lasting = info.config.storage == StorageType::File || wanted.storage == StorageType::Memory;
    if lasting {
        return finding(check, Level::Ok, size + &class);
    }
    finding(check, Level::Warn, size + &class).with_next_step("create it with file storage")
}

/// JetStream would refuse to create it.
fn refused(check: String, why: &str) -> Finding {
    finding(check, Level::Fail, format!("it does not exist, and JetStream refuses it: {why}"))
        .with_next_step("raise the limits of the account, or remove streams that are not needed")
}

async fn check_queue(api: &Api, queue: &QueueName, choice: &ReplicaChoice) -> Vec<Finding> {
    let wanted = api.configs().queue_config(queue);
    let info = api.stream_info(&wanted.name).await;
    let role = StreamRole::Queue(queue.clone());
    let mut found = vec![stream(&role, &wanted, &info, choice)];
    let check = format!("queue {queue}");
    let filter = api.subjects.of_queue(Place::Queue, queue);
    match api.consumer_info(queue).await {
        Ok(Some(info)) => {
            let missed = api.count_missed(queue, info.clone()).await;
            found.push(consumer(check, &info, &filter, missed.map_or(0, |(missed, _)| missed)));
        }
        Ok(None) => found.push(finding(check, Level::Ok, "no worker has opened it yet")),
        Err(error) => found.push(not_visible(check, &error)),
    }
    found
}

fn consumer(check: String, info: &ConsumerInfo, filter: &str, missed: u64) -> Finding {
    let config = &info.config;
    let as_needed = config.ack_policy == AckPolicy::Explicit
        && config.max_deliver < 1
        && config.filter_subject == filter;
    if !as_needed {
        return finding(
            check,
            Level::Fail,
            "the consumer `workers` does not have the settings that NAQ needs",
        )
        .with_next_step(
            "remove it while no worker runs (`nats consumer rm`); the next worker creates it",
        );
    }
    if missed > 0 {
        let detail = format!(
            "the consumer `workers` has forgotten {missed} jobs: they are in the stream, and are \
             not delivered"
        );
        return finding(check, Level::Warn, detail).with_next_step(
            "run a worker of this queue: it stores them again within three leases; if they stay, \
             stop the workers and remove the consumer: the next worker makes it again, and checks \
             every job before it runs",
        );
    }
    let limit = u64::try_from(config.max_ack_pending).ok();
    let detail = format!(
        "{} pending, {} running{}, lease {:?}",
        info.num_pending,
        info.num_ack_pending,
        limit.map_or(String::new(), |limit| format!(" of at most {limit}")),
        config.ack_wait
    );
    if info.paused {
        return finding(check, Level::Warn, detail + ", paused").with_next_step("resume the queue");
    }
    finding(check, Level::Ok, detail)
}

/// Sends a publish that the broker must refuse for its expected sequence. The broker checks the
/// permission first.
async fn may_publish(api: &Api, place: Place, queue: &QueueName) -> Finding {
    let id = JobId::new("naq-doctor").unwrap_or_else(|_| JobId::random());
    let subject = api.subjects.job(place, &JobKey::new(queue.clone(), id));
    let check = format!("publish to {subject}");
    let mut headers = HeaderMap::new();
    headers.insert(EXPECTED_LAST, UNREACHED_SEQUENCE.to_string());
    match api.store(&subject, headers, Bytes::new()).await {
        Ok(_) => finding(check, Level::Fail, "the broker ignores expected sequences")
            .with_next_step("install nats-server 2.14 or later"),
        Err(error) if error.is(WRONG_LAST_SEQUENCE) => finding(check, Level::Ok, "allowed"),
        Err(ApiError::NoResponders) => finding(check, Level::Ok, "no stream yet"),
        Err(error) => not_visible(check, &error),
    }
}
